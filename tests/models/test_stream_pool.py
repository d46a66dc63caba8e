"""Pools: any subset of many streams, each with the bits of a stream of its own."""

import pickle
import threading

import numpy as np
import pytest

from fastlstm import Input, Sequential
from fastlstm.engine import get_num_threads, set_num_threads
from fastlstm.layers import GRU, LSTM, BatchNormalization, Conv1D, Dense, Embedding, LayerNormalization, Masking
from fastlstm.models import StreamPool
from networks import network, random

pytestmark = pytest.mark.packed_kernels

FEATURES = 3


NETWORKS = {
    "chain": lambda: network(LSTM(18, return_sequences=True), GRU(7), Dense(2)),
    "parts": lambda: network(BatchNormalization(), LSTM(8, return_sequences=True), LayerNormalization(), GRU(4)),
    "masking": lambda: network(Masking(), LSTM(8, return_sequences=True), GRU(4)),
    "ids": lambda: network(Embedding(9, 4), LSTM(6), shape=(None,)),
    "masked ids": lambda: network(Embedding(9, 4, mask_zero=True), LSTM(6), Dense(3), shape=(None,)),
}


def step_inputs(name, random_numbers, n):
    if "ids" in name:
        return random_numbers.integers(0, 9, n)
    x = random_numbers.standard_normal((n, FEATURES)).astype(np.float32)
    x[::3] = 0
    return x


@pytest.mark.parametrize("name", NETWORKS)
def test_any_subset_has_the_bits_of_streams(name):
    model = NETWORKS[name]()
    random_numbers = np.random.default_rng(5)
    pool = model.stream_pool(capacity=2)
    streams = {}
    for turn in range(60):
        while len(streams) < 3 + turn:
            streams[pool.open()] = model.stream()
        if turn % 4 == 3:
            closed = int(random_numbers.choice(list(streams)))
            pool.close(closed)
            del streams[closed]
        ids = random_numbers.permutation(list(streams))[: random_numbers.integers(0, len(streams) + 1)]
        x = step_inputs(name, random_numbers, len(ids))
        out = None if turn % 2 else np.empty((len(ids), pool.step([], x[:0]).shape[1]), np.float32)
        y = pool.step(ids, x, out)
        assert out is None or y is out
        for stream_id, of_stream, given in zip(ids, y, x, strict=True):
            np.testing.assert_array_equal(of_stream, streams[int(stream_id)].step(given[np.newaxis])[0])
    assert (len(pool), pool.capacity) == (len(streams), 64)
    assert sorted(pool.ids) == sorted(streams)


def test_threads_share_a_step():
    model = network(LSTM(128, return_sequences=True), LSTM(64))
    x = random(205, FEATURES)
    before = get_num_threads()
    results = []
    try:
        for number in (1, 3):
            set_num_threads(number)
            pool = model.stream_pool(205)
            ids = [pool.open() for _ in range(205)]
            results.append([pool.step(ids[::-1], x) for _ in range(3)])
    finally:
        set_num_threads(before)
    np.testing.assert_array_equal(*results)


def test_ids_are_never_given_twice():
    pool = NETWORKS["chain"]().stream_pool(capacity=1)
    given = []
    for _ in range(9):
        given += [pool.open(), pool.open(), pool.open()]
        for stream_id in given[-3:]:
            pool.close(stream_id)
    assert len(set(given)) == 27 and pool.capacity == 4 and len(pool) == 0
    assert repr(pool) == "<StreamPool open=0, capacity=4>"
    for closed in given:
        with pytest.raises(ValueError, match=f"no open stream has the id {closed}"):
            pool.close(closed)


@pytest.mark.parametrize("name", ["chain", "parts"])
def test_what_does_not_fit_changes_nothing(name):
    pool = NETWORKS[name]().stream_pool()
    ids = [pool.open() for _ in range(4)]
    pool.close(ids.pop())
    pool.step(ids, random(3, FEATURES))
    before = [pool.state(stream_id) for stream_id in ids]
    x = random(3, FEATURES)
    for wrong, message in [
        ([0, 1, 3], "no open stream has the id 3"),
        ([0, 1, -1], "no open stream has the id -1"),
        ([0, 1, 2**40], f"no open stream has the id {2**40}"),
        ([0, 1, 2**32], f"no open stream has the id {2**32}"),
        ([0, 1, 0], "the id 0 is there twice"),
        ([0.0, 1.0, 2.0], "expected integers"),
        ([[0, 1, 2]], "expected integers"),
        (["a", "b", "c"], "expected integers"),
    ]:
        with pytest.raises(ValueError, match=message):
            pool.step(wrong, x)
    for given in (x[:2], x[:, :2], x[np.newaxis], x[0], x.astype(str)):
        with pytest.raises(ValueError, match=r"expected shape|Invalid dtype"):
            pool.step(ids, given)
    units = pool.step([], x[:0]).shape[1]
    for out in (np.empty((2, units), np.float32), np.empty((3, units)), np.empty((3, units + 1), np.float32)):
        with pytest.raises(ValueError, match="out: expected a writable"):
            pool.step(ids, x, out)
    for state in (before[0][:-1], [[a[:, :-1] for a in of_layer] for of_layer in before[0]]):
        with pytest.raises(ValueError, match="shape"):
            pool.set_state(ids[0], state)
        with pytest.raises(ValueError, match="shape"):
            pool.open(state)
    assert pool.ids == ids
    for stream_id, state in zip(ids, before, strict=True):
        np.testing.assert_array_equal(
            np.concatenate(pool.state(stream_id), axis=None), np.concatenate(state, axis=None)
        )
    for use in (lambda: pool.state(9), lambda: pool.set_state(9, None), lambda: pool.close(9)):
        with pytest.raises(ValueError, match="no open stream has the id 9"):
            use()
    for capacity in (0, -1, 2.5):
        with pytest.raises(ValueError, match="`capacity` should be a positive integer"):
            NETWORKS[name]().stream_pool(capacity)


