"""Weights set while a model is in use: a call sees the old ones or the new ones, whole."""

import multiprocessing
import sys
import threading

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Dense,
    GlobalMaxPooling1D,
    Layer,
    TimeDistributed,
)

X = np.random.default_rng(7).normal(size=(2, 6, 3)).astype(np.float32)


class Between(Layer):
    """The identity in NumPy, between two chains of the engine; `hook` runs in every call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._hook = lambda: None

    def call(self, inputs):
        self._hook()
        return inputs.copy()

    def compute_output_shape(self, input_shape):
        return input_shape


def two_chains():
    return Sequential([Input((6, 3)), LSTM(5, return_sequences=True), Between(name="between"), LSTM(4), Dense(2)])


def with_bidirectional():
    return Sequential(
        [
            Input((6, 3)),
            Bidirectional(LSTM(5, return_sequences=True)),
            BatchNormalization(),
            Between(name="between"),
            Bidirectional(GRU(4)),
            Dense(3),
        ]
    )


def branched():
    x = Input((6, 3))
    sequence = LSTM(5, return_sequences=True)(x)
    pooled = GlobalMaxPooling1D()(Between(name="between")(sequence))
    return Model(x, Concatenate()([pooled, GRU(4)(sequence), TimeDistributed(Dense(2))(sequence)[:, 0]]))


MODELS = {builder.__name__: builder for builder in (two_chains, with_bidirectional, branched)}


def drawn_weights(model, seed):
    """Weights so unlike those of another seed that a mixture gives an output of its own."""
    random = np.random.default_rng(seed)
    return [random.uniform(0.2, 1.5, weight.shape).astype(np.float32) for weight in model.get_weights()]


def outputs_of(model, *weights):
    """The model's output with each, of which the last stay set."""
    outputs = []
    for one in weights:
        model.set_weights(one)
        outputs.append(model.predict_on_batch(X))
    return outputs


def in_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def once(function):
    """A function that does it the first time only."""
    left = [function]
    return lambda: left.pop()() if left else None


CALLS = {
    "predict": lambda model: model.predict(X, verbose=0),
    "call": lambda model: np.asarray(model(X)),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", MODELS)
def test_weights_set_in_the_middle_of_a_call(name, call):
    model = MODELS[name]()
    old, new = drawn_weights(model, 1), drawn_weights(model, 2)
    expected, before = outputs_of(model, new, old)
    assert not np.allclose(expected, before)
    model.get_layer("between")._hook = once(lambda: in_another_thread(lambda: model.set_weights(new)))
    np.testing.assert_array_equal(CALLS[call](model), expected)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_loaded_in_the_middle_of_a_call(name, tmp_path):
    model, path = MODELS[name](), tmp_path / "model.weights.h5"
    old, new = drawn_weights(model, 1), drawn_weights(model, 2)
    expected, _ = outputs_of(model, new, new)
    model.save_weights(path)
    model.set_weights(old)
    model.get_layer("between")._hook = once(lambda: in_another_thread(lambda: model.load_weights(path)))
    np.testing.assert_array_equal(model.predict_on_batch(X), expected)


def test_one_variable_assigned_in_the_middle_of_a_call():
    model = two_chains()
    weights = drawn_weights(model, 1)
    changed = [weights[0] + 1, *weights[1:]]
    expected, _ = outputs_of(model, changed, weights)
    variable = model.weights[0]
    model.get_layer("between")._hook = once(lambda: in_another_thread(lambda: variable.assign(changed[0])))
    np.testing.assert_array_equal(model.predict_on_batch(X), expected)


def test_weights_of_another_model_are_none_of_this_ones_business():
    model, other = two_chains(), two_chains()
    calls = []

    def hook():
        calls.append(None)
        in_another_thread(lambda: other.set_weights(drawn_weights(other, 3)))

    expected = model.predict_on_batch(X)
    model.get_layer("between")._hook = hook
    np.testing.assert_array_equal(model.predict_on_batch(X), expected)
    assert len(calls) == 1


def test_a_stateful_model_moves_on_by_one_call():
    layers = [
        Input(batch_shape=(2, 6, 3)),
        LSTM(5, return_sequences=True, stateful=True),
        Between(name="between"),
        Bidirectional(LSTM(4, stateful=True)),
    ]
    model = Sequential(layers)
    old, new = drawn_weights(model, 1), drawn_weights(model, 2)
    model.set_weights(old)
    model.predict_on_batch(X)
    states = [np.array(state) for layer in (layers[1], layers[3]) for state in layer.states]
    model.set_weights(new)
    expected = model.predict_on_batch(X)
    after = [np.array(state) for layer in (layers[1], layers[3]) for state in layer.states]
    layers[1].reset_states(states[:2])
    layers[3].reset_states(states[2:])
    model.set_weights(old)
    layers[2]._hook = once(lambda: in_another_thread(lambda: model.set_weights(new)))
    np.testing.assert_array_equal(model.predict_on_batch(X), expected)
    for state, exact in zip((*layers[1].states, *layers[3].states), after, strict=True):
        np.testing.assert_array_equal(state, exact)


def test_sequences_of_several_lengths_are_read_with_one_moments_weights():
    model = Sequential([Input((None, 3)), LSTM(5, return_sequences=True), LSTM(4)])
    old, new = drawn_weights(model, 1), drawn_weights(model, 2)
    sequences = [X[0], X[1, :4], X[0, :2]]
    model.set_weights(old)
    expected = model.predict(sequences, verbose=0)
    chain = model.current_plan.whole
    advance, change = chain.advance, once(lambda: model.set_weights(new))

    def advance_and_change(*arguments):
        result = advance(*arguments)
        change()
        return result

    chain.advance = advance_and_change
    np.testing.assert_array_equal(model.predict(sequences, verbose=0), expected)
    del chain.advance
    assert not np.allclose(model.predict(sequences, verbose=0), expected)


@pytest.mark.parametrize("name", MODELS)
def test_several_threads_predict_while_another_sets_weights(name):
    model = MODELS[name]()
    choices = [drawn_weights(model, seed) for seed in (1, 2)]
    allowed = {output.tobytes() for output in outputs_of(model, *choices)}
    assert len(allowed) == 2
    done = threading.Event()
    seen = [set() for _ in range(3)]

    def predict(mine):
        while not done.is_set():
            mine.add(model.predict_on_batch(X).tobytes())

    threads = [threading.Thread(target=predict, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for _ in range(60):
        for weights in choices:
            model.set_weights(weights)
            assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))
    done.set()
    for thread in threads:
        thread.join()
    assert set().union(*seen) <= allowed


def end_well_if_among(model, allowed):
    sys.exit(model.predict_on_batch(X).tobytes() not in allowed)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_sets_weights():
    model = with_bidirectional()
    choices = [drawn_weights(model, seed) for seed in (1, 2)]
    allowed = {output.tobytes() for output in outputs_of(model, *choices)}
    done = threading.Event()

    def change():
        while not done.is_set():
            for weights in choices:
                model.set_weights(weights)

    thread = threading.Thread(target=change)
    thread.start()
    codes = []
    for _ in range(10):
        process = multiprocessing.get_context("fork").Process(target=end_well_if_among, args=(model, allowed))
        process.start()
        process.join(60)
        codes.append(process.exitcode)
        process.kill()
    done.set()
    thread.join()
    assert codes == [0] * 10
