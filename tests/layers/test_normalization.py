import numpy as np
import pytest

from fastlstm import Input, Sequential, load_model
from fastlstm.layers import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
    UnitNormalization,
)

RNG = np.random.default_rng(3)
X = RNG.normal(1.0, 2.0, size=(9, 7, 5)).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: LayerNormalization(),
        lambda: LayerNormalization(axis=[1, 2]),
        lambda: GroupNormalization(5),
        lambda: RMSNormalization(),
        lambda: UnitNormalization(axis=[1, 2]),
        lambda: BatchNormalization(),
    ],
)
def test_rows_do_not_depend_on_the_batch(layer):
    x = RNG.normal(size=(9, 30, 65)).astype(np.float32)
    layer = layer()
    y = layer(x)
    for row in range(len(x)):
        np.testing.assert_array_equal(layer(x[row : row + 1]), y[row : row + 1])
    assert layer(x[:0]).shape == (0, 30, 65)


def test_rows_are_normalized():
    for layer in (LayerNormalization(epsilon=0), GroupNormalization(1, epsilon=0)):
        y = np.asarray(layer(X[:, 0] + 1000), "f8")
        np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-4)
        np.testing.assert_allclose(y.std(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.square(UnitNormalization()(X)).sum(axis=-1), 1, rtol=1e-5)
    assert not UnitNormalization()(np.zeros((2, 3))).any()


def test_batch_normalization_in_training():
    layer = BatchNormalization(momentum=0.9, epsilon=0.0)
    y = layer(X, training=True)
    np.testing.assert_allclose(np.mean(y, axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(np.std(y, axis=(0, 1)), 1, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.value, 0.1 * X.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.value, 0.9 + 0.1 * X.var(axis=(0, 1)), rtol=1e-5)
    layer.trainable = False
    kept = layer.get_weights()
    np.testing.assert_array_equal(layer(X, training=True), layer(X))
    for weight, same in zip(layer.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(weight, same)


def test_batch_normalization_of_valid_steps():
    mask = RNG.random((9, 7)) < 0.6
    x = np.where(mask[..., None], X, np.nan)
    layer = BatchNormalization(epsilon=0.0)
    y = layer(x, training=True, mask=mask)
    np.testing.assert_allclose(y[mask].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(y[mask].std(axis=0), 1, atol=1e-5)
    with pytest.raises(ValueError, match="The mask provided should be one dimension less than the inputs"):
        layer(X, mask=mask[0])


def test_batch_normalization_config():
    config = BatchNormalization(axis=1, center=False, gamma_regularizer="l2", synchronized=True, name="b").get_config()
    assert BatchNormalization.from_config(config).get_config() == config
    layer = BatchNormalization.from_config(config)
    layer.build((None, 7, 5))
    assert [weight.shape for weight in layer.weights] == [(7,)] * 3
    assert [weight.name for weight in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
def test_adapt(axis):
    layer = Normalization(axis)
    layer.adapt(X)
    axes = {-1: (0, 1), 1: (0, 2), (1, 2): (0,), None: (0, 1, 2)}[axis]
    expected = (X - X.mean(axis=axes, keepdims=True)) / X.std(axis=axes, keepdims=True)
    np.testing.assert_allclose(layer(X), expected, rtol=1e-4, atol=1e-5)
    in_batches = Normalization(axis)
    in_batches.adapt(iter([X[:2], (X[2:7], "labels"), X[7:]]))
    for weight, same in zip(in_batches.get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_allclose(weight, same, rtol=1e-5)
    inverse = Normalization(axis, invert=True)
    inverse.build(X.shape)
    inverse.set_weights(layer.get_weights())
    np.testing.assert_allclose(inverse(layer(X)), X, rtol=1e-4, atol=1e-5)


def test_given_values():
    layer = Normalization(mean=1.5, variance=4.0)
    np.testing.assert_allclose(layer(X), (X - 1.5) / 2, rtol=1e-6)
    assert layer.weights == []
    with pytest.raises(ValueError, match="cannot be adapted"):
        layer.adapt(X)
    constant = Normalization(mean=np.zeros(5), variance=np.zeros(5))
    np.testing.assert_allclose(constant(X), X / 1e-7, rtol=1e-6)
    assert constant.get_config()["mean"] == [0.0] * 5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BatchNormalization(renorm=True), ValueError, "the argument `renorm` is not supported"),
        (lambda: LayerNormalization(rms_scaling=True), ValueError, "the argument `rms_scaling` is not supported"),
        (lambda: LayerNormalization(axis="1"), TypeError, "Expected an int or a list/tuple of ints"),
        (lambda: UnitNormalization(axis=None), TypeError, "expected an int or a list/tuple of ints"),
        (lambda: LayerNormalization(axis=3)(X), ValueError, "Axis 3 is out of bounds for input shape (9, 7, 5)."),
        (lambda: GroupNormalization(0), ValueError, "expected a positive integer (or `-1` for instance"),
        (lambda: GroupNormalization(8)(X), ValueError, "(8) cannot be more than the number of channels (5)."),
        (lambda: GroupNormalization(2)(X), ValueError, "(2) must be a multiple of the number of channels (5)."),
        (lambda: Normalization(mean=1.0), ValueError, "both `mean` and `variance` must be set."),
        (lambda: Normalization(mean=[1.0], variance=1.0), ValueError, "must have the same shape."),
        (lambda: Normalization(mean=[[1.0]], variance=[[1.0]]), ValueError, "The rank of `mean` must be less than"),
        (lambda: Normalization(axis=3)(X), ValueError, "must be in the range [-ndim, ndim)."),
        (lambda: Normalization().build((None, None)), ValueError, "with unknown axis at index 1"),
        (lambda: Normalization().adapt([]), ValueError, "adapt() received an empty iterable"),
        (lambda: Normalization().adapt([X, X[:, :, :3]]), ValueError, "incompatible shape, data.shape=(9, 7, 3)"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_scalar_weights_saved_and_loaded(tmp_path, ending):
    model = Sequential([Input((7, 5)), Normalization(), BatchNormalization()])
    model.layers[0].adapt(X)
    path = tmp_path / f"m.{ending}"
    model.save(path)
    loaded = load_model(path)
    assert loaded.layers[0].count.value.shape == ()
    np.testing.assert_array_equal(loaded(X), model(X))
