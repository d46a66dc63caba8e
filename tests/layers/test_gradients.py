"""The gradients of every layer that has one, as real Keras' (tests/data/make_gradient_goldens.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import layers
from fastlstm.layers.base.gradient import Gradients
from fastlstm.layers.base.structure import flatten, map_structure, packed
from fastlstm.layers.symbolic.calling import call_parameters

DATA = Path(__file__).parents[1] / "data"
CASES = json.loads((DATA / "gradients.json").read_text(encoding="utf-8"))["layers"]


@pytest.fixture(scope="module")
def goldens():
    with np.load(DATA / "gradients.npz") as archive:
        return dict(archive)


def taken(stored, shapes):
    """The next arrays of these shapes, out of those that were stored one after the other."""
    arrays = []
    for shape in shapes:
        size = int(np.prod(shape))
        arrays.append(stored[0][:size].reshape(shape))
        stored[0] = stored[0][size:]
    return arrays


def zeros(layer, batch):
    both = isinstance(layer, layers.Bidirectional)
    directions = [layer.forward_layer, layer.backward_layer] if both else [layer]
    return [state for direction in directions for state in direction.get_initial_state(batch)]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}: {case['layer']}" for n, case in enumerate(CASES)])
def test_as_keras(number, goldens):
    case = CASES[number]
    layer = eval(case["layer"], vars(layers).copy())
    given = [goldens[name] for name in case["inputs"]]
    x = [array.astype(np.float32) for array in given] if len(given) > 1 else given[0].astype(np.float32)
    layer.build(map_structure(np.shape, x))
    stored = [goldens[str(number)]]
    layer.set_weights(taken(stored, [weight.shape for weight in layer.weights]))
    arguments = {}
    if case["initial_state"]:
        states = zeros(layer, len(given[0]))
        arguments["initial_state"] = packed(states, taken(stored, [state.shape for state in flatten(states)]))
    if case["mask"] is not None:
        arguments["mask"] = map_structure(lambda name: goldens[f"mask_{name}"], case["mask"])
    if "training" in call_parameters(type(layer)):
        arguments["training"] = case["training"]
    assert layer.has_gradient
    outputs, backward = layer.call_with_gradient(x, **arguments)
    d_outputs = taken(stored, [output.shape for output in flatten(outputs)])
    gradients = Gradients(*backward(packed(outputs, d_outputs)))
    d_states = flatten(gradients.keywords.get("initial_state", []))
    found = [*(one for one in flatten(gradients.inputs) if one is not None), *d_states, *gradients.weights]
    others = [weight.value for weight in layer.weights if not weight.trainable]
    expected = taken(stored, [array.shape for array in [*found, *others]])
    assert stored[0].size == 0
    for actual, golden in zip([*found, *others], expected, strict=True):
        np.testing.assert_allclose(actual, golden, rtol=2e-5, atol=3e-6 * max(1, np.abs(golden).max(initial=0)))
