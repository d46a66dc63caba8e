"""Several threads inside a call, several calls at once, and a fork: always the bits of one thread."""

import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest

from fastlstm.engine import PoolStepper, Program, get_num_threads, run_pair, set_num_threads, threads
from fastlstm.engine.ops import Activation, DenseOp, GRUOp, LSTMOp, RecurrentOp, SimpleRNNOp
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")


def lstm(features, units, **flags):
    return LSTMOp(
        weights(features, 4 * units), weights(units, 4 * units, seed=1), weights(4 * units), TANH, SIGMOID, **flags
    )


def gru(features, units, **flags):
    return GRUOp(
        weights(features, 3 * units), weights(units, 3 * units, seed=1), weights(2, 3 * units), TANH, SIGMOID, **flags
    )


@pytest.fixture(autouse=True)
def restore():
    before = get_num_threads()
    yield
    set_num_threads(before)


STACKS = {
    "four layers": [*(lstm(50, 50, return_sequences=True) for _ in range(3)), lstm(50, 50)],
    "every step": [
        lstm(50, 70, return_sequences=True),
        DenseOp(weights(70, 9), None, TANH),
        lstm(9, 33, return_sequences=True),
    ],
    "backwards in the middle": [
        lstm(50, 40, return_sequences=True),
        lstm(40, 30, return_sequences=True),
        lstm(30, 50, return_sequences=True, go_backwards=True),
        lstm(50, 20, return_sequences=True),
    ],
    "one layer": [lstm(50, 64)],
    "of every kind": [
        DenseOp(weights(50, 201), weights(201), TANH),
        gru(201, 23, return_sequences=True),
        SimpleRNNOp(weights(23, 130), weights(130, 130, seed=1), weights(130), TANH, return_sequences=True),
        DenseOp(weights(130, 300), weights(300), Activation("softmax")),
        lstm(300, 33),
    ],
    "wide": [lstm(50, 273, return_sequences=True), DenseOp(weights(273, 40), None, TANH), lstm(40, 37)],
}


@pytest.mark.parametrize(
    ("ops", "batch", "masked", "split"),
    [
        ("four layers", 8, False, (4, 1, 1)),
        ("four layers", 1, False, (1, 4, 1)),
        ("four layers", 7, False, (1, 4, 1)),
        ("four layers", 7, True, (1, 4, 1)),
        ("one layer", 1, False, (1, 1, 1)),
        ("one layer", 4, False, (1, 1, 2)),
        ("one layer", 1, True, (1, 1, 1)),
        ("narrow", 1, False, (1, 1, 1)),
        ("wide", 1, False, (1, 1, 2)),
        ("GRU", 1, False, (1, 1, 1)),
        ("many features", 1, False, (1, 4, 1)),
        ("many features", 1, True, (1, 1, 1)),
        ("one wide layer", 1, False, (1, 1, 1)),
    ],
)
def test_how_four_threads_share_a_call(ops, batch, masked, split):
    others = {
        "narrow": [lstm(9, 31)],
        "GRU": [gru(50, 200)],
        "many features": [lstm(900, 64)],
        "one wide layer": [gru(9, 300, return_sequences=True), gru(300, 8)],
    }
    assert Program((STACKS | others)[ops], backend="packed").split(batch, 100, masked, 4) == split


def test_a_call_after_one_that_threads_shared_otherwise():
    """The chunks of time differ, and with them the places of everything in the workspace that both take."""
    ways = [(1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 1), (1, 1, 1), (1, 1, 2)]

    class ByTurns(Program):
        def split(self, batch, timesteps, masked, number):
            return turns.pop(0)

    program, x = ByTurns(STACKS["wide"], backend="packed"), weights(1, 400, 50)
    set_num_threads(1)
    expected, turns = program.run(x)[0], []
    for _ in range(20):
        turns[:] = ways
        for number in range(2, 2 + len(ways)):  # so many that a program has forgotten how the first shared a call
            set_num_threads(number)
            np.testing.assert_array_equal(program.run(x)[0], expected)
        assert not turns


