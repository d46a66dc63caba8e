"""Packed files of models: the bits of the model that was saved, its weights mapped and never packed again."""

import copy
import gc
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import networks
from fastlstm import Input, Model, Sequential, clone_model, load_model, load_packed, save_packed
from fastlstm.engine import kernel_names, lowering, packing
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Add,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Conv2D,
    ConvLSTM1D,
    Dense,
    Dropout,
    Embedding,
    LayerNormalization,
    LSTMCell,
    Masking,
    Reshape,
    SeparableConv2D,
    SimpleRNN,
    TimeDistributed,
)
from networks import random, randomized

pytestmark = pytest.mark.packed_kernels

STEPS, FEATURES = 7, 5
network = partial(networks.network, shape=(STEPS, FEATURES))


def normalized_gru():
    return LayerNormalization(), GRU(5), Dense(2)


def two_inputs():
    shared = LSTM(6, return_state=True)
    words, x = Input((4,), name="words"), Input((STEPS, FEATURES), name="x")
    encoded, h, c = shared(x)
    again = shared(Dense(FEATURES, activation="tanh")(x))[0]
    decoded = LSTM(6, return_sequences=True)(Embedding(30, 3, mask_zero=True)(words), initial_state=[h, c])
    outputs = [Dense(4, activation="softmax")(decoded), Add()([encoded, again])]
    return randomized(Model([words, x], outputs, name="two"))


def nested():
    inner = Sequential([Input((FEATURES,)), Reshape((FEATURES, 1)), GRU(4), Dense(3, activation="elu")], name="inner")
    x = Input((STEPS, FEATURES))
    branches = [TimeDistributed(inner)(x), LSTM(2, return_sequences=True)(x)]
    return randomized(Model(x, Sequential([SimpleRNN(5), Dense(2)])(Concatenate()(branches))))


NETWORKS = {
    "LSTM": lambda: network(LSTM(33, return_sequences=True), Dropout(0.3), LSTM(16), Dense(3, activation="softmax")),
    "GRU": lambda: network(GRU(17, return_sequences=True), GRU(4, reset_after=False, use_bias=False)),
    "SimpleRNN": lambda: network(SimpleRNN(9, return_sequences=True, go_backwards=True), SimpleRNN(3, use_bias=False)),
    "Bidirectional": lambda: network(
        Bidirectional(LSTM(10, return_sequences=True)), Bidirectional(GRU(3), merge_mode="sum"), Dense(1)
    ),
    "softmax gates": lambda: network(LSTM(16, recurrent_activation="softmax"), Dense(2)),
    "Keras 2's hard sigmoid": lambda: network(LSTM(6, recurrent_activation="hard_sigmoid_keras2")),
    "Embedding, looked up": lambda: network(Embedding(6, 16), LSTM(16, return_sequences=True), GRU(3), shape=(STEPS,)),
    "Embedding, looked up by a GRU": lambda: network(Embedding(6, 7), GRU(5, use_bias=False), shape=(STEPS,)),
    "Embedding": lambda: network(Embedding(60, 7), LSTM(5), shape=(STEPS,)),
    "masked": lambda: network(Embedding(6, 7, mask_zero=True), LSTM(5), Dense(2), shape=(STEPS,)),
    "Masking": lambda: network(Masking(), LSTM(5, return_sequences=True), GRU(4)),
    "TimeDistributed": lambda: network(LSTM(8, return_sequences=True), TimeDistributed(Dense(3, activation="relu"))),
    "NumPy between": lambda: network(
        Conv1D(8, 3, padding="causal"), BatchNormalization(), LSTM(6, return_sequences=True), *normalized_gru()
    ),
    "convolutions": lambda: network(
        TimeDistributed(Conv2D(7, 2, activation="relu")),
        TimeDistributed(SeparableConv2D(5, (1, 2))),
        Reshape((STEPS, -1)),
        LSTM(3),
        shape=(STEPS, 3, 4, 2),
    ),
    "cells": lambda: network(RNN([LSTMCell(5), LSTMCell(4)], return_sequences=True), RNN(LSTMCell(3))),
    "stateful": lambda: network(LSTM(6, stateful=True, return_sequences=True), GRU(4, stateful=True), batch_size=3),
    "Dense": lambda: network(Dense(20, activation="relu"), Dense(3, use_bias=False), shape=(FEATURES,)),
    "without weights": lambda: network(Activation("tanh")),
    "two inputs": two_inputs,
    "nested": nested,
}


