"""Closed loops: generate continues a sequence, forecast a window; the same numbers as the loop by hand."""

from functools import partial

import numpy as np
import pytest

import networks
from fastlstm.engine import Sampler
from fastlstm.layers import GRU, LSTM, Activation, BatchNormalization, Dense, Embedding, Flatten, LayerNormalization
from networks import random

pytestmark = pytest.mark.packed_kernels

IDS = 11
network = partial(networks.network, scale=0.7)


VALUES = {
    "engine": lambda: network(LSTM(8, return_sequences=True), GRU(5), Dense(3)),
    "one layer": lambda: network(GRU(3)),
    "parts": lambda: network(BatchNormalization(), LSTM(8), Dense(3)),
}
TEXTS = {
    "embedding": lambda: network(Embedding(IDS, 4), LSTM(8), Dense(IDS, activation="softmax"), shape=(None,)),
    "table": lambda: network(Embedding(IDS, 16), GRU(8), Dense(IDS), Activation("softmax"), shape=(None,)),
    "logits": lambda: network(Embedding(IDS, 4), LSTM(8, return_sequences=True), Dense(IDS), shape=(None,)),
    "masked": lambda: network(Embedding(IDS, 4, mask_zero=True), LSTM(8), Dense(IDS, "softmax"), shape=(None,)),
    "one hot": lambda: network(LSTM(8), Dense(IDS, activation="softmax"), shape=(None, IDS)),
    "one hot parts": lambda: network(
        LSTM(8), LayerNormalization(), Dense(IDS, activation="softmax"), shape=(None, IDS)
    ),
}


def encoded(model, ids):
    return ids if isinstance(model.layers[0], Embedding) else np.eye(IDS, dtype=np.float32)[ids]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("batch", [1, 3])
def test_values(name, batch):
    model = VALUES[name]()
    x = random(batch, 4, 3)
    by_hand, stream = model.stream(batch), model.stream(batch)
    exact = [by_hand.run(x)[:, -1]]
    for _ in range(11):
        exact.append(by_hand.step(exact[-1]))
    exact = np.stack(exact, axis=1)
    last = stream.run(x)[:, -1]
    with_x = stream.copy()
    np.testing.assert_array_equal(stream.generate(5), exact[:, :5])
    np.testing.assert_array_equal(stream.generate(1), exact[:, 5:6])
    copied = stream.copy()
    np.testing.assert_array_equal(stream.generate(6), exact[:, 6:])
    np.testing.assert_array_equal(copied.generate(6), exact[:, 6:])
    np.testing.assert_array_equal(with_x.generate(11, last), exact[:, 1:])
    # A step in between counts.
    y = stream.step(x[:, 0])
    np.testing.assert_array_equal(stream.generate(1)[:, 0], y)
    # The input is as it was.
    assert (x == random(batch, 4, 3)).all()


def chosen_by_hand(stream, model, first, steps, choose):
    y, ids = stream.step(encoded(model, first)), []
    for _ in range(steps):
        ids.append(choose(y))
        y = stream.step(encoded(model, ids[-1]))
    return np.stack(ids, axis=1)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_most_likely_ids(name, batch):
    model = TEXTS[name]()
    first = np.arange(2, 2 + batch)
    exact = chosen_by_hand(model.stream(batch), model, first, 40, lambda y: y.argmax(axis=1))
    stream = model.stream(batch)
    ids = stream.generate(25, encoded(model, first))
    assert (ids.dtype, ids.shape) == (np.int64, (batch, 25))
    np.testing.assert_array_equal(np.concatenate([ids, stream.generate(15)], axis=1), exact)
    stream.reset()
    stream.step(encoded(model, first))
    np.testing.assert_array_equal(stream.generate(40), exact)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("top_k", [None, 3])
