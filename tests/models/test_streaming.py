"""Streams: step by step the bits of the whole sequence, for every causal model and for no other."""

import copy
import pickle
import threading

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GroupNormalization,
    Identity,
    LayerNormalization,
    LSTMCell,
    Masking,
    Normalization,
    PReLU,
    Rescaling,
    Reshape,
    RMSNormalization,
    SimpleRNN,
    Softmax,
    SpatialDropout1D,
    TimeDistributed,
    UnitNormalization,
)
from fastlstm.models import Stream
from networks import network, random

pytestmark = pytest.mark.packed_kernels

STEPS, FEATURES = 13, 3


def sequences(model, batch):
    if isinstance(model.layers[0], Embedding):
        return np.random.default_rng(batch).integers(0, 9, (batch, STEPS)).astype(np.float32)
    x = random(batch, STEPS, FEATURES)
    x[0, 5] = x[-1, [0, 7]] = 0  # what Masking masks
    return x


def every_step(model, x):
    """What the model gives for every beginning of the sequences."""
    return np.stack([model.predict(x[:, : t + 1], verbose=0) for t in range(STEPS)], axis=1)


def half(x):
    return np.maximum(x, 0) * np.float32(0.5)


ENGINE = {
    "lstm": lambda: [LSTM(18)],
    "sequences": lambda: [LSTM(18, return_sequences=True)],
    "stack": lambda: [
        LSTM(18, return_sequences=True),
        Dropout(0.5),
        Dense(5, activation="tanh"),
        SpatialDropout1D(0.5),
        GRU(7, return_sequences=True, reset_after=False),
        TimeDistributed(Dense(4, activation="relu")),
        SimpleRNN(6),
        Dense(3),
        Activation("softmax"),
    ],
    "python activation": lambda: [GRU(5, activation=half, return_sequences=True), Dense(2)],
    "cells": lambda: [RNN([LSTMCell(4), LSTMCell(7)]), Identity()],
    "embedding": lambda: [Embedding(9, 4), LSTM(6, return_sequences=True), GRU(5)],
    "table": lambda: [Embedding(9, 30), LSTM(6), Dense(9)],
    "returned state is left alone": lambda: [LSTM(4, return_sequences=True), LSTM(3, stateful=False)],
}
BETWEEN = {
    "normalizations": lambda: [
        BatchNormalization(),
        LSTM(8, return_sequences=True),
        LayerNormalization(),
        GRU(7, return_sequences=True),
        RMSNormalization(),
        UnitNormalization(axis=-1),
        Dense(4),
        BatchNormalization(),
        SimpleRNN(4),
        GroupNormalization(2),
    ],
    "scales": lambda: [
        Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0]),
        Rescaling([2.0, 0.5, 3.0], offset=1.0),
        PReLU(shared_axes=[1]),
        LSTM(4),
    ],
    "softmax of every step": lambda: [LSTM(4, return_sequences=True), Softmax(), LSTM(3)],
    "time distributed": lambda: [TimeDistributed(BatchNormalization()), LSTM(4)],
    "python function": lambda: [LSTM(4, return_sequences=True), Activation(half), LSTM(2)],
    "after the end": lambda: [LSTM(6), Reshape((3, 2)), Flatten()],
    "masking": lambda: [Masking(), LSTM(5, return_sequences=True), GRU(4, return_sequences=True), Dense(2)],
    "masked end": lambda: [Masking(), LSTM(5, zero_output_for_mask=True, return_sequences=True), LSTM(4), Dense(2)],
    "masked zeros": lambda: [Masking(), GRU(5, zero_output_for_mask=True, return_sequences=True), Dropout(0.1)],
    "masked ids": lambda: [Embedding(9, 4, mask_zero=True), LSTM(6, return_sequences=True), LSTM(5), Dense(9)],
    "nothing recurrent": lambda: [Dense(5), LayerNormalization(), Dense(2)],
    "nothing": lambda: [Dropout(0.5)],
}
CASES = ENGINE | BETWEEN


def make(name):
    layers = CASES[name]()
    return network(*layers, shape=(None,) if isinstance(layers[0], Embedding) else (None, FEATURES))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_the_whole(name, batch):
    model = make(name)
    x = sequences(model, batch)
    whole = model.predict(x, verbose=0)
    # A sequence output holds all beginnings.
    exact = whole if whole.ndim == 3 and name != "after the end" else every_step(model, x)
    stream = model.stream(batch)
    out = np.empty_like(exact[:, 0])
    for t in range(STEPS):
        returned = stream.step(x[:, t], out if t % 2 else None)
        assert (returned is out) == bool(t % 2)
        np.testing.assert_array_equal(returned, exact[:, t])
    stream.reset()
    np.testing.assert_array_equal(stream.run(x[:, :5]), exact[:, :5])
    np.testing.assert_array_equal(stream.step(x[:, 5]), exact[:, 5])
    np.testing.assert_array_equal(stream.run(x[:, 6:]), exact[:, 6:])
    assert stream.run(x[:, :0]).shape == (batch, 0, *exact.shape[2:])


