"""Training that goes on from files, here and of real Keras: the same losses as without a break."""

import copy
import importlib.util
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Sequential, losses, metrics, optimizers
from fastlstm.layers import LSTM, Dense
from fastlstm.models import load_model

DATA = Path(__file__).parent.parent / "data"
CURVES = json.loads((DATA / "trained.json").read_text(encoding="utf-8"))
spec = importlib.util.spec_from_file_location("trained_cases", DATA / "trained_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    with zipfile.ZipFile(DATA / "trained.zip") as archive:
        archive.extractall(folder)
    return folder


def losses_of(model, count=cases.EPOCHS):
    x, y = cases.batches()
    return model.fit(x, y, batch_size=8, epochs=count, shuffle=False, verbose=0).history["loss"]


def ten_epochs(name):
    model = cases.make_model(fastlstm, name)
    return losses_of(model) + losses_of(model), model


@pytest.mark.parametrize("name", cases.CASES)
def test_ten_epochs_are_those_of_keras(name):
    np.testing.assert_allclose(ten_epochs(name)[0], CURVES[name], rtol=1e-5)


@pytest.mark.parametrize("file", ["adam.keras", "adam.h5", "sgd.keras", "sgd.h5", "rmsprop.keras", "nadam.keras"])
def test_five_epochs_in_keras_and_five_here(files, file):
    model = load_model(files / file)
    assert model.compiled
    assert model.get_compile_config()["metrics"] == ["mae"]
    name = Path(file).stem
    np.testing.assert_allclose(losses_of(model), CURVES[name][cases.EPOCHS :], rtol=1e-5)
    assert int(model.optimizer.iterations) == 2 * cases.EPOCHS * 3


def test_averages_too(files):
    # Its weights in the file are the averages at the end of the fifth epoch.
    model = load_model(files / "adamw.keras")
    np.testing.assert_allclose(losses_of(model), CURVES["adamw"][cases.EPOCHS :], rtol=1e-5)


def test_weights_alone_bring_the_state_of_an_optimizer_that_is_built(files):
    model = cases.make_model(fastlstm, "adam")
    with pytest.warns(UserWarning, match="'adam.*', because it has 2 variables whereas the saved optimizer has 17"):
        model.load_weights(files / "adam.weights.h5")
    model.optimizer.build(model.trainable_variables)
    model.load_weights(files / "adam.weights.h5")
    np.testing.assert_allclose(losses_of(model), CURVES["adam"][cases.EPOCHS :], rtol=1e-5)


@pytest.mark.parametrize("way", ["m.keras", "folder", "m.h5", "m.weights.h5", "pickle", "copy", "twice"])
def test_a_break_changes_no_bit(tmp_path, way):
    expected, unbroken = ten_epochs("adam")
    model = cases.make_model(fastlstm, "adam")
    losses_of(model)
    if way == "pickle":
        model = pickle.loads(pickle.dumps(model))
    elif way == "copy":
        model = copy.deepcopy(model)
    elif way == "twice":
        model.save(tmp_path / "m.keras")
        load_model(tmp_path / "m.keras").save(tmp_path / "again.h5")
        model = load_model(tmp_path / "again.h5")
    elif way == "m.weights.h5":
        model.save_weights(tmp_path / way)
        model = cases.make_model(fastlstm, "adam")
        model.optimizer.build(model.trainable_variables)
        model.load_weights(tmp_path / way)
    else:
        model.save(tmp_path / way, **({"zipped": False} if way == "folder" else {}))
        model = load_model(tmp_path / way)
    assert losses_of(model) == expected[cases.EPOCHS :]
    for weight, other in zip(model.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_without_the_optimizer(tmp_path, name):
    model = cases.make_model(fastlstm, "sgd")
    losses_of(model)
    model.save(tmp_path / name, include_optimizer=False)
    assert not load_model(tmp_path / name).compiled


def test_of_a_model_that_was_never_trained(tmp_path):
    model = cases.make_model(fastlstm, "adam")
    model.save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(losses_of(model), CURVES["adam"][: cases.EPOCHS], rtol=1e-5)


def absolute(y_true, y_pred):
    return np.abs(y_true - y_pred).mean(axis=-1)


class Steeper(losses.Loss):
    def call(self, y_true, y_pred):
        return 2 * losses.mean_squared_error(y_true, y_pred)

    def gradient(self, y_true, y_pred):
        return 2 * losses.mean_squared_error.gradient(y_true, y_pred)


class Slower(optimizers.SGD):
    pass


@pytest.fixture
def own(tmp_path):
    model = Sequential([Input((5, 2)), LSTM(3), Dense(1)])
    model.compile(Slower(0.01), Steeper(), metrics=[absolute, metrics.MeanSquaredError()])
    losses_of(model, 1)
    model.save(tmp_path / "m.keras")
    return tmp_path / "m.keras", model


def test_own_objects(own):
    path, model = own
    loaded = load_model(path, custom_objects={"Steeper": Steeper, "absolute": absolute, "Slower": Slower})
    x, y = cases.batches()
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert type(loaded.optimizer) is Slower
    assert losses_of(loaded) == losses_of(model)


def test_own_objects_that_are_not_given(own):
    path, model = own
    with pytest.warns(
        UserWarning, match="not compiled: there is no optimizer 'Slower', no loss 'Steeper', no metric 'abs"
    ):
        loaded = load_model(path)
    x, y = cases.batches()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="You must call `compile"):
        loaded.evaluate(x, y, verbose=0)
    assert not load_model(path, compile=False).compiled


def test_who_predicts_alone_imports_nothing_of_training(files, tmp_path):
    code = (
        "import sys, numpy, fastlstm; from fastlstm.models import load_model;"
        f"load_model({str(files / 'adam.keras')!r}).predict(numpy.zeros((2, 5, 2)), verbose=0);"
        "print([name for name in sys.modules if name.startswith(('fastlstm.optimizers', 'fastlstm.losses', "
        "'fastlstm.metrics', 'fastlstm.models.compiled'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
