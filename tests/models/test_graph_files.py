import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Sequential, load_model
from fastlstm.layers import LSTM
from fastlstm.models import Functional, clone_model, model_from_json

ARCHIVE = Path(__file__).parent.parent / "data" / "graph_goldens.zip"
with zipfile.ZipFile(ARCHIVE) as _archive:
    GOLDENS = {name: _archive.read(name) for name in _archive.namelist()}
MODELS = sorted(name.removesuffix(".npz") for name in GOLDENS if name.endswith(".npz"))
# Keras 3 cannot read what it writes to a legacy file here, but fastlstm can.
ENDINGS = ("keras", "h5")

# Keras 3 would give other numbers.
KERAS_2_MASKS = {
    "tf_keras_heads": "Layer 'seen' gets masked inputs, and Keras 3 makes something else of their masks",
    "tf_keras_masked_heads": "gets masked inputs, and Keras 3 makes something else of their masks",
    "tf_keras_masked_seq2seq": "called with an initial state on inputs that carry a mask",
    "tf_keras_masked_two_ways": "called with an initial state on inputs that carry a mask",
    "tf_keras_merged_masks": "gets masked inputs, and Keras 3 makes something else of their masks",
}


def flat(outputs):
    if isinstance(outputs, dict):
        return [outputs[name] for name in sorted(outputs)]
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


@pytest.fixture
def golden(tmp_path):
    def unpacked(name):
        path = tmp_path / name
        path.write_bytes(GOLDENS[name])
        return path

    return unpacked


def loaded(golden, stem, ending="keras"):
    arrays = np.load(golden(f"{stem}.npz"))
    xs = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
    ys = [arrays[name] for name in sorted(arrays) if name.startswith("y")]
    return load_model(golden(f"{stem}.{ending}")), xs if len(xs) > 1 else xs[0], ys


