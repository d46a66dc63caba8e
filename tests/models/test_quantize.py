"""`Model.quantize`: what it changes, what stays, what is refused; every way of running a quantized model."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

import networks
from fastlstm import Input, Model, Sequential, clone_model, load_packed, save_packed, show_config
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LSTMCell,
    Masking,
    SimpleRNN,
    StackedRNNCells,
    TimeDistributed,
)
from networks import network, random

pytestmark = pytest.mark.packed_kernels

MODES = ("int16", "int8")
STEPS, FEATURES = 9, 5


def copied(layer):
    return layer.__class__.from_config(layer.get_config())


class Own(Dense):
    """With a `call` of its own, which reads the kernel."""

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


class Halves(Model):
    """With a `call` of its own, of layers that the engine runs."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = LSTM(7, return_sequences=True), Dense(3)

    def call(self, inputs):
        return self.decode(self.encode(inputs)) / 2


NETWORKS = {
    "all kinds": (
        LSTM(20, return_sequences=True),
        GRU(17, return_sequences=True),
        GRU(9, reset_after=False, return_sequences=True),
        SimpleRNN(9, return_sequences=True),
        TimeDistributed(Dense(4)),
        Dense(3, activation="softmax"),
    ),
    "others between": (
        Conv1D(7, 3, padding="causal"),
        BatchNormalization(),
        LSTM(6, return_sequences=True),
        Dropout(0.3),
        Activation("relu"),
        RNN(LSTMCell(4), return_sequences=True),
        RNN(StackedRNNCells([LSTMCell(3), LSTMCell(2)]), return_sequences=True),
    ),
    "a class of one's own": (LSTM(6, return_sequences=True), Own(4)),
    "both ways": (Masking(), Bidirectional(LSTM(6, return_sequences=True)), Bidirectional(GRU(5)), Dense(2)),
    "backwards": (LSTM(6, go_backwards=True, activation="relu"), Dense(2, activation="sigmoid")),
}


def made(name, seed=0):
    return network(*map(copied, NETWORKS[name]), shape=(STEPS, FEATURES), seed=seed)


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


# --- what it does ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_near_float32(name, mode):
    model, x = made(name), random(4, STEPS, FEATURES)
    expected = model.predict(x, verbose=0)
    assert model.quantize(mode) is None
    error = np.abs(model.predict(x, verbose=0) - expected).max()
    assert 0 < error < {"int16": 1e-3, "int8": 0.06}[mode]


def test_plan_and_summary_say_so(mode, capsys):
    model = made("others between")
    model.quantize(mode)
    lines = model.plan().splitlines()
    assert sum(f"on {mode}" in line for line in lines) == 4  # two LSTMs, two cells
    assert not any(mode in line for line in lines if "Convolution" in line or "NumPy" in line)
    model.summary()
    show_config()
    text = capsys.readouterr().out
    assert f"Quantized to {mode}: " in text and "modes: float32, int16, int8" in text


def test_weights_are_what_the_integers_stand_for(mode):
    model = made("all kinds")
    before = model.get_weights()
    model.quantize(mode)
    for old, new, weight in zip(before, model.get_weights(), model.weights, strict=True):
        assert new.dtype == np.float32 and new.shape == old.shape
        step = 2 * np.abs(old).max() / {"int16": 1000, "int8": 127}[mode]
        assert (np.abs(new - old) <= step / 2).all()
        assert np.array_equal(new, old) == (weight.name == "bias")