@pytest.mark.parametrize(
    ("ops", "number", "words"),
    [
        ("four layers", 1, "a large call: one thread; of 8 rows and more: one thread"),
        ("four layers", 2, "a large call: 2 threads share the layers; of 8 rows and more: 2 threads share the rows"),
        (
            "wide",
            2,
            "a large call: 2 threads share the units of every layer; of 8 rows and more: 2 threads share the rows",
        ),
    ],
)
def test_how_threads_share_a_call_in_words(ops, number, words):
    set_num_threads(number)
    assert Program(STACKS[ops], backend="packed").describe()[-1] == words


def test_rows_make_a_step_long_enough():
    program = Program(STACKS["four layers"], backend="packed")
    assert program.split(5, 1, False, 2) == (1, 1, 1)
    assert program.split(6, 1, False, 2) == (1, 1, 2)
    assert program.split(6, 100, False, 2) == (1, 2, 1)


@pytest.mark.parametrize(("mode", "split"), [("float32", (1, 1, 2)), ("int16", (1, 1, 2)), ("int8", (1, 1, 1))])
def test_a_step_of_integers_is_shorter(mode, split):
    assert Program([lstm(9, 150)], backend="packed", mode=mode).split(1, 100, False, 2) == split


def run(program, number, x, mask, states):
    set_num_threads(number)
    out, final = program.run(x, mask, states, return_states=True)
    return [out, *(array for state in final for array in state)]


class ByRows(Program):
    def split(self, batch, timesteps, masked, threads):
        return min(threads, batch), 1, 1


class ByOps(Program):
    def split(self, batch, timesteps, masked, threads):
        return 1, threads, 1


class ByUnits(Program):
    def split(self, batch, timesteps, masked, threads):
        return 1, 1, threads


@pytest.mark.parametrize("kind", [Program, ByRows, ByOps, ByUnits])
@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("batch", [1, 3, 8, 19])
def test_bits_do_not_depend_on_the_threads(name, batch, kind):
    ops = STACKS[name]
    program = kind(ops, backend="packed")
    x = weights(batch, 205, 50)
    mask = np.random.default_rng(3).random((batch, 205)) < 0.8
    states = [
        [
            weights(batch, op.recurrent_kernel.shape[0], seed=seed)
            for seed in ((2, 3) if isinstance(op, LSTMOp) else (2,))
        ]
        for op in ops
        if isinstance(op, RecurrentOp)
    ]
    for m in (None, mask):
        expected = run(program, 1, x, m, states)
        for number in (2, 3, 5):
            for actual, exact in zip(run(program, number, x, m, states), expected, strict=True):
                np.testing.assert_array_equal(actual, exact)


@pytest.mark.parametrize("mode", ["float32", "int16", "int8"])
@pytest.mark.parametrize("number", [2, 3, 5])
def test_threads_share_the_product_of_many_inputs(mode, number):
    """The first layer's, whose inputs are there, also from their end, and a later one's."""
    for ops, x in (
        ([lstm(400, 77)], weights(2, 71, 400)),
        ([lstm(400, 77, go_backwards=True)], weights(1, 71, 400)),
        ([gru(20, 500, return_sequences=True), lstm(500, 50)], weights(2, 71, 20)),
    ):
        program = ByOps(ops, backend="packed", mode=mode)
        set_num_threads(1)
        expected = program.run(x)[0]
        set_num_threads(number)
        for _ in range(3):
            np.testing.assert_array_equal(program.run(x)[0], expected)


def calls():
    """Calls of every kind that is long enough for others to notice, each of which returns one array."""
    program = Program(STACKS["four layers"])
    pair = Program([lstm(50, 96, return_sequences=True)]), Program([lstm(50, 80, go_backwards=True)])
    x = weights(1, 160, 50)
    for sequences in [weights(batch, 120, 50) for batch in (1, 2, 9, 16)]:
        yield lambda sequences=sequences: program.run(sequences)[0]
    yield lambda: run_pair(*pair, x)[0][0]
    yield lambda: run_pair(*pair, x)[1][0]
    yield lambda: stepped_pool(program, 200)


