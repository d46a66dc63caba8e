import numpy as np
import pytest

from fastlstm.layers import Dropout

X = np.random.default_rng(6).uniform(1, 2, size=(40, 50)).astype(np.float32)


def test_identity_without_training():
    y = Dropout(0.5)(X)
    np.testing.assert_array_equal(y, X)
    assert not np.shares_memory(y, X)


def test_training_drops_and_scales():
    y = Dropout(0.25, seed=1)(X, training=True)
    kept = y != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(y[kept], X[kept] / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(Dropout(0.25, seed=1)(X, training=True), y)
    layer = Dropout(0.25, seed=1)
    layer(X, training=True)
    assert (layer(X, training=True) != y).any()
    assert not Dropout(1.0)(X, training=True).any()
    np.testing.assert_array_equal(Dropout(0.0)(X, training=True), X)


@pytest.mark.parametrize("noise_shape", [(40, 1), (None, 1)])
def test_noise_shape(noise_shape):
    kept = Dropout(0.5, noise_shape=noise_shape, seed=2)(X, training=True) != 0
    assert (kept == kept[:, :1]).all()
    assert 0 < kept[:, 0].mean() < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.5}, "`rate`. Expected a float value between 0 and 1. Received: rate=1.5"),
        ({"rate": -1}, "Received: rate=-1"),
        ({"noise_shape": 3}, "Expected an iterable of integers (e.g., a tuple or list). Received: noise_shape=3"),
        ({"noise_shape": "a"}, "Expected a tuple or list of integers. Received: noise_shape=a"),
        ({"noise_shape": (-1, 2)}, "Received negative or zero value at index 0: -1"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        Dropout(**{"rate": 0.1, **arguments})
    assert message in str(error.value)


def test_config_round_trip():
    config = Dropout(0.3, noise_shape=[None, 1], seed=4, name="d").get_config()
    assert Dropout.from_config(config).get_config() == config
    assert (config["rate"], config["noise_shape"], config["seed"]) == (0.3, (None, 1), 4)