def test_memory(mode):
    """Of float32 weights, and of what was packed of them, nothing is left."""
    tracemalloc.start()
    model = network(LSTM(300, return_sequences=True), LSTM(300), shape=(None, 300))
    floats = sum(weight.nbytes for weight in model.weights)
    x = random(1, 3, 300)
    model.predict(x, verbose=0)
    model.quantize(mode)
    model.predict(x, verbose=0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < {"int16": 0.65, "int8": 0.4}[mode] * floats
    assert all(weight._value is None for weight in model.weights if weight.name != "bias")
    assert sum(weight.nbytes for weight in model.weights) < {"int16": 0.52, "int8": 0.27}[mode] * floats


def test_filters(mode):
    layers = LSTM(4, name="first", return_sequences=True), LSTM(4, name="second"), Dense(2, name="out")
    for filters, chosen in (
        ("first|out", {"first", "out"}),
        (["sec", "^out$"], {"second", "out"}),
        (lambda layer: isinstance(layer, Dense), {"out"}),
    ):
        model = network(*map(copied, layers))
        model.quantize(mode, filters=filters)
        assert {layer.name for layer in model.layers if layer.quantized_to == mode} == chosen
    with pytest.raises(ValueError, match="`filters`"):
        network(*map(copied, layers)).quantize(mode, filters=3)


def test_an_activation_that_changes_afterwards(mode):
    """The engine then takes the columns in another order."""
    first, second = (network(LSTM(20, name="lstm"), shape=(STEPS, FEATURES)) for _ in range(2))
    first.quantize(mode)
    first.layers[0].activation = second.layers[0].activation = Activation("softmax")
    second.quantize(mode)
    x = random(3, STEPS, FEATURES)
    assert (first.predict(x, verbose=0) == second.predict(x, verbose=0)).all()


def test_another_model_of_the_same_layers():
    model = made("backwards")
    outer = Sequential([Input((STEPS, FEATURES)), model])
    x = random(2, STEPS, FEATURES)
    expected = outer.predict(x, verbose=0)
    outer.quantize("int8")
    assert (model.predict(x, verbose=0) == outer.predict(x, verbose=0)).all()
    assert (model.predict(x, verbose=0) != expected).any()


def test_a_call_of_its_own(mode):
    model = networks.randomized(Halves(), random(2, STEPS, FEATURES))
    x = random(2, STEPS, FEATURES)
    expected = model.predict(x, verbose=0)
    model.quantize(mode)
    out = model.predict(x, verbose=0)
    assert 0 < np.abs(out - expected).max() < 0.02
    twin = Sequential([Input((STEPS, FEATURES)), model.encode, model.decode])
    assert (out == twin.predict(x, verbose=0) / 2).all()


# --- however it is run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_way_of_running(name, mode):
    model, x = made(name), random(7, STEPS, FEATURES)
    model.quantize(mode)
    expected = model.predict(x, verbose=0)
    assert (np.asarray(model(x)) == expected).all()
    assert (model.predict(x, batch_size=2, verbose=0) == expected).all()
    assert (model.predict(list(x), verbose=0) == expected).all()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (twin.predict(x, verbose=0) == expected).all()
    clone = clone_model(model)
    assert clone.layers[0].quantized_to is None


@pytest.mark.parametrize("name", ["all kinds", "others between"])
def test_streams(name, mode):
    model, x = made(name), random(3, STEPS, FEATURES)
    model.quantize(mode)
    expected, stream, pool = model.predict(x, verbose=0), model.stream(3), model.stream_pool()
    handles = [pool.open() for _ in range(3)]
    for t in range(STEPS):
        assert (stream.step(x[:, t]) == expected[:, t]).all()
        assert (pool.step(handles, x[:, t]) == expected[:, t]).all()


def test_ragged_and_masks(mode):
    model = network(Embedding(40, 6, mask_zero=True), LSTM(7, return_sequences=True), LSTM(5), shape=(None,))
    model.quantize(mode)
    rows = [np.arange(1, n + 1) for n in (3, 8, 5)]
    padded = np.array([np.pad(row, (0, 8 - len(row))) for row in rows])
    expected = model.predict(padded, verbose=0)
    assert (model.predict(rows, verbose=0) == expected).all()
    assert (model.predict(rows[:1], verbose=0) == expected[:1]).all()


def test_generate_and_forecast(mode):
    model = network(LSTM(8), Dense(FEATURES), shape=(None, FEATURES))
    model.quantize(mode)
    window = random(2, STEPS, FEATURES)
    forecast, last = model.forecast(window, 3), window
    for t in range(3):
        y = model.predict(last, verbose=0)
        assert (forecast[:, t] == y).all()
        last = np.concatenate([last[:, 1:], y[:, None]], axis=1)
    model = network(Embedding(11, 6), LSTM(8, return_sequences=True), Dense(11, activation="softmax"), shape=(None,))
    model.quantize(mode)
    stream = model.stream()
    stream.run([[1, 2, 3]])
    ids = stream.generate(4)
    expected = [1, 2, 3]
    for _ in range(4):
        expected.append(int(model.predict(np.array([expected]), verbose=0)[0, -1].argmax()))
    assert np.asarray(ids).ravel().tolist() == expected[3:]


def test_evaluate(mode):
    model, x = made("backwards"), random(6, STEPS, FEATURES)
    model.compile(loss="mse")
    y = model.predict(x, verbose=0)
    assert model.evaluate(x, y, verbose=0) == 0
    model.quantize(mode)
    exact = np.square(model.predict(x, verbose=0).astype(float) - y).mean()
    assert exact > 0
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), exact, rtol=1e-5)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all kinds", "others between", "both ways", "backwards", "ids"])
def test_packed_files(name, mode, tmp_path):
    x = random(3, STEPS, FEATURES) if name != "ids" else np.array([[1, 4, 3]])
    model = network(Embedding(5, 6), LSTM(7), shape=(None,)) if name == "ids" else made(name)
    plain = tmp_path / "plain"
    save_packed(model, plain)
    model.quantize(mode)
    expected = model.predict(x, verbose=0)
    save_packed(model, tmp_path / "model.packed")
    loaded = load_packed(tmp_path / "model.packed")
    assert (loaded.predict(x, verbose=0) == expected).all()
    assert loaded.plan() == model.plan()
    for weight, mine in zip(loaded.weights, model.weights, strict=True):
        assert (weight.numpy() == mine.numpy()).all()
        if weight.integers is not None:
            assert not weight.integers.values.flags.owndata and not weight.integers.values.flags.writeable
    save_packed(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model.packed").read_bytes()


def test_packed_files_are_small(mode, tmp_path):
    model = network(LSTM(150), Dense(100), shape=(None, 150))
    floats = 4 * model.count_params()
    model.quantize(mode)
    save_packed(model, tmp_path / "model.packed")
    assert (tmp_path / "model.packed").stat().st_size < {"int16": 0.56, "int8": 0.31}[mode] * floats + 5000


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(words, call, *arguments, **named):
    with pytest.raises(ValueError, match=words):
        call(*arguments, **named)


def test_refused_modes():
    model = made("backwards")
    before, x = model.plan(), random(1, STEPS, FEATURES)
    expected = model.predict(x, verbose=0)
    for mode in ("int4", "float8", "gptq", None, 8, ["int8"]):
        refused("Expected one of .'int16', 'int8'.. Received: mode=", model.quantize, mode)
    refused("`config`", model.quantize, "int8", config={})
    refused("isn't yet built", Sequential([LSTM(3)]).quantize, "int8")
    assert model.plan() == before and (model.predict(x, verbose=0) == expected).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refused_weights(value):
    model = made("both ways")
    arrays = model.get_weights()
    arrays[-2][0, 1] = value
    model.set_weights(arrays)
    refused(
        r"Layer 'dense\w*' \(of type Dense\) cannot be quantized: its weight .*kernel.* infinite or NaN",
        model.quantize,
        "int8",
    )
    assert model.quantized_to is None  # not even the layers before


def test_refused_afterwards(tmp_path):
    model, x = made("backwards"), random(2, STEPS, FEATURES)
    floats = model.get_weights()
    model.compile(loss="mse")
    y = np.zeros((2, 2))
    model.save_weights(tmp_path / "float.weights.h5")
    model.quantize("int16")
    expected = model.predict(x, verbose=0)
    name = r"Layer 'lstm\w*' \(of type LSTM\) is quantized to int16"
    refused("already quantized to int16. Received: mode=int8", model.quantize, "int8")
    refused(name, model.save, tmp_path / "a.keras")
    refused(name, model.save, tmp_path / "a.h5")
    refused(name, model.save_weights, tmp_path / "a.weights.h5")
    refused(f"{name}.*trained", model.fit, x, y, verbose=0)
    refused(f"{name}.*trained", model.train_on_batch, x, y)
    refused("kernel' is quantized to int16", model.set_weights, floats)
    refused("kernel' is quantized to int16", model.load_weights, tmp_path / "float.weights.h5")
    refused("kernel' is quantized to int16", model.weights[0].assign, floats[0])
    assert not (tmp_path / "a.keras").exists()
    assert (model.predict(x, verbose=0) == expected).all()


def test_frozen_layers_may_be_quantized():
    """What training does not change runs as at inference."""
    base = network(LSTM(6), shape=(STEPS, FEATURES))
    base.quantize("int8")
    base.trainable = False
    model = Sequential([Input((STEPS, FEATURES)), *base.layers, Flatten(), Dense(2)])
    model.compile(optimizer="sgd", loss="mse")
    before = model.get_weights()
    model.fit(random(4, STEPS, FEATURES), np.ones((4, 2)), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, False, True, True]
