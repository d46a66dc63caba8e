"""TensorFlow.js layers models of its converter and of its own, answered by Keras and by TensorFlow.js."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, load_model
from fastlstm.layers import LSTM, Concatenate, Dense, Dropout

ARCHIVE = Path(__file__).parent.parent / "data" / "tfjs.zip"  # make_tfjs.py beside it says what is in it
NAMES = ["stacked", "bidirectional", "nested", "seq2seq", "batch_normalization", "twelve", "keras3"]
NAMES += ["two_inputs", "embedding_mask", "time_distributed", "frames", "conv_lstm", "operations"]
NAMES += ["stacked_uint8", "stacked_uint16", "stacked_float16", "made_by_tfjs", "made_by_tfjs_functional"]


@pytest.fixture
def folder(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def check(model, arrays):
    xs = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
    y = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
    np.testing.assert_allclose(y, arrays["y0"], rtol=1e-5, atol=1e-6)


def stacked():
    layers = [LSTM(4, return_sequences=True), Dropout(0.2), LSTM(4), Dense(2, "softmax")]
    return Sequential([Input((5, 3)), *layers])


def changed(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_what_its_writer_gave(folder, name):
    arrays = np.load(folder / f"{name}.npz")
    check(load_model(folder / name / "model.json"), arrays)
    model = load_model(folder / name)
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(folder / name / "model.json")
    check(model, arrays)


def test_quantised_weights_are_coarse(folder):
    weights = {name: load_model(folder / name).get_weights() for name in NAMES if name.startswith("stacked")}
    for name, coarse in (("stacked_uint8", 3e-3), ("stacked_uint16", 2e-5), ("stacked_float16", 3e-4)):
        error = max(np.abs(a - b).max() for a, b in zip(weights[name], weights["stacked"], strict=True))
        assert coarse / 20 < error < coarse


def test_weights_of_a_model_whose_layers_are_called_otherwise(folder):
    """The order of the list is that of the names in the file: lstm, lstm_1, lstm_10 …"""
    layers = [LSTM(2, return_sequences=True, name=f"layer_{number:02}") for number in range(12)]
    model = Sequential([Input((3, 2)), *layers])
    model.load_weights(folder / "twelve")
    check(model, np.load(folder / "twelve.npz"))
    x, y = Input((4, 2), name="s"), Input((3,), name="f")
    dense = Dense(3, "tanh", use_bias=False)
    read = LSTM(3, recurrent_activation="hard_sigmoid_keras2")(x)
    model = Model([x, y], Dense(1)(Concatenate()([read, dense(y), dense(read)])))
    model.load_weights(folder / "made_by_tfjs_functional")
    check(model, np.load(folder / "made_by_tfjs_functional.npz"))


def test_what_does_not_fit(folder):
    for model, text in (
        (
            Sequential([Input((5, 3)), LSTM(4), Dense(2)]),
            r"layers are LSTM, Dropout, LSTM, Dense, those of '.*' LSTM, Dense",
        ),
        (
            Sequential([Input((5, 3)), LSTM(4, return_sequences=True), Dropout(0.1), LSTM(4), Dense(3)]),
            "Shape mismatch",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            model.load_weights(folder / "stacked")
    with pytest.raises(ValueError, match=r"whose shards only its path leads to.*the given bytes"):
        load_model((folder / "stacked" / "model.json").read_bytes())


def graph_model(data):
    data["format"] = "graph-model"


def path_upwards(data):
    data["weightsManifest"][0]["paths"] = ["../stacked.npz"]


def missing_shard(data):
    data["weightsManifest"][0]["paths"] = ["none.bin"]


def huge(data):
    data["weightsManifest"][0]["weights"][0]["shape"] = [2**31 - 1, 2**31 - 1]


def negative(data):
    data["weightsManifest"][0]["weights"][0]["shape"] = [-1]


def text(data):
    data["weightsManifest"][0]["weights"][0]["dtype"] = "string"


def fewer(data):
    data["weightsManifest"][0]["weights"].pop()


def no_list(data):
    data["weightsManifest"] = 3


def no_name(data):
    del data["weightsManifest"][0]["weights"][0]["name"]


def scale(data):
    data["weightsManifest"][0]["weights"][0]["quantization"] = {"dtype": "uint8", "scale": "x", "min": 0}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (graph_model, "It is a graph model of TensorFlow.js"),
        (path_upwards, "only plain file names are followed"),
        (missing_shard, "names the shard none.bin, which is not beside it"),
        (huge, "The shards end before the weights"),
        (negative, r"has the shape \[-1\]"),
        (text, "has the dtype 'string', which is no weight"),
        (fewer, "The file has 7 weights, 'sequential.*' has 8"),
        (no_list, "The file has 0 weights"),
        (no_name, "is damaged or not a Keras file"),
        (scale, "is damaged or not a Keras file"),
    ],
)
def test_damaged(folder, change, text):
    path = changed(folder / "stacked" / "model.json", change)
    with pytest.raises(ValueError, match=text):
        load_model(path)


def test_short_shards(folder):
    shard = folder / "nested" / "group1-shard7of7.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match="The shards end before the weights"):
        load_model(folder / "nested")
