import numpy as np
import pytest

from fastlstm.layers import (
    ActivityRegularization,
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    Identity,
    Rescaling,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)

X = np.random.default_rng(3).normal(size=(40, 50, 20)).astype(np.float32)


@pytest.mark.parametrize(
    "layer", [SpatialDropout1D(0.5), GaussianNoise(0.5), GaussianDropout(0.5), AlphaDropout(0.5), Identity()]
)
def test_identity_without_training(layer):
    y = layer(X)
    np.testing.assert_array_equal(y, X)
    assert not np.shares_memory(y, X)
    assert layer.lower() == []
    layer.build(X.shape)
    assert layer.compute_output_shape((None, None, 20)) == (None, None, 20)


@pytest.mark.parametrize("make", [SpatialDropout1D, GaussianNoise, GaussianDropout, AlphaDropout])
def test_seeds(make):
    layer, same = make(0.5, seed=3), make(0.5, seed=3)
    first = layer(X, training=True)
    np.testing.assert_array_equal(same(X, training=True), first)
    assert (layer(X, training=True) != first).any()
    assert first.dtype == np.float32
    np.testing.assert_array_equal(make(0.0)(X, training=True), X)
    assert not np.shares_memory(make(0.0)(X, training=True), X)


def test_channels_are_dropped_whole():
    y = SpatialDropout1D(0.25, seed=1)(X, training=True)
    kept = (y != 0).all(axis=1)
    assert not y.swapaxes(1, 2)[~kept].any()
    assert 0.6 < kept.mean() < 0.9
    np.testing.assert_allclose(y.swapaxes(1, 2)[kept], X.swapaxes(1, 2)[kept] / 0.75, rtol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("make", "rank"), [(SpatialDropout2D, 2), (SpatialDropout3D, 3)])
def test_channels_of_images_are_dropped_whole(make, rank, data_format):
    x = np.ones((40, *[3] * rank, 30), np.float32)
    x = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    y = make(0.25, data_format, seed=1)(x, training=True)
    channels = np.moveaxis(y, 1, -1) if data_format == "channels_first" else y
    rows = channels.reshape(40, -1, 30)
    assert (rows == rows[:, :1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-6)
    assert 0.7 < (y != 0).mean() < 0.8


def test_gaussian_noise():
    noise = GaussianNoise(0.5, seed=1)(X, training=True) - X
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 0.5], atol=0.01)
    factor = GaussianDropout(0.2, seed=1)(np.ones_like(X), training=True)
    np.testing.assert_allclose([factor.mean(), factor.std()], [1, 0.5], atol=0.01)


def test_alpha_dropout_keeps_mean_and_variance():
    y = AlphaDropout(0.3, seed=1)(X, training=True)
    np.testing.assert_allclose([y.mean(), y.std()], [X.mean(), X.std()], atol=0.03)
    y = AlphaDropout(0.5, (None, 1, 1), seed=1)(np.ones_like(X), training=True)
    assert len(np.unique(y)) == 2
    assert (y == y[:, :1, :1]).all()


def test_spatial_dropout_config():
    layer = SpatialDropout1D(0.5, 3, "s")
    assert layer.get_config() == {"rate": 0.5, "seed": 3, "name": "s", "dtype": "float32"}
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(X[0])
    layer = SpatialDropout2D(0.5, "channels_first", 3, "s")
    settings = {"rate": 0.5, "seed": 3, "name": "s", "dtype": "float32", "data_format": "channels_first"}
    assert layer.get_config() == settings
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        layer(X)


def test_activity_regularization():
    layer = ActivityRegularization(0.5, 0.25)
    assert layer.activity_regularizer.get_config() == {"l1": 0.5, "l2": 0.25}
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize("make", [GaussianNoise, GaussianDropout, AlphaDropout, SpatialDropout1D])
@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_refused_rates(make, value):
    with pytest.raises(ValueError, match=f"Expected a float value between 0 and 1. Received: .*={value}"):
        make(value)


def test_rescaling():
    scale = np.linspace(1, 2, 20)
    layer = Rescaling(scale, offset=[1.0])
    np.testing.assert_allclose(layer(X), X * scale + 1, rtol=1e-6, atol=1e-6)
    config = layer.get_config()
    assert config["scale"] == scale.tolist()
    np.testing.assert_array_equal(Rescaling.from_config(config)(X), layer(X))
