"""What arithmetic with sizes, ids and addresses must not trust."""

import threading

import numpy as np
import pytest

from fastlstm import Sequential
from fastlstm.engine import Stepper
from fastlstm.layers import LSTM, Activation, Dense, Embedding, Input


@pytest.mark.parametrize("batch", [2**63 - 1, 2**62, 2**60 // 3, 2**40])
def test_streams_of_more_rows_than_there_is_memory(batch):
    layers = [LSTM(4, return_sequences=True) for _ in range(10)]
    model = Sequential([Input((5, 3)), *layers, Dense(2)])
    for _ in range(50):
        with pytest.raises((MemoryError, ValueError)):
            model.stream(batch)
    with pytest.raises((MemoryError, ValueError)):
        model.stream_pool(batch)
    assert model.stream(2).step(np.zeros((2, 3), np.float32)).shape == (2, 2)


def test_ids_of_more_axes_than_arrays_have():
    layer = Embedding(3, 2)
    layer.build()
    ids = np.zeros((1,) * 63, np.float32)
    assert layer(ids).shape == (*(1,) * 63, 2)
    with pytest.raises(ValueError, match="dimensions"):
        layer(np.zeros((1,) * 64, np.float32))


def test_ids_that_change_while_they_are_read():
    model = Sequential([Input((4000,)), Embedding(50, 3)])
    ids = np.zeros((1, 4000), np.float32)
    table = model.layers[0].embeddings.value
    done = threading.Event()

    def change():
        while not done.is_set():
            ids[:] = -1e9
            ids[:] = 7

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            try:
                y = model.predict_on_batch(ids)
            except ValueError:
                continue
            assert (np.isin(y[..., 0], table[:, 0])).all()
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("shift", [0, 4, 40, 244])
@pytest.mark.parametrize("streams", [3, 60, 61, 200])
def test_pools_write_over_what_they_read(streams, shift):
    model = Sequential([Input((None, 4)), LSTM(4)])
    x = np.random.default_rng(0).normal(size=(streams, 4)).astype(np.float32)
    pools = [model.stream_pool(streams) for _ in range(2)]
    ids = [[pool.open() for _ in range(streams)] for pool in pools]
    expected = pools[0].step(ids[0], x)
    buffer = np.zeros(streams * 4 + shift, np.float32)
    given, out = buffer[: streams * 4].reshape(streams, 4), buffer[shift:].reshape(streams, 4)
    given[:] = x
    np.testing.assert_array_equal(pools[1].step(ids[1], given, out=out), expected)


def test_a_stepper_without_a_program_is_none():
    with pytest.raises(TypeError):
        Stepper.__new__(Stepper)


def test_wide_activations():
    y = Sequential([Input((70_000,)), Activation("relu")]).predict_on_batch(-np.ones((2, 70_000), np.float32))
    assert not y.any()
