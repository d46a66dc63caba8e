"""Files of kinds that few models have, written by real Keras: its numbers."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastlstm import layers, load_model, load_packed, losses, metrics, onnx, save_packed
from fastlstm.models import Sequential, model_from_json

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


def test_spectral_normalization_in_training_and_in_files(tmp_path):
    model = load_model(io.BytesIO(FILES["keras_spectral.keras"]))
    (x,) = arrays("keras_spectral", "x")
    inner = model.layers[-1]
    before = inner.kernel.numpy()
    model(x, training=True)
    # The file was written after a call in training: the matrix has the singular value 1, about.
    assert not np.array_equal(inner.kernel.numpy(), before)
    assert np.linalg.svd(inner.kernel.numpy())[1][0] == pytest.approx(1, abs=0.2)
    expected = model.predict(x, verbose=0)
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"model.{ending}")
        np.testing.assert_array_equal(load_model(tmp_path / f"model.{ending}").predict(x, verbose=0), expected)
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        (tmp_path / "model.weights.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "model.weights.h5") as file:  # as Keras has it
        stored = file["layers/spectral_normalization/vars"]
        assert [stored[key].shape for key in sorted(stored)] == [(3, 3, 4), (1, 4)]
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"'spectral_normalization' .*does not say its gradient"):
        model.fit(x, expected, verbose=0)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (lambda: layers.Resizing(3, 4, antialias=True), "`antialias` is not supported"),
        (lambda: layers.Resizing(3, 4, "bicubic"), "`interpolation` is not supported"),
        (lambda: layers.Resizing(0, 4), "`height` must be a positive integer"),
        (lambda: layers.CenterCrop(5, 4)(np.zeros((1, 4, 4, 1))), "takes images of .5, 4. and larger"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), 0), "`power_iterations` should be greater than zero"),
        (lambda: layers.SpectralNormalization(layers.Flatten()).build((2, 3)), "no attribute 'kernel' nor"),
        (lambda: layers.LocallyConnected1D(2, 3, padding="same"), "`padding` is not supported"),
        (lambda: layers.LocallyConnected1D(2, 3, implementation=3), "`implementation` is not supported"),
        (lambda: layers.LocallyConnected1D(2, 3).build((None, None, 2)), "should be fully-defined"),
        (lambda: layers.LocallyConnected1D(2, 3).build((None, 2, 2)), "has no window"),
        (lambda: layers.RandomFlip(whole=True), "Unrecognized keyword arguments"),
    ],
)
def test_arguments_that_cannot_be_honoured(layer, problem):
    with pytest.raises(ValueError, match=problem):
        layer()


def test_random_changes_are_refused_in_training():
    layer = layers.RandomRotation(0.2, "nearest", seed=3)
    assert {"factor": 0.2, "fill_mode": "nearest", "seed": 3}.items() <= layer.get_config().items()
    with pytest.raises(NotImplementedError, match=r"'random_rotation.*supported outside of training alone"):
        layer(np.zeros((1, 4, 4, 1)), training=True)


def test_objects_of_a_legacy_file_are_written_with_their_modules(tmp_path):
    """A `.h5` of Keras 3 names losses and metrics by their classes alone, of which it reads none from a `.keras`."""
    model = Sequential([layers.Input((3, 2)), layers.LSTM(2), layers.Dense(1, name="y")])
    model.compile("adam", {"y": losses.Huber()}, metrics=[metrics.AUC(), "mae"], weighted_metrics=[metrics.Recall()])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        training = json.loads(file.attrs["training_config"])
        for item in (training["loss"]["y"], training["metrics"][0], training["weighted_metrics"][0]):
            del item["module"], item["registered_name"]
        file.attrs["training_config"] = json.dumps(training)
    load_model(tmp_path / "model.h5").save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))["compile_config"]
    assert config["loss"]["y"]["module"] == "keras.losses"
    assert config["metrics"][0]["module"] == config["weighted_metrics"][0]["module"] == "keras.metrics"
    assert config["metrics"][1] == "mae"


def test_discretization_is_written_as_keras_reads_it():
    # Keras' class takes no `trainable`.
    assert set(layers.Discretization([0.0, 1.0]).get_config()) == {
        *("name", "dtype", "bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse")
    }


def test_layers_that_keras_3_has_not_are_written_with_a_warning(tmp_path):
    model = load_model(io.BytesIO(FILES["tf_keras_local.keras"]), compile=False)
    with pytest.warns(UserWarning, match="Keras 3 has no LocallyConnected1D"):
        model.save(tmp_path / "model.keras")
    checked(load_model(tmp_path / "model.keras"), "tf_keras_local.keras")
