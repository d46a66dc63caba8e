"""Gradients of the loss functions against central differences in float64."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fastlstm import activations, losses
from fastlstm.losses import elementary

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("loss_cases", DATA / "loss_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


def differences(function, y_pred, step=1e-6):
    """The gradient of a function that returns a scalar."""
    gradient = np.empty_like(y_pred)
    for index in np.ndindex(*y_pred.shape):
        moved = [y_pred.copy(), y_pred.copy()]
        moved[0][index] -= step
        moved[1][index] += step
        gradient[index] = (function(moved[1]) - function(moved[0])) / (2 * step)
    return gradient


SMOOTH = [case for case in cases.LOSSES if case[2] != "signs"]


@pytest.mark.parametrize(("class_name", "arguments", "kind"), SMOOTH, ids=lambda value: str(value))
def test_gradients(class_name, arguments, kind):
    function = getattr(losses, class_name).function
    rng = np.random.default_rng(5)
    for y_true, y_pred in cases.pairs(kind):
        y_pred = y_pred.astype(np.float64)
        # Off the kinks: a difference across one is no derivative.
        y_pred = y_pred * 0.98 + 0.003 * rng.random(y_pred.shape)
        values = function(y_true, y_pred, **arguments)
        assert values.dtype == np.float64
        d_values = rng.standard_normal(values.shape)
        gradient = losses.loss.at_one_rank(function.values_and_pullback)(
            np.asarray(y_true, np.float64), y_pred, **arguments
        )[1](d_values)
        expected = differences(lambda p, t=y_true, d=d_values: np.sum(function(t, p, **arguments) * d), y_pred)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * max(np.abs(expected).max(), 0.01))
        np.testing.assert_allclose(
            function.gradient(y_true, y_pred, **arguments),
            differences(lambda p, t=y_true: np.sum(function(t, p, **arguments)), y_pred),
            rtol=1e-6,
            atol=1e-7 * max(np.abs(expected).max(), 0.01),
        )


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_hinges(name):
    function = getattr(losses, name)
    for y_true, y_pred in cases.pairs("signs"):
        y_pred = y_pred.astype(np.float64) + 1e-3
        expected = differences(lambda p, t=y_true: np.sum(function(t, p)), y_pred)
        np.testing.assert_allclose(function.gradient(y_true, y_pred), expected, rtol=1e-6, atol=1e-8)


def test_generalized_crossentropy():
    loss = losses.CategoricalGeneralizedCrossEntropy(q=0.7)
    y_true, y_pred = np.array([2, 0]), np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    np.testing.assert_allclose(loss(y_true, y_pred), np.mean((1 - np.array([0.5, 0.6]) ** 0.7) / 0.7), rtol=1e-6)
    value, gradient = loss.value_and_gradient(y_true, y_pred)
    expected = differences(lambda p: np.mean(loss.fn(y_true, p, q=0.7)), y_pred)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)
    assert value == loss(y_true, y_pred)
    with pytest.raises(ValueError, match="q must be in the interval"):
        losses.CategoricalGeneralizedCrossEntropy(1.0)


@pytest.mark.parametrize(
    ("identifier", "activation", "kind"),
    [
        (losses.BinaryCrossentropy(label_smoothing=0.1), "sigmoid", "binary logits"),
        (losses.BinaryFocalCrossentropy(gamma=3.0), "sigmoid", "binary logits"),
        (losses.CategoricalCrossentropy(), "softmax", "logits"),
        (losses.SparseCategoricalCrossentropy(ignore_class=1), "softmax", "sparse logits"),
        (losses.LossFunctionWrapper(losses.binary_crossentropy, name="x"), "sigmoid", "binary logits"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_loss_on_logits_is_the_loss_of_the_activation(identifier, activation, kind):
    on_logits = identifier.on_logits(activation)
    assert on_logits.name == identifier.name
    assert identifier.on_logits("tanh") is None
    for y_true, z in cases.pairs(kind):
        z = z / 6
        weights = np.linspace(0.5, 2, len(z)).reshape(-1, *[1] * (z.ndim - 2)) * np.ones(z.shape[:-1])
        p = getattr(activations, activation)(z)
        value, d_p = identifier.value_and_gradient(y_true, p, weights)
        on_z, d_z = on_logits.value_and_gradient(y_true, z, weights)
        np.testing.assert_allclose(on_z, value, rtol=1e-5)
        through = d_p * p * (1 - p) if activation == "sigmoid" else p * (d_p - np.sum(d_p * p, axis=-1, keepdims=True))
        np.testing.assert_allclose(d_z, through, rtol=1e-4, atol=1e-7)


def test_what_has_no_use_for_logits():
    assert losses.MeanSquaredError().on_logits("sigmoid") is None
    assert losses.BinaryCrossentropy(axis=1).on_logits("sigmoid") is None
    with pytest.warns(UserWarning, match="produced by a Softmax activation and thus does not represent logits"):
        assert losses.CategoricalCrossentropy(from_logits=True).on_logits("softmax") is not None


def test_far_logits_lose_nothing():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss([1], [[200.0, -100.0]]) == 300
    assert losses.CategoricalCrossentropy(from_logits=True)([[0, 1]], [[200.0, -100.0]]) == 300
    assert losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[-300.0]]) == 300
    tail = losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[30.0]])
    np.testing.assert_allclose(tail, np.exp(-30), rtol=1e-6)


def test_log_is_exact():
    x = np.concatenate([np.linspace(1e-7, 3, 20_001), 10.0 ** np.arange(-38, 38)]).astype(np.float32)
    np.testing.assert_array_equal(elementary.log(x), np.log(x.astype(np.float64)).astype(np.float32))
    special = np.array([0, -1, np.inf, np.nan, 1], np.float32)
    np.testing.assert_array_equal(elementary.log(special), np.array([-np.inf, np.nan, np.inf, np.nan, 0], np.float32))
    smallest = np.array([1e-45, 1e-310], np.float64)
    np.testing.assert_allclose(elementary.log(smallest), np.log(smallest), rtol=1e-15)


def test_power():
    x = np.array([0.0, 0.3, 1.0, 1.7], np.float32)
    for exponent in (0, 1, 2, 0.5, 3.0):
        np.testing.assert_allclose(elementary.power(x, exponent), x**exponent, rtol=1e-6)
