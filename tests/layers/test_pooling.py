import numpy as np
import pytest

from fastlstm import layers
from fastlstm.layers import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)

X = np.random.default_rng(3).normal(size=(9, 41, 5)).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling1D(3, 2),
        AveragePooling1D(10, 1, "same"),
        AveragePooling1D([20]),
        GlobalMaxPooling1D(),
        GlobalAveragePooling1D(),
        GlobalAveragePooling1D("channels_first"),
    ],
)
@pytest.mark.parametrize("features", [1, 5])
def test_rows_do_not_depend_on_the_batch(layer, features):
    x = X[:, :, :features]
    y = type(layer).from_config(layer.get_config())(x)
    for row in range(len(x)):
        np.testing.assert_array_equal(layer(x[row : row + 1]), y[row : row + 1])
    assert layer(x[:0]).shape == (0, *y.shape[1:])


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling2D((2, 3), 2, "same"),
        AveragePooling2D((3, 1), (1, 4), "same", "channels_first"),
        AveragePooling2D(2),
        GlobalAveragePooling2D(),
        GlobalAveragePooling2D("channels_first", keepdims=True),
    ],
)
@pytest.mark.parametrize("channels", [1, 5])
def test_images_do_not_depend_on_the_batch(layer, channels):
    x = np.random.default_rng(3).normal(size=(7, 6, 9, channels)).astype(np.float32)
    y = layer(x)
    for row in range(len(x)):
        np.testing.assert_array_equal(layer(x[row : row + 1]), y[row : row + 1])
    assert layer(x[:0]).shape == (0, *y.shape[1:])


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_definition(padding):
    x = np.random.default_rng(3).normal(size=(2, 5, 4, 7, 3)).astype(np.float32)
    sizes, strides = (3, 2, 4), (2, 1, 3)
    greatest = MaxPooling3D(sizes, strides, padding)(x)
    means = layers.AveragePooling3D(sizes, strides, padding)(x)
    assert greatest.shape == means.shape
    counts = greatest.shape[1:-1]
    lengths = zip(counts, sizes, strides, x.shape[1:-1], strict=True)
    total = [max((count - 1) * stride + size - length, 0) for count, size, stride, length in lengths]
    for place in np.ndindex(*counts):
        starts = [at * stride - pad // 2 for at, stride, pad in zip(place, strides, total, strict=True)]
        inside = tuple(slice(max(start, 0), start + size) for start, size in zip(starts, sizes, strict=True))
        window, here = x[(slice(None), *inside)], (slice(None), *place)
        np.testing.assert_array_equal(greatest[here], window.max(axis=(1, 2, 3)))
        np.testing.assert_allclose(means[here], window.mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [MaxPooling2D(1), AveragePooling2D(1), MaxPooling1D(1)])
def test_outputs_are_no_views(layer):
    x = X[0][None] if layer.rank == 1 else X[:1, None]
    y = layer(x)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(y, x)


def test_padding_never_wins():
    low = X - 1000
    np.testing.assert_array_equal(MaxPooling1D(60, padding="same")(low), low.max(axis=1, keepdims=True))
    np.testing.assert_allclose(AveragePooling1D(60, padding="same")(X)[:, 0], X.mean(axis=1), rtol=1e-4, atol=1e-6)


def test_masked_mean():
    mask = np.random.default_rng(4).random((9, 41)) < 0.5
    mask[2] = False
    x = np.where(mask[..., None], X, np.nan)
    y = GlobalAveragePooling1D()(x, mask=mask)
    assert np.isnan(y[2]).all()
    for row in set(range(9)) - {2}:
        np.testing.assert_allclose(y[row], X[row, mask[row]].mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(GlobalAveragePooling1D()(x, mask=mask.astype("int8")), y)
    first = GlobalAveragePooling1D("channels_first")(x.swapaxes(1, 2), mask=mask)
    np.testing.assert_allclose(first, y, rtol=1e-5, atol=1e-6)
    assert GlobalAveragePooling1D().compute_mask(x, mask) is None


def test_unknown_sizes():
    assert MaxPooling1D().compute_output_shape((None, None, 5)) == (None, None, 5)
    assert GlobalMaxPooling1D(keepdims=True).compute_output_shape((None, None, 5)) == (None, 1, 5)
    assert GlobalMaxPooling1D("channels_first").compute_output_shape((None, 5, None)) == (None, 5)
    assert np.isnan(GlobalAveragePooling1D()(X[:, :0])).all()
    assert MaxPooling2D().compute_output_shape((None, None, 5, None)) == (None, None, 2, None)
    assert MaxPooling3D(2, 1, "same", "channels_first").compute_output_shape((1, 2, 3, None, 4)) == (1, 2, 3, None, 4)
    assert GlobalMaxPooling3D(keepdims=True).compute_output_shape((None, None, 2, 3, 5)) == (None, 1, 1, 1, 5)
    assert GlobalAveragePooling3D("channels_first").compute_output_shape((None, 5, None, 2, 3)) == (None, 5)


def test_other_names():
    for rank in "123":
        for short, name in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling")):
            for prefix in ("", "Global"):
                assert getattr(layers, f"{prefix}{short}{rank}D") is getattr(layers, f"{prefix}{name}{rank}D")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPooling1D(padding="causal"), "must be either 'valid' or 'same'. Received: padding=causal"),
        (lambda: MaxPooling1D(0), "The `pool_size` argument must be a tuple of 1 integers. Received pool_size=0"),
        (lambda: MaxPooling1D(2, (1, 1)), "The `strides` argument must be a tuple of 1 integers."),
        (
            lambda: AveragePooling1D(9)(X[:, :7]),
            "Computed output size would be zero or negative. Received: `inputs.shape=[9 7 5]`, `pool_size=[9]`, "
            "`strides=(9,)`, `padding=valid`.",
        ),
        (lambda: MaxPooling1D()(X[0]), "expected ndim=3, found ndim=2"),
        (lambda: MaxPooling2D((2, 2, 2)), "The `pool_size` argument must be a tuple of 2 integers."),
        (
            lambda: MaxPooling2D((2, 6))(X[:1, None, :4]),
            "Received: `inputs.shape=[1 1 4 5]`, `pool_size=[2 6]`, `strides=(2, 6)`, `padding=valid`.",
        ),
        (lambda: GlobalMaxPooling1D("first"), "Received: data_format=first"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
