"""Models in several processes: sent to them, forked into them, loaded by them. Always the same bits."""

import copy
import multiprocessing
import operator
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, get_num_threads, load_packed, save_packed, set_num_threads
from fastlstm.layers import GRU, LSTM, BatchNormalization, Bidirectional, Concatenate, Conv1D, Dense, Dropout, Embedding

pytestmark = pytest.mark.packed_kernels

needs_fork = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]


def weighted(model):
    random = np.random.default_rng(3)
    weights = [0.3 * random.standard_normal(weight.shape) for weight in model.weights]
    pairs = zip(weights, model.weights, strict=True)
    model.set_weights([np.abs(array) if "variance" in weight.name else array for array, weight in pairs])
    return model


def sequential():
    layers = [LSTM(200, return_sequences=True), Dropout(0.2), LSTM(150, return_sequences=True), GRU(50), Dense(3)]
    return weighted(Sequential([Input((60, 9)), *layers]))


def functional():
    ids, x = Input((12,)), Input((12, 9))
    h = Concatenate()([Embedding(40, 6)(ids), Conv1D(5, 3, padding="causal")(x)])
    h = Bidirectional(LSTM(8))(BatchNormalization()(h))
    return weighted(Model([ids, x], Dense(4, activation="softmax")(h)))


def inputs(model):
    random = np.random.default_rng(4)
    arrays = [random.standard_normal((5, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    return arrays[0] if len(arrays) == 1 else [np.abs(10 * arrays[0]).astype(int), arrays[1]]


@pytest.fixture(autouse=True)
def two_threads():
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


@pytest.mark.parametrize("make", [sequential, functional])
def test_copied_and_pickled_before_and_after_use(make):
    fresh = make()
    early = [copy.deepcopy(fresh), pickle.loads(pickle.dumps(fresh))]
    expected = fresh.predict(inputs(fresh), verbose=0)
    assert np.ptp(expected) > 1e-3
    late = [copy.deepcopy(fresh), *(pickle.loads(pickle.dumps(fresh, protocol)) for protocol in range(2, 6))]
    for twin in (*early, *late):
        np.testing.assert_array_equal(twin.predict(inputs(twin), verbose=0), expected)
        assert not any(weight.value.flags.writeable for weight in twin.weights)


@pytest.mark.parametrize("make", [sequential, functional])
def test_sent_to_a_spawned_process_and_back(make, tmp_path):
    model = make()
    x = inputs(model)
    expected = model.predict(x, verbose=0)
    save_packed(model, tmp_path / "model.packed")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        predict = operator.methodcaller("predict", x, verbose=0)
        np.testing.assert_array_equal(pool.submit(predict, model).result(60), expected)
        np.testing.assert_array_equal(pool.submit(predict, load_packed(tmp_path / "model.packed")).result(60), expected)
        there = pool.submit(load_packed, tmp_path / "model.packed").result(60)
        np.testing.assert_array_equal(there.predict(x, verbose=0), expected)


def in_children(number, work):
    """What `work()` returns in as many forked processes."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(number)]
    processes = [context.Process(target=lambda pipe=pipe: pipe.send(work())) for _, pipe in pipes]
    for process in processes:
        process.start()
    results = [reader.recv() if reader.poll(60) else "no answer" for reader, _ in pipes]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * number
    return results


class Meanwhile:
    """Calls a function over and over in a thread, while the context lasts."""

    def __init__(self, function):
        self.ended, self.begun = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, args=(function,))

    def run(self, function):
        while not self.ended.is_set():
            function()
            self.begun.set()

    def __enter__(self):
        self.thread.start()
        assert self.begun.wait(60)

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


class TestFork:
    pytestmark = needs_fork

    @pytest.mark.parametrize("way", ["built", "mapped"])
    def test_preloaded_and_used_before(self, way, tmp_path):
        """As gunicorn does with --preload, while the parent goes on with its own threads."""
        model = sequential()
        if way == "mapped":
            save_packed(model, tmp_path / "model.packed")
            model = load_packed(tmp_path / "model.packed")
        x = inputs(model)
        expected = model.predict(x, verbose=0)
        stream = model.stream()
        stream.run(x[:1, :20])
        rest = stream.copy().run(x[:1, 20:])

        def work():
            assert get_num_threads() == 2
            threads = [threading.Thread(target=model.predict, args=(x,), kwargs={"verbose": 0}) for _ in range(3)]
            for thread in threads:
                thread.start()
            y = model.predict(x, verbose=0)
            for thread in threads:
                thread.join()
            return os.getpid(), y, stream.run(x[:1, 20:])

        with Meanwhile(lambda: model.predict(x, verbose=0)):
            results = in_children(3, work)
        assert len({pid for pid, *_ in results} | {os.getpid()}) == 4
        for _, y, streamed in results:
            np.testing.assert_array_equal(y, expected)
            np.testing.assert_array_equal(streamed, rest)
        np.testing.assert_array_equal(stream.run(x[:1, 20:]), rest)

    def test_while_weights_change(self):
        """A child has the weights of before or of after a change, and can set its own."""
        model = Sequential([Input((4, 3)), LSTM(5, return_sequences=True), LSTM(4), Dense(2)])
        versions = [[np.full(weight.shape, value) for weight in model.weights] for value in (0.1, 0.2)]
        x = np.ones((2, 4, 3), np.float32)
        answers = []
        for weights in versions:
            model.set_weights(weights)
            answers.append(model.predict(x, verbose=0))

        def change():
            for weights in versions:
                model.set_weights(weights)

        def work():
            values = {float(value) for weight in model.get_weights() for value in np.unique(weight)}
            y = model.predict(x, verbose=0)
            model.set_weights(versions[0])
            return len(values), y, model.predict(x, verbose=0)

        with Meanwhile(change):
            results = [result for _ in range(5) for result in in_children(4, work)]
        for number, y, own in results:
            assert number == 1
            assert any(np.array_equal(y, answer) for answer in answers)
            np.testing.assert_array_equal(own, answers[0])
