import numpy as np
import pytest

from fastlstm.layers import Cropping1D, Flatten, Permute, RepeatVector, Reshape, UpSampling1D, ZeroPadding1D

X = np.random.default_rng(3).normal(size=(4, 7, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape"),
    [
        (Flatten(), (None, None, 5), (None, None)),
        (Flatten(), (None,), (None, 1)),
        (Reshape((3, -1)), (None, None, 6), (None, 3, None)),
        (Reshape((3, 2)), (2, None, 6), (2, 3, 2)),
        (Permute((2, 1)), (None, None, 5), (None, 5, None)),
        (RepeatVector(3), (None, 5), (None, 3, 5)),
    ],
)
def test_unknown_sizes(layer, shape, output_shape):
    assert layer.compute_output_shape(shape) == output_shape


@pytest.mark.parametrize(
    "layer", [Flatten(), Reshape((5, 7)), Permute((2, 1)), Permute((1, 2)), ZeroPadding1D(0), Cropping1D(0)]
)
def test_outputs_are_no_views(layer):
    y = layer(X)
    assert not np.shares_memory(y, X)
    assert y.flags.c_contiguous
    assert layer(X[:0]).shape == (0, *y.shape[1:])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Reshape((-2, 3)), ValueError, "must be a non-negative integer, or `-1` for a single unknown"),
        (lambda: Reshape((-1, -1)), ValueError, "There must be at most one unknown dimension (-1) in `target_shape`."),
        (
            lambda: Reshape((5, 8))(X),
            ValueError,
            "The total size of the tensor must be unchanged. Received: input_shape=(7, 5), target_shape=(5, 8)",
        ),
        (
            lambda: Reshape((3, -1))(X),
            ValueError,
            "the input size cannot by divided by the specified dimensions in target_shape. Received: "
            "input_shape=(7, 5), target_shape=(3, -1)",
        ),
        (lambda: Permute((0, 1)), ValueError, "must be consecutive and start from 1. Received dims=(0, 1)"),
        (lambda: Permute((2, 1))(X[0]), ValueError, "expected ndim=3, found ndim=2. Full shape received: (7, 5)"),
        (lambda: RepeatVector(2.0), TypeError, "Expected an integer value for `n`, got <class 'float'>."),
        (lambda: RepeatVector(0), ValueError, "Argument `n` should be a positive integer. Received: n=0"),
        (lambda: RepeatVector(2)(X), ValueError, "expected ndim=2, found ndim=3"),
        (lambda: UpSampling1D("2"), TypeError, "Expected an integer value for `size`, got <class 'str'>."),
        (lambda: UpSampling1D(-1), ValueError, "Argument `size` should be a positive integer. Received: size=-1"),
        (
            lambda: ZeroPadding1D((1, 2, 3)),
            ValueError,
            "The `padding` argument must be a tuple of 2 integers. Received padding=(1, 2, 3)",
        ),
        (
            lambda: ZeroPadding1D((1, "a")),
            ValueError,
            "Received padding=(1, 'a') including element a of type <class 'str'>",
        ),
        (lambda: ZeroPadding1D(None), ValueError, "must be a tuple of 2 integers. Received padding=None"),
        (
            lambda: Cropping1D(-1),
            ValueError,
            "Received cropping=-1, including values {-1} that do not satisfy `value >= 0`",
        ),
        (
            lambda: Cropping1D((4, 3))(X),
            ValueError,
            "`cropping` parameter of `Cropping1D` layer must be smaller than the input length.",
        ),
        (
            lambda: Flatten("last"),
            ValueError,
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: data_format=last",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