def inputs(model, seed=5):
    """One input per input of the model, ids where it takes ids; some of them are 0."""
    arrays = []
    for tensor in model.inputs:
        shape = (3, *tensor.shape[1:])
        x = random(*shape, seed=seed)
        takes_ids = any(isinstance(layer, Embedding) for layer in model.layers) and len(shape) == 2
        arrays.append(np.abs(4 * x).astype(int) % 6 if takes_ids else x * (np.abs(x[..., :1]) > 0.3))
    return arrays if len(arrays) > 1 else arrays[0]


def outputs(model, x=None):
    """All outputs of two calls in a row."""
    x = inputs(model) if x is None else x
    y = [model.predict(x, verbose=0), model.predict(x, verbose=0)]
    return [array for call in y for array in (call if isinstance(call, list) else [call])]


def same(arrays, others):
    return all(np.array_equal(a, b) and a.any() for a, b in zip(arrays, others, strict=True))


@pytest.fixture
def nothing_is_packed(monkeypatch):
    """Refuse to pack a matrix; biases are rows."""

    def pack_row(array, order, *width):
        assert np.ndim(array) == 1
        return packing.pack(array, order, *width)

    monkeypatch.setattr(lowering, "pack", pack_row)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.packed"


def saved(model, path):
    save_packed(model, path)
    return load_packed(path)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_bits(name, path, request):
    model = NETWORKS[name]()
    save_packed(model, path)
    expected = outputs(model)
    request.getfixturevalue("nothing_is_packed")
    loaded = load_packed(path)
    assert type(loaded) is type(model) and loaded.get_config() == model.get_config()
    assert loaded.plan() == model.plan()
    assert same(outputs(loaded), expected)
    assert not any(weight.value.flags.owndata or weight.value.flags.writeable for weight in loaded.weights)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))
    assert all(weight.flags.writeable for weight in loaded.get_weights())


@pytest.mark.parametrize("name", ["LSTM", "GRU", "Embedding, looked up", "NumPy between"])
@pytest.mark.parametrize("isa", kernel_names())
def test_every_instruction_set(name, isa, path, monkeypatch, request):
    model = NETWORKS[name]()
    expected = outputs(model)
    save_packed(model, path)
    monkeypatch.setenv("FASTLSTM_ISA", isa)
    request.getfixturevalue("nothing_is_packed")
    loaded = load_packed(path)
    assert isa in loaded.plan()
    assert same(outputs(loaded), expected)


@pytest.mark.parametrize(
    "model",
    [
        lambda: network(
            Conv1D(8, 3, padding="causal"), LSTM(6, return_sequences=True), LayerNormalization(), GRU(FEATURES)
        ),
        lambda: network(LSTM(20, return_sequences=True), LSTM(16), Dense(FEATURES)),
    ],
    ids=["parts", "one chain"],
)
def test_streams_find_the_packed_weights(model, path, request):
    model, x = model(), random(1, 6, FEATURES)

    def streamed(model):
        pool = model.stream_pool()
        ids = [pool.open() for _ in range(3)]
        pooled = [pool.step(ids, np.repeat(x[:, t], 3, axis=0)) for t in range(6)]
        return [model.stream().run(x), model.stream().generate(9, x[:, 0]), *pooled]

    expected = streamed(model)
    save_packed(model, path)
    request.getfixturevalue("nothing_is_packed")
    assert same(streamed(load_packed(path)), expected)


def test_kernels_that_a_layer_makes_anew(path):
    """Those of a ConvLSTM are joined: the file has the weights alone, and its convolution has none."""
    model = network(ConvLSTM1D(4, 2), shape=(STEPS, 6, 3))
    assert same(outputs(saved(model, path)), outputs(model))


def test_weights_set_later_are_private(path):
    model, other = NETWORKS["LSTM"](), NETWORKS["LSTM"]()
    loaded, beside = saved(model, path), load_packed(path)
    before = outputs(model)
    randomized(other, seed=50)
    loaded.set_weights(other.get_weights())
    assert same(outputs(loaded), outputs(other)) and same(outputs(beside), before)
    assert same(outputs(load_packed(path)), before)


