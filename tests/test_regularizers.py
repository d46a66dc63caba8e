"""Regularizers: penalties and configs against real Keras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import regularizers

RECORDS = json.loads((Path(__file__).parent / "data" / "configs.json").read_text())
KERAS = [record for record in RECORDS if record["module"] == "regularizers"]
WEIGHT = ((np.arange(20) * 5 % 11 - 5) / 8).astype(np.float32).reshape(5, 4)


@pytest.mark.parametrize("record", KERAS, ids=lambda record: record["class_name"])
def test_penalties_and_configs_are_those_of_keras(record):
    regularizer = getattr(regularizers, record["class_name"])(**record["arguments"])
    penalty = regularizer(WEIGHT)
    assert penalty.dtype == np.float32
    assert penalty == pytest.approx(record["result"], rel=1e-6)
    assert regularizers.serialize(regularizer) == record["serialized"]
    again = regularizers.get(json.loads(json.dumps(record["serialized"])))
    assert type(again) is type(regularizer)
    assert again.get_config() == regularizer.get_config()


@pytest.mark.parametrize(
    ("name", "class_name", "config"),
    [
        ("l1", "L1", {"l1": 0.01}),
        ("l2", "L2", {"l2": 0.01}),
        ("l1l2", "L1L2", {"l1": 0.0, "l2": 0.0}),
        ("l1_l2", "L1L2", {"l1": 0.0, "l2": 0.0}),
        ("orthogonal_regularizer", "OrthogonalRegularizer", {"factor": 0.01, "mode": "rows"}),
    ],
)
def test_names(name, class_name, config):
    cls = getattr(regularizers, class_name)
    for identifier in (name, class_name, cls):
        regularizer = regularizers.get(identifier)
        assert type(regularizer) is cls
        assert regularizer.get_config() == config


def test_public_shortcuts():
    shortcuts = (regularizers.l1, regularizers.l2, regularizers.l1_l2, regularizers.orthogonal_regularizer)
    assert [cls.__name__ for cls in shortcuts] == ["L1", "L2", "L1L2", "OrthogonalRegularizer"]


@pytest.mark.parametrize("cls", [regularizers.L1, regularizers.L2])
def test_none_is_the_default_factor(cls):
    assert cls(None).get_config() == cls().get_config()


def test_integers_and_other_float_dtypes():
    assert regularizers.L2(0.5)([1, 2]) == np.float32(2.5)
    assert regularizers.L1L2(0.5, 1.0)(np.array([1.0, -2.0])).dtype == np.float64


def test_a_factor_of_zero_ignores_infinities():
    assert regularizers.L1L2(l1=0.0, l2=0.0)([np.inf]) == 0


def test_orthogonal_penalty_of_zero_rows_and_of_one_row():
    regularizer = regularizers.OrthogonalRegularizer(1.0)
    assert regularizer([[0, 0], [1, 2]]) == 0
    assert regularizer([[3, 4]]) == 0
    assert regularizer([[1, 1], [-2, -2]]) == pytest.approx(1)


def test_get_of_none_and_of_a_callable():
    assert regularizers.get(None) is None
    assert regularizers.get(np.sum) is np.sum


@pytest.mark.parametrize("identifier", ["foo", 3, {"class_name": "foo", "config": {}}])
def test_unknown_identifiers(identifier):
    with pytest.raises(ValueError, match="Could not interpret regularizer identifier: "):
        regularizers.get(identifier)


@pytest.mark.parametrize("value", [-1, "a", float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("class_name", "name"), [("L1", "l1"), ("L2", "l2"), ("L1L2", "l2"), ("OrthogonalRegularizer", "factor")]
)
def test_factors_that_are_refused(class_name, name, value):
    with pytest.raises(ValueError, match=f"Invalid value for argument {name}: expected a non-negative float"):
        getattr(regularizers, class_name)(**{name: value})


def test_orthogonal_regularizer_refuses():
    with pytest.raises(ValueError, match=r"Invalid value for argument `mode`.*Received: mode=x"):
        regularizers.OrthogonalRegularizer(mode="x")
    with pytest.raises(ValueError, match=r"must have rank 2. Received: inputs.shape=\(3,\)"):
        regularizers.OrthogonalRegularizer()([1, 2, 3])
