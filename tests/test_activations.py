"""Activations: numbers against real Keras and float64, axes, identifiers, and what a layer hands to the engine."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fastlstm import activations
from fastlstm.engine import activate, reference
from fastlstm.engine.ops import ACTIVATIONS, Activation

GOLDENS = dict(np.load(Path(__file__).parent / "data" / "activations.npz"))
VALUES = {"True": True, "-1": -1, "0": 0}
BARE = ("glu", "threshold")
# fmt: off
NAMES = [
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hard_silu", "mish", "softplus",
    "softsign", "softmax", "log_softmax", "sparsemax", "sigmoid", "hard_sigmoid", "hard_sigmoid_keras2",
    "sparse_sigmoid", "log_sigmoid", "tanh", "hard_tanh", "tanh_shrink", "hard_shrink", "soft_shrink", "squareplus",
    "sparse_plus", "exponential", "glu", "threshold",
]
# fmt: on
NATIVE = [name for name in NAMES if name not in (*BARE, "sparsemax")]
OVER_AXES = ("softmax", "log_softmax")


def draw(*shape: int, scale: float = 4.0) -> np.ndarray:
    return (np.random.default_rng(11).standard_normal(shape) * scale).astype(np.float32)


@pytest.mark.parametrize("key", [key for key in GOLDENS if key != "x"])
def test_numbers_are_those_of_keras(key):
    name, *arguments = key.split()
    pairs = (argument.split("=") for argument in arguments)
    keywords = {argument: VALUES[value] if value in VALUES else float(value) for argument, value in pairs}
    x = GOLDENS["x"][:6, :8] if name == "glu" else GOLDENS["x"]
    out = getattr(activations, name)(x, **keywords)
    np.testing.assert_allclose(out, GOLDENS[key], rtol=1.5e-6, atol=5e-7)


@pytest.mark.parametrize("name", NATIVE)
def test_error_against_float64(name):
    function = getattr(activations, name)
    native = activations.lower(function)
    x = draw(700, 31)
    exact = reference.ACTIVATIONS[native.name](x.astype(np.float64), *native.parameters)
    np.testing.assert_allclose(function(x), exact, rtol=7e-7, atol=4e-7)


@pytest.mark.parametrize("name", NATIVE)
def test_alone_gives_the_bits_of_the_engine_in_any_memory_order(name):
    x = draw(5, 3, 17)
    function = getattr(activations, name)
    out = function(x)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, activate(x, activations.lower(function)))
    np.testing.assert_array_equal(function(np.asfortranarray(x, np.float64)), out)
    np.testing.assert_array_equal(function(np.repeat(x, 2, axis=-1)[..., ::2]), out)


def test_every_native_activation_of_the_engine_is_reached():
    reached = {activations.lower(getattr(activations, name)).name for name in NATIVE} | {"gelu_tanh"}
    assert reached == set(ACTIVATIONS)


def test_the_result_shares_nothing_with_the_input():
    x = draw(4, 6)
    out = activations.linear(x)
    out += 1
    np.testing.assert_array_equal(x, draw(4, 6))


@pytest.mark.parametrize("name", NATIVE)
def test_nan_stays_nan(name):
    x = draw(3, 9)
    x[1, 4] = np.nan
    out = getattr(activations, name)(x)
    assert np.isnan(out[1, 4])
    assert not np.isnan(np.delete(out, 1, axis=0)).any()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("hard_sigmoid", 0, 1), ("hard_tanh", -1, 1), ("softsign", -1, 1)],
)
def test_saturation_is_exact(name, low, high):
    np.testing.assert_array_equal(getattr(activations, name)([-1e9, 1e9]), [low, high])


@pytest.mark.parametrize("name", OVER_AXES)
@pytest.mark.parametrize("axis", [0, 1, -2, 2])
def test_axis(name, axis):
    x, function = draw(4, 5, 3), getattr(activations, name)
    moved = function(np.moveaxis(x, axis, -1))
    np.testing.assert_array_equal(function(x, axis=axis), np.moveaxis(moved, -1, axis))


@pytest.mark.parametrize(("axis", "kept"), [((0, 2), (1,)), (None, ())])
def test_softmax_over_several_axes(axis, kept):
    x = draw(4, 5, 3)
    out = activations.softmax(x, axis=axis)
    exponentials = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(out, exponentials / exponentials.sum(axis=axis, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(activations.log_softmax(x, axis=axis), np.log(out), rtol=1e-5, atol=1e-5)
    assert out.sum(axis=axis).shape == tuple(x.shape[i] for i in kept)


def test_axis_that_is_not_there():
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        activations.softmax(draw(2, 3), axis=2)


@pytest.mark.parametrize("shape", [(), (1,), (0, 4), (4, 0), (2, 3, 4, 5)])
def test_any_shape(shape):
    x = draw(*shape) if shape else 0.3
    out = activations.tanh(x)
    assert out.shape == shape
    np.testing.assert_allclose(out, np.tanh(x), rtol=1e-6)


@pytest.mark.parametrize("x", [[1, -2], [True, False], np.array([1, -2], np.int8), np.array([1.5], np.float16)])
def test_any_real_dtype(x):
    np.testing.assert_array_equal(activations.relu(x), np.maximum(np.asarray(x, np.float32), 0))


@pytest.mark.parametrize("x", [[1j], ["a"], [object()]])
def test_other_dtypes_are_refused(x):
    with pytest.raises(TypeError, match="takes real numbers"):
        activations.relu(x)


def test_glu_of_an_odd_axis():
    with pytest.raises(ValueError, match=r"axis size must be divisible by 2. Received: x.shape=\(2, 3\) with axis=-1"):
        activations.glu(draw(2, 3))


@pytest.mark.parametrize("name", NAMES)
def test_name_round_trip(name):
    function = activations.get(name)
    assert function is getattr(activations, name)
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function


@pytest.mark.parametrize(("alias", "name"), [("swish", "silu"), ("hard_swish", "hard_silu")])
def test_aliases_are_saved_under_the_main_name(alias, name):
    assert activations.get(alias) is getattr(activations, alias)
    assert activations.serialize(activations.get(alias)) == name


def test_get_of_none_and_of_a_callable():
    assert activations.get(None) is activations.linear
    assert activations.get(draw) is draw


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "function", "config": "tanh"},
        {"class_name": "function", "config": "tanh", "registered_name": "tanh"},
        {"module": "builtins", "class_name": "function", "config": "tanh", "registered_name": "function"},
        {"module": "keras.activations", "class_name": "function", "config": "tanh", "registered_name": "tanh"},
        {"class_name": "tanh", "config": {}},
    ],
)
def test_dict_forms(config):
    assert activations.get(config) is activations.tanh


@pytest.mark.parametrize(
    "identifier",
    [
        "foo",
        "ReLU",
        "",
        3,
        {},
        {"foo": 1},
        {"class_name": "function"},
        {"class_name": "function", "config": "foo"},
        {"class_name": "function", "config": ["tanh"]},
        {"class_name": "relu", "config": {"max_value": 6.0}},
        {"class_name": "ReLU", "config": {"max_value": 6.0}},
        {"module": "keras.layers", "class_name": "LeakyReLU", "config": {}, "registered_name": None},
        {"module": "builtins", "class_name": "function", "config": "tanh", "registered_name": "mine>tanh"},
        {"module": "os", "class_name": "function", "config": "tanh", "registered_name": "function"},
    ],
)
def test_unknown_identifiers(identifier):
    with pytest.raises(ValueError, match="Could not interpret activation function identifier: ") as caught:
        activations.get(identifier)
    assert str(caught.value).endswith(str(identifier))


def test_functions_of_somebody_s_own():
    config = activations.serialize(draw)
    assert config == {"module": "builtins", "class_name": "function", "config": "draw", "registered_name": "function"}
    assert activations.deserialize(config, custom_objects={"draw": draw}) is draw


@pytest.mark.parametrize("activation", [lambda x: x, functools.partial(draw, 3), np.tanh, "relu", 3])
def test_what_has_no_name_cannot_be_serialized(activation):
    with pytest.raises(ValueError, match="cannot be serialized"):
        activations.serialize(activation)


@dataclass
class Scale:
    """A callable without a hash."""

    factor: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x * np.float32(self.factor)


@pytest.mark.parametrize(
    "function", [np.cos, lambda x: x + 1, Scale(3.0), functools.partial(activations.relu, max_value=2)]
)
def test_other_callables_run_in_python(function):
    lowered = activations.lower(function)
    assert lowered == Activation("python", (), function)
    x = draw(4, 5)
    np.testing.assert_allclose(activate(x, lowered), function(x), rtol=1e-6)


@pytest.mark.parametrize(("name", "error"), [("glu", ValueError), ("threshold", TypeError)])
def test_functions_that_no_layer_can_use(name, error):
    with pytest.raises(error):
        activate(draw(4, 6), activations.lower(getattr(activations, name)))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("relu", (0, math.inf, 0)), ("relu6", (0, 6, 0)), ("leaky_relu", (0.2, math.inf, 0)), ("hard_shrink", (0.5,))],
)
def test_lowered_parameters_are_the_defaults(name, parameters):
    assert activations.lower(getattr(activations, name)).parameters == parameters
