import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastlstm import Input, Sequential, get_num_threads, set_num_threads
from fastlstm.backend import Tensor
from fastlstm.layers import LSTM, Activation, Dense, Dropout, GlobalMaxPooling1D, Layer
from fastlstm.models import progress

X = np.random.default_rng(2).normal(size=(70, 5, 3)).astype(np.float32)


class Same(Layer):
    """A layer that returns the very array that it gets."""

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


@pytest.fixture
def model():
    return Sequential([Input((5, 3), name="inp"), LSTM(4, return_sequences=True), LSTM(6), Dense(2)], name="m")


def test_batches_do_not_change_the_outputs(model):
    y = model.predict_on_batch(X)
    assert (type(y), y.dtype, y.shape) == (np.ndarray, np.float32, (70, 2))
    for batch_size in (None, 0, 1, 7, 64, 70, 1000, np.int64(9)):
        np.testing.assert_allclose(model.predict(X, batch_size=batch_size, verbose=0), y, rtol=1e-6, atol=1e-7)
    tensor = model(X)
    assert type(tensor) is Tensor
    np.testing.assert_array_equal(tensor.numpy(), y)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "bool", "longdouble"])
def test_any_dtype(model, dtype):
    x = np.abs(3 * X).astype(dtype)
    before = x.copy()
    y = model.predict(x, verbose=0)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, model.predict(x.astype("float32"), verbose=0))
    np.testing.assert_array_equal(model.predict(np.asfortranarray(x), verbose=0), y)
    np.testing.assert_array_equal(x, before)


