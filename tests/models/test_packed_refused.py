"""Packed files of models that are refused: what cannot be written, and files that do not describe a model's arrays."""

import copy
import json
import math
import struct
import tracemalloc
import zlib
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import networks
from fastlstm import Input, Model, Sequential, load_packed, save_packed
from fastlstm.engine import LAYOUT_VERSION
from fastlstm.layers import (
    GRU,
    LSTM,
    Add,
    AdditiveAttention,
    Attention,
    Bidirectional,
    Conv1DTranspose,
    ConvLSTM1D,
    Dense,
    Embedding,
    LayerNormalization,
    Rescaling,
)
from fastlstm.layers.base.variable import Variable
from fastlstm.saving.packed import NamedArray, open_packed, write_packed

pytestmark = pytest.mark.packed_kernels

STEPS, FEATURES = 7, 5
network = partial(networks.network, shape=(STEPS, FEATURES))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.packed"


def stacked():
    return network(LSTM(33, return_sequences=True), LSTM(16), Dense(3))


def looked_up():
    return network(Embedding(6, 16, mask_zero=True), LSTM(16, return_sequences=True), GRU(3), shape=(STEPS,))


def two_inputs():
    x, other = Input((STEPS, FEATURES)), Input((3, 2))
    h = GRU(6, reset_after=False, return_state=True)(x)[1]
    return Model([x, other], Add()([Bidirectional(LSTM(3))(x), GRU(6)(other, initial_state=h)]))


def mine(x):
    return x


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (lambda: Sequential([LSTM(3)]), "has not yet been built"),
        (lambda: Dense(3), "Expected `model` to be a Sequential or a Functional model"),
        (
            lambda: network(LSTM(3), Dense(2, activation=lambda x: x, name="last")),
            "Layer 'last' .*cannot be serialized",
        ),
        (lambda: network(LSTM(3, activation=mine, name="odd")), "Layer 'odd' .*activation function"),
    ],
)
def test_models_that_are_refused(model, text, path):
    with pytest.raises(ValueError, match=text):
        save_packed(model(), path)
    assert not path.exists()


def test_blas_is_refused(path, monkeypatch):
    model = stacked()
    save_packed(model, path)
    for backend, isa in (("blas", ""), ("auto", "scalar")):
        monkeypatch.setenv("FASTLSTM_BACKEND", backend)
        monkeypatch.setenv("FASTLSTM_ISA", isa)
        for call in (lambda: save_packed(model, path), lambda: load_packed(path)):
            with pytest.raises(ValueError, match="for the packed kernels, but products are BLAS' here"):
                call()


def spoilt(path, change):
    """The same file with another config or other arrays, and a right checksum."""
    config, arrays, _ = open_packed(path, LAYOUT_VERSION)
    config, arrays = change(config, list(arrays))
    write_packed(path, LAYOUT_VERSION, config, arrays)


def edited(config, old, new):
    return json.loads(json.dumps(config).replace(old, new))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda config, arrays: (config, arrays[:-1]), "needs 5 arrays; the file has 4"),
        (lambda config, arrays: (config, arrays[:3]), "needs 8 arrays; the file has 3"),
        (lambda config, arrays: (config, []), "needs 8 arrays; the file has 0"),
        (lambda config, arrays: (config, [*arrays, arrays[0]]), "the file has"),
        (lambda config, arrays: (config, arrays[::-1]), "needs array '0 kernel' of shape"),
        (
            lambda config, arrays: (config, [*arrays[:-1], NamedArray(arrays[-1].name, arrays[-1].array[1:])]),
            "needs array 'columns 0 to 3 of 6 kernel' of shape",
        ),
        (lambda config, arrays: ({}, arrays), "should be an object with a class_name"),
        (lambda config, arrays: (config["config"]["layers"][1], arrays), "does not describe a built model"),
        (
            lambda config, arrays: (edited(config, '"units": 3,', '"units": 4,'), arrays),
            r"'6 kernel' of shape \(16, 4",
        ),
        (lambda config, arrays: (edited(config, '"units": 16', '"units": 17'), arrays), "could not be made from its"),
        (lambda config, arrays: (edited(config, "LSTM", "Lambda"), arrays), "Python code"),
    ],
)
def test_files_whose_parts_do_not_fit(path, change, text):
    save_packed(stacked(), path)
    spoilt(path, change)
    with pytest.raises(ValueError, match=text) as error:
        load_packed(path)
    assert str(path) in str(error.value)


def with_array(number, change):
    """A change of one array of a file."""

    def changed(config, arrays):
        name, array = arrays[number]
        return config, [*arrays[:number], NamedArray(name, change(array)), *arrays[number + 1 :]]

    return changed


@pytest.mark.parametrize("mode", ["int16", "int8"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (with_array(0, lambda array: array.astype(np.float32)), "has the dtype float32; expected one of integers"),
        (with_array(0, lambda array: array[4:]), "needs array '0 kernel as integers' of shape"),
        (with_array(0, lambda array: np.full_like(array, np.iinfo(array.dtype).min)), "do not fit 32 bits"),
        (with_array(1, lambda array: array * np.float32(np.inf)), "a scale that is not finite"),
        (with_array(1, lambda array: array.astype(np.int16)), "needs array '0 kernel scales' of shape"),
        (lambda config, arrays: (config, arrays[:1]), "needs 2 arrays; the file has 1"),
        (lambda config, arrays: (config, arrays[:4]), "needs 8 arrays; the file has 4"),
        (lambda config, arrays: (config, [arrays[0], *arrays[2:]]), "needs array '0 kernel scales'"),
        (
            lambda config, arrays: (config, [*arrays[:4], arrays[4]._replace(name="2 bias as integers"), *arrays[5:]]),
            "needs array '2 bias' of shape",
        ),
    ],
)
def test_files_of_integers_whose_parts_do_not_fit(path, mode, change, text):
    model = stacked()
    model.quantize(mode)
    save_packed(model, path)
    spoilt(path, change)
    with pytest.raises(ValueError, match=text) as error:
        load_packed(path)
    assert str(path) in str(error.value)


