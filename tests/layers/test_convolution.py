import numpy as np
import pytest

from fastlstm.layers import (
    Activation,
    Conv1D,
    Conv1DTranspose,
    Convolution1D,
    DepthwiseConv1D,
    PReLU,
    ReLU,
    SeparableConv1D,
    SeparableConvolution1D,
)
from networks import randomized

pytestmark = pytest.mark.packed_kernels

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation", "groups"), [(1, 1, 1), (3, 1, 2), (1, 4, 3)])
def test_definition(padding, strides, dilation, groups):
    x = RNG.normal(size=(2, 19, 6)).astype(np.float32)
    layer = Conv1D(12, 4, strides, padding, dilation_rate=dilation, groups=groups)
    randomized(layer, x)
    kernel, bias = (weight.astype("f8") for weight in layer.get_weights())
    span = 3 * dilation + 1
    count = -(-19 // strides) if padding != "valid" else (19 - span) // strides + 1
    total = {"valid": 0, "same": max((count - 1) * strides + span - 19, 0), "causal": span - 1}[padding]
    before = total // 2 if padding == "same" else total
    wide = np.zeros((2, 19 + total, 6))
    wide[:, before : before + 19] = x
    expected = np.empty((2, count, 12))
    for i in range(count):
        for filter_ in range(12):
            first = filter_ // (12 // groups) * (6 // groups)
            read = wide[:, i * strides : i * strides + span : dilation, first : first + 6 // groups]
            expected[:, i, filter_] = (read * kernel[:, :, filter_]).sum(axis=(1, 2)) + bias[filter_]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Conv1D(33, 5, activation="tanh"),
        lambda: Conv1D(32, 3, groups=8, padding="same"),
        lambda: SeparableConv1D(17, 7, depth_multiplier=2),
        lambda: DepthwiseConv1D(3, strides=2),
        lambda: DepthwiseConv1D(4, depth_multiplier=3),
        lambda: SeparableConv1D(17, 3, dilation_rate=2, activation="softmax"),
        lambda: Conv1DTranspose(9, 4, 3, "same", activation="relu"),
        lambda: Conv1DTranspose(5, 3, 2, activation="softmax"),
    ],
)
@pytest.mark.parametrize("timesteps", [7, 40])
def test_rows_do_not_depend_on_the_batch(layer, timesteps):
    x = RNG.normal(size=(37, timesteps, 64)).astype(np.float32)
    layer = randomized(layer(), x)
    y = layer(x)
    for rows in (slice(0, 1), slice(5, 7), slice(36, 37), slice(0, 0)):
        np.testing.assert_array_equal(layer(x[rows]), y[rows])


def test_activations_of_any_kind():
    x = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    layer = randomized(Conv1D(4, 2), x)
    y = layer(x)
    weights = layer.get_weights()
    for activation in ("relu", ReLU(), {"class_name": "ReLU", "config": {}}, lambda z: np.maximum(z, 0)):
        other = Conv1D(4, 2, activation=activation)
        other.build(x.shape)
        other.set_weights(weights)
        np.testing.assert_array_equal(other(x), np.maximum(y, 0))
        assert other(x).dtype == np.float32
    config = Conv1D(4, 2, activation=Activation("relu", name="a")).get_config()
    assert Conv1D.from_config(config).get_config() == config
    with pytest.raises(ValueError, match="has weights"):
        Conv1D(4, 2, activation=PReLU()).build(x.shape)


def test_other_names():
    assert (Convolution1D, SeparableConvolution1D) == (Conv1D, SeparableConv1D)