@pytest.mark.parametrize("name", ["LSTM", "Embedding, looked up", "Embedding, looked up by a GRU", "GRU", "cells"])
def test_one_weight_set_later(name, path):
    """Only what is made of it is packed again."""
    model = NETWORKS[name]()
    for number, weight in enumerate(model.weights):
        loaded, other = saved(model, path), copy.deepcopy(model)
        value = random(*weight.shape, seed=99)
        loaded.weights[number].assign(value)
        other.weights[number].assign(value)
        assert same(outputs(loaded), outputs(other)) and not same(outputs(loaded), outputs(model))


def test_another_activation_later(path):
    for name in ("LSTM", "Embedding, looked up"):
        model = NETWORKS[name]()
        loaded = saved(model, path)
        for changed in (model, loaded):
            layer = next(layer for layer in changed.layers if isinstance(layer, LSTM))
            # Its gates are then not packed together.
            layer.cell.recurrent_activation = layer.cell.activation = np.tanh
        assert same(outputs(loaded), outputs(model))


def test_copies_and_files(path, tmp_path):
    for name in ("two inputs", "Embedding", "NumPy between"):
        model = NETWORKS[name]()
        loaded, expected = saved(model, path), outputs(model)
        loaded.save(tmp_path / "again.keras")
        save_packed(loaded, tmp_path / "again.packed")
        assert (tmp_path / "again.packed").read_bytes() == path.read_bytes()
        clone = clone_model(loaded)
        clone.set_weights(loaded.get_weights())
        copies = [
            copy.deepcopy(loaded),
            pickle.loads(pickle.dumps(loaded)),
            load_model(tmp_path / "again.keras"),
            clone,
        ]
        for twin in (*copies, load_packed(tmp_path / "again.packed")):
            assert same(outputs(twin), expected)
        assert not np.shares_memory(copies[0].weights[0].value, loaded.weights[0].value)


def test_compiled(path):
    model = NETWORKS["LSTM"]()
    assert not saved(model, path).compiled
    model.compile("adam", "mse", metrics=["mae"])
    loaded = saved(model, path)
    assert loaded.compiled and loaded.get_compile_config() == model.get_compile_config()


def test_replaced_while_mapped(path):
    model, other = NETWORKS["LSTM"](), NETWORKS["GRU"]()
    loaded, expected = saved(model, path), outputs(model)
    assert same(outputs(saved(other, path)), outputs(other))
    os.remove(path)
    gc.collect()
    assert same(outputs(loaded), expected)
    assert same(outputs(pickle.loads(pickle.dumps(loaded))), expected)


def test_the_memory_goes_with_the_last_user(path):
    gc.collect()
    kept = len(packing._kept)
    loaded = saved(NETWORKS["LSTM"](), path)
    weight, stream = loaded.weights[0].value, loaded.stream()
    x = random(1, 4, FEATURES)
    expected = stream.copy().run(x)
    assert len(packing._kept) > kept
    del loaded
    gc.collect()
    np.testing.assert_array_equal(stream.run(x), expected)
    assert weight.any()
    del weight, stream
    gc.collect()
    assert len(packing._kept) == kept
    if os.path.exists("/proc/self/maps"):
        assert str(path) not in Path("/proc/self/maps").read_text()


READER = """
import sys
import numpy as np
from fastlstm import load_packed
model = load_packed(sys.argv[1])
print("ready", flush=True)
input()
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


def test_two_processes_at_once(path, tmp_path):
    model = NETWORKS["NumPy between"]()
    save_packed(model, path)
    x = inputs(model)
    np.save(tmp_path / "x.npy", x)
    processes = []
    for name in ("first", "second"):
        line = [sys.executable, "-c", READER, path, tmp_path / f"{name}.npy", tmp_path / "x.npy"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        # Elsewhere than in the checkout, which would hide the installed package.
        processes.append(subprocess.Popen(line, cwd=tmp_path, **pipes))
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    save_packed(NETWORKS["GRU"](), path)
    for process in processes:
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    for name in ("first", "second"):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), model.predict(x, verbose=0))