@pytest.mark.parametrize("name", ["one", "dilated", "grouped", "after embedding", "of one step"])
def test_causal_convolutions(name):
    layers = {
        "one": lambda: [Conv1D(6, 4, padding="causal", activation="relu"), LSTM(5)],
        "dilated": lambda: [Conv1D(6, 3, padding="causal"), Conv1D(4, 2, dilation_rate=5, padding="causal"), LSTM(3)],
        "grouped": lambda: [Dense(6), Conv1D(4, 3, groups=2, padding="causal"), Dense(2)],
        "after embedding": lambda: [Embedding(9, 4), Conv1D(6, 3, padding="causal"), GRU(4)],
        "of one step": lambda: [Conv1D(6, 1), LSTM(5, return_sequences=True), Conv1D(2, 1, padding="same")],
    }[name]()
    model = network(*layers, shape=(None,) if name == "after embedding" else (None, FEATURES))
    x = sequences(model, 4)
    whole = model.predict(x, verbose=0)
    exact = whole if whole.ndim == 3 else every_step(model, x)
    # The sums of a convolution are BLAS'.
    stream = model.stream(4)
    for t in range(STEPS):
        np.testing.assert_allclose(stream.step(x[:, t]), exact[:, t], rtol=1e-5, atol=1e-6)
    other = model.stream(4)
    other.state = stream.state
    np.testing.assert_array_equal(other.step(x[:, 0]), stream.step(x[:, 0]))
    stream.reset()
    np.testing.assert_allclose(stream.step(x[:, 0]), exact[:, 0], rtol=1e-5, atol=1e-6)


def test_functional_models_of_one_path():
    x = Input((None, FEATURES))
    inner = Sequential([Input((None, 6)), LayerNormalization(), LSTM(4)])
    y, *_ = LSTM(6, return_sequences=True, return_state=True)(x)
    model = Model(x, Dense(2)(inner(y)))
    given = random(2, STEPS, FEATURES)
    stream = model.stream(2)
    np.testing.assert_array_equal(stream.run(given)[:, -1], model.predict(given, verbose=0))


@pytest.mark.parametrize("last", [GRU(3), Dense(2)], ids=["GRU", "Dense"])
def test_a_sequence_within_a_step_is_refused(last):
    model = network(LSTM(4), Dense(6), Reshape((2, 3)), last, shape=(None, FEATURES))
    assert model.predict(random(2, STEPS, FEATURES), verbose=0).shape[0] == 2
    with pytest.raises(ValueError, match=r"cannot run step by step: what it gets at a step is a sequence .*\(2, 3\)"):
        model.stream(2)


def test_forms_of_one_sequence():
    for name in ("stack", "normalizations"):
        model = make(name)
        x = random(STEPS, FEATURES)
        exact = model.stream().run(x[np.newaxis])[0]
        stream = model.stream()
        out = np.empty(exact.shape[1], np.float32)
        for t in range(4):
            np.testing.assert_array_equal(stream.step(x[t].astype(float).tolist()), model.stream().run(x[: t + 1])[t])
        stream.reset()
        assert stream.step(x[0], out) is out
        np.testing.assert_array_equal(out, exact[0])
        np.testing.assert_array_equal(stream.step(x[np.newaxis, 1].astype(np.float64)), exact[np.newaxis, 1])
        np.testing.assert_array_equal(stream.run(x[2:]), exact[2:])
    ids = make("table").stream()
    np.testing.assert_array_equal(ids.step(3), make("table").stream().step(np.array([3]))[0])
    assert ids.run(np.array([1, 2, 3])).shape == (3, 9)


@pytest.mark.parametrize("name", ["stack", "normalizations"])
def test_what_does_not_fit_changes_nothing(name):
    stream = make(name).stream(2)
    stream.step(random(2, FEATURES))
    before = stream.state
    units = stream.step(random(2, FEATURES)).shape[1]
    stream.state = before
    good = random(2, FEATURES)
    for x in (random(2, FEATURES + 1), random(3, FEATURES), random(FEATURES), random(2, 1, FEATURES), good * 1j):
        with pytest.raises(ValueError, match=r"expected|Invalid dtype"):
            stream.step(x)
    read_only = np.empty((2, units), np.float32)
    read_only.flags.writeable = False
    for out in (np.empty((2, units + 1), np.float32), np.empty((2, units)), read_only, [0.0]):
        with pytest.raises(ValueError, match="out: expected a writable"):
            stream.step(good, out)
    for x in (random(2, FEATURES), random(2, 4, FEATURES + 1)):
        with pytest.raises(ValueError, match="expected shape"):
            stream.run(x)
    for state in (before[:-1], [before[0][:-1], *before[1:]], [[a[:1] for a in op] for op in before], None, 5):
        with pytest.raises((ValueError, TypeError)):
            stream.state = state
    for rows in (2, -1, [0, 5], 0.5, "a"):
        with pytest.raises(ValueError, match="rows: expected integers from 0 to 1"):
            stream.reset(rows)
    for kept, exact in zip(np.concatenate(stream.state, axis=None), np.concatenate(before, axis=None), strict=True):
        np.testing.assert_array_equal(kept, exact)


