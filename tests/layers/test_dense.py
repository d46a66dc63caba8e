import numpy as np
import pytest

from fastlstm.layers import Activation, Dense
from networks import randomized

X = np.random.default_rng(4).normal(size=(2, 3, 5, 7)).astype(np.float32)


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("use_bias", [False, True])
def test_last_axis_of_any_rank(rank, use_bias):
    x = X[(0,) * (4 - rank)]
    layer = randomized(Dense(4, "tanh", use_bias), x)
    kernel, *bias = [weight.astype("f8") for weight in layer.get_weights()]
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.tanh(x.astype("f8") @ kernel + sum(bias)), rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *x.shape[1:-1], 4)
    np.testing.assert_array_equal(layer(x[:0]), y[:0])


def test_activation_of_any_kind():
    x = X[0, 0]
    plain = randomized(Dense(4), x)(x)
    for activation in (
        "softmax",
        Activation("softmax"),
        {"class_name": "Activation", "config": {"activation": "softmax"}},
    ):
        y = randomized(Dense(4, activation), x)(x)
        np.testing.assert_allclose(y, np.exp(plain) / np.exp(plain).sum(-1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(randomized(Dense(4, lambda z: z * z), x)(x), plain * plain)
    layer = randomized(Dense(4), x)
    layer(x)
    layer.activation = np.negative
    np.testing.assert_array_equal(layer(x), -plain)


def test_config_round_trip():
    layer = Dense(3, "relu", kernel_regularizer="l1", bias_initializer="ones", name="d", trainable=False)
    config = layer.get_config()
    assert Dense.from_config(config).get_config() == config
    assert (config["activation"], config["units"], config["quantization_config"]) == ("relu", 3, None)


@pytest.mark.parametrize("units", [0, -3, 2.0, "a", None])
def test_refused_units(units):
    with pytest.raises(ValueError) as error:
        Dense(units)
    assert str(error.value) == (
        f"Received an invalid value for `units`, expected a positive integer. Received: units={units}"
    )


def test_refused_arguments_and_calls():
    for argument in ("lora_rank", "lora_alpha", "quantization_config"):
        with pytest.raises(ValueError, match=f"`{argument}` is not supported"):
            Dense(3, **{argument: 2})
    layer = Dense(4, name="d")
    with pytest.raises(ValueError, match=r"expected min_ndim=2, found ndim=1. Full shape received: \(7,\)"):
        layer(X[0, 0, 0])
    layer(X)
    with pytest.raises(ValueError) as error:
        layer(X[..., :2])
    assert str(error.value) == (
        "Input 0 with name 'None' of layer 'd' is incompatible with the layer: expected axis -1 of input shape to have "
        "value 7, but received input with shape (2, 3, 5, 2)"
    )