def test_drawn_ids(name, top_k):
    model, batch = TEXTS[name](), 3
    first = encoded(model, np.arange(2, 2 + batch))
    options = {"temperature": 0.8, "top_k": top_k, "seed": 2**70 + 5}
    sampler = Sampler(batch, IDS, 0.8, top_k or 0, 2**70 + 5, logits=name == "logits")
    exact = chosen_by_hand(
        model.stream(batch), model, np.arange(2, 2 + batch), 40, lambda y: sampler(y).astype(np.int64)
    )
    ids = model.stream(batch).generate(40, first, **options)
    np.testing.assert_array_equal(ids, exact)
    np.testing.assert_array_equal(model.stream(batch).generate(40, first, **options), exact)
    assert not np.array_equal(model.stream(batch).generate(40, first, **options | {"seed": 3}), exact)
    # A sequence's draws do not depend on the others.
    np.testing.assert_array_equal(model.stream(1).generate(40, first[:1], **options), exact[:1])
    unseeded = [model.stream(batch).generate(40, first, temperature=2.0) for _ in range(2)]
    assert not np.array_equal(*unseeded)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 0), (2.0, 3), (1.0, 1), (1.0, 99)])
def test_draws_follow_the_probabilities(temperature, top_k, logits):
    rows = 40_000
    p = np.array([0.05, 0.3, 0.0, 0.25, 0.25, 0.15], np.float32)
    expected = p.astype(float) ** (1 / temperature)
    if 0 < top_k < len(p):
        # Of the two equal ones the first counts.
        expected[np.argsort(-expected, kind="stable")[top_k:]] = 0
    expected /= expected.sum()
    with np.errstate(divide="ignore"):
        y = np.log(p) + np.float32(7) if logits else p
    sampler = Sampler(rows, len(p), temperature, top_k, 1, logits)
    ids = sampler(np.tile(y, (rows, 1))).astype(int)
    counts = np.bincount(ids, minlength=len(p)) / rows
    np.testing.assert_allclose(counts, expected, atol=4 * np.sqrt(0.25 / rows))
    assert (counts[expected == 0] == 0).all()
    again = sampler(np.tile(y, (rows, 1))).astype(int)
    if top_k != 1:
        # One row's draws are independent of each other.
        assert abs(np.corrcoef(ids, again)[0, 1]) < 4 / np.sqrt(rows)


def test_draws_of_outputs_that_are_no_numbers():
    for y in (np.full((2, 5), np.nan), np.full((2, 5), -np.inf), np.full((2, 5), np.inf), np.zeros((2, 5))):
        for logits in (False, True):
            for arguments in ((), (1.0,), (0.3, 2)):
                ids = Sampler(2, 5, *arguments, logits=logits)(y)
                assert ((ids >= 0) & (ids < 5)).all()


def test_sampler_refuses():
    with pytest.raises(ValueError, match="expected outputs of shape"):
        Sampler(2, 5)(np.zeros((5, 2)))
    for arguments in ((0, 5), (2, 0), (2, 5, -1.0), (2, 5, float("nan")), (2, 5, 1.0, -1)):
        with pytest.raises(ValueError, match="no Sampler of"):
            Sampler(*arguments)


def test_one_sequence_without_the_batch():
    model = VALUES["engine"]()
    x = random(3)
    exact = model.stream().generate(4, x[np.newaxis])
    assert exact.shape == (1, 4, 3)
    np.testing.assert_array_equal(model.stream().generate(4, x.tolist()), exact[0])
    model = TEXTS["embedding"]()
    np.testing.assert_array_equal(model.stream().generate(4, 7), model.stream().generate(4, [7])[0])


@pytest.mark.parametrize("name", ["engine", "parts"])
def test_feedback(name):
    layers = [LSTM(6), Dense(2)] if name == "engine" else [BatchNormalization(), LSTM(6), Dense(2)]
    model = network(*layers)

    def feedback(y):
        x = np.concatenate([y, y[:, :1]], axis=1)
        y[:] = 9  # its own copy
        return x

    x = random(2, 3)
    by_hand, exact = model.stream(2), []
    for _ in range(7):
        exact.append(by_hand.step(x))
        x = feedback(exact[-1].copy())
    stream = model.stream(2)
    out = stream.generate(4, random(2, 3), feedback=feedback)
    out = np.concatenate([out, stream.generate(3, feedback=feedback)], axis=1)
    np.testing.assert_array_equal(out, np.stack(exact, axis=1))
    # Without the batch, from the last output of the stream.
    stream = model.stream()
    y = stream.step(random(3))
    out = stream.generate(2, feedback=lambda y: [*y[0], 1.0])
    np.testing.assert_array_equal(out[0, 0], y)
    np.testing.assert_array_equal(out[0, 1], model.stream().run([random(3), [*y, 1.0]])[1])


