import numpy as np
import pytest

from fastlstm.layers import (
    AveragePooling1D,
    AvgPool1D,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
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


def test_other_names():
    assert (MaxPool1D, AvgPool1D) == (MaxPooling1D, AveragePooling1D)
    assert (GlobalMaxPool1D, GlobalAvgPool1D) == (GlobalMaxPooling1D, GlobalAveragePooling1D)


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
        (lambda: GlobalMaxPooling1D("first"), "Received: data_format=first"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
