"""What a file or a caller gets wrong: ValueError, TypeError or MemoryError, with words."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import fastlstm
from fastlstm import layers, memory
from fastlstm.layers import LSTM, Activation, Attention, Dense, Embedding, Input
from fastlstm.models import Model, Sequential, load_model


def entry(class_name, **config):
    return {"class_name": class_name, "module": "keras.layers", "config": {"name": "l"} | config}


def file(path, shape, layer, **model):
    """A `.keras` file of an input, one layer, and no weights."""
    first = entry("InputLayer", batch_shape=[None, *shape], dtype="float32")
    config = {"name": "s", "layers": [first | {"config": first["config"] | {"name": "i"}}, layer]}
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.9.0"}')
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": config} | model))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((3,), entry("RepeatVector", n=2**70)),
        ((5, 3), entry("UpSampling1D", size=2**70)),
        ((3,), entry("Softmax", axis=99)),
        ((3,), entry("Softmax", axis="x")),
        ((5, 3), entry("Masking", mask_value="x")),
        ((3,), entry("ELU", alpha=[1])),
        ((3,), entry("ELU", alpha={})),
        ((3,), entry("Rescaling", scale={"a": 1})),
        ((3,), entry("Rescaling", scale=1, offset="x")),
        ((3,), entry("Normalization", mean="x", variance="y")),
    ],
    ids=str,
)
def test_configs_that_cannot_run_are_refused_when_they_are_loaded(shape, layer, tmp_path):
    with pytest.raises(ValueError, match="could not be made from its config"):
        load_model(file(tmp_path / "m.keras", shape, layer))


@pytest.mark.parametrize("value", [5, "x", True, [1]])
def test_compile_arguments_that_are_none_are_left_out(value, tmp_path):
    model = load_model(file(tmp_path / "m.keras", (3,), entry("Activation", activation="tanh"), compile_config=value))
    assert model.built


@pytest.mark.parametrize("key", [2**70, [None] * 70, [{"class_name": "__slice__", "config": {"start": 2**70}}]])
def test_keys_that_fit_no_array(key):
    x = Input((3,))
    with pytest.raises(ValueError, match=r"No array has a place|64 axes at most|Only integers"):
        x[tuple(key) if isinstance(key, list) else key]


def test_names_do_not_reach_the_terminal(tmp_path):
    name = "\x1b]0;title\x07\x1b[31mRED\x1b[2J\u202e\x9b"
    model = load_model(file(tmp_path / "m.keras", (3,), entry("Activation", activation="tanh", name=name)))
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        model.summary()
    assert model.layers[0].name.startswith(r"\x1b]0;title\x07")
    with pytest.raises(ValueError) as error:
        load_model(file(tmp_path / "m.keras", (3,), entry("Activation", activation="none", name=name)))
    for shown in (text.getvalue(), str(error.value)):
        assert not set(shown) & set("\x1b\x07\u202e\x9b")
    with pytest.raises(ValueError, match="more than 1,000 characters in a name") as error:
        load_model(file(tmp_path / "m.keras", (3,), entry("Activation", activation="tanh", name="x" * 10**6)))
    assert len(str(error.value)) < 1500


@pytest.fixture(scope="module")
def model():
    return Sequential([Input((5, 3)), LSTM(4), Dense(2)])


@pytest.fixture(scope="module")
def closed():
    return Sequential([Input((5, 3)), LSTM(3, return_sequences=True), Dense(3)])


@pytest.fixture(scope="module")
def sampled():
    return Sequential([Input((5,)), Embedding(10, 3), LSTM(4), Dense(10, activation="softmax")])


def test_weights(model):
    model.set_weights([weight.tolist() for weight in model.get_weights()])
    with pytest.raises(ValueError, match="numbers that float32 does not"):
        model.set_weights([np.full(weight.shape, 10**400, object) for weight in model.get_weights()])
    with pytest.raises(ValueError):
        model.set_weights([[[1], [1, 2]]] * 5)


def test_counts(model, closed, sampled):
    x = np.zeros((1, 3), np.float32)
    for refused in (
        lambda: model(np.zeros((2, 5, 3)), mask=[]),
        lambda: fastlstm.set_num_threads(2**31),
        lambda: model.stream(2**63),
        lambda: model.stream_pool(2**63),
        lambda: closed.stream().generate(2**63, x),
        lambda: sampled.stream().generate(2, x[:, 0], temperature=1.0, seed=float("inf")),
        lambda: sampled.stream().generate(2, x[:, 0], temperature=1.0, seed=-0.5),
        lambda: Attention()([np.zeros((2, 5, 3)), {}]),
    ):
        with pytest.raises(ValueError, match=r"should be|must be|takes arrays"):
            refused()
    with pytest.raises(MemoryError, match="ids of 4611686018427387904 streams"):
        model.stream_pool(2**62)
    assert sampled.stream().generate(2, x[:, 0], temperature=1.0, top_k=2**63).shape == (1, 2)
    for refused in (lambda: model.load_weights(2**40), lambda: load_model(-1)):
        with pytest.raises(TypeError, match="Expected a path"):
            refused()


def test_layers_of_a_callers_own_raise_what_they_raise():
    class Odd(layers.Layer):
        def call(self, inputs):
            return [][0] if inputs.any() else inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    model = Sequential([Input((3,)), Odd()])
    with pytest.raises(IndexError):
        model.predict(np.ones((1, 3)), verbose=0)


LARGE = 2**60
HUGE = {
    "RepeatVector": lambda: (layers.RepeatVector(LARGE), np.ones((1, 3))),
    "UpSampling1D": lambda: (layers.UpSampling1D(LARGE), np.ones((1, 2, 3))),
    "ZeroPadding1D": lambda: (layers.ZeroPadding1D((0, LARGE)), np.ones((1, 2, 3))),
    "windows": lambda: (layers.MaxPooling1D(LARGE, padding="same"), np.ones((1, 2, 3))),
    "Conv2D": lambda: (layers.Conv2D(1, 2, dilation_rate=LARGE, padding="same"), np.ones((1, 2, 3, 1))),
}


@pytest.mark.parametrize("name", HUGE)
def test_outputs_beyond_memory(name):
    layer, x = HUGE[name]()
    with pytest.raises(MemoryError, match=r"needs an array of shape \(.*iB, and .* of memory are free"):
        layer(x.astype(np.float32))


def test_windows_that_read_nothing_but_padding_take_no_memory():
    layer = layers.Conv1D(1, 2, dilation_rate=LARGE, padding="same", bias_initializer="ones")
    np.testing.assert_array_equal(layer(np.ones((1, 2, 3), np.float32)), np.ones((1, 2, 1)))


@pytest.mark.parametrize("layer", [layers.Attention(), layers.AdditiveAttention(), layers.Dot(-1), layers.Add()])
def test_results_of_two_inputs_beyond_memory(layer, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10**8)
    a, b = np.zeros((1, 8000, 4), np.float32), np.zeros((1, 8000, 4), np.float32)
    if isinstance(layer, layers.Add):
        a, b = a.reshape(1, 32000, 1), b.reshape(1, 1, 32000)
    with pytest.raises(MemoryError, match="of memory are free"):
        layer([a, b])


def test_what_is_free_is_less_than_the_process_may_take(tmp_path):
    code = (
        "import resource; from fastlstm import memory; a = memory.available();"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); print(a, memory.available())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    before, after = map(int, done.stdout.split())
    assert 0 < after < min(before + 2**28, 2**32)
    assert memory.in_words(3 * 2**30) == "3 GiB" and memory.in_words(5) == "5 bytes"
    memory.require(10, "Something")


def test_graphs_count_their_calls():
    activation = Activation("tanh")
    x = y = Input((3,))
    for _ in range(10):
        y = activation(y)
    inner = Model(x, y)
    x = Input((3,))
    assert len(Model(x, inner(inner(x))).calls().calls) == 20


def nested(depth):
    return [] if depth == 0 else [nested(depth - 1)]


def test_nesting_and_configs_without_end(model):
    deep = nested(900)
    for _ in range(900):
        deep = [deep]
    for refused in (
        lambda: model.compile("sgd", deep),
        lambda: model.evaluate(np.zeros((1, 5, 3)), np.zeros((1, 2)), callbacks=deep),
        lambda: model.get_layer(deep),
        lambda: model.quantize(deep),
        lambda: model.build_from_config(5),
        lambda: model(np.zeros((1, 5, 3)), mask=range(10**18)),
        lambda: Sequential().add(fastlstm.KerasTensor((None, 3))),
        lambda: model.save_weights("w.weights.json", max_shard_size=10**400),
        lambda: layers.Bidirectional.from_config({}),
        lambda: fastlstm.optimizers.Adam.from_config(5),
        lambda: fastlstm.optimizers.Adam().apply([10**400], [np.zeros(1, np.float32)]),
        lambda: layers.TimeDistributed.from_config(5),
        lambda: model.train_on_batch(np.zeros((1, 5, 3)), np.zeros((1, 2)), class_weight=5),
    ):
        with pytest.raises((ValueError, TypeError, MemoryError)) as caught:
            refused()
        assert " " in str(caught.value) and not isinstance(caught.value, LookupError)
