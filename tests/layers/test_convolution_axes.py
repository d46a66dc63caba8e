"""Convolutions over one, two and three axes: what the goldens of real Keras do not tell."""

import copy
import pickle
import threading

import numpy as np
import pytest

from fastlstm import config, layers
from fastlstm.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv2D,
    Flatten,
    SeparableConv2D,
)
from fastlstm.layers.convolutional import windows
from networks import network, random, randomized

pytestmark = pytest.mark.packed_kernels

EVERY_KIND = {
    "Conv2D": lambda **more: Conv2D(5, (3, 2), strides=(2, 1), padding="same", activation="tanh", **more),
    "groups": lambda **more: Conv2D(9, 3, groups=3, padding="same", **more),
    "dilated": lambda **more: Conv2D(17, 2, dilation_rate=(2, 3), **more),
    "pointwise": lambda **more: Conv2D(16, 1, **more),
    "DepthwiseConv2D": lambda **more: DepthwiseConv2D((2, 3), strides=2, depth_multiplier=2, padding="same", **more),
    "SeparableConv2D": lambda **more: SeparableConv2D(7, 3, dilation_rate=2, padding="same", activation="relu", **more),
    "Conv2DTranspose": lambda **more: Conv2DTranspose(4, (3, 2), strides=(2, 3), activation="relu", **more),
    "dilated Conv2DTranspose": lambda **more: Conv2DTranspose(4, 3, dilation_rate=2, padding="same", **more),
}
each_kind = pytest.mark.parametrize("make", EVERY_KIND.values(), ids=EVERY_KIND)
X = random(11, 9, 8, 6)


@each_kind
def test_rows_do_not_depend_on_the_batch_nor_on_the_blocks(make, monkeypatch):
    layer = randomized(make(), X)
    y = layer(X)
    for rows in (slice(0, 1), slice(5, 7), slice(0, 0)):
        np.testing.assert_array_equal(layer(X[rows]), y[rows])
    for block in (1, 700, 5_000):
        monkeypatch.setattr(windows, "BLOCK", block)
        np.testing.assert_array_equal(layer(X), y)


@each_kind
def test_channels_first(make):
    layer = randomized(make(), X)
    first = make(data_format="channels_first")
    turned = np.moveaxis(X, -1, 1)
    first.build(turned.shape)
    first.set_weights(layer.get_weights())
    y = first(turned)
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(y, np.moveaxis(layer(X), -1, 1))
    assert first.compute_output_shape((None, 6, 9, None)) == (None, y.shape[1], y.shape[2], None)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation", "groups"), [((1, 1, 1), (1, 1, 1), 2), ((2, 1, 3), (1, 1, 1), 1)])
