import numpy as np
import pytest

from fastlstm.layers import ELU, Dense, LeakyReLU, PReLU, ReLU, Softmax

X = np.random.default_rng(3).normal(0, 2, size=(4, 7, 5)).astype(np.float32)


@pytest.mark.parametrize("layer", [ReLU(6.0, 0.1, 1.0), LeakyReLU(), ELU(0.5)])
def test_any_rank(layer):
    y = layer(X)
    np.testing.assert_array_equal(layer(X[0]), y[0])
    np.testing.assert_array_equal(layer(X[:, :, None]), y[:, :, None])
    assert layer.compute_output_shape((None, 7, 5)) == (None, 7, 5)


def test_as_an_activation_of_the_engine():
    dense = Dense(5, use_bias=False, kernel_initializer="identity")
    for layer in (ReLU(6.0, 0.1, 1.0), LeakyReLU(0.5), ELU(0.5)):
        same = Dense(5, layer, use_bias=False, kernel_initializer="identity")
        np.testing.assert_array_equal(same(X), layer(dense(X)))
        assert same.lower()[0].activation.name != "python"


def test_softmax():
    for x in (X, X[0]):
        y = Softmax()(x)
        np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-6)
    one = Softmax()
    one.build((None, 5))
    assert one.lowers and one.lower() and not Softmax(axis=1).lowers
    np.testing.assert_array_equal(one(X[0]), y)
    mask = np.array([1, 1, 0, 1, 0], bool)
    masked = Softmax()(X, mask=mask)
    np.testing.assert_allclose(masked[..., mask], Softmax()(X[..., mask]), rtol=1e-6)
    assert not masked[..., ~mask].any()
    np.testing.assert_array_equal(Softmax()(X, mask=mask.astype("float32")), masked)
    for wrong in (np.ones((4, 7)), np.ones((1, 4, 7, 5))):
        with pytest.raises(ValueError, match="The `mask` must be broadcastable to `inputs`"):
            Softmax()(X, mask=wrong)


def test_prelu():
    layer = PReLU("ones", shared_axes=1)
    layer.build(X.shape)
    alpha = np.linspace(-1, 1, 5, dtype=np.float32)[None]
    layer.set_weights([alpha])
    np.testing.assert_array_equal(layer(X), np.where(X > 0, X, alpha * X))
    assert layer(X[:, :3]).shape == (4, 3, 5)
    with pytest.raises(ValueError, match="expected axis 2"):
        layer(X[:, :, :3])
    x = X.copy()
    x[0, 0] = np.inf
    np.testing.assert_array_equal(layer(x)[0, 0], x[0, 0])


def test_alpha_is_an_old_name():
    with pytest.warns(UserWarning, match="Argument `alpha` is deprecated. Use `negative_slope` instead."):
        layer = LeakyReLU(alpha=0.2)
    assert layer.negative_slope == 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReLU(-1.0), "max_value of a ReLU layer cannot be a negative value. Received: max_value=-1.0"),
        (lambda: ReLU(negative_slope=None), "negative_slope of a ReLU layer cannot be None or a negative value."),
        (lambda: ReLU(threshold=-2.0), "Received: threshold=-2.0"),
        (lambda: LeakyReLU(-0.1), "Expected a float. Received: negative_slope=-0.1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
