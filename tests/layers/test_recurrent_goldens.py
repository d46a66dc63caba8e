"""What real Keras answered for recurrent layers and wrappers (tests/data/make_recurrent_goldens.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import layers
from fastlstm.layers.base.structure import flatten, packed

DATA = Path(__file__).parents[1] / "data"
CASES = json.loads((DATA / "recurrent.json").read_text())


@pytest.fixture(scope="module")
def arrays():
    with np.load(DATA / "recurrent.npz") as archive:
        return dict(archive)


def split(array, shapes):
    """The arrays of these shapes that were stored one after the other."""
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    assert array.size == (ends[-1] if len(ends) else 0)
    return [part.reshape(shape) for part, shape in zip(np.split(array, ends[:-1]), shapes, strict=True)]


def given_states(layer, array, batch):
    """The stored states, nested as the layer takes them."""
    both = isinstance(layer, layers.Bidirectional)
    directions = [layer.forward_layer, layer.backward_layer] if both else [layer]
    zeros = [state for direction in directions for state in direction.get_initial_state(batch)]
    return packed(zeros, split(array, [state.shape for state in flatten(zeros)]))


@pytest.mark.parametrize("name", CASES, ids=lambda name: CASES[name]["layer"])
def test_case(arrays, name):
    case = CASES[name]
    layer = eval(case["layer"], vars(layers).copy())
    x = arrays[case["x"]]
    layer.build(x.shape)
    layer.set_weights(split(arrays[f"{name}/w"], [weight.shape for weight in layer.weights]))
    masked = {} if case["mask"] is None else {"mask": arrays[f"mask_{case['mask']}"]}
    first = {"initial_state": given_states(layer, arrays[f"{name}/s"], len(x))} if case["initial_state"] else {}
    outputs = [flatten(layer(x, **masked, **({} if call else first))) for call in range(case["calls"])]
    expected = split(arrays[f"{name}/y"], case["shapes"] * case["calls"])
    for output, golden in zip(flatten(outputs), expected, strict=True):
        np.testing.assert_allclose(output, golden, rtol=2e-6, atol=2e-6)
    assert flatten([layer.compute_output_shape(x.shape)]) == flatten(case["shapes"])
