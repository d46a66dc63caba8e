"""`fastlstm.from_torch`, of stand-ins for PyTorch's modules with their weights (data/make_torch_modules.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import fastlstm

with np.load(Path(__file__).parents[1] / "data" / "torch_modules.npz") as _archive:
    ARRAYS = dict(_archive)
CASES = json.loads(ARRAYS.pop("described").tobytes())


class Parameter:
    """A tensor, which is asked to leave the graph and the device."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


def module(kind, weights=(), children=(), **attributes):
    """A stand-in whose class has the name of PyTorch's."""
    methods = {
        "state_dict": lambda self: {name: Parameter(array) for name, array in dict(weights).items()},
        "named_children": lambda self: [(str(number), child) for number, child in enumerate(children)],
    }
    return type(kind, (), {**attributes, **methods})()


def module_of(number, place):
    """A module of a case."""
    start = f"{number}/{place}/"
    weights = {name.removeprefix(start): array for name, array in ARRAYS.items() if name.startswith(start)}
    return module(weights=weights, **CASES[number][place])


def described(number):
    return "-".join(one["kind"] for one in CASES[number]) + f" {number}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=described)
def test_outputs_are_those_of_pytorch(number):
    made = [module_of(number, place) for place in range(len(CASES[number]))]
    model = fastlstm.from_torch(made[0] if len(made) == 1 else module("Sequential", children=made))
    y = model.predict(ARRAYS[f"{number}/x"], verbose=0)
    assert y.shape == ARRAYS[f"{number}/y"].shape
    np.testing.assert_allclose(y, ARRAYS[f"{number}/y"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (module("Sequential", children=[module("Tanh"), module("Conv1d", in_features=2)]), "Sequential.1 (Conv1d)"),
        (module("LSTM", input_size=3, proj_size=2), "`proj_size`"),
        (module("Sequential", children=[module("ReLU")]), "has no nn.LSTM"),
    ],
    ids=["another module", "proj_size", "nothing"],
)
def test_refused(given, words):
    with pytest.raises(ValueError) as refusal:
        fastlstm.from_torch(given)
    assert words in str(refusal.value)