def test_channels_are_checked():
    layer = Conv1D(4, 2)
    layer.build((None, 6, 3))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        layer(np.zeros((1, 6, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv1D(0, 2), "Invalid value for argument `filters`. Expected a strictly positive value."),
        (lambda: Conv1D(2, 0), "The `kernel_size` argument must be a tuple of 1 integers. Received kernel_size=0"),
        (lambda: Conv1D(2, (1, 2)), "must be a tuple of 1 integers. Received kernel_size=(1, 2)"),
        (lambda: Conv1D(2, 3.0), "must be a tuple of 1 integers. Received kernel_size=3.0"),
        (lambda: Conv1D(2, 3, strides=-1), "including values {-1} that do not satisfy `value > 0`"),
        (lambda: Conv1D(2, 3, padding="full"), "one of {'valid', 'same', 'causal'}. Received: full"),
        (lambda: Conv1D(2, 3, padding=None), "Received: None"),
        (lambda: DepthwiseConv1D(3, padding="causal"), "one of {'valid', 'same'}. Received: causal"),
        (lambda: Conv1D(2, 3, strides=2, dilation_rate=2), "`strides > 1` not supported in conjunction with"),
        (lambda: Conv1D(2, 3, groups=0), "The number of groups must be a positive integer. Received: groups=0."),
        (lambda: Conv1D(5, 3, groups=2), "The number of filters must be evenly divisible by the number of groups."),
        (lambda: Conv1D(4, 3, groups=4).build((None, 6, 3)), "but the input has 3 channels"),
        (lambda: Conv1D(4, 3, lora_rank=2), "Unrecognized keyword arguments passed to Conv1D: {'lora_rank': 2}"),
        (
            lambda: Conv1D(2, 9)(np.zeros((4, 7, 5))),
            "Computed output size would be zero or negative. Received `inputs shape=(4, 7, 5)`, "
            "`kernel shape=(9, 5, 2)`, `dilation_rate=[1]`, `strides=(1,)`, `padding=valid`.",
        ),
        (lambda: Conv1D(2, 2)(np.zeros((4, 7, 5, 2))), "Kernel shape must have the same length as input"),
        (lambda: Conv1D(2, 2)(np.zeros((4, 7))), "expected min_ndim=3, found ndim=2"),
        (lambda: DepthwiseConv1D(2, depth_multiplier=0), "Invalid value for argument `depth_multiplier`."),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)


def test_causal_separable_convolution():
    """Which Keras 2 knew: as `valid`, after zeros."""
    x = np.random.default_rng(2).normal(size=(2, 7, 3)).astype(np.float32)
    causal = SeparableConv1D(4, 3, dilation_rate=2, padding="causal")
    y = causal(x)
    valid = SeparableConv1D(4, 3, dilation_rate=2)
    valid.build((None, 11, 3))
    valid.set_weights(causal.get_weights())
    np.testing.assert_array_equal(y, valid(np.pad(x, ((0, 0), (4, 0), (0, 0)))))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 4)])
def test_channels_alone(padding, strides, dilation):
    """In the engine as in NumPy, which takes those of more than one output per channel."""
    x = RNG.normal(size=(3, 18, 21)).astype(np.float32)
    alone = randomized(DepthwiseConv1D(5, strides, padding, dilation_rate=dilation), x)
    kernel, bias = alone.get_weights()
    twice = DepthwiseConv1D(5, strides, padding, 2, dilation_rate=dilation)
    twice.build(x.shape)
    twice.set_weights([np.concatenate([kernel, 2 * kernel], axis=-1), np.repeat(bias, 2)])
    assert alone.lowers and not twice.lowers
    np.testing.assert_allclose(alone(x), twice(x)[..., ::2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides", "extra"), [(1, 1, None), (2, 3, None), (5, 2, 1), (7, 3, None), (4, 2, 0)])
def test_transposed_in_the_engine_at_any_length(padding, size, strides, extra):
    layer = randomized(Conv1DTranspose(4, size, strides, padding, extra, activation="tanh"), np.zeros((1, 5, 3), "f4"))
    kernel, bias = (weight.astype("f8") for weight in layer.get_weights())
    assert layer.lowers
    for timesteps in (2, 5, 90):
        x = RNG.normal(size=(2, timesteps, 3)).astype(np.float32)
        wide = np.zeros((2, timesteps * strides + size + strides, 4))
        for step in range(timesteps):
            wide[:, step * strides : step * strides + size] += np.einsum("bc,sfc->bsf", x[:, step], kernel)
        count = layer.compute_output_shape(x.shape)[1]
        first = 0 if padding == "valid" else max((timesteps - 1) * strides + size - count, 0) // 2
        np.testing.assert_allclose(layer(x), np.tanh(wide[:, first : first + count] + bias), rtol=1e-5, atol=1e-5)
