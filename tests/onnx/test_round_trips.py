"""What `fastlstm.onnx.save` writes, `fastlstm.onnx.load` reads with the same numbers: all layers, most operations."""

import re
from collections import Counter

import numpy as np
import onnx
import pytest

from fastlstm import Input, Model, layers, load_model
from fastlstm.onnx import load
from fastlstm.onnx.writing.model import graph_of
from fastlstm.saving.errors import SavedModelError
from networks import network, random

# Of each family: the models that are read, and those that are not, or have the batch elsewhere. In ONNX any axis may be
# joined with the batch or be that of a constant; in a model here the batch is the first axis, of any size.
COUNTS = {
    "layers": (499, 0),
    "activations": (30, 0),
    "attention": (19, 0),
    "recurrent": (242, 12),
    "operations": (None, None),
}
# Why not, in the words of the errors.
OF_THE_BATCH = re.compile(
    "has another row for each one of a batch|takes a part of the batch|takes one row of the batch|keep the batch|"
    "does not depend on the inputs|is a constant of the batch|has a constant of the batch|no matrix|rows of a table|"
    "takes constants where a tensor"
)


def outputs_of(model, inputs):
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
    return [np.asarray(one) for one in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


@pytest.mark.parametrize("family", COUNTS)
def test_models_come_back(cases, family):
    seen = Counter()
    for name, model, inputs, stateful in cases.cases(family):
        try:
            written = graph_of(model, stateful).SerializeToString()
        except NotImplementedError:
            continue
        try:
            again = load(written)
        except SavedModelError as refusal:
            assert OF_THE_BATCH.search(str(refusal)), f"{name}: {refusal}"
            seen["refused"] += 1
            continue
        expected = outputs_of(model, inputs)
        if any(one.shape[:1] != inputs[0].shape[:1] for one in expected):
            seen["refused"] += 1  # the batch is another axis of the outputs than the first
            continue
        rtol = 1e-4 if "exponential" in name else 1e-6
        for one, other in zip(expected, outputs_of(again, inputs), strict=False):
            scale = max(1.0, float(np.nanmax(np.abs(one, dtype=np.float64), initial=0, where=np.isfinite(one))))
            np.testing.assert_allclose(other, one, rtol=rtol, atol=rtol * scale, err_msg=name)
        seen["read"] += 1
    read, refused = COUNTS[family]
    if read is not None:
        assert (seen["read"], seen["refused"]) == (read, refused)
    else:
        assert seen["read"] > 2 * seen["refused"]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_scan_becomes_a_layer_that_is_saved(tmp_path, backwards):
    cell = layers.LSTM(5, activation="selu", return_sequences=True, go_backwards=backwards)
    model = network(layers.Masking(), cell, layers.GRU(4, recurrent_activation="mish"), shape=(None, 3))
    x = random(4, 6, 3)
    x[1, 2:4] = 0
    again = load(graph_of(model).SerializeToString())
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6, atol=1e-6)
    again.save(tmp_path / "scan.keras")
    loaded = load_model(tmp_path / "scan.keras")
    assert (loaded.predict(x, verbose=0) == again.predict(x, verbose=0)).all()


def test_positions_are_counted():
    """A table of positions, as language models have it: rows 0, 1, … up to the length, added to what ids look up."""
    table, places = random(9, 4), random(20, 4)
    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [
        make("Gather", ["table", "ids"], ["x"]),
        make("Shape", ["ids"], ["shape"]),
        make("Gather", ["shape", "one"], ["length"]),
        make("Range", ["zero", "length", "one"], ["numbers"]),
        make("Unsqueeze", ["numbers", "axes"], ["row"]),
        make("Gather", ["places", "row"], ["p"]),
        make("Add", ["x", "p"], ["y"]),
    ]
    constants = {"table": table, "places": places, "zero": np.int64(0), "one": np.int64(1), "axes": np.int64([0])}
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info("ids", onnx.TensorProto.INT64, ["batch", "steps"])],
        [info("y", onnx.TensorProto.FLOAT, ["batch", "steps", 4])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = load(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]).SerializeToString())
    ids = np.random.default_rng(0).integers(0, 9, (3, 7))
    np.testing.assert_allclose(model.predict(ids, verbose=0), table[ids] + places[:7], rtol=1e-6)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (("TopK", ["x", "k"], ["v", "y"], {"axis": 0}), "'n' (TopK) cannot be read: it is along the batch"),
        (("CumSum", ["x", "zero"], ["y"], {}), "'n' (CumSum) cannot be read: it is along the batch"),
        (("ArgMax", ["x"], ["y"], {"select_last_index": 1, "axis": 1}), "it takes the last of equal values"),
        (("Shrink", ["x"], ["y"], {"lambd": 0.5, "bias": 0.2}), "it has lambd=0.5 and bias="),
        (("Resize", ["x", "", "half"], ["y"], {"mode": "linear"}), "its mode or its scales"),
        (("Tile", ["x", "twice"], ["y"], {}), "it repeats the batch"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_refused_by_name(node, words):
    operator, inputs, outputs, attributes = node
    constants = {"k": np.int64([2]), "zero": np.int64(0), "half": np.float32([1, 2]), "twice": np.int64([2, 1])}
    made = onnx.helper.make_node(operator, inputs, outputs, name="n", **attributes)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [made],
        "g",
        [info("x", onnx.TensorProto.FLOAT, ["batch", 3])],
        [info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(constants[name]), name) for name in inputs if name in constants],
    )
    with pytest.raises(SavedModelError) as refusal:
        load(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]).SerializeToString())
    assert words in str(refusal.value)


def test_masked_bidirectional_layers_come_back():
    x = Input((None, 3))
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True))(layers.Masking()(x))
    model = Model(x, layers.Dense(2)(layers.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True)))
    array = random(3, 6, 3)
    array[0, :2] = array[2, 3:] = 0
    again = load(graph_of(model).SerializeToString())
    expected = model.predict(array, verbose=0)
    np.testing.assert_allclose(again.predict(array, verbose=0), expected, rtol=1e-6, atol=1e-6)
