import itertools

import numpy as np
import pytest

from fastlstm.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from networks import random

X = random(2, 5, 6, 3)


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape"),
    [
        (ZeroPadding1D(2), (None, None, 5), (None, None, 5)),
        (Cropping1D(2), (None, None, 5), (None, None, 5)),
        (UpSampling1D(2), (3, None, 5), (3, None, 5)),
        (ZeroPadding2D((1, 2)), (None, None, 5, 3), (None, None, 9, 3)),
        (ZeroPadding2D((1, 2), "channels_first"), (None, 3, None, 5), (None, 3, None, 9)),
        (Cropping2D(((1, 2), (0, 1))), (None, 6, None, 3), (None, 3, None, 3)),
        (Cropping3D(data_format="channels_first"), (None, 3, 4, 5, None), (None, 3, 2, 3, None)),
        (UpSampling2D((2, 3)), (None, None, 4, 3), (None, None, 12, 3)),
        (UpSampling3D(3), (1, 2, None, 4, 3), (1, 6, None, 12, 3)),
    ],
)
def test_unknown_sizes(layer, shape, output_shape):
    assert layer.compute_output_shape(shape) == output_shape


@pytest.mark.parametrize("layer", [ZeroPadding2D(0), Cropping2D(0), UpSampling2D(1), UpSampling2D(1, None, "bilinear")])
def test_outputs_are_no_views(layer):
    y = layer(X)
    assert not np.shares_memory(y, X)
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(y, X)
    y[...] = 1


def test_cropping_takes_away_what_padding_adds():
    for first, second in itertools.product(((0, 0), (1, 2)), ((3, 0), (0, 1))):
        widths = (first, second)
        np.testing.assert_array_equal(Cropping2D(widths)(ZeroPadding2D(widths)(X)), X)
        assert ZeroPadding2D(widths)(X).sum() == pytest.approx(X.sum(), rel=1e-5)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"])
def test_interpolation_keeps_what_is_constant(interpolation):
    layer = UpSampling2D((3, 2), interpolation=interpolation)
    np.testing.assert_allclose(layer(np.full_like(X, 2.5)), 2.5, rtol=1e-6)
    np.testing.assert_array_equal(UpSampling2D(1, interpolation=interpolation)(X), X)


def test_keras2_kernels():
    """By hand: positions 1/4 before and after a value, and the kernels of Gauss and Mitchell-Netravali there."""
    x = np.array([0, 0, 0, 1, 0, 0, 0], np.float32).reshape(1, 1, 7, 1)
    y = UpSampling2D((1, 2), interpolation="gaussian")(x).ravel()
    near, far = np.exp(-2 * 0.25**2), np.exp(-2 * 0.75**2)
    whole = near + far + np.exp(-2 * 1.25**2)
    np.testing.assert_allclose(y[5:9], [far / whole, near / whole, near / whole, far / whole], rtol=1e-6)
    y = UpSampling2D((1, 2), interpolation="mitchellcubic")(x).ravel()
    near = (7 * 0.25**3 - 12 * 0.25**2 + 16 / 3) / 6
    far = (-7 / 3 * 1.25**3 + 12 * 1.25**2 - 20 * 1.25 + 32 / 3) / 6
    np.testing.assert_allclose(y[[4, 6]], [far, near], rtol=1e-5)


def test_configs():
    assert ZeroPadding1D((1, 2)).get_config()["padding"] == (1, 2)
    assert "data_format" not in Cropping1D().get_config()
    assert "data_format" not in UpSampling1D().get_config()
    assert ZeroPadding2D((1, 2)).get_config()["padding"] == ((1, 1), (2, 2))
    assert UpSampling2D(interpolation="Bilinear").get_config()["interpolation"] == "bilinear"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ZeroPadding2D((1, 2, 3)), "`padding` should have two elements. Received: padding=(1, 2, 3)."),
        (lambda: ZeroPadding2D(1.5), "`padding` should be either an int, a tuple of 2 ints"),
        (lambda: ZeroPadding2D(-1), "`padding` cannot be negative. Received: padding=-1."),
        (
            lambda: ZeroPadding2D(((1, 2), (3, 4, 5))),
            "`2nd entry of padding` argument must be a tuple of 2 integers.",
        ),
        (lambda: ZeroPadding3D((1, 2)), "`padding` should have 3 elements."),
        (lambda: Cropping2D(-1), "`cropping` cannot be negative. Received: cropping=-1."),
        (lambda: Cropping2D((1, -1)), "The `2nd entry of cropping` argument must be a tuple of 2 integers."),
        (lambda: Cropping3D(None), "`cropping` should be either an int, a tuple of 3 ints (symmetric_dim1_crop"),
        (
            lambda: Cropping2D(((1, 2), (3, 3)))(X),
            "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the input. "
            "Received: input_shape=(2, 5, 6, 3), cropping=((1, 2), (3, 3))",
        ),
        (lambda: Cropping1D(3)(X[0]), "`cropping` parameter of `Cropping1D` layer must be smaller than the input"),
        (lambda: UpSampling2D(0), "The `size` argument must be a tuple of 2 integers."),
        (lambda: UpSampling2D(interpolation="cubic"), "Invalid value for argument `interpolation`."),
        (lambda: UpSampling3D()(X), "expected ndim=5, found ndim=4"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
