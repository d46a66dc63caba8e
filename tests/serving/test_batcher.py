"""`Batcher`: joined requests have the bits that they would have alone, and none of them is the others' trouble."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

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
    Embedding,
    GlobalAveragePooling1D,
    Lambda,
)
from fastlstm.serving import Batcher, QueueFull
from networks import network, random, randomized

FEATURES = 3


class Watcher:
    """Hears of all runs."""

    def __init__(self):
        self.runs = []

    def ran(self, requests, seconds):
        self.runs.append([request.rows for request in requests])
        assert seconds > 0 and all(request.begun >= request.arrived > 0 for request in requests)


class Held:
    """A batcher whose first run waits until `go`, so that all the others are waiting by then."""

    def __init__(self, model, **arguments):
        self.watcher = Watcher()
        self.batcher = Batcher(model, observer=self.watcher, **arguments)
        self.running, self.go = threading.Event(), threading.Event()
        run = self.batcher._joiner._run

        def held(requests):
            self.running.set()
            assert self.go.wait(60)
            run(requests)

        self.batcher._joiner._run = held

    def answers(self, first, others):
        """What the batcher gives: exceptions are returned. `others` are all waiting when `first` is done."""

        async def all_of_them():
            loop = asyncio.get_running_loop()
            tasks = [loop.create_task(self.batcher.predict(first))]
            await loop.run_in_executor(None, self.running.wait, 60)
            tasks += [loop.create_task(self.batcher.predict(x)) for x in others]
            await asyncio.sleep(0)
            self.go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

        return asyncio.run(all_of_them())


def several_inputs():
    x, other = Input((None, FEATURES), name="x"), Input((2,), name="other")
    return randomized(Model([x, other], {"y": Dense(2)(Concatenate()([LSTM(5)(x), other])), "z": GRU(3)(x)}))


MODELS = {
    "last": lambda: network(LSTM(17, return_sequences=True), LSTM(5), Dense(2)),
    "sequences": lambda: network(LSTM(5, return_sequences=True), Dense(2)),
    "states": lambda: network(LSTM(5, return_sequences=True, return_state=True)),
    "both ways": lambda: network(Bidirectional(LSTM(4, return_sequences=True)), LSTM(3)),
    "pooled": lambda: network(LSTM(4, return_sequences=True), GlobalAveragePooling1D()),
    "dense": lambda: network(Dense(4, activation="tanh")),
}


def assert_same(y, expected):
    if isinstance(expected, dict):
        assert list(y) == list(expected)
        y, expected = list(y.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert type(y) is type(expected) and len(y) == len(expected)
        for one, other in zip(y, expected, strict=True):
            assert_same(one, other)
        return
    assert y.dtype == np.float32 and y.flags.c_contiguous and y.flags.owndata
    np.testing.assert_array_equal(y, expected)


def inputs():
    shapes = [(1, 5), (3, 5), (1, 2), (2, 9), (1, 1), (4, 17), (1, 5), (2, 2)]
    return [random(*shape, FEATURES, seed=n) for n, shape in enumerate(shapes)]


@pytest.mark.parametrize("name", MODELS)
def test_joined_requests_have_the_bits_that_they_have_alone(name):
    model, x = MODELS[name](), inputs()
    held = Held(model)
    answers = held.answers(x[0], x[1:])
    assert held.watcher.runs == [[1], [len(one) for one in x[1:]]]
    for y, one in zip(answers, x, strict=True):
        assert_same(y, model.predict_on_batch(one))


def test_several_inputs_and_outputs():
    model = several_inputs()
    x = [[one, random(len(one), 2, seed=n)] for n, one in enumerate(inputs())]
    held = Held(model)
    for y, one in zip(held.answers(x[0], x[1:]), x, strict=True):
        assert_same(y, model.predict_on_batch(one))
    assert len(held.watcher.runs) == 2
    with pytest.raises(ValueError, match="Data cardinality is ambiguous"):
        held.batcher.predict_sync([x[0][0], random(3, 2)])


def test_runs_have_so_many_rows():
    x = [random(rows, 4, FEATURES) for rows in (1, 3, 2, 4, 9, 1)]
    held = Held(MODELS["last"](), max_batch=5)
    held.answers(x[0], x[1:])
    assert held.watcher.runs == [[1], [3, 2], [4], [9], [1]]


@pytest.mark.parametrize("sequences", [False, True])
def test_who_is_wrong_is_wrong_alone(sequences):
    model = randomized(Sequential([Input((None,)), Embedding(7, 3), LSTM(4, return_sequences=sequences)]))
    x = [np.array([row]) for row in ([1, 2], [3, 4, 5], [6, 99, 0], [6, 6], [1])]
    answers = Held(model).answers(x[0], x[1:])
    with pytest.raises(ValueError) as alone:
        model.predict_on_batch(x[2])
    assert str(answers[2]) == str(alone.value) and type(answers[2]) is ValueError
    for n in (0, 1, 3, 4):
        assert_same(answers[n], model.predict_on_batch(x[n]))


def test_no_steps_are_the_error_of_who_sends_them():
    model = MODELS["last"]()
    x = [random(1, 4, FEATURES), np.zeros((1, 0, FEATURES)), random(1, 2, FEATURES)]
    answers = Held(model).answers(x[2], x)
    with pytest.raises(ValueError) as alone:
        model.predict_on_batch(x[1])
    assert str(answers[2]) == str(alone.value)
    for place, n in ((0, 2), (1, 0), (3, 2)):
        assert_same(answers[place], model.predict_on_batch(x[n]))


def test_input_that_does_not_fit_is_refused_at_once():
    batcher = Batcher(MODELS["last"]())
    for x, words in ((random(1, 4, 9), "9"), ("words", "words"), (random(1, 2, 2, 3, 3), "Invalid input shape")):
        with pytest.raises((ValueError, TypeError), match=words):
            batcher.predict_sync(x)


def test_threads():
    model, x = MODELS["last"](), inputs()
    expected = [model.predict_on_batch(one) for one in x]
    watcher = Watcher()
    batcher = Batcher(model, observer=watcher)
    with ThreadPoolExecutor(8) as threads:
        for y, n in zip(threads.map(lambda n: batcher.predict_sync(x[n % 8]), range(200)), range(200), strict=True):
            np.testing.assert_array_equal(y, expected[n % 8])
    assert sum(map(len, watcher.runs)) == 200
    assert not len(batcher)


def test_threads_and_loops_together():
    model, x = MODELS["last"](), inputs()
    expected = [model.predict_on_batch(one) for one in x]
    batcher = Batcher(model)

    async def many():
        return await asyncio.gather(*(batcher.predict(x[n % 8]) for n in range(64)))

    with ThreadPoolExecutor(6) as threads:
        loops = [threads.submit(asyncio.run, many()) for _ in range(2)]
        for n, y in enumerate(threads.map(lambda n: batcher.predict_sync(x[n % 8]), range(64))):
            np.testing.assert_array_equal(y, expected[n % 8])
        for loop in loops:
            for n, y in enumerate(loop.result()):
                np.testing.assert_array_equal(y, expected[n % 8])


def test_who_is_alone_does_not_wait():
    batcher = Batcher(MODELS["last"](), max_wait_us=60e6)  # a minute, which the test would notice
    x = random(1, 4, FEATURES)
    for _ in range(3):
        batcher.predict_sync(x)

    async def three():
        return [await batcher.predict(x) for _ in range(3)]

    assert len(asyncio.run(three())) == 3


def test_a_run_waits_for_as_many_as_there_were():
    held = Held(MODELS["last"](), max_wait_us=60e6)
    x = random(1, 4, FEATURES)
    held.answers(x, [x, x])

    async def two():
        first = asyncio.create_task(held.batcher.predict(x))
        await asyncio.sleep(0.01)
        assert not first.done()
        await asyncio.gather(first, held.batcher.predict(x))

    asyncio.run(two())
    assert held.watcher.runs == [[1], [1, 1], [1, 1]]


def test_the_queue_is_bounded():
    held = Held(MODELS["last"](), queue=2)
    x = random(1, 4, FEATURES)
    *answers, refused = held.answers(x, [x, x, x])
    assert isinstance(refused, QueueFull) and "2 requests" in str(refused)
    assert all(isinstance(answer, np.ndarray) for answer in answers)


def test_abandoned_requests_are_not_run():
    held = Held(MODELS["last"]())
    x = random(1, 4, FEATURES)

    async def given_up():
        loop = asyncio.get_running_loop()
        first = loop.create_task(held.batcher.predict(x))
        await loop.run_in_executor(None, held.running.wait, 60)
        second, third = loop.create_task(held.batcher.predict(x)), loop.create_task(held.batcher.predict(x))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        held.go.set()
        await asyncio.gather(first, third)
        assert second.cancelled()

    asyncio.run(given_up())
    assert held.watcher.runs == [[1], [1]]


def training_call():
    x = Input((4, FEATURES))
    return randomized(Model(x, BatchNormalization()(x, training=True)))


def custom_call():
    class Mean(Model):
        def call(self, inputs):
            return inputs - inputs.mean(axis=0)

    model = Mean()
    model(random(2, 4, FEATURES))
    return model


ALONE = {
    "stateful": lambda: network(LSTM(4, stateful=True), batch_size=2, shape=(4, FEATURES)),
    "own call": custom_call,
    "training": training_call,
    "Lambda": lambda: network(Lambda(lambda x: x - x.mean(axis=0)), shape=(4, FEATURES)),
    "batch size": lambda: network(LSTM(4), batch_size=2, shape=(4, FEATURES)),
}


@pytest.mark.parametrize("name", ALONE)
def test_models_that_join_nothing(name):
    model, twin = ALONE[name](), ALONE[name]()
    held = Held(model)
    assert not held.batcher.joins
    x = [random(2, 4, FEATURES, seed=n) for n in range(3)]
    for y, one in zip(held.answers(x[0], x[1:]), x, strict=True):
        np.testing.assert_array_equal(y, twin.predict_on_batch(one))


def test_after_a_fork():
    model, x = MODELS["last"](), random(1, 4, FEATURES)
    batcher = Batcher(model)
    y = asyncio.run(batcher.predict(x))
    for locked in (False, True):  # as another thread may have it at that moment
        if locked:
            batcher._joiner._lock.acquire()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(asyncio.run(batcher.predict(x)), y) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_closed():
    batcher = Batcher(MODELS["last"]())
    asyncio.run(batcher.predict(random(1, 4, FEATURES)))
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.predict_sync(random(1, 4, FEATURES))


@pytest.mark.parametrize("arguments", [{"max_batch": 0}, {"queue": 0}, {"max_wait_us": -1}, {"max_batch": "many"}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Batcher(MODELS["last"](), **arguments)


def test_models_that_are_not_built():
    for model in (Sequential([LSTM(3)]), "model.keras"):
        with pytest.raises(ValueError, match="built"):
            Batcher(model)
