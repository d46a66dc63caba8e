"""Small ONNX files that would cost much are refused, by name and before they do; large honest ones are read."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastlstm import onnx

SCRIPT = Path(__file__).with_name("hostile_graphs.py")
_spec = importlib.util.spec_from_file_location("hostile_graphs", SCRIPT)
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)


@pytest.fixture(scope="module")
def outcomes():
    """What came of every hostile file, loaded by a process that may take 300 MB."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux'")
@pytest.mark.parametrize("name", sorted(hostile.CASES))
def test_refused(name, outcomes):
    kind, is_value_error, text = outcomes[name]
    assert is_value_error, f"{kind}: {text}"
    assert 20 < len(text) < 1500


def test_many_honest_nodes():
    nodes = hostile.chain("Relu", 5000)
    nodes[0].input[0] = "x"
    model = onnx.load(hostile.graph([*nodes, hostile.node("Identity", ["c5000"], ["y"])]))
    assert len(model.layers) == 5001


def test_large_constants():
    weights = np.ones((3, 2_000_000), np.float16)
    nodes = [hostile.node("Cast", ["w"], ["v"], to=1), hostile.node("MatMul", ["x", "v"], ["y"])]
    assert onnx.load(hostile.graph(nodes, {"w": weights})).output_shape == (None, None, 2_000_000)


def test_halves_that_are_joined_again():
    names = [f"s{number}" for number in range(2)]
    nodes = [
        hostile.node("LSTM", ["x", "w", "r"], ["l"], hidden_size=2, direction="bidirectional"),
        hostile.node("Split", ["l"], names, axis=1),
        *(hostile.node("Squeeze", [name, "one"], [f"{name}q"]) for name in names),
        hostile.node("Concat", [f"{name}q" for name in names], ["y"], axis=-1),
    ]
    constants = {"w": np.ones((2, 8, 3), "f"), "r": np.ones((2, 8, 2), "f"), "one": [1]}
    model = onnx.load(hostile.graph(nodes, constants, shape=("t", "b", 3)))
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Bidirectional"]