def test_definition(padding, strides, dilation, groups):
    x = random(2, 5, 4, 6, 4)
    layer = randomized(Conv3D(6, (2, 3, 2), strides, padding, dilation_rate=dilation, groups=groups), x)
    kernel, bias = (weight.astype("f8") for weight in layer.get_weights())
    y = layer(x)
    sizes = zip((5, 4, 6), (2, 3, 2), strides, strict=True)
    total = [max((count - 1) * s + k - n, 0) for count, (n, k, s) in zip(y.shape[1:-1], sizes, strict=True)]
    wide = np.pad(x.astype("f8"), [(0, 0), *((n // 2, n - n // 2) for n in total), (0, 0)])
    for place in np.ndindex(*y.shape[1:-1]):
        i, j, k = np.multiply(place, strides)
        read = wide[:, i : i + 2, j : j + 3, k : k + 2]
        for filter_ in range(6):
            first = filter_ // (6 // groups) * (4 // groups)
            products = read[..., first : first + 4 // groups] * kernel[..., filter_]
            expected = products.sum(axis=(1, 2, 3, 4)) + bias[filter_]
            np.testing.assert_allclose(y[(slice(None), *place, filter_)], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_convolution_is_the_gradient_of_one(padding, size, stride):
    """`sum(transposed(x) * z) == sum(x * convolution(z))` for the same kernel."""
    x = random(3, 4, 5, 2)
    transposed = randomized(Conv2DTranspose(3, size, stride, padding, use_bias=False), x)
    y = transposed(x).astype("f8")
    z = random(*y.shape)
    convolution = Conv2D(2, size, stride, padding, use_bias=False)
    convolution.build(z.shape)
    convolution.set_weights(transposed.get_weights())
    assert convolution(z).shape == x.shape
    np.testing.assert_allclose((y * z).sum(), (x.astype("f8") * convolution(z)).sum(), rtol=1e-5, atol=1e-4)


def test_what_a_transposed_convolution_pads():
    x = random(2, 5, 3)
    plain, more = Conv1DTranspose(4, 3, 3), Conv1DTranspose(4, 3, 3, output_padding=2)
    for layer in (plain, more):
        randomized(layer, x)
    assert more.compute_output_shape((None, 5, 3)) == (None, 17, 4)
    np.testing.assert_array_equal(more(x)[:, :15], plain(x))
    np.testing.assert_array_equal(more(x)[:, 15:], np.broadcast_to(more.bias.value, (2, 2, 4)))
    assert plain.compute_output_shape((None, None, 3)) == (None, None, 4)


@each_kind
def test_weights_and_attributes_are_followed(make):
    layer = randomized(make(), X)
    layer(X)
    other = make()
    other.build(X.shape)
    other.set_weights([weight + np.float32(0.25) for weight in layer.get_weights()])
    layer.set_weights(other.get_weights())
    np.testing.assert_array_equal(layer(X), other(X))
    linear = make()
    linear.activation = None
    linear = type(layer).from_config({**layer.get_config(), "activation": None})
    linear.build(X.shape)
    linear.set_weights(layer.get_weights())
    layer.activation = layers.Activation("linear")
    np.testing.assert_array_equal(layer(X), linear(X))


@each_kind
def test_copies(make):
    layer = randomized(make(), X)
    y = layer(X)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(X), y)
        other.set_weights([weight * 2 for weight in layer.get_weights()])
        assert not np.array_equal(other(X), y)
    np.testing.assert_array_equal(layer(X), y)


def test_threads_see_the_weights_of_one_moment():
    model = network(Conv2D(8, 3, groups=2, activation="relu"), Flatten(), shape=(9, 8, 6))
    old = model.get_weights()
    new = [weight + 1 for weight in old]
    allowed = []
    for weights in (old, new):
        model.set_weights(weights)
        allowed.append(model.predict_on_batch(X))
    done = threading.Event()

    def change():
        while not done.is_set():
            model.set_weights(old)
            model.set_weights(new)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(200):
            y = model.predict_on_batch(X)
            assert any(np.array_equal(y, one) for one in allowed)
    finally:
        done.set()
        changer.join()


def test_an_activation_over_an_axis_gets_the_whole_output():
    for data_format in ("channels_last", "channels_first"):
        for make in (Conv2D, Conv2DTranspose):
            layer = randomized(make(6, 3, activation="softmax", data_format=data_format), X)
            np.testing.assert_allclose(layer(X).sum(axis=-1), 1, rtol=1e-5)
    grouped = randomized(Conv2D(6, 3, groups=2, activation="softmax"), X)
    np.testing.assert_allclose(grouped(X).sum(axis=-1), 1, rtol=1e-5)
    shapes = []
    layer = randomized(Conv2D(6, 3, activation=lambda z: shapes.append(z.shape) or -z), X)
    y = layer(X)
    layer.activation = None
    np.testing.assert_array_equal(layer(X), -y)
    assert shapes == [y.shape]


def test_the_data_format_of_those_who_are_not_told_one():
    config.set_image_data_format("channels_first")
    try:
        first = [Conv2D(4, 3), layers.MaxPooling2D(), layers.ZeroPadding2D(), layers.SpatialDropout2D(0.5), Flatten()]
        last = [layers.Cropping1D(), layers.UpSampling1D(), layers.SpatialDropout1D(0.5)]
    finally:
        config.set_image_data_format("channels_last")
    assert {layer.data_format for layer in first} == {"channels_first"}
    assert {layer.data_format for layer in last} == {"channels_last"}
    assert Conv2D(4, 3).data_format == "channels_last"


def test_positional_arguments():
    layer = Conv3DTranspose(4, 2, 3, "same", "channels_first", 1, 1, "relu", False)
    config = layer.get_config()
    assert (config["data_format"], config["output_padding"]) == ("channels_first", (1, 1, 1))
    assert (config["activation"], config["use_bias"]) == ("relu", False)
    layer = Conv2DTranspose(4, 2, 3, "same", 1, "channels_first")
    assert (layer.output_padding, layer.data_format) == ((1, 1), "channels_first")


def test_other_names():
    for name in ("Conv2D", "Conv3D", "SeparableConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        assert getattr(layers, name.replace("Conv", "Convolution")) is getattr(layers, name)
    assert not issubclass(Conv2D, Conv1D)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Conv2D(2, (3, 0)),
            "`kernel_size` argument must be a tuple of 2 integers. Received kernel_size=(3, 0)",
        ),
        (lambda: Conv2D(2, (1, 2, 3)), "must be a tuple of 2 integers. Received kernel_size=(1, 2, 3)"),
        (lambda: Conv2D(2, 3, padding="causal"), "one of {'valid', 'same'}. Received: causal"),
        (lambda: Conv2D(2, 3, strides=(1, 2), dilation_rate=(2, 1)), "`strides > 1` not supported in conjunction with"),
        (
            lambda: Conv2D(2, (3, 9))(np.zeros((4, 7, 5, 3))),
            "Computed output size would be zero or negative. Received `inputs shape=(4, 7, 5, 3)`, "
            "`kernel shape=(3, 9, 3, 2)`, `dilation_rate=[1 1]`, `strides=(1, 1)`, `padding=valid`.",
        ),
        (lambda: Conv2D(2, 2)(np.zeros((4, 7, 5))), "expected min_ndim=4, found ndim=3"),
        (lambda: Conv2D(2, 2)(np.zeros((4, 7, 5, 2, 2))), "Kernel shape must have the same length as input"),
        (lambda: Conv2D(2, 2).build((None, 4, 4, None)), "The number of channels of the input must be known."),
        (
            lambda: Conv2DTranspose(2, 3, (3, 2), output_padding=2),
            "`output_padding` must be strictly less than `strides` for all dimensions. At dimension 1, "
            "`output_padding` is 2 but `strides` is 2. Received: output_padding=(2, 2), strides=(3, 2)",
        ),
        (lambda: Conv2DTranspose(2, 3, output_padding=-1), "that do not satisfy `value >= 0`"),
        (lambda: Conv1DTranspose(0, 2), "Invalid value for argument `filters`. Expected a strictly positive value."),
        (lambda: Conv1DTranspose(2, 2, padding="causal"), "one of {'valid', 'same'}. Received: causal"),
        (lambda: Conv1DTranspose(2, 2, strides=2, dilation_rate=2), "`strides > 1` not supported in conjunction with"),
        (lambda: Conv2DTranspose(2, 2)(np.zeros((4, 7, 5, 2, 2))), "Kernel shape must have the same length as input"),
        (lambda: SeparableConv2D(2, 3, depth_multiplier=0), "Invalid value for argument `depth_multiplier`."),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
