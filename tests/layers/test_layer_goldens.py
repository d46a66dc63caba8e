"""What real Keras answered for the layers around recurrent ones (data/make_layer_goldens.py made it)."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import layers
from fastlstm.layers.base.arrays import as_tensors, carried_mask

with np.load(Path(__file__).parents[1] / "data" / "layers.npz") as archive:
    VALUES = {kind: archive[kind] for kind in ("float16", "float32", "bool")}
    CASES = json.loads(archive["cases"].tobytes())


def unpack():
    """Give every case its `arrays` by name."""
    starts = dict.fromkeys(VALUES, 0)
    for case in CASES:
        arrays = {}
        for name, kind, shape in case["arrays"]:
            stop = starts[kind] + int(np.prod(shape))
            array = VALUES[kind][starts[kind] : stop].reshape(shape)
            arrays[name] = array if kind == "bool" else array.astype(np.float32)
            starts[kind] = stop
        case["arrays"] = arrays


unpack()
IDS = [f"{number} {case['layer']}" for number, case in enumerate(CASES)]
each_case = pytest.mark.parametrize("case", CASES, ids=IDS)


def numbered(case, name):
    """The arrays `<name>0`, `<name>1` …"""
    arrays = case["arrays"]
    return [arrays[f"{name}{i}"] for i in range(len(arrays)) if f"{name}{i}" in arrays]


def inputs_of(case, rows=slice(None)):
    """The inputs, masked where they are: a list for a layer of several, else one."""
    arrays, xs = case["arrays"], numbered(case, "x")
    masks = [arrays.get(f"mask{number}") for number in range(len(xs))]
    pairs = zip(xs, masks, strict=True)
    tensors = [as_tensors(x[rows], [None if mask is None else mask[rows]]) for x, mask in pairs]
    return tensors if case["several"] else tensors[0]


def built(case):
    layer = getattr(layers, case["layer"])(**case["arguments"])
    shapes = [x.shape for x in numbered(case, "x")]
    layer.build(shapes if case["several"] else shapes[0])
    layer.set_weights(numbered(case, "w"))
    return layer


def call(layer, case, rows=slice(None)):
    outputs = layer(inputs_of(case, rows), **case["call"])
    return outputs if isinstance(outputs, tuple) else (outputs,)


@each_case
def test_outputs(case):
    layer = built(case)
    before = [x.copy() for x in numbered(case, "x")]
    inputs = inputs_of(case)
    outputs = call(layer, case)
    expected = numbered(case, "y")
    for y, golden in zip(outputs, expected, strict=True):
        assert (y.dtype, y.shape) == (np.float32, golden.shape)
        np.testing.assert_allclose(y, golden, rtol=1e-5, atol=1e-5)
    y_mask = carried_mask(outputs[0])
    assert (y_mask is None) == ("y_mask" not in case["arrays"])
    if y_mask is not None:
        np.testing.assert_array_equal(y_mask, case["arrays"]["y_mask"])
    for weight, golden in zip(layer.get_weights(), numbered(case, "after"), strict=False):
        np.testing.assert_allclose(weight, golden, rtol=1e-5, atol=1e-6)
    for x, same in zip(inputs if case["several"] else [inputs], before, strict=True):
        np.testing.assert_array_equal(x, same)
        assert not any(np.shares_memory(x, y) for y in outputs)
    assert layer.supports_masking == case["supports_masking"]


@each_case
def test_shapes_and_weights(case):
    layer = built(case)
    shapes = [(None, *x.shape[1:]) for x in numbered(case, "x")]
    assert list(layer.compute_output_shape(shapes if case["several"] else shapes[0])) == case["output_shape"]
    assert [[weight.name, list(weight.shape)] for weight in layer.weights] == case["weights"]
    assert len(layer.trainable_weights) == case["trainable"]


@each_case
def test_config(case):
    layer = getattr(layers, case["layer"])(**case["arguments"])
    config = layer.get_config()
    without_name = {key: value for key, value in config.items() if key != "name"}
    # As text, in which NaN equals NaN.
    assert json.dumps(without_name, sort_keys=True) == json.dumps(case["config"], sort_keys=True)
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert json.dumps(again.get_config()) == json.dumps(config)
    read = layers.deserialize(layers.serialize(layer))
    assert type(read) is type(layer)


@pytest.mark.parametrize("case", [case for case in CASES if not case["call"].get("training")], ids=lambda c: c["layer"])
def test_rows_do_not_depend_on_each_other(case):
    layer = built(case)
    whole = call(layer, case)
    for row in range(len(whole[0])):
        alone = call(layer, case, slice(row, row + 1))
        for y, y_alone in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(y[row : row + 1], y_alone)
