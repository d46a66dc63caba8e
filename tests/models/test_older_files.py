"""Files of every Keras, and what is said of those whose numbers depend on its version."""

import h5py
import numpy as np
import pytest

from fastlstm import Input, Sequential, load_model
from fastlstm.layers import GRU, LSTM, RNN, Bidirectional, ConvLSTM1D, LSTMCell, SimpleRNN

X = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "a.keras",
        "a.h5",
        "a.hdf5",
        "leg.h5",
        "tfk.h5",
        "tfk.keras",
        "tk2.h5",
        "tk2.keras",
        "both.keras",
        "act2.keras",
        "bf16.keras",
        "f16.keras",
    ],
)
def test_files_of_every_keras(shared, name):
    model = load_model(shared / "keras" / "files" / name)
    assert model.input_shape == (None, 5, 3)
    y = model.predict(X, verbose=0)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()


def test_name_swap_trap(shared):
    """Both formats of one model whose layer names say the opposite of its classes' numbers."""
    folder = shared / "keras" / "files"
    keras, legacy = load_model(folder / "a.keras"), load_model(folder / "a.h5")
    for a, b in zip(keras.get_weights(), legacy.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    legacy.set_weights([0 * weight for weight in legacy.get_weights()])
    legacy.load_weights(folder / "a.weights.h5")
    np.testing.assert_array_equal(legacy(X), keras(X))


@pytest.mark.parametrize("name", ["lam.keras", "lam.h5"])
def test_lambda_files_are_refused(shared, name):
    with pytest.raises(ValueError, match=r"\(class Lambda\) holds Python code"):
        load_model(shared / "keras" / "files" / name)


def test_old_weights_warn_about_hard_sigmoid(shared):
    path = shared / "keras" / "files" / "tk2.h5"
    first, *others = load_model(path).layers
    for activation in ("hard_sigmoid", "hard_sigmoid_keras2"):
        lstm = LSTM.from_config({**first.get_config(), "recurrent_activation": activation})
        model = Sequential([Input((5, 3)), lstm, *(type(layer).from_config(layer.get_config()) for layer in others)])
        if activation == "hard_sigmoid":
            with pytest.warns(UserWarning, match=r"whose hard_sigmoid is clip\(0.2 x \+ 0.5, 0, 1\)"):
                model.load_weights(path)
        else:
            model.load_weights(path)


def weights_of(version, model, path):
    """Legacy weights of a model as if a version of Keras had written them."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["model_config"]
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"] = version


@pytest.mark.parametrize(
    ("version", "layer", "warns"),
    [
        ("2.2.4", LSTM(2), "LSTM was hard_sigmoid"),
        ("1.2.2", GRU(2), "GRU was hard_sigmoid"),
        ("2.1.6-tf", Bidirectional(LSTM(2)), "LSTM was hard_sigmoid"),
        ("2.1.6", RNN([LSTMCell(2)]), "LSTMCell was hard_sigmoid"),
        ("2.21.0", ConvLSTM1D(2, 2), "ConvLSTM1D was hard_sigmoid"),
        ("2.2.4", LSTM(2, recurrent_activation="hard_sigmoid_keras2"), None),
        ("2.2.4-tf", LSTM(2), None),
        ("2.3.0", LSTM(2), None),
        ("2.2.4", SimpleRNN(2), None),
        ("3.0.5", ConvLSTM1D(2, 2), None),
    ],
)
def test_weights_of_a_keras_with_another_default_warn(version, layer, warns, tmp_path):
    shape = (5, 4, 3) if isinstance(layer, ConvLSTM1D) else (5, 3)
    model = Sequential([Input(shape), type(layer).from_config(layer.get_config())])
    weights_of(version, model, tmp_path / "w.h5")
    if warns is None:
        model.load_weights(tmp_path / "w.h5")
        return
    with pytest.warns(UserWarning, match=f"written by Keras {version}, .* {warns}") as caught:
        model.load_weights(tmp_path / "w.h5")
    assert "pass recurrent_activation='hard_sigmoid_keras2'" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_whole_files_of_an_older_keras_say_their_gates(tmp_path):
    config = Sequential([Input((5, 3)), LSTM(2)]).get_config()
    model = Sequential.from_config(config)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"] = "2.1.6"
    model.load_weights(tmp_path / "m.h5")


def test_public_models(shared, public_model):
    """Every network in the collection of files from the net, against what real Keras gave for it."""
    arrays = np.load(shared / "models" / f"{public_model['name']}.npz")
    model = load_model(shared / "models" / public_model["file"], compile=False)
    x = [arrays[key] for key in sorted(arrays.files) if key.startswith("x")]
    expected = [arrays[key] for key in sorted(arrays.files) if key.startswith("y") and "_" not in key]
    y = model.predict(x if len(x) > 1 else x[0], verbose=0)
    for found, wanted in zip(y if isinstance(y, list) else [y], expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))
