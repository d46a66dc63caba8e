"""Recurrent layers that drop values in training: Keras' rules for the masks, gradients, and what stays as it was."""

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, optimizers, random, utils
from fastlstm.layers import GRU, LSTM, RNN, Bidirectional, Dense, GRUCell, LSTMCell, SimpleRNN
from fastlstm.layers.rnn import dropout_steps, rnn
from networks import randomized

X = np.random.default_rng(3).normal(size=(4, 6, 3)).astype(np.float32)
LAYERS = {
    "LSTM": lambda **kwargs: LSTM(5, **kwargs),
    "LSTM of one mask a gate": lambda **kwargs: LSTM(5, implementation=1, **kwargs),
    "GRU": lambda **kwargs: GRU(5, **kwargs),
    "GRU, reset before": lambda **kwargs: GRU(5, reset_after=False, **kwargs),
    "GRU without bias": lambda **kwargs: GRU(5, use_bias=False, **kwargs),
    "SimpleRNN": lambda **kwargs: SimpleRNN(5, **kwargs),
    "LSTM of other activations": lambda **kwargs: LSTM(5, activation="softsign", recurrent_activation="tanh", **kwargs),
}
RATES = [(0.3, 0.0), (0.0, 0.4), (0.3, 0.4)]


@pytest.fixture
def ones(monkeypatch):
    """Masks that drop nothing, and their shapes."""
    shapes = []

    def drawn(cell, shape, rate):
        shapes.append(shape)
        return np.ones(shape, np.float32)

    for module in (dropout_steps, rnn):
        monkeypatch.setattr(module, "drawn_mask", drawn)
    return shapes


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize(
    "kwargs", [{}, {"return_sequences": True, "go_backwards": True}, {"return_state": True}], ids=str
)
def test_masks_of_ones_change_nothing(name, rates, kwargs, ones):
    layer = randomized(LAYERS[name](dropout=rates[0], recurrent_dropout=rates[1], **kwargs), X)
    mask = np.arange(6) < np.array([6, 3, 1, 5])[:, None]
    plain, back = layer.call_with_gradient(X, mask=mask)
    dropped, back_of_dropped = layer.call_with_gradient(X, mask=mask, training=True)
    several = isinstance(plain, tuple)
    for one, other in zip(*((y if several else (y,)) for y in (plain, dropped)), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    for one, other in zip(
        *((y if several else (y,)) for y in (plain, layer.call(X, mask=mask, training=True))), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-6)
    d = tuple(np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape) for y in (plain if several else (plain,)))
    expected, found = (way(d if several else d[0]) for way in (back, back_of_dropped))
    np.testing.assert_allclose(expected[0], found[0], atol=1e-5)
    assert len(expected[1]) == len(found[1]) == len(layer.trainable_weights)
    for one, other in zip(expected[1], found[1], strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "rates", "shapes"),
    [
        ("LSTM", (0.3, 0.0), [(4, 3)]),
        ("LSTM of one mask a gate", (0.3, 0.0), [(4, 3)] * 4),
        ("LSTM", (0.3, 0.4), [(4, 3)] * 4 + [(4, 5)] * 4),
        ("LSTM", (0.0, 0.4), [(4, 5)] * 4),
        ("GRU", (0.3, 0.4), [(4, 3)] * 3 + [(4, 5)] * 3),
        ("SimpleRNN", (0.3, 0.4), [(4, 3), (4, 5)]),
        ("LSTM", (1.0, 0.0), []),
    ],
)
def test_masks_are_drawn_once_a_call(name, rates, shapes, ones):
    layer = randomized(LAYERS[name](dropout=rates[0], recurrent_dropout=rates[1]), X)
    layer.call(X, training=True)
    assert ones == shapes
    layer.call(X)
    assert ones == shapes


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rates", RATES)
def test_gradients(name, rates):
    """Along random directions, against differences of the outputs with the same masks."""
    layer = randomized(LAYERS[name](dropout=rates[0], recurrent_dropout=rates[1], return_sequences=True, seed=7), X)
    rng = np.random.default_rng(5)

    def begin():
        layer.cell.seed_generator = random.SeedGenerator(7)

    def outputs(x):
        begin()
        return layer.call(x, training=True).astype(np.float64)

    begin()
    y, back = layer.call_with_gradient(X, training=True)
    np.testing.assert_allclose(y, outputs(X), atol=1e-6)
    d = rng.normal(size=y.shape).astype(np.float32)
    dx, d_weights = back(d)[:2]
    step = 1e-2
    along = rng.normal(size=X.shape).astype(np.float32)
    slope = np.sum((outputs(X + step * along) - outputs(X - step * along)) * d) / (2 * step)
    np.testing.assert_allclose(slope, np.sum(dx * along), rtol=2e-2, atol=2e-2)
    for weight, gradient in zip(layer.trainable_weights, d_weights, strict=True):
        value, along = weight.numpy(), rng.normal(size=weight.shape).astype(np.float32)
        ends = []
        for sign in (1, -1):
            weight.assign(value + sign * step * along)
            ends.append(outputs(X))
        weight.assign(value)
        np.testing.assert_allclose(
            np.sum((ends[0] - ends[1]) * d) / (2 * step), np.sum(gradient * along), rtol=2e-2, atol=3e-2
        )


