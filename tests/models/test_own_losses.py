"""Losses of a user's own, written with operations: training goes through them; the numbers are Keras 3.15.1's."""

import copy
import pickle

import numpy as np
import pytest

from fastlstm import Input, Sequential, losses, ops, optimizers
from fastlstm.layers import LSTM, Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6, 4)).astype(np.float32)
Y = RNG.normal(size=(32, 2)).astype(np.float32)


def root_mean_squared(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_pred - y_true)))


def root_of_each(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_pred - y_true), axis=-1) + 1e-6)


def focal(y_true, y_pred):
    y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
    right = ops.where(ops.equal(y_true, 1), y_pred, 1 - y_pred)
    return -ops.mean(ops.power(1 - right, 2.0) * ops.log(right), axis=-1)


def of_built_in_ones(y_true, y_pred):
    of_each = losses.mean_squared_error(y_true, y_pred)
    of_each += 0.3 * losses.MeanAbsoluteError(reduction=None)(y_true, y_pred)
    return of_each + 0.1 * losses.BinaryCrossentropy()(y_true, y_pred) + losses.huber(y_true[:, :1], y_pred[:, :1])


def dice(y_true, y_pred):
    return 1 - (2 * ops.sum(y_true * y_pred) + 1) / (ops.sum(y_true) + ops.sum(y_pred) + 1)


def pinball(quantile):
    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(quantile * error, (quantile - 1) * error), axis=-1)

    return loss


def of_the_first(y_true, y_pred):
    return ops.abs(y_true[:, 0] - y_pred[:, 0])


class LogCosh(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.sum(ops.log(ops.cosh(y_pred - y_true)), axis=-1)


def model():
    made = Sequential([Input((6, 4)), LSTM(5), Dense(2, activation="sigmoid")])
    rng = np.random.default_rng(1)
    made.set_weights([(0.3 * rng.normal(size=array.shape)).astype(np.float32) for array in made.get_weights()])
    return made


# the loss, whether targets are classes, the mean loss of three epochs, and after them
CASES = [
    (root_mean_squared, False, [1.01288, 0.97836, 0.93871], 0.94611),
    (root_of_each, False, [0.92663, 0.89564, 0.86048], 0.83891),
    (focal, True, [0.1844, 0.16754, 0.15999], 0.15554),
    (of_built_in_ones, False, [1.90475, 1.78911, 1.66271], 1.56957),
    (dice, True, [0.52916, 0.51233, 0.49862], 0.50958),
    (pinball(0.3), False, [0.53731, 0.51261, 0.48013], 0.45877),
    (of_the_first, False, [0.896, 0.86329, 0.82801], 0.80271),
    (LogCosh(), False, [0.82067, 0.77791, 0.72979], 0.69757),
    (lambda y_true, y_pred: ops.mean((y_true - y_pred) ** 4, axis=-1), False, [3.11707, 2.82288, 2.55525], 2.34614),
]


@pytest.mark.parametrize(("loss", "classes", "curve", "after"), CASES)
def test_curves_are_those_of_keras(loss, classes, curve, after):
    made, targets = model(), (Y > 0).astype(np.float32) if classes else Y
    made.compile(optimizers.Adam(0.02), loss=loss)
    history = made.fit(X, targets, epochs=3, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], curve, atol=6e-6)
    np.testing.assert_allclose(made.evaluate(X, targets, verbose=0), after, atol=6e-6)


def test_weights_of_samples_count():
    weights = np.repeat([1.0, 0.0], 16)
    made = model()
    made.compile(optimizers.SGD(0.1), loss=root_of_each)
    made.train_on_batch(X, Y, sample_weight=weights)
    halved = model()
    halved.compile(optimizers.SGD(0.05), loss=root_of_each)
    halved.train_on_batch(X[:16], Y[:16])
    for one, other in zip(made.get_weights(), halved.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_loss_that_was_trained_with_is_copied():
    made, loss = model(), LogCosh()
    made.compile("adam", loss=loss)
    made.train_on_batch(X, Y)
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert again(Y, X[:, 0, :2]) == loss(Y, X[:, 0, :2])


def test_a_condition_on_values_is_refused_and_the_model_goes_on():
    def conditional(y_true, y_pred):
        return ops.mean(y_pred - y_true, axis=-1) if y_pred[0, 0] > 0 else ops.mean(y_true, axis=-1)

    made = model()
    made.compile("adam", loss=conditional)
    before = made.get_weights()
    words = r"The loss function 'conditional' does not say its gradient.* functions of `fastlstm.ops`"
    with pytest.raises(NotImplementedError, match=words):
        made.fit(X, Y, verbose=0)
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    made.compile("adam", loss=root_of_each)
    assert np.isfinite(made.train_on_batch(X, Y))


def test_a_reduction_and_weights_inside_a_loss():
    def weighted(y_true, y_pred):
        return losses.MeanSquaredError()(y_true, y_pred, sample_weight=np.full(32, 2.0))

    made, doubled = model(), model()
    made.compile(optimizers.SGD(0.1), loss=weighted)
    doubled.compile(optimizers.SGD(0.2), loss="mse")
    np.testing.assert_allclose(made.train_on_batch(X, Y), 2 * doubled.train_on_batch(X, Y), rtol=1e-5)
    for one, other in zip(made.get_weights(), doubled.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
