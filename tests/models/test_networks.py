"""Random networks that real Keras wrote and answered: the files give the same numbers, also when saved again."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import load_model, model_from_json

NETWORKS = Path(__file__).parent.parent / "data" / "networks"  # make_networks.py beside it says what is in it
MANIFEST = [entry for name in ("files", "more") for entry in json.loads((NETWORKS / f"{name}.json").read_text())]
TOLERANCE = 1e-5
# What Keras 3 has no name for is not written for it.
REFUSAL = "the saved model would give other outputs"

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name in ("files", "more"):
        with zipfile.ZipFile(NETWORKS / f"{name}.zip") as archive:
            archive.extractall(folder)
    return folder


def open_model(folder, name, kind):
    path = folder / f"{name}.{kind}"
    if kind not in ("weights.h5", "legacy.h5"):
        return load_model(path)
    model = model_from_json((folder / f"{name}.json").read_text())
    model.load_weights(path)
    return model


def flat(outputs):
    if isinstance(outputs, dict):
        return [outputs[name] for name in sorted(outputs)]
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def check(model, xs, ys):
    """Consecutive calls against the outputs, whose first axis is that of the calls."""
    for call, x in enumerate(zip(*xs, strict=True)):
        outputs = flat(model.predict(list(x) if len(x) > 1 else x[0], batch_size=len(x[0]), verbose=0))
        assert len(outputs) == len(ys)
        for output, y in zip(outputs, ys, strict=True):
            assert output.shape == y[call].shape
            assert np.abs(output - y[call]).max() <= TOLERANCE * max(1, np.abs(y).max())


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: f"{entry['name']}.{entry['kind']}")
def test_network(folder, entry, tmp_path):
    with np.load(folder / f"{entry['name']}.npz") as archive:
        xs, ys = ([archive[key] for key in sorted(archive) if key[0] == letter] for letter in "xy")
    model = open_model(folder, entry["name"], entry["kind"])
    check(model, xs, ys)
    for ending in ("keras", "h5"):
        path = tmp_path / f"again.{ending}"
        try:
            model.save(path)
        except ValueError as error:
            assert REFUSAL in str(error)
            assert entry["writer"].startswith("tf_keras")
        else:
            check(load_model(path), xs, ys)


def test_there_is_something_of_everything():
    kinds = {(entry["writer"].split()[0], entry["kind"]) for entry in MANIFEST}
    assert kinds >= {(package, kind) for package in ("keras", "tf_keras") for kind in ("keras", "h5", "weights.h5")}
