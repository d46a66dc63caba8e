"""`fastlstm quantize`: a packed file, and a table of what it changes."""

import re

import numpy as np
import pytest

from fastlstm import load_packed
from networks import random

pytestmark = pytest.mark.packed_kernels


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("mode", ["int16", "int8"])
def test_with_a_check(files, run, capsys, mode):
    model = files.models["steps"]
    before = model.predict(files.x, verbose=0)
    assert run("quantize", "steps.keras", "-o", "steps.packed", "--to", mode, "--check", "x.npy") == 0
    shown = capsys.readouterr().out
    after = load_packed("steps.packed").predict(files.x, verbose=0)
    error = np.abs(after.astype(float) - before)
    assert f"{error.max():.1e}" in shown and f"{error.mean():.1e}" in shown
    (floats,), (integers,) = (re.findall(rf"{name} +\S+ +([\d.]+)", shown) for name in ("float32", mode))
    assert float(floats) == round(sum(weight.nbytes for weight in model.weights) / 1000, 1)
    assert float(integers) == round(sum(weight.nbytes for weight in load_packed("steps.packed").weights) / 1000, 1)
    assert re.search(r"wrote steps.packed: [\d,]+ bytes", shown)
    assert run("predict", "steps.packed", "x.npy", "-o", "y.npy") == 0
    np.testing.assert_array_equal(np.load("y.npy"), after)
    assert run("summary", "steps.packed") == 0
    assert f"Quantized to {mode}" in capsys.readouterr().out


def test_without_a_check(files, run, capsys):
    assert run("quantize", "any length.keras", "-o", "any.packed", "--to", "int8") == 0
    assert "difference" not in capsys.readouterr().out
    assert load_packed("any.packed").layers[0].quantized_to == "int8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("last.keras", "-o", "-", "--to", "int8"), "has a name"),
        (("last.keras", "-o", "nowhere/a.packed", "--to", "int8"), "there is no directory nowhere"),
        (("last.keras", "-o", "a.packed", "--to", "int8", "--check", "x.csv"), "ends in .npy or .npz"),
        (("last.keras", "-o", "a.packed", "--to", "int8", "--check", "series.npy"), "shape"),
        (("absent.keras", "-o", "a.packed", "--to", "int8"), "absent.keras"),
    ],
)
def test_refused(files, run, capsys, arguments, words):
    assert run("quantize", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (files.directory / "a.packed").exists()


def test_no_twice(files, run, capsys):
    assert run("quantize", "last.keras", "-o", "a.packed", "--to", "int16") == 0
    assert run("quantize", "a.packed", "-o", "b.packed", "--to", "int8") == 2
    assert "already quantized to int16" in capsys.readouterr().err


def test_packed_float32(files, run):
    """A packed file of floats is a model like any other."""
    from fastlstm import save_packed

    model = files.models["last"]
    save_packed(model, "floats.packed")
    assert run("quantize", "floats.packed", "-o", "a.packed", "--to", "int16") == 0
    x = random(3, *model.input_shape[1:])
    model.quantize("int16")
    np.testing.assert_array_equal(load_packed("a.packed").predict(x, verbose=0), model.predict(x, verbose=0))
