import subprocess
import sys

import numpy as np
import pytest

import fastlstm
from fastlstm import backend, utils
from fastlstm.layers import Dense


def test_tensor_is_an_array_with_numpy():
    tensor = np.arange(6.0).reshape(2, 3).view(backend.Tensor)
    assert type(tensor.numpy()) is np.ndarray
    np.testing.assert_array_equal(tensor.numpy(), tensor)
    assert type(tensor[0].numpy()) is np.ndarray


def test_uids():
    backend.clear_session()
    assert [backend.get_uid("a"), backend.get_uid("a"), backend.get_uid("b")] == [1, 2, 1]
    assert backend.auto_name("LSTM") == "lstm"
    utils.clear_session()
    assert backend.get_uid("a") == 1
    assert backend.floatx() == "float32"


def test_seeded_runs_repeat():
    def draws():
        utils.set_random_seed(11)
        layer = Dense(4)
        layer.build((None, 3))
        return [*layer.get_weights(), np.random.random(3)]

    for first, second in zip(draws(), draws(), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="Expected `seed` argument to be an integer"):
        utils.set_random_seed("a")


def test_import_is_light(tmp_path):
    late = [
        "h5py",
        "rich",
        "scipy.linalg",
        *(f"fastlstm.{room}" for room in ("callbacks", "losses", "metrics", "optimizers", "preprocessing", "utils")),
    ]
    code = f"import sys, fastlstm; print([m for m in {late} if m in sys.modules])"
    # Elsewhere than in the sources, which Python would prefer to what is installed.
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout.strip() == "[]"


def test_public_names():
    for name in fastlstm.__all__:
        assert hasattr(fastlstm, name)
    assert fastlstm.load_model is fastlstm.models.load_model


def test_a_tensor_is_not_written_by_its_attributes():
    # As FastAPI does it with what it does not know: an array has neither items nor attributes.
    tensor = np.ones(3, np.float32).view(backend.Tensor)
    for reading in (dict, vars):
        with pytest.raises(TypeError):
            reading(tensor)
    assert tensor.numpy().tolist() == [1, 1, 1]
