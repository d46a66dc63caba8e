import numpy as np
import pytest

from fastlstm import losses, ops
from fastlstm.losses import Loss, LossFunctionWrapper

Y_TRUE = np.array([[1.0, 2, 3], [4, 5, 6]])
Y_PRED = np.array([[1.5, 2, 2], [4, 7, 6]])


def cubic(y_true, y_pred, factor=1.0):
    return factor * np.mean(np.abs(y_true - y_pred) ** 3, axis=-1)


def _cubic_gradient(y_true, y_pred, factor=1.0):
    return factor * 3 * np.sign(y_pred - y_true) * (y_pred - y_true) ** 2 / y_pred.shape[-1]


cubic.gradient = _cubic_gradient


class Quartic(Loss):
    def call(self, y_true, y_pred):
        return np.mean((y_true - y_pred) ** 4, axis=-1)

    def gradient(self, y_true, y_pred):
        return 4 * (y_pred - y_true) ** 3 / y_pred.shape[-1]


@pytest.mark.parametrize("loss", [LossFunctionWrapper(cubic, factor=2.0), Quartic()], ids=["function", "class"])
@pytest.mark.parametrize("weights", [None, [0.5, 3.0]])
def test_losses_of_ones_own(loss, weights):
    value, gradient = loss.value_and_gradient(Y_TRUE, Y_PRED, weights)
    assert value == loss(Y_TRUE, Y_PRED, weights)
    assert gradient.dtype == np.float32
    for index in np.ndindex(*Y_PRED.shape):
        moved = [Y_PRED.copy(), Y_PRED.copy()]
        moved[0][index] -= 1e-2
        moved[1][index] += 1e-2
        step = (loss(Y_TRUE, moved[1], weights) - loss(Y_TRUE, moved[0], weights)) / 2e-2
        assert gradient[index] == pytest.approx(step, rel=1e-2, abs=1e-3)


def test_a_function_that_returns_one_number():
    def total(y_true, y_pred):
        return np.sum((y_true - y_pred) ** 2)

    total.gradient = lambda y_true, y_pred: 2 * (y_pred - y_true)
    loss = LossFunctionWrapper(total)
    value, gradient = loss.value_and_gradient(Y_TRUE, Y_PRED)
    assert value == loss(Y_TRUE, Y_PRED) == pytest.approx(5.25)
    np.testing.assert_allclose(gradient, 2 * (Y_PRED - Y_TRUE))


def test_a_loss_without_a_gradient_says_so():
    def plain(y_true, y_pred):
        return np.mean(y_true - y_pred, axis=-1)

    class Bare(Loss):
        def call(self, y_true, y_pred):
            return plain(y_true, y_pred)

    assert LossFunctionWrapper(plain)(Y_TRUE, Y_PRED) == Bare()(Y_TRUE, Y_PRED)
    with pytest.raises(NotImplementedError, match=r"The loss function 'plain' does not say its gradient.*`plain\.grad"):
        LossFunctionWrapper(plain).gradient_function()
    with pytest.raises(NotImplementedError, match="The loss 'bare' does not say its gradient"):
        Bare(name="bare").value_and_gradient(Y_TRUE, Y_PRED)
    plain.gradient = lambda y_true, y_pred: np.zeros(2)
    with pytest.raises(ValueError, match=r"A loss' gradient has the shape of `y_pred`, \(2, 3\)"):
        LossFunctionWrapper(plain).value_and_gradient(Y_TRUE, Y_PRED)


def test_a_loss_of_operations_is_traced():
    from fastlstm.models import compiled  # from here on losses are traced

    def scaled(y_true, y_pred, factor=1.0):
        return ops.mean(ops.square((y_pred - y_true) * factor), axis=-1)

    class Root(Loss):
        def call(self, y_true, y_pred):
            return ops.sqrt(ops.mean((y_true - y_pred) ** 2))

    assert compiled.losses.Loss.tracer is not None
    value, gradient = losses.MeanSquaredError().value_and_gradient(Y_TRUE, Y_PRED)
    for factor in (1.0, 2.0):
        found = LossFunctionWrapper(scaled, factor=factor).value_and_gradient(Y_TRUE, Y_PRED)
        assert found[0] == pytest.approx(factor**2 * value)
        np.testing.assert_allclose(found[1], factor**2 * gradient, rtol=1e-6)
    found = Root().value_and_gradient(Y_TRUE, Y_PRED)
    assert found[0] == pytest.approx(np.sqrt(value))
    np.testing.assert_allclose(found[1], gradient / (2 * found[0]), rtol=1e-6)
    weights = np.array([0.5, 2.0])
    found = LossFunctionWrapper(scaled).value_and_gradient(Y_TRUE, Y_PRED, weights)
    expected = losses.MeanSquaredError().value_and_gradient(Y_TRUE, Y_PRED, weights)
    assert found[0] == pytest.approx(expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)


