"""Files of kinds that few models have, written by real Keras: its numbers."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fastlstm import load_model, load_packed, onnx, save_packed
from fastlstm.models import model_from_json

ARCHIVE = Path(__file__).parent.parent / "data" / "kinds.zip"  # make_kinds.py beside it says what is in it
with zipfile.ZipFile(ARCHIVE) as _archive:
    FILES = {name: _archive.read(name) for name in _archive.namelist()}
MODELS = [name for name in FILES if name.endswith((".keras", ".h5")) and not name.endswith(".weights.h5")]


def arrays(name, kind):
    with np.load(io.BytesIO(FILES[f"{name.partition('.')[0]}.npz"])) as stored:
        return [stored[key] for key in sorted(stored) if key.startswith(kind)]


def checked(model, name):
    x = arrays(name, "x")
    made = model.predict(x if len(x) > 1 else x[0], verbose=0)
    made = made if isinstance(made, list) else [made]
    expected = arrays(name, "y")
    bound = 2e-2 if "half" in name else 1e-5
    assert len(made) == len(expected)
    for mine, theirs in zip(made, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, atol=bound * max(1, np.abs(theirs).max()), rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_of_keras(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    checked(load_model(path, compile=False), name)


# Of weights alone nobody can tell which of two layers of one class had another one then.
@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith(".keras") and "synchronized" not in name])
def test_weights_alone(name, tmp_path):
    with zipfile.ZipFile(io.BytesIO(FILES[name])) as archive:
        config, metadata = (json.loads(archive.read(f"{part}.json")) for part in ("config", "metadata"))
    model = model_from_json(json.dumps(config | {"keras_version": metadata["keras_version"]}))
    path = tmp_path / "model.weights.h5"
    path.write_bytes(FILES[f"{name.partition('.')[0]}.weights.h5"])
    model.load_weights(path)
    checked(model, name)


def test_quantized_is_not_written(tmp_path):
    model = load_model(io.BytesIO(FILES["keras_int8.keras"]))
    for save in (model.save, partial(onnx.save, model)):
        with pytest.raises(ValueError, match=r"'einsum_dense' was quantized by Keras.*Save its weights alone"):
            save(tmp_path / "model.keras")
    save_packed(model, tmp_path / "model.packed")
    x = arrays("keras_int8", "x")[0]
    np.testing.assert_array_equal(load_packed(tmp_path / "model.packed").predict(x), model.predict(x, verbose=0))
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"'einsum_dense' .*does not say its gradient"):
        model.fit(x, np.zeros((2, 2)), verbose=0)
    # Of integers alone, without rounded inputs, floats are the same.
    model = load_model(io.BytesIO(FILES["keras_int4.keras"]))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.keras").predict(arrays("keras_int4", "x")[0], verbose=0),
        model.predict(arrays("keras_int4", "x")[0], verbose=0),
    )


def test_quantizations_that_are_not_read(tmp_path):
    with zipfile.ZipFile(io.BytesIO(FILES["keras_int8.keras"])) as archive:
        config = json.loads(archive.read("config.json"))
    dense = config["config"]["layers"][-1]["config"]
    dense["quantization_config"]["config"]["activation_quantizer"]["config"]["value_range"] = [-7, 7]
    with pytest.raises(ValueError, match=r"'dense_1' rounds its inputs by AbsMaxQuantizer"):
        model_from_json(json.dumps(config))
    dense["dtype"] = {
        "class_name": "QuantizedFloat8DTypePolicy",
        "config": {"mode": "float8", "source_name": "float32", "amax_history_length": 8},
    }
    with pytest.raises(ValueError, match=r"'dense_1' .Dense. is quantized by 'float8'"):
        model_from_json(json.dumps(config))


def test_ragged_input_takes_sequences_of_any_lengths():
    model = load_model(io.BytesIO(FILES["tf_keras_ragged.keras"]))
    (x,) = arrays("tf_keras_ragged", "x")
    made = model.predict([x[0], x[1, :2]], verbose=0)
    np.testing.assert_array_equal(made[0], model.predict(x, verbose=0)[0])
    np.testing.assert_array_equal(made[1], model.predict(x[1:, :2], verbose=0)[0])
