"""Signals in long calls: a handler runs while the call does, and what it raises ends the call; nothing is spoilt."""

import signal

import numpy as np
import pytest

import fastlstm
from fastlstm.layers import LSTM, Bidirectional, Dense, Embedding, Input
from fastlstm.models import Sequential

RNG = np.random.default_rng(5)


class Stop(Exception):
    pass


@pytest.fixture
def stopped(request):
    """Runs a function that an alarm's handler ends when it is called for the third time, as it is only meanwhile."""
    calls = []

    def handler(number, frame):
        calls.append(number)
        if len(calls) == 3:
            raise Stop

    def run(function):
        calls.clear()
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        try:
            with pytest.raises(Stop):
                function()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before, threads = signal.signal(signal.SIGALRM, handler), fastlstm.get_num_threads()
    yield run
    signal.signal(signal.SIGALRM, before)
    fastlstm.set_num_threads(threads)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def stack(*layers):
    return Sequential([Input((None, 16)), *layers])


def deep():
    return stack(*(LSTM(128, return_sequences=True) for _ in range(4)), Dense(16))


CALLS = {
    "rows": (deep, (64, 5000, 16)),
    "ops": (deep, (1, 200_000, 16)),
    "units": (lambda: stack(LSTM(600, return_sequences=True)), (1, 40_000, 16)),
    "two directions": (lambda: stack(Bidirectional(LSTM(256))), (4, 20_000, 16)),
    "many rows": (lambda: stack(LSTM(256)), (20_000, 20, 16)),
    "no recurrent op": (lambda: Sequential([Input((512,)), Dense(4096, "tanh"), Dense(1)]), (100_000, 512)),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_predict(name, threads, stopped):
    make, shape = CALLS[name]
    model, x = make(), np.zeros(shape, np.float32)
    fastlstm.set_num_threads(threads)
    short = numbers(3, *((5,) if len(shape) == 3 else ()), shape[-1])
    before = model.predict_on_batch(short)
    stopped(lambda: model.predict_on_batch(x))
    assert (model.predict_on_batch(short) == before).all()


@pytest.mark.parametrize("kind", ["embedding", "values"])
def test_generate_ends_between_steps(kind, stopped):
    if kind == "values":
        model, x = stack(LSTM(128, return_sequences=True), Dense(16)), numbers(1, 16)
    else:
        model = Sequential([Input((None,)), Embedding(16, 8), LSTM(128, return_sequences=True), Dense(16, "softmax")])
        x = np.zeros(1, np.float32)
    stream, again = model.stream(), model.stream()
    stopped(lambda: stream.generate(2_000_000, x))
    state = stream.state
    last = stream.generate(1)  # from the last step's output on
    # The states are those after some step of the same sequence.
    seen = again.generate(1, x)
    while not same(again.state, state):
        seen = again.generate(1)
    assert (again.generate(1) == last).all() or (seen == last).all()


def same(one, other):
    return all((a == b).all() for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_a_stream_s_run_leaves_the_states_as_before(stopped):
    model = deep()
    stream, again = model.stream(), model.stream()
    x = numbers(1, 5, 16)
    stream.run(x)
    again.run(x)
    stopped(lambda: stream.run(np.zeros((1, 200_000, 16), np.float32)))
    assert (stream.run(x) == again.run(x)).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pool_s_step_leaves_the_states_as_before(threads, stopped):
    fastlstm.set_num_threads(threads)
    model = stack(LSTM(1024, return_sequences=True), LSTM(1024))
    n = 5_000
    pool, again = model.stream_pool(n), model.stream_pool(n)
    ids, those = ([of.open() for _ in range(n)] for of in (pool, again))
    stopped(lambda: pool.step(ids, np.ones((n, 16), np.float32)))
    x = numbers(50, 16)
    assert (pool.step(ids[-50:], x) == again.step(those[-50:], x)).all()
    assert (pool.step(ids[:50], x) == again.step(those[:50], x)).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_fit_leaves_the_weights_of_the_step_before(threads, stopped):
    fastlstm.set_num_threads(threads)
    model = stack(LSTM(256, return_sequences=True), LSTM(256), Dense(1))
    model.compile("sgd", "mse")
    before = model.get_weights()
    x, y = np.zeros((32, 1500, 16), np.float32), np.zeros((32, 1), np.float32)
    stopped(lambda: model.train_on_batch(x, y))
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert np.isfinite(model.train_on_batch(x[:2, :5], y[:2]))


def test_a_forecast_ends(stopped):
    model = stack(LSTM(128), Dense(16))
    stopped(lambda: model.forecast(numbers(50, 16), 1_000_000))