def test_no_reduction_trains_on_the_sum():
    value, gradient = losses.MeanSquaredError(reduction=None).value_and_gradient(Y_TRUE, Y_PRED)
    total, same = losses.MeanSquaredError(reduction="sum").value_and_gradient(Y_TRUE, Y_PRED)
    assert value == total
    np.testing.assert_array_equal(gradient, same)


def test_everything_masked_is_zero():
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        value, gradient = losses.MeanSquaredError(reduction).value_and_gradient(Y_TRUE, Y_PRED, mask=[False, False])
        assert value == 0
        assert not gradient.any()


def test_nothing_is_no_loss():
    value, gradient = losses.MeanSquaredError().value_and_gradient(np.zeros((0, 3)), np.zeros((0, 3)))
    assert value == 0
    assert gradient.shape == (0, 3)


def test_integers_and_lists():
    assert losses.MeanSquaredError()([[0, 1]], [[1, 3]]) == 2.5
    assert losses.mean_squared_error([[0, 1]], [[1, 3]]).dtype == np.float32
    assert losses.mean_squared_error([[0, 1]], np.array([[1.0, 3]])).dtype == np.float64


def test_arguments_stay_as_they_are():
    y_true, y_pred = Y_TRUE.astype(np.float32), Y_PRED.astype(np.float32)
    y_true.flags.writeable = y_pred.flags.writeable = False
    for name in ("mean_squared_error", "mean_absolute_error", "log_cosh", "hinge", "cosine_similarity"):
        _, gradient = LossFunctionWrapper(losses.get(name)).value_and_gradient(y_true, y_pred)
        assert gradient.flags.writeable
        assert not np.shares_memory(gradient, y_pred)


def test_get():
    assert losses.get(None) is None
    assert losses.get("mse") is losses.get("MSE") is losses.get("mean_squared_error") is losses.mean_squared_error
    assert losses.get(cubic) is cubic
    assert type(losses.get(losses.Huber)) is losses.Huber
    assert losses.get("Huber").name == "huber_loss"
    for identifier in ("foo", 3, {"class_name": "foo", "config": {}}):
        with pytest.raises(ValueError, match="Could not interpret loss identifier"):
            losses.get(identifier)
    wrapped = LossFunctionWrapper(losses.huber, name="mine", delta=0.5)
    again = losses.get(losses.serialize(wrapped))
    assert again(Y_TRUE, Y_PRED) == wrapped(Y_TRUE, Y_PRED) != LossFunctionWrapper(losses.huber)(Y_TRUE, Y_PRED)
    assert "LossFunctionWrapper(" in repr(wrapped)


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda: losses.Huber(reduction="foo"), ValueError, "Invalid value for argument `reduction`"),
        (
            lambda: losses.Huber(dtype="float16"),
            NotImplementedError,
            "'huber_loss' computes in float32. Received: dtyp",
        ),
        (lambda: losses.MeanSquaredError(delta=1), TypeError, "delta"),
        (lambda: losses.binary_crossentropy(np.ones((2, 3)), np.ones((2, 4))), ValueError, "must have the same shape"),
        (lambda: losses.binary_crossentropy(np.ones(2), np.ones((2, 4))), ValueError, "must have the same rank (ndim)"),
        (
            lambda: losses.categorical_crossentropy(np.ones((2, 3)), np.ones((2, 4))),
            ValueError,
            "must have the same sh",
        ),
        (
            lambda: losses.sparse_categorical_crossentropy([0, 4], np.ones((2, 4))),
            ValueError,
            "Received a label value of 4 which is outside the valid range of [0, 4).",
        ),
        (
            lambda: losses.sparse_categorical_crossentropy([0, 1, 2], np.ones((2, 4))),
            ValueError,
            "must have the same shape up until the last dimension: target.shape=(3,), output.shape=(2, 4)",
        ),
        (
            lambda: losses.sparse_categorical_crossentropy([[0, 1]], np.ones((2, 4))),
            ValueError,
            "Argument `output` must have rank (ndim) `target.ndim - 1`",
        ),
        (
            lambda: losses.sparse_categorical_crossentropy([0, 1], np.ones((2, 4)), axis=0),
            ValueError,
            "Only axis=-1 is currently supported. Received: axis=0",
        ),
        (
            lambda: losses.categorical_crossentropy(np.ones((2, 4)), np.ones((2, 4)), axis=True),
            ValueError,
            "`axis` must be of type `int`. Received: axis=True of type <class 'bool'>",
        ),
        (
            lambda: losses.CTC()(np.array([[1, 2]] * 3), np.zeros((3, 4, 3)), np.ones((3, 4))),
            ValueError,
            "Weights of samples, or a mask, of shape (3, 4) do not fit losses of shape (3,).",
        ),
        (lambda: losses.Circle, AttributeError, "'fastlstm.losses' has no 'Circle', which keras.losses has"),
    ],
)
def test_refused(attempt, error, message):
    with pytest.raises(error) as raised:
        attempt()
    assert message in str(raised.value)


def test_a_single_class_warns():
    with pytest.warns(SyntaxWarning, match="Consider using 'binary_crossentropy' if you only have 2 classes"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1)))