def test_what_is_dropped():
    layer = randomized(SimpleRNN(5, activation="linear", dropout=0.5, return_sequences=True), np.ones((64, 2, 3)))
    layer.set_weights([np.eye(3, 5), np.zeros((5, 5)), np.zeros(5)])
    y = layer(np.ones((64, 2, 3), np.float32), training=True)[..., :3]
    assert set(np.unique(y)) == {0.0, 2.0}
    assert 0.3 < np.mean(y == 0) < 0.7
    # The same at both steps, another the next time.
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    assert np.any(layer(np.ones((64, 2, 3), np.float32), training=True)[..., :3] != y)


def test_the_mean_of_many_calls_is_near_the_prediction():
    model = Sequential([Input((6, 3)), LSTM(8, dropout=0.1, recurrent_dropout=0.1), Dense(1)])
    calls = np.stack([model(X, training=True) for _ in range(60)])
    assert calls.std(axis=0).min() > 0
    np.testing.assert_allclose(calls.mean(axis=0), model.predict(X, verbose=0), atol=0.15)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bidirectional(LSTM(5, dropout=0.2, recurrent_dropout=0.1)),
        lambda: Bidirectional(GRU(5, dropout=0.2)),
        lambda: RNN([LSTMCell(5, dropout=0.2), GRUCell(4, recurrent_dropout=0.3)]),
        lambda: LSTM(5, dropout=0.2, recurrent_dropout=0.2),
    ],
)
def test_fit(make):
    def trained():
        utils.set_random_seed(4)
        model = Sequential([Input((6, 3)), make(), Dense(1)])
        model.compile(optimizers.Adam(0.02), "mse")
        before = model.evaluate(X, X[:, -1, :1], verbose=0)
        model.fit(X, X[:, -1, :1], epochs=60, verbose=0)
        assert model.evaluate(X, X[:, -1, :1], verbose=0) < 0.8 * before
        return model.get_weights()

    weights, again = trained(), trained()
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_states_get_gradients():
    past, now = Input((6, 3)), Input((6, 3))
    _, *states = LSTM(5, return_state=True, dropout=0.1, recurrent_dropout=0.1)(past)
    y = Dense(1)(LSTM(5, dropout=0.1, recurrent_dropout=0.1)(now, initial_state=states))
    model = Model([past, now], y)
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit([X, X], X[:, 0, :1], verbose=0)
    assert all(np.any(one != other) for one, other in zip(before, model.get_weights(), strict=True))