def test_forms_of_the_input(model):
    y = model.predict(X, verbose=0)
    for same in ([X], (X,), {"inp": X}, X.view(Tensor), np.ma.array(X)):
        np.testing.assert_array_equal(model.predict(same, verbose=0), y)
        np.testing.assert_array_equal(model(same), model(X))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2, 3]], "Unrecognized data type: x=[[1, 2, 3]] (of type <class 'list'>)"),
        ("abc", "Unrecognized data type: x=abc (of type <class 'str'>)"),
        (None, "Unrecognized data type: x=None"),
        (iter([]), "Unrecognized data type: x=<list_iterator"),
        ([], "Unrecognized data type: x=[]"),
        (X.astype(object), "Invalid dtype: object"),
        (X.astype(complex), "Invalid dtype: complex128"),
        ([X, X], 'Layer "m" expects 1 input(s), but it received 2 input tensors.'),
        (
            {"bad": X},
            "The structure of `inputs` doesn't match the expected structure.\nExpected: inp\nReceived: inputs=",
        ),
        (X[:, 0], "with name 'inp' and path ''. Expected shape (None, 5, 3), but input has incompatible shape (70, 3)"),
        (X[..., :2], "expected axis -1 of input shape to have value 3, but received input with shape (70, 5, 2)"),
        (np.float32(1), "The inputs need a batch axis."),
    ],
    ids=lambda value: "",
)
def test_refused_inputs(model, x, message):
    with pytest.raises(ValueError) as error:
        model.predict(x, verbose=0)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [{"batch_size": -1}, {"batch_size": 2.5}, {"steps": 0}, {"steps": -1}, {"verbose": "foo"}, {"callbacks": [1]}],
)
def test_refused_arguments(model, arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`"):
        model.predict(X, **arguments)


def test_missing_and_extra_axes_of_one():
    model = Sequential([Input((5, 1)), LSTM(3)])
    y = model(X[:, :, :1])
    np.testing.assert_array_equal(model(X[:, :, 0]), y)
    np.testing.assert_array_equal(model.predict(X[:, :, 0], verbose=0), model.predict(X[:, :, :1], verbose=0))
    np.testing.assert_array_equal(model(X[:, :, :1, None]), y)
    with pytest.raises(ValueError, match="incompatible shape"):
        model(X[..., None, None])


def test_other_numbers_of_steps(model):
    for timesteps in (1, 3, 5):
        assert model.predict(X[:, :timesteps], verbose=0).shape == (70, 2)
    assert model.predict(np.concatenate([X, X], axis=1), verbose=0).shape == (70, 2)
    with pytest.raises(ValueError, match="time step"):
        model.predict(X[:, :0], verbose=0)


def test_no_rows(model):
    assert model.predict(X[:0], verbose=0).shape == (0, 2)
    assert model(X[:0]).shape == (0, 2)
    states = Sequential([Input((5, 3)), LSTM(4, return_sequences=True, return_state=True)])
    assert [y.shape for y in states.predict(X[:0], verbose=0)] == [(0, 5, 4), (0, 4), (0, 4)]


def test_states_of_the_last_layer():
    model = Sequential([Input((5, 3)), Dense(4), LSTM(6, return_sequences=True, return_state=True)])
    outputs = model.predict(X, batch_size=16, verbose=0)
    assert type(outputs) is tuple
    assert model.output_shape == ((None, 5, 6), (None, 6), (None, 6))
    for got, expected in zip(outputs, model.layers[1](model.layers[0](X)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "layers",
    [[Dropout(0.5)], [Activation("linear")], [Dropout(0.5), Dropout(0.1)], [Same()], [Activation(lambda x: x)]],
    ids=["dropout", "activation", "two", "own layer", "own function"],
)
def test_outputs_are_never_views(layers):
    model = Sequential([Input((5, 3)), *layers])
    x = X.copy()
    for rows in (3, 32, 70):
        for run in (model.predict, model.predict_on_batch, model):
            y = run(x[:rows])
            np.testing.assert_array_equal(y, x[:rows])
            assert not np.shares_memory(y, x)
            y[:] = 9
            np.testing.assert_array_equal(x, X)


def test_two_calls_share_nothing(model):
    first = model.predict_on_batch(X)
    kept = first.copy()
    second = model.predict_on_batch(X + 1)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)


def test_generators(model):
    y = model.predict(X[:30], batch_size=10, verbose=0)

    def batches(tail=()):
        for start in (0, 10, 20):
            yield (X[start : start + 10], *tail)

    np.testing.assert_array_equal(model.predict(batches(), verbose=0), y)
    np.testing.assert_array_equal(model.predict(batches(tail=(1, 2)), verbose=0), y)
    left = batches()
    np.testing.assert_array_equal(model.predict(left, steps=2, verbose=0), y[:20])
    np.testing.assert_array_equal(next(left)[0], X[20:30])
    with pytest.warns(UserWarning, match="Your input ran out of data"):
        np.testing.assert_array_equal(model.predict(batches(), steps=5, verbose=0), y)
    with pytest.raises(ValueError, match=r"the generator must return a tuple, either \(input,\) or"):
        model.predict((batch for batch in X), verbose=0)
    with pytest.raises(ValueError, match="gave no batch"):
        model.predict((batch for batch in ()), verbose=0)


def test_steps(model):
    y = model.predict(X, batch_size=20, verbose=0)
    np.testing.assert_array_equal(model.predict(X, batch_size=20, steps=2, verbose=0), y[:40])
    with pytest.warns(UserWarning, match="Your input ran out of data"):
        np.testing.assert_array_equal(model.predict(X, batch_size=20, steps=9, verbose=0), y)


def test_progress(model, capsys, monkeypatch):
    model.predict(X, verbose="auto")
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""
    model.predict(X, verbose=1)
    assert "3/3" in capsys.readouterr().out
    model.predict(X, verbose=2)
    assert re.match(r"3/3 - \d+s - ", capsys.readouterr().out)
    # Under "auto" it takes a terminal, and patience.
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    model.predict(X)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    model.predict(X)
    assert "3/3" in capsys.readouterr().out
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 1e9)
    model.predict(X)
    assert capsys.readouterr().out == ""


def test_many_threads_get_what_one_gets(model):
    y = model.predict(X, verbose=0)
    start = threading.Barrier(4)

    def run(_):
        start.wait()
        return [model.predict(X, batch_size=size, verbose=0) for size in (32, 32, 7, 32)]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(run, range(4)):
            for size, result in zip((32, 32, 7, 32), results, strict=True):
                if size == 32:
                    np.testing.assert_array_equal(result, y)
                else:
                    np.testing.assert_allclose(result, y, rtol=1e-6, atol=1e-7)


def test_weights_set_during_calls_are_never_mixed(model):
    zeros = [0 * weight for weight in model.get_weights()]
    ones = [weight + 1 for weight in zeros]
    allowed = []
    for weights in (zeros, ones):
        model.set_weights(weights)
        allowed.append(model(X[:1]).tobytes())
    done = threading.Event()

    def change():
        for _ in range(200):
            model.set_weights(zeros)
            model.set_weights(ones)
        done.set()

    thread = threading.Thread(target=change)
    thread.start()
    seen = set()
    while not done.is_set():
        seen.add(model(X[:1]).tobytes())
    thread.join()
    assert seen <= set(allowed)
    assert model(X[:1]).tobytes() == allowed[1]


class Numpy(GlobalMaxPooling1D):
    """A layer that the engine does not run."""

    def call(self, inputs):
        return inputs.max(axis=1)


@pytest.mark.parametrize(
    ("threads", "rows"), [(1, "one thread"), (2, "2 threads share the rows"), (3, "3 threads share the rows")]
)
def test_plan_in_words(threads, rows):
    pool = Numpy(name="pool")
    model = Sequential([Input((5, 3)), LSTM(18, return_sequences=True), pool, Dense(2)])
    before = get_num_threads()
    set_num_threads(threads)
    try:
        lines = model.plan().splitlines()
    finally:
        set_num_threads(before)
    sharing = f"engine, a large call: one thread; of 8 rows and more: {rows}"
    assert [line.split(" on ")[0] for line in lines] == [
        "engine, stage 1: LSTM 3 x 18",
        sharing,
        "NumPy: Numpy 'pool'",
        "engine, stage 1: Dense 18 x 2",
        sharing,
    ]


def test_predict_function():
    model = Sequential([Input((3, 2)), LSTM(4)])
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    run = model.make_predict_function()
    batches = iter([x[:2], x[2:]])
    np.testing.assert_array_equal(np.concatenate([run(batches), run(batches)]), model.predict(x, verbose=0))


def test_callbacks():
    from fastlstm.callbacks import Callback

    class Noted(Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_predict_begin(self, logs=None):
            self.calls.append(("begin", self.model, self.params["steps"]))

        def on_predict_batch_begin(self, batch, logs=None):
            self.calls.append(("batch", batch))

        def on_predict_batch_end(self, batch, logs=None):
            self.calls.append(logs["outputs"])

        def on_predict_end(self, logs=None):
            self.calls.append("end")

    model = Sequential([Input((3, 2)), LSTM(4)])
    x = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    noted = Noted()
    y = model.predict(x, batch_size=3, verbose=0, callbacks=[noted])
    assert noted.calls[0] == ("begin", model, 2) and noted.calls[-1] == "end"
    assert noted.calls[1] == ("batch", 0) and noted.calls[3] == ("batch", 1)
    np.testing.assert_array_equal(np.concatenate([noted.calls[2], noted.calls[4]]), y)
