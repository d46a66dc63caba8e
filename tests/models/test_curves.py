"""The losses of twenty epochs are those of real Keras from the same weights on the same batches."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import fastlstm

DATA = Path(__file__).parent.parent / "data"
CURVES = json.loads((DATA / "curves.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cases():
    made = {}
    for name in ("trained_cases", "curve_cases"):
        spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
        made[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made[name])
    yield made["curve_cases"]
    for name in made:
        del sys.modules[name]


@pytest.mark.parametrize("case", CURVES)
def test_curve(case, cases):
    network, optimizer = case.split(", ")
    losses = cases.losses_of(fastlstm, getattr(cases, network), optimizer)
    # Required is 1e-3 at the end.
    np.testing.assert_allclose(losses, CURVES[case], rtol=1e-5)