def test_what_generate_refuses():
    model = VALUES["engine"]()
    for prepare in (
        lambda s: None,
        lambda s: (s.step(random(3)), s.reset()),
        lambda s: (s.step(random(3)), s.reset([0])),
        lambda s: (s.generate(2, random(3)), setattr(s, "state", s.state)),
    ):
        for stream in (model.stream(), VALUES["parts"]().stream()):
            prepare(stream)
            with pytest.raises(ValueError, match="needs `x`"):
                stream.generate(3)
    stream = model.stream()
    for steps in (0, -1, 1.5, None):
        with pytest.raises(ValueError, match="`steps` should be a positive integer"):
            stream.generate(steps, random(3))
    for options in ({"temperature": 1.0}, {"temperature": 1.0, "feedback": lambda y: y}):
        with pytest.raises(ValueError, match="`temperature` is for models"):
            stream.generate(3, random(3), **options)
    text = TEXTS["embedding"]().stream()
    for options in ({"top_k": 3}, {"seed": 3}):
        with pytest.raises(ValueError, match="needs a `temperature`"):
            text.generate(3, 1, **options)
    with pytest.raises(ValueError, match="`temperature` should not be negative"):
        text.generate(3, 1, temperature=-1)
    for temperature in (10**400, "1", None, [1.0, 2.0]):
        with pytest.raises(ValueError, match="`temperature` should be"):
            text.generate(3, 1, temperature=temperature)
    for top_k in (0, "1", 1.5):
        with pytest.raises(ValueError, match="`top_k` should be a positive integer"):
            text.generate(3, 1, temperature=1, top_k=top_k)
    with pytest.raises(ValueError, match="ids"):
        text.generate(3, IDS)
    with pytest.raises(ValueError, match="shape"):
        stream.generate(3, random(4))
    with pytest.raises(ValueError, match=r"output of shape \(2,\) does not fit its input: expected the shape"):
        network(LSTM(4), Dense(2)).stream().generate(3, random(3))
    for layers in ([Dense(IDS, activation="relu")], [Dense(IDS + 1, activation="softmax")], []):
        with pytest.raises(ValueError, match="does not fit its input: expected softmax over the 11 ids"):
            network(Embedding(IDS, 4), LSTM(8), *layers, shape=(None,)).stream().generate(3, 1)
    np.testing.assert_array_equal(np.concatenate(stream.state, axis=None), 0)


@pytest.mark.parametrize(
    "layers", [[LSTM(6), Dense(3)], [LSTM(6, return_sequences=True), Dense(3)]], ids=["end", "all"]
)
def test_forecast(layers):
    model = network(*layers, shape=(5, 3))
    window = random(2, 5, 3)
    series = window.astype(np.float64)
    for _ in range(8):
        y = model.predict(series[:, -5:], verbose=0)
        series = np.concatenate([series, y.reshape(2, -1, 3)[:, -1:]], axis=1)
    forecasts = model.forecast(window, 8)
    assert forecasts.dtype == np.float32
    np.testing.assert_array_equal(forecasts, series[:, 5:])
    np.testing.assert_array_equal(model.forecast(window[1].astype(np.float64), 8), series[1, 5:])
    np.testing.assert_array_equal(window, random(2, 5, 3))


def test_forecast_of_any_model_of_windows():
    model = network(Flatten(), Dense(3), shape=(4, 3))
    assert model.forecast(random(4, 3), 6).shape == (6, 3)


def test_what_forecast_refuses():
    model = network(LSTM(6), Dense(3), shape=(5, 3))
    with pytest.raises(ValueError, match="`steps` should be a positive integer"):
        model.forecast(random(5, 3), 0)
    with pytest.raises(ValueError):
        model.forecast(random(5, 2), 3)
    with pytest.raises(ValueError, match=r"output of shape \(2, 1\) does not fit its input of 3 features"):
        network(LSTM(6), Dense(1)).forecast(random(2, 5, 3), 3)
