"""Results and configs of all metrics against real Keras."""

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastlstm import backend, metrics

DATA = Path(__file__).parent.parent / "data"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


loss_cases, metric_cases = loaded("loss_cases"), loaded("metric_cases")
RECORDS = json.loads((DATA / "metrics.json").read_text(encoding="utf-8"))
CASES = list(zip(metric_cases.METRICS, RECORDS, strict=True))


@pytest.mark.parametrize(("case", "record"), CASES, ids=lambda value: str(value) if isinstance(value, tuple) else "")
def test_results(case, record):
    class_name, arguments, kind = case
    metric = getattr(metrics, class_name)(**arguments)
    updates = metric_cases.batches(class_name, arguments, loss_cases.pairs(kind))
    for _ in range(2):
        for update, expected in zip(updates, record["results"], strict=True):
            with warnings.catch_warnings():
                # Weights of a metric that counts in integers are cast.
                warnings.filterwarnings("ignore", "You are passing weight as `float`")
                result = metric(*update)
            assert np.asarray(result).dtype == np.float32
            np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-7)
        metric.reset_state()
        assert not any(variable.value.any() for variable in metric.variables)


@pytest.mark.parametrize(("case", "record"), CASES, ids=lambda value: str(value) if isinstance(value, tuple) else "")
def test_configs(case, record):
    class_name, arguments, _ = case
    backend.clear_session()
    metric = getattr(metrics, class_name)(**arguments)
    written = json.loads(json.dumps(metrics.serialize(metric)))
    if class_name == "CosineSimilarity":
        assert written["config"].pop("axis") == metric.axis
    if arguments.get("label_weights"):
        weights = {"value": written["config"]["label_weights"], "dtype": "float32"}
        written["config"]["label_weights"] = {"class_name": "__tensor__", "config": weights}
    assert written == record["serialized"]
    again = metrics.get(record["serialized"])
    assert type(again) is type(metric)
    assert json.dumps(metrics.serialize(metrics.get(metrics.serialize(metric)))) == json.dumps(
        metrics.serialize(metric)
    )