def stepped_pool(program, streams):
    stepper = PoolStepper(program, streams)
    stepper.step(np.arange(streams), weights(streams, 50))
    return stepper.step(np.arange(streams), weights(streams, 50, seed=1))


@pytest.mark.parametrize("number", [1, 2])
def test_calls_from_many_threads_share_the_pool(number):
    set_num_threads(number)
    every = list(calls())
    expected = [call() for call in every]
    wrong = []

    def work(offset):
        for i in range(3 * len(every)):
            k = (i + offset) % len(every)
            if not np.array_equal(every[k](), expected[k]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("batch", [1, 3, 9])
@pytest.mark.parametrize("number", [1, 2])
def test_a_pair_is_the_two_programs(number, batch):
    set_num_threads(number)
    forward = Program([lstm(50, 96, return_sequences=True)])
    backward = Program([lstm(50, 80, go_backwards=True)])
    x, mask = weights(batch, 160, 50), np.random.default_rng(3).random((batch, 160)) < 0.8
    states = [[weights(batch, 80, seed=2), weights(batch, 80, seed=3)]]
    for m in (None, mask):
        pair = run_pair(forward, backward, x, m, None, states, True)
        alone = forward.run(x, m, None, True), backward.run(x, m, states, True)
        for (out, final), (exact, exact_final) in zip(pair, alone, strict=True):
            np.testing.assert_array_equal(out, exact)
            for array, exact_array in zip(final[0], exact_final[0], strict=True):
                np.testing.assert_array_equal(array, exact_array)
    with pytest.raises(ValueError, match="expected 50 features"):
        run_pair(forward, backward, x[:, :, :-1].copy())


def child(queue, program, x):
    queue.put((program.run(x)[0], get_num_threads()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_after_a_fork_the_child_starts_threads_of_its_own():
    set_num_threads(2)
    program, x = Program(STACKS["four layers"]), weights(1, 200, 50)
    expected = program.run(x)[0]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, program, x))
    process.start()
    out, number = queue.get(timeout=60)
    process.join(60)
    assert process.exitcode == 0 and number == 2
    np.testing.assert_array_equal(out, expected)


def end_well_if(program, x, expected):
    sys.exit(not np.array_equal(program.run(x)[0], expected))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("number", [1, 2])
def test_a_fork_while_other_threads_are_inside_calls(number):
    set_num_threads(number)
    program, x = Program(STACKS["four layers"]), weights(1, 200, 50)
    expected = program.run(x)[0]
    done = threading.Event()

    def work():
        while not done.is_set():
            program.run(x)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    context = multiprocessing.get_context("fork")
    codes = []
    for _ in range(8):
        process = context.Process(target=end_well_if, args=(program, x, expected))
        process.start()
        process.join(60)
        codes.append(process.exitcode)
        process.kill()
    done.set()
    for worker in workers:
        worker.join()
    assert codes == [0] * 8


def test_python_activations_stay_on_the_calling_thread():
    set_num_threads(4)
    seen = set()

    def softsign(x):
        seen.add(threading.get_ident())
        return x / (1 + np.abs(x))

    op = LSTMOp(weights(50, 256), weights(64, 256), None, Activation("python", function=softsign), SIGMOID)
    Program([op]).run(weights(16, 30, 50))
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("number", [0, -1, 2.5, True, "2", None])
def test_bad_numbers_are_refused(number):
    with pytest.raises(ValueError, match="must be a positive integer"):
        set_num_threads(number)


def test_default_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", "3")
    threads.set_default()
    assert get_num_threads() == 3
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="FASTLSTM_NUM_THREADS must be a positive integer"):
        threads.set_default()
    monkeypatch.delenv("FASTLSTM_NUM_THREADS")
    threads.set_default()
    assert 1 <= get_num_threads() <= (os.cpu_count() or 1)