@pytest.mark.parametrize("name", ["chain", "parts", "masking"])
def test_states_move_between_pools_and_streams(name):
    model = NETWORKS[name]()
    x = random(1, 6, FEATURES)
    stream = model.stream()
    stream.run(x)
    one, other = model.stream_pool(2), model.stream_pool(2)
    first, second, third = one.open(stream.state), one.open(), other.open()
    one.step([second], x[:, 3])
    exact = stream.step(x[:, 0])
    np.testing.assert_array_equal(one.step([second, first], x[[0, 0], 0])[1], exact[0])
    other.set_state(third, one.state(first))
    stream.state = one.state(first)
    np.testing.assert_array_equal(other.step([third], x[:, 1]), stream.step(x[:, 1]))
    other.set_state(third, None)
    stream.reset()
    np.testing.assert_array_equal(other.step([third], x[:, 1]), stream.step(x[:, 1]))
    one.close(second)
    np.testing.assert_array_equal(one.step([one.open()], x[:, 1]), model.stream().step(x[:, 1]))


def test_windows_grow_with_the_pool():
    model = network(Conv1D(4, 3, padding="causal"), LSTM(3))
    pool, stream = model.stream_pool(1), model.stream()
    first = pool.open()
    x = random(9, FEATURES)
    for t in range(9):
        pool.open()
        np.testing.assert_allclose(pool.step([first], x[t : t + 1])[0], stream.step(x[t]), rtol=1e-5, atol=1e-6)


def test_a_pool_keeps_its_weights():
    model = NETWORKS["parts"]()
    x = random(1, FEATURES)
    pool, exact = model.stream_pool(), model.stream().step(x)
    model.set_weights([w * 0.5 for w in model.get_weights()])
    np.testing.assert_array_equal(pool.step([pool.open()], x), exact)


def test_threads_take_turns():
    model = NETWORKS["chain"]()
    pool = model.stream_pool(1)
    x = random(40, FEATURES)
    results = {}

    def work(number):
        mine = pool.open()
        results[number] = np.concatenate([pool.step([mine], x[t : t + 1]) for t in range(40)])
        pool.close(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exact = model.stream().run(x)
    for number in range(8):
        np.testing.assert_array_equal(results[number], exact)
    assert isinstance(pool, StreamPool) and len(pool) == 0


@pytest.mark.parametrize("name", ["chain", "mixed"])
def test_a_pool_is_pickled_with_its_streams(name):
    layers = [LSTM(4, return_sequences=True), *([LayerNormalization()] if name == "mixed" else []), LSTM(3)]
    model = Sequential([Input((None, 2)), *layers])
    x = np.random.default_rng(5).normal(size=(3, 4, 2)).astype(np.float32)
    pool = model.stream_pool(2)
    ids = [pool.open() for _ in x]
    pool.close(ids.pop(0))
    pool.step(ids, x[:2, 0].copy())
    again = pickle.loads(pickle.dumps(pool))
    assert again.ids == pool.ids and again.capacity == pool.capacity and len(again) == 2
    for t in range(1, 4):
        np.testing.assert_array_equal(again.step(ids, x[:2, t].copy()), pool.step(ids, x[:2, t].copy()))
    assert again.open() == pool.open()


def test_a_stream_of_a_pool_begins_anew():
    model = Sequential([Input((None, 2)), LSTM(4)])
    pool = model.stream_pool()
    ids = [pool.open(), pool.open()]
    x = np.ones((2, 2), np.float32)
    first = pool.step(ids, x)
    pool.reset(ids[1])
    second = pool.step(ids, x)
    np.testing.assert_array_equal(second[1], first[1])
    assert not np.allclose(second[0], first[0])
    with pytest.raises(ValueError, match="no open stream"):
        pool.reset(99)