def nodes(tree, place=()):
    """Every place in JSON data, as the keys that lead there."""
    yield place
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield from nodes(item, (*place, key))


def value_at(tree, place):
    return value_at(tree[place[0]], place[1:]) if place else tree


def replaced(tree, place, value):
    if not place:
        return value
    changed = copy.copy(tree)
    changed[place[0]] = replaced(tree[place[0]], place[1:], value)
    return changed


def is_refused(path):
    try:
        load_packed(path)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("make", [stacked, looked_up, two_inputs])
@pytest.mark.parametrize("mode", [None, "int8", "int16"])
def test_sizes_in_a_config_are_compared_before_anything_is_made(path, make, mode, monkeypatch):
    """2**31 units of a GRU would have orthogonal values drawn: 384 GiB."""
    model = make()
    if mode:
        model.quantize(mode)
    save_packed(model, path)
    config, arrays, _ = open_packed(path, LAYOUT_VERSION)
    drawn = []
    monkeypatch.setattr(Variable, "_initialized", lambda variable: drawn.append(variable))
    assert refused_sizes(path, config, arrays, (10**7, 2**31, 2**40, 2**63)) > 20
    assert not drawn


@pytest.mark.parametrize(
    "make",
    [
        lambda: network(Rescaling(2), LayerNormalization(center=False, scale=False), Dense(3)),
        lambda: network(Conv1DTranspose(3, 2, strides=3), LSTM(4)),
        lambda: of_pairs(AdditiveAttention(use_scale=False)),
        lambda: of_pairs(Attention(score_mode="concat")),
        lambda: of_pairs(Attention(), use_causal_mask=True),
        lambda: Sequential([Input((5, 6, 2), batch_size=2), ConvLSTM1D(3, 2, stateful=True)]),
        lambda: Sequential([Input((5, 6), batch_size=2), LSTM(3, stateful=True)]),
    ],
)
def test_sizes_that_no_weight_has_are_not_made_either(path, make):
    save_packed(make(), path)
    config, arrays, _ = open_packed(path, LAYOUT_VERSION)
    assert refused_sizes(path, config, arrays, (2**31, 2**40)) > 5


def of_pairs(attention, **kwargs):
    x, y = Input((4, 6)), Input((3, 6))
    return Model([x, y], attention([x, y], **kwargs))


def refused_sizes(path, config, arrays, sizes):
    """How many files were refused of those that have another size at one place; none may make arrays of that size."""
    refused = 0
    for place in nodes(config):
        if type(value_at(config, place)) is not int:
            continue
        for size in sizes:
            write_packed(path, LAYOUT_VERSION, replaced(config, place, size), arrays)
            tracemalloc.start()
            try:
                refused += is_refused(path)
                assert tracemalloc.get_traced_memory()[1] < 2**23, (place, size)
            finally:
                tracemalloc.stop()
    return refused


def test_the_error_names_the_weight_and_both_shapes(path):
    save_packed(looked_up(), path)
    spoilt(path, lambda config, arrays: (edited(config, '"units": 3,', '"units": 2147483648,'), arrays))
    text = r"'4 kernel' of shape \(16, 6442450944\) and dtype float32 for 'gru\S*/kernel'; .* shape \(16, 9\) and"
    with pytest.raises(ValueError, match=text):
        load_packed(path)


VALUES = [
    None,
    True,
    0,
    1,
    -1,
    2,
    3,
    17,
    2**31,
    2**70,
    0.5,
    "",
    "LSTM",
    "tanh",
    "softmax",
    [],
    [1],
    [2**40],
    {},
    {"a": 1},
]


@given(make=st.sampled_from([stacked, looked_up, two_inputs]), data=st.data())
def test_any_header_is_refused_or_runs(path, make, data):
    """With a right checksum around it: nothing that a header says may reach beyond the file."""
    save_packed(make(), path)
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content, 16)[0]
    header = json.loads(content[64 : 64 + size])
    arrays = content[64 + size + -size % 64 : -4]
    for _ in range(data.draw(st.integers(1, 2))):
        header = replaced(header, data.draw(st.sampled_from(list(nodes(header)))), data.draw(st.sampled_from(VALUES)))
    text = json.dumps(header).encode()
    body = text + bytes(-len(text) % 64) + arrays
    whole = content[:16] + struct.pack("<QQ", len(text), 64 + len(body) + 4) + content[32:64] + body
    path.write_bytes(whole + struct.pack("<I", zlib.crc32(whole)))
    try:
        model = load_packed(path)
    except ValueError:
        return
    shapes = [(2, *(size or 1 for size in tensor.shape[1:])) for tensor in model.inputs]
    if max(map(math.prod, shapes), default=0) > 2**20:
        return
    with suppress(ValueError, TypeError, NotImplementedError):  # inputs of other shapes, arguments that cannot be run
        model.predict([np.ones(shape) for shape in shapes], verbose=0)
