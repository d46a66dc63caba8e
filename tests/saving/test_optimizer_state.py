"""The state of optimizers in files: what real Keras wrote is read, what is written is read again."""

import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastlstm.saving import OptimizerState, open_file, write_keras, write_legacy_h5, write_weights

TRAINED = Path(__file__).parent.parent / "data" / "trained.zip"
# Of Adam with amsgrad, for the trained weights of an LSTM of 3 units over 2 features and of a Dense layer over 3.
WEIGHTS = [(2, 12), (3, 12), (12,), (3, 1), (1,)]
SHAPES = [(), (), *(shape for shape in WEIGHTS for _ in range(2)), *WEIGHTS]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    with zipfile.ZipFile(TRAINED) as archive:
        archive.extractall(folder)
    with zipfile.ZipFile(folder / "adam.keras") as archive:
        archive.extractall(folder / "adam")
    return folder


def read(path):
    with open_file(path) as file:
        return file.read_optimizer()


@pytest.mark.parametrize("name", ["adam.keras", "adam", "adam.h5", "adam.weights.h5"])
def test_of_keras(files, name):
    state = read(files / name)
    assert [array.shape for array in state] == SHAPES
    # Five epochs of three batches, at the learning rate of the script; all formats have the same.
    assert state[0] == 15
    assert state[1] == np.float32(0.02)
    for array, other in zip(state, read(files / "adam.keras"), strict=True):
        np.testing.assert_array_equal(array, other)
    assert all((velocity >= 0).all() for velocity in state[3:12:2])


@pytest.fixture
def state():
    rng = np.random.default_rng(3)
    arrays = [np.array(7, np.int64), np.float32(0.5), *(rng.random(shape, np.float32) for shape in WEIGHTS)]
    return OptimizerState("sgd", ["sgd/iteration", "sgd/rate", *["sgd/m"] * 3, "sgd/a", "sgd/b"], arrays)


@pytest.mark.parametrize("kind", ["keras", "folder", "h5", "weights.h5"])
def test_round_trip(tmp_path, spec, arrays, build, state, kind):
    path = tmp_path / f"m.{kind}"
    if kind == "h5":
        write_legacy_h5(path, build.config(spec), spec, arrays, optimizer=state)
    elif kind == "weights.h5":
        write_weights(path, spec, arrays, optimizer=state)
    else:
        write_keras(path, build.config(spec), spec, arrays, zipped=kind == "keras", optimizer=state)
    with open_file(path) as file:
        for array, expected in zip(file.read_weights(spec), arrays, strict=True):
            np.testing.assert_array_equal(array, expected)
    for array, expected in zip(read(path), state.arrays, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_layout(tmp_path, spec, arrays, build, state):
    write_legacy_h5(tmp_path / "m.h5", build.config(spec), spec, arrays, optimizer=state)
    write_weights(tmp_path / "m.weights.h5", spec, arrays, optimizer=state)
    with h5py.File(tmp_path / "m.h5") as file:
        group = file["optimizer_weights"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        # A name may come twice in Keras, but not in a group.
        assert names == ["sgd/iteration", "sgd/rate", "sgd/m", "sgd/m_1", "sgd/m_2", "sgd/a", "sgd/b"]
        assert group["sgd/iteration"].dtype == np.int64
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert file["optimizer/vars"].attrs["name"] == "sgd"
        assert file["optimizer/vars/0"].dtype == np.int64


def test_no_state(tmp_path, spec, arrays, build):
    for path in (tmp_path / "m.keras", tmp_path / "m.h5"):
        writer = write_keras if path.suffix == ".keras" else write_legacy_h5
        writer(path, build.config(spec), spec, arrays)
        assert read(path) == []


def test_damage_is_an_error_of_its_own(tmp_path, files):
    path = tmp_path / "damaged.weights.h5"
    shutil.copyfile(files / "adam.weights.h5", path)
    with h5py.File(path, "a") as file:
        del file["optimizer/vars/3"]
        file["optimizer/vars/3"] = h5py.ExternalLink("elsewhere.h5", "/a")
    with pytest.raises(ValueError, match="damaged"):
        read(path)