def test_ids_out_of_range():
    for name in ("table", "masked ids"):
        stream = make(name).stream()
        with pytest.raises(ValueError, match="ids"):
            stream.step(9)
        with pytest.raises(ValueError, match="ids"):
            stream.run([1, 2, -10])


@pytest.mark.parametrize("name", ["stack", "normalizations", "masking", "embedding"])
def test_reset_of_some_rows(name):
    model = make(name)
    x = sequences(model, 4)
    stream, fresh = model.stream(4), model.stream(4)
    stream.run(x)
    stream.reset([2, 0])
    stream.reset(rows=np.int64(2))
    y, new, old = stream.run(x), fresh.run(x), fresh.run(x)
    np.testing.assert_array_equal(y[[0, 2]], new[[0, 2]])
    np.testing.assert_array_equal(y[[1, 3]], old[[1, 3]])
    assert not np.array_equal(new[1], old[1])


@pytest.mark.parametrize("name", ["stack", "normalizations", "masking"])
def test_copies_go_on_by_themselves(name):
    model = make(name)
    x = sequences(model, 2)
    stream = model.stream(2)
    stream.run(x)
    exact = stream.copy().run(x)
    moved = model.stream(2)
    moved.state = pickle.loads(pickle.dumps(stream.state))
    others = [stream.copy(), copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream)), moved]
    for other in others:
        assert isinstance(other, Stream) and other.batch == 2
        np.testing.assert_array_equal(other.run(x), exact)
    np.testing.assert_array_equal(stream.run(x), exact)


def test_state_is_plain_data():
    stream = network(
        Conv1D(5, 3, padding="causal"), LSTM(4, return_sequences=True), BatchNormalization(), GRU(2)
    ).stream(3)
    stream.run(random(3, 4, FEATURES))
    state = stream.state
    assert [[(type(a), a.dtype, a.shape) for a in of_layer] for of_layer in state] == [
        [(np.ndarray, np.float32, shape) for shape in shapes] for shapes in ([(3, 2, 3)], [(3, 4), (3, 4)], [(3, 2)])
    ]
    state[1][0][:] = 7
    assert (stream.state[1][0] != 7).all()
    stream.state = [[a.tolist() for a in of_layer] for of_layer in state]
    np.testing.assert_array_equal(stream.state[1][0], 7)


@pytest.mark.parametrize("name", ["stack", "normalizations", "embedding"])
def test_a_stream_keeps_its_weights(name):
    model = make(name)
    x = sequences(model, 1)
    exact = model.stream().run(x)
    stream = model.stream()
    model.set_weights([w * 0.5 for w in model.get_weights()])
    np.testing.assert_array_equal(stream.run(x), exact)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stream)).run(x), stream.run(x))
    assert not np.array_equal(model.stream().run(x), exact)


def test_a_model_follows_its_attributes():
    model = network(LSTM(4, name="l"), Dense(2))
    model.stream()
    model.layers[0].go_backwards = True
    with pytest.raises(ValueError, match="Layer 'l'"):
        model.stream()


def test_stateful_layers_keep_their_states():
    model = Sequential([Input(batch_shape=(2, 5, FEATURES)), LSTM(4, stateful=True)])
    x = random(2, 5, FEATURES)
    first = model.predict(x, verbose=0)
    stream = model.stream(1)
    np.testing.assert_array_equal(stream.run(x[:1])[:, -1], first[:1])
    second = model.predict(x, verbose=0)
    np.testing.assert_array_equal(stream.run(x[:1])[:, -1], second[:1])


@pytest.mark.parametrize("name", ["engine", "parts"])
def test_a_second_thread_is_refused(name):
    entered, leave = threading.Event(), threading.Event()

    def wait(x):
        entered.set()
        assert leave.wait(60)
        return x

    layers = [LSTM(4, return_sequences=True), Dense(2, activation=wait)]
    if name == "parts":
        layers.insert(0, BatchNormalization())
    stream = network(*layers).stream()
    x = random(1, FEATURES)
    leave.set()
    exact = stream.copy().step(x)
    entered.clear()
    leave.clear()
    results = []
    thread = threading.Thread(target=lambda: results.append(stream.step(x)))
    thread.start()
    assert entered.wait(60)
    for use in (lambda: stream.step(x), lambda: stream.run(x[np.newaxis]), stream.reset, lambda: stream.state):
        with pytest.raises(RuntimeError, match="in use on another thread"):
            use()
    leave.set()
    thread.join()
    np.testing.assert_array_equal(results[0], exact)
    stream.step(x)


def test_a_failing_activation():
    fails = []

    def maybe(x):
        if fails:
            raise KeyError("no")
        return x

    stream = network(LSTM(4, activation=maybe)).stream()
    x = random(STEPS, FEATURES)
    exact = stream.run(x)
    fails.append(True)
    for use in (lambda: stream.step(x[0]), lambda: stream.run(x)):
        with pytest.raises(KeyError, match="no"):
            use()
    fails.clear()
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), exact)


def test_what_no_memory_holds():
    stream = network(LSTM(4)).stream()
    with pytest.raises(MemoryError, match="x: there is no memory"):
        stream.step(range(10**18))