def check(model, x, ys):
    outputs = flat(model.predict(x, verbose=0))
    assert len(outputs) == len(ys)
    for output, y in zip(outputs, ys, strict=True):
        np.testing.assert_allclose(output, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("stem", MODELS)
def test_models_of_real_keras(golden, stem, ending):
    model, x, ys = loaded(golden, stem, ending)
    assert type(model) is Functional
    check(model, x, ys)


@pytest.mark.parametrize("stem", MODELS)
def test_weights_into_a_model_of_the_same_graph(golden, stem):
    model, x, ys = loaded(golden, stem)
    twin = Functional.from_config(model.get_config())
    twin.load_weights(golden(f"{stem}.weights.h5"))
    check(twin, x, ys)
    twin = clone_model(model)
    twin.load_weights(golden(f"{stem}.h5"))
    check(twin, x, ys)


@pytest.mark.parametrize("stem", MODELS)
def test_saved_again(golden, stem, tmp_path):
    model, x, ys = loaded(golden, stem)
    check(model_with(model_from_json(model.to_json()), model), x, ys)
    if stem in KERAS_2_MASKS:
        with pytest.raises(ValueError, match=KERAS_2_MASKS[stem]):
            model.save(tmp_path / "again.keras")
        return
    for name in ("again.keras", "again.h5"):
        model.save(tmp_path / name)
        check(load_model(tmp_path / name), x, ys)
    with zipfile.ZipFile(tmp_path / "again.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert config["class_name"] == config["registered_name"] == "Functional"
    model.save_weights(tmp_path / "again.weights.h5")
    twin = clone_model(model)
    twin.load_weights(tmp_path / "again.weights.h5")
    check(twin, x, ys)


def model_with(twin, model):
    twin.set_weights(model.get_weights())
    return twin


def test_layers_are_those_of_keras(golden):
    for stem in ("keras_depths", "keras_masked_two_ways", "keras_nested", "keras_seq2seq"):
        with zipfile.ZipFile(golden(f"{stem}.keras")) as archive:
            written = json.loads(archive.read("config.json"))["config"]
        model = load_model(golden(f"{stem}.keras"))
        assert [layer.name for layer in model.graph.layers] == [layer["name"] for layer in written["layers"]]
        ours = model.get_config()
        assert (ours["input_layers"], ours["output_layers"]) == (written["input_layers"], written["output_layers"])
        for mine, theirs in zip(ours["layers"], written["layers"], strict=True):
            assert [call["args"] for call in mine["inbound_nodes"]] == [
                call["args"] for call in theirs["inbound_nodes"]
            ]


def graph_op(node_def, constants, inputs=("x",)):
    """A model around one operation, as TensorFlow 2.0 to 2.3 wrote it."""
    layers = [
        {"class_name": "InputLayer", "name": name, "inbound_nodes": [],
         "config": {"batch_input_shape": [None, 4, 3], "dtype": "float32", "name": name}}
        for name in inputs
    ]  # fmt: skip
    config = {"name": "op", "trainable": True, "dtype": "float32", "node_def": node_def, "constants": constants}
    call = [[[name, 0, 0, {}] for name in inputs]]
    layers.append(
        {"class_name": "TensorFlowOpLayer", "name": "tf_op_layer_op", "config": config, "inbound_nodes": call}
    )
    graph = {"name": "m", "layers": layers, "input_layers": [[name, 0, 0] for name in inputs]}
    graph["output_layers"] = [["tf_op_layer_op", 0, 0]]
    return model_from_json(json.dumps({"class_name": "Model", "config": graph, "keras_version": "2.3.0-tf"}))


X = np.random.default_rng(4).normal(size=(2, 4, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("node_def", "constants", "inputs", "expected"),
    [
        ({"op": "AddV2"}, {"1": 2.5}, ["x"], X + 2.5),
        ({"op": "Sub"}, {"0": 1.0}, ["x"], 1 - X),
        ({"op": "Mul"}, {}, ["x", "y"], X * (X + 1)),
        ('{"op": "Neg"}', {}, ["x"], -X),
        (
            {
                "op": "StridedSlice",
                "attr": {"begin_mask": {"i": "3"}, "end_mask": {"i": "1"}, "shrink_axis_mask": {"i": "4"}},
            },
            {"1": [0, 0, -1], "2": [0, 3, 0], "3": [1, 1, 1]},
            ["x"],
            X[:, :3, -1],
        ),
    ],
    ids=["add", "subtract from", "two", "text", "slice"],
)  # fmt: skip
def test_operations_of_tensorflow_2_0(node_def, constants, inputs, expected):
    model = graph_op(node_def, constants, inputs)
    np.testing.assert_allclose(model.predict([X, X + 1][: len(inputs)], verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: graph_op({"op": "FFT"}, {}), "layer 'tf_op_layer_op' is the TensorFlow operation 'FFT'"),
        (lambda: graph_op("\x08\x01", {}), "is not valid JSON"),
        (lambda: graph_op({"op": "StridedSlice"}, {"1": [0]}), "slices with tensors"),
        (lambda: functional({"class_name": "TFOpLambda", "config": {"function": "signal.fft"}}),
         "is the TensorFlow operation 'signal.fft', which is not supported"),
        (lambda: functional({"class_name": "FFT", "module": "keras.src.ops.math", "config": {"name": "c"}}),
         "Operation 'c' (keras.src.ops.math.FFT) is not supported"),
        (lambda: functional({"class_name": "WhileLoop", "module": "keras.src.ops.core", "config": {"name": "c"}}),
         "Operation 'c' (keras.src.ops.core.WhileLoop) is not supported"),
        (lambda: functional({"class_name": "Lambda", "config": {"name": "c"}}), "holds Python code"),
        (lambda: functional({"class_name": "TFSMLayer", "config": {"name": "c"}}), "(class TFSMLayer) is not"),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_refused_by_name(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)


def functional(entry):
    history = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    layers = [
        {
            "class_name": "InputLayer",
            "name": "a",
            "config": {"batch_shape": [None, 3], "name": "a"},
            "inbound_nodes": [],
        },
        {"name": "c", "inbound_nodes": [{"args": [history], "kwargs": {}}], **entry},
    ]
    config = {"name": "m", "layers": layers, "input_layers": ["a", 0, 0], "output_layers": ["c", 0, 0]}
    return model_from_json(json.dumps({"class_name": "Functional", "config": config}))


def test_operations_of_a_legacy_file_are_told_from_layers(golden):
    model = load_model(golden("keras_operations.h5"))
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "InputLayer", "LSTM"]
    nested = load_model(golden("keras_nested.h5"))
    assert "Add" in [type(layer).__name__ for layer in nested.layers]
    assert isinstance(nested.get_layer("row"), Sequential) and LSTM in map(type, nested.leaves())
