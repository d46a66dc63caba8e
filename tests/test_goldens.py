"""What real Keras answered, for the layers called alone and for the files that Keras 2 and 3 wrote."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import clone_model, layers, load_model

GOLDENS = Path(__file__).parent / "data" / "goldens"  # make_goldens.py beside them says what is in them
MANIFEST = json.loads((GOLDENS / "manifest.json").read_text())
TOLERANCE = 2e-6  # Keras itself is within about half of it from the float64 result
FILES = [(model["name"], kind) for model in MANIFEST["models"] for kind in model["kinds"]]


def float32(array):
    return array.astype("float32") if array.dtype == np.float16 else array


@pytest.fixture(scope="module")
def layer_arrays():
    """Case → name → array."""
    arrays = {case["name"]: {} for case in MANIFEST["layers"]}
    with np.load(GOLDENS / "layers.npz") as archive:
        for path in archive:
            case, name = path.split("/")
            arrays[case][name] = float32(archive[path])
    return arrays


def assert_answers(calls, expected):
    """Outputs of consecutive calls against the arrays y0, y1 … of (calls, …)."""
    for call, outputs in enumerate(calls):
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        assert len(outputs) == len(expected)
        for output, golden in zip(outputs, expected, strict=True):
            assert np.shape(output) == golden[call].shape
            np.testing.assert_allclose(output, golden[call], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", MANIFEST["layers"], ids=lambda case: case["name"])
def test_layer(case, layer_arrays):
    arrays = layer_arrays[case["name"]]
    outputs = sorted(key for key in arrays if key.startswith("y"))
    names, values = zip(*case["axes"], strict=True) if case["axes"] else ((), ())
    for index in itertools.product(*map(range, map(len, values))):
        arguments = {name: choice[i] for name, choice, i in zip(names, values, index, strict=True)}
        mask, stated = arguments.pop("mask", None), arguments.pop("initial_state", False)
        layer = getattr(layers, case["layer"])(**case["fixed"], **arguments)
        layer.build(arrays["x"].shape[1:])
        layer.set_weights([arrays[f"w{i}"] for i in range(len(layer.weights))])
        masked = {"mask": arrays[f"mask_{mask}"]} if mask else {}
        first = {"initial_state": [arrays["h"], arrays["c"]]} if stated else {}
        calls = [layer(x, **masked, **({} if call else first)) for call, x in enumerate(arrays["x"])]
        assert_answers(calls, [arrays[key][index] for key in outputs])


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_file(name, kind):
    path = GOLDENS / f"{name}.{kind}"
    if kind.endswith("weights.h5"):
        model = clone_model(load_model(GOLDENS / f"{name}.keras"))
        model.load_weights(path)
    else:
        model = load_model(path)
    with np.load(GOLDENS / f"{name}.npz") as archive:
        arrays = {key: float32(archive[key]) for key in sorted(archive)}
    x = arrays.pop("x")
    calls = [model.predict(batch, batch_size=len(batch), verbose=0) for batch in x]
    assert_answers(calls, list(arrays.values()))
