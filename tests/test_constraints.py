"""Constraints: projections and configs against real Keras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import constraints

RECORDS = json.loads((Path(__file__).parent / "data" / "configs.json").read_text())
KERAS = [record for record in RECORDS if record["module"] == "constraints"]
WEIGHT = ((np.arange(20) * 5 % 11 - 5) / 8).astype(np.float32).reshape(5, 4)


@pytest.mark.parametrize("record", KERAS, ids=lambda record: record["class_name"])
def test_projections_and_configs_are_those_of_keras(record):
    constraint = getattr(constraints, record["class_name"])(**record["arguments"])
    weight = WEIGHT.copy()
    projected = constraint(weight)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, record["result"], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(weight, WEIGHT)
    assert constraints.serialize(constraint) == record["serialized"]
    again = constraints.get(json.loads(json.dumps(record["serialized"])))
    assert type(again) is type(constraint)
    assert again.get_config() == constraint.get_config()


@pytest.mark.parametrize(
    ("name", "class_name"),
    [("max_norm", "MaxNorm"), ("non_neg", "NonNeg"), ("unit_norm", "UnitNorm"), ("min_max_norm", "MinMaxNorm")],
)
def test_names(name, class_name):
    cls = getattr(constraints, class_name)
    assert getattr(constraints, name) is cls
    for identifier in (name, class_name, cls, {"class_name": class_name, "config": {}}):
        assert type(constraints.get(identifier)) is cls


@pytest.mark.parametrize("constraint", [constraints.MaxNorm(), constraints.UnitNorm(), constraints.MinMaxNorm(0.5)])
def test_a_weight_of_zeros_stays(constraint):
    np.testing.assert_array_equal(constraint(np.zeros((3, 2), np.float32)), np.zeros((3, 2)))


def test_norms():
    norms = np.linalg.norm(constraints.MinMaxNorm(0.8, 0.9, axis=0)(WEIGHT), axis=0)
    assert norms == pytest.approx(np.clip(np.linalg.norm(WEIGHT, axis=0), 0.8, 0.9), rel=1e-5)
    np.testing.assert_array_equal(constraints.NonNeg()([-1, 2]), [0, 2])


def test_get_of_none_and_of_a_callable():
    assert constraints.get(None) is None
    assert constraints.get(np.abs) is np.abs


@pytest.mark.parametrize("identifier", ["foo", 3, {"class_name": "foo", "config": {}}])
def test_unknown_identifiers(identifier):
    with pytest.raises(ValueError, match="Could not interpret constraint identifier: "):
        constraints.get(identifier)


def test_base_class():
    with pytest.raises(NotImplementedError, match="must implement the `__call__"):
        constraints.Constraint()(WEIGHT)
