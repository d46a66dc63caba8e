"""Files that real Keras wrote, from 1.1 to 3.15; skipped where the collection is not beside the project."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastlstm.saving import LayerSpec, VariableSpec, open_file


@pytest.fixture
def read(shared):
    def read_weights(name, spec):
        with open_file(shared / "keras" / "files" / name) as file:
            return file.read_weights(spec)

    return read_weights


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.weights.h5"])
def test_one_model_in_every_format_of_keras3(read, name, spec):
    assert_equal(read(name, spec), read("a.keras", spec))


def test_shards_of_keras3(read, build):
    spec = build.sequential(build.lstm("a", 3, 4), build.lstm("b", 4, 3), build.dense("c", 3, 2))
    assert [array.any() for array in read("sh.weights.json", spec)].count(True) >= 5


@pytest.mark.parametrize("name", ["tfk.h5", "tfk_w.h5", "tfk.weights.h5"])
def test_one_model_in_every_format_of_tf_keras(read, name, spec):
    assert_equal(read(name, spec), read("tfk.keras", spec))


@pytest.mark.parametrize("kind", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("version", ["k_v2.13.1", "k_v2.14.0"])
def test_keras2(read, shared, version, kind, build):
    lstm = build.lstm("x", 3, 2)
    gru = LayerSpec(
        "gru_cell", "GRUCell", tuple(VariableSpec(name, (2, 6)) for name in ("kernel", "recurrent", "bias"))
    )
    spec = build.sequential(
        build.lstm("foo", 3, 4),
        LayerSpec("dropout", "Dropout"),
        build.lstm("lstm", 4, 3),
        LayerSpec("bi", "Bidirectional", (), (("forward_layer", lstm), ("backward_layer", lstm))),
        LayerSpec("td", "TimeDistributed", (), (("layer", build.dense("x", 4, 2)),)),
        LayerSpec("gru", "GRU", (), (("cell", gru),)),
        build.dense("a", 2, 2),
        build.dense("b", 2, 1),
    )
    with np.load(shared / "keras" / "files" / f"{version}.npz") as golden:
        assert_equal(read(version + kind, spec), [golden[f"w{index}"] for index in range(21)])


def test_bfloat16_and_trainable_first(read):
    dense = LayerSpec("d", "Dense", (VariableSpec("kernel", (4, 2)), VariableSpec("bias", (2,))))
    cell = LayerSpec(
        "lstm_cell", "LSTMCell", tuple(VariableSpec(str(n), shape) for n, shape in enumerate(((3, 16), (4, 16), (16,))))
    )
    spec = LayerSpec("m", "Sequential", (), (("layers", (LayerSpec("l", "LSTM", (), (("cell", cell),)), dense)),))
    found = read("bf16.keras", spec)
    assert all(not (array.view(np.uint32) & 0xFFFF).any() for array in found)
    np.testing.assert_array_equal(found[2][4:8], 1)  # the forget gate's bias


def test_configs_found_in_the_wild(shared, public_model):
    with open_file(shared / "models" / public_model["file"]) as file:
        config = file.config
        old = not file.keras_version.startswith("3.")
    layers = config["config"]["layers"]
    assert config["class_name"] in ("Sequential", "Functional")
    assert layers[0]["class_name"] == "InputLayer"
    assert layers[0]["config"]["batch_shape"][1:] and None not in layers[0]["config"]["batch_shape"][2:]
    assert "CuDNN" not in json.dumps(config)
    assert '"hard_sigmoid"' not in json.dumps(config) or not old
