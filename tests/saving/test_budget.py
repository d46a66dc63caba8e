"""What one load may take: small files that would cost much are refused, honest ones that are packed well are not."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastlstm.layers import LSTM, Activation, Dense, Input
from fastlstm.models import Functional, Sequential, load_model
from fastlstm.saving.budget import EXPANSION, FLOOR, LIMITS, Budget

SCRIPT = Path(__file__).with_name("hostile.py")
_spec = importlib.util.spec_from_file_location("hostile", SCRIPT)
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What came of every hostile file, loaded by a process that may take 300 MB."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, build in hostile.CASES.items():
        (folder / name).mkdir()
        path = build(folder / name)
        (folder / name / "LOAD").symlink_to(path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, folder], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(hostile.CASES))
def test_refused(name, outcomes):
    kind, is_value_error, text = outcomes[name]
    assert is_value_error, f"{kind}: {text}"
    assert 20 < len(text) < 1500


def test_the_environment_allows_more(tmp_path, monkeypatch):
    layers = (hostile.layer("Dropout", f"d{number}", rate=0.1) for number in range(300))
    path = hostile.keras(tmp_path, hostile.sequential(*layers))
    assert len(load_model(path).layers) == 300
    monkeypatch.setenv("FASTLSTM_LOAD_LIMITS", "0.01")
    with pytest.raises(ValueError, match=r"more than 200 layers.*FASTLSTM_LOAD_LIMITS=10 in the environment"):
        load_model(path)
    monkeypatch.setenv("FASTLSTM_LOAD_LIMITS", "0.02")
    assert len(load_model(path).layers) == 300
    for value in ("x", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("FASTLSTM_LOAD_LIMITS", value)
        with pytest.raises(ValueError, match="should be a positive number"):
            Budget(0)


def test_counts_add_up():
    budget = Budget(0)
    budget.take("layers", LIMITS["layers"], "here")
    with pytest.raises(ValueError, match="there: more than 20,000 layers"):
        budget.take("layers", 1, "there")
    budget.take_bytes(FLOOR, "here")
    with pytest.raises(ValueError, match="128 MiB, more than a file of 0 bytes may take"):
        budget.take_bytes(1, "there")
    budget.add_file((1, 2), FLOOR, "a")
    budget.add_file((1, 2), FLOOR, "a")
    budget.take_bytes(1, "there")
    with pytest.raises(ValueError, match="b is the same file as a, under another name"):
        budget.add_file((1, 2), FLOOR, "b")
    with pytest.raises((ValueError, MemoryError)):
        budget.take_bytes(EXPANSION * FLOOR, "there")


def repacked(path, packing, **options):
    """The file with its weights packed, in the HDF5 or in the zip."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    if options:
        stream = io.BytesIO()
        with h5py.File(io.BytesIO(members["model.weights.h5"])) as old, h5py.File(stream, "w") as new:
            names: list[str] = []
            old.visit(names.append)
            for name in names:
                if isinstance(old[name], h5py.Dataset):
                    new.create_dataset(name, data=old[name][()], **options)
        members["model.weights.h5"] = stream.getvalue()
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(("units", "options"), [(2100, {}), (600, {"compression": "gzip", "chunks": True})])
def test_constant_weights_open(units, options, tmp_path):
    model = Sequential([Input((None, 4)), LSTM(units), Dense(1)])
    model.set_weights([np.full(weight.shape, 0.5, np.float32) for weight in model.get_weights()])
    model.save(tmp_path / "m.keras")
    whole = (tmp_path / "m.keras").stat().st_size
    path = repacked(tmp_path / "m.keras", zipfile.ZIP_STORED if options else zipfile.ZIP_DEFLATED, **options)
    assert path.stat().st_size < whole / 50
    for found, expected in zip(load_model(path).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_many_honest_calls_and_layers(tmp_path):
    activation = Activation("tanh")
    x = y = Input((3,))
    for _ in range(3000):
        y = activation(y)
    model = Functional(x, y)
    model.save(tmp_path / "m.keras")
    assert len(load_model(tmp_path / "m.keras").calls().calls) == 3000
    model = Sequential([Input((3,)), *(Activation("tanh") for _ in range(2000))])
    model.save(tmp_path / "m.keras")
    assert len(load_model(tmp_path / "m.keras").layers) == 2000
