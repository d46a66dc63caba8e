"""What a call and a Program take: bounded by the chunk and by the weights, counted by tracemalloc."""

import tracemalloc

import numpy as np
import pytest

from fastlstm.engine import Program, get_num_threads, kernel_names, set_num_threads
from fastlstm.engine.ops import Activation, ActivationOp, DenseOp, EmbeddingOp, GRUOp, LSTMOp
from fastlstm.engine.packing import gate_order, pack
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
BATCH, FEATURES, UNITS = 3, 5, 17
SHORT, LONG = 130, 1300
# Python objects of a call.
SLACK = 4096


def lstm(features, units=UNITS, **flags):
    return LSTMOp(weights(features, 4 * units), weights(units, 4 * units), None, TANH, SIGMOID, **flags)


def gru(features, units=UNITS, **flags):
    return GRUOp(weights(features, 3 * units), weights(units, 3 * units), None, TANH, SIGMOID, **flags)


@pytest.fixture(autouse=True)
def one_thread():
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.fixture(params=["blas", "packed"])
def backend(request):
    return request.param


def traced(function):
    """What the function returns, and the most bytes that it held at once."""
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def workspace(ops, backend, timesteps, masked=False):
    """The most bytes that a first call takes beside its output."""
    program = Program(ops, kernel_names()[0], backend)
    x = np.ones((BATCH, timesteps, FEATURES), np.float32)
    if isinstance(ops[0], EmbeddingOp):
        x = np.ones((BATCH, timesteps), np.float32)
    mask = np.ones((BATCH, timesteps), bool) if masked else None
    (out, _), most = traced(lambda: program.run(x, mask))
    return most - out.nbytes


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize(
    "ops",
    [
        [lstm(FEATURES)],
        [lstm(FEATURES, return_sequences=True), lstm(UNITS)],
        [lstm(FEATURES, return_sequences=True), ActivationOp(TANH), gru(UNITS, 9, return_sequences=True)],
        [lstm(FEATURES, return_sequences=True, go_backwards=True), gru(UNITS)],
        [lstm(FEATURES), DenseOp(weights(UNITS, 40), None)],
        [EmbeddingOp(weights(11, 6)), gru(6, return_sequences=True), lstm(UNITS), ActivationOp(TANH)],
    ],
    ids=["last step", "two", "all steps", "first reads backwards", "dense after the last step", "ids"],
)
def test_a_call_takes_no_more_for_more_steps(ops, backend, masked):
    short, long = (workspace(ops, backend, timesteps, masked) for timesteps in (SHORT, LONG))
    assert abs(long - short) < SLACK
    assert short > BATCH * UNITS * 4  # it is counted at all


def test_a_layer_that_reads_backwards_needs_all_steps_of_the_one_before(backend):
    ops = [lstm(FEATURES, return_sequences=True), lstm(UNITS, go_backwards=True, return_sequences=True)]
    short, long = (workspace(ops, backend, timesteps) for timesteps in (SHORT, LONG))
    assert abs(long - short - 4 * BATCH * (LONG - SHORT) * UNITS) < SLACK
    # Between two such pairs of layers, one array for each of the two.
    ops += [lstm(UNITS, 40, return_sequences=True), lstm(40, go_backwards=True), DenseOp(weights(UNITS, 99), None)]
    short, long = (workspace(ops, backend, timesteps) for timesteps in (SHORT, LONG))
    assert abs(long - short - 4 * BATCH * (LONG - SHORT) * (UNITS + 40)) < SLACK


@pytest.mark.parametrize("threads", [2, 4])
def test_nor_on_several_threads(backend, threads):
    ops = [lstm(FEATURES, return_sequences=True), lstm(UNITS, return_sequences=True), gru(UNITS)]
    alone = workspace(ops, backend, SHORT)
    set_num_threads(threads)
    assert workspace(ops, backend, LONG) < 2 * alone


@pytest.mark.parametrize("units", [33, 100, 128])
def test_packing_takes_what_it_makes(units):
    matrix = weights(200, 4 * units)
    order = gate_order(units, 4)
    packed, most = traced(lambda: pack(matrix, order))
    assert packed.nbytes <= most < packed.nbytes + 2 * SLACK


def test_a_program_takes_once_its_weights(backend):
    ops = [lstm(100, 128, return_sequences=True), gru(128, 96), DenseOp(weights(96, 50), None)]
    size = sum(a.nbytes for op in ops for name, a in vars(op).items() if name in ("kernel", "recurrent_kernel"))
    _, most = traced(lambda: Program(ops, kernel_names()[0], backend))
    assert size < most < 1.1 * size
