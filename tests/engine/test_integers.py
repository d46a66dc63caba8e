"""Products of integers against their definition, at their extremes, and with the same bits however they are run."""

import itertools

import numpy as np
import pytest

from fastlstm.engine import PoolStepper, Program, Stepper, get_num_threads, kernel_names, reference, set_num_threads
from fastlstm.engine.integers import IntegerMatrix, quantized_matrix, quantized_op
from fastlstm.engine.ops import (
    Activation,
    ActivationOp,
    BranchesOp,
    DenseOp,
    EmbeddingOp,
    GRUOp,
    LSTMOp,
    MergeOp,
    SimpleRNNOp,
)
from fastlstm.engine.reference_integers import limit, products, quantized_column
from networks import random, weights

TANH, SIGMOID, SOFTMAX = Activation("tanh"), Activation("sigmoid"), Activation("softmax")
RELU = Activation("relu", (0.0, np.inf, 0.0))
MODES = ("int16", "int8")
# features, units: all different, straddling the widths of vectors, words and panels
SIZES = [(1, 1), (3, 5), (2, 15), (7, 16), (9, 17), (33, 31), (17, 65), (64, 100)]


def lstm(features, units, activation=TANH, **flags):
    bias = weights(4 * units, seed=2)
    return LSTMOp(weights(features, 4 * units), weights(units, 4 * units, seed=1), bias, activation, SIGMOID, **flags)


def gru(features, units, reset_after=True, **flags):
    bias = weights(2, 3 * units, seed=2) if reset_after else weights(3 * units, seed=2)
    kernels = weights(features, 3 * units), weights(units, 3 * units, seed=1)
    return GRUOp(*kernels, bias, TANH, SIGMOID, reset_after, **flags)


def simple(features, units, activation=TANH, **flags):
    return SimpleRNNOp(
        weights(features, units), weights(units, units, seed=1), weights(units, seed=2), activation, **flags
    )


def dense(features, units, activation=TANH):
    return DenseOp(weights(features, units), weights(units, seed=2), activation)


RECURRENT = {
    "lstm": lstm,
    "lstm over units": lambda *sizes, **flags: lstm(*sizes, activation=SOFTMAX, **flags),
    "lstm unbounded": lambda *sizes, **flags: lstm(*sizes, activation=RELU, **flags),
    "gru": gru,
    "gru reset before": lambda *sizes, **flags: gru(*sizes, reset_after=False, **flags),
    "simple": simple,
    "simple unbounded": lambda *sizes, **flags: simple(*sizes, activation=RELU, **flags),
}


def stack(features, units):
    """Every op with products, one after the other."""
    ops = [make(units if n else features, units, return_sequences=True) for n, make in enumerate(RECURRENT.values())]
    return [*ops, dense(units, 9)]


def expected_step(op, x, states, mode):
    """`(out, *states)` after one step."""
    activations = {"activation": reference.ACTIVATIONS[op.activation.name], "product": products(mode)}
    if isinstance(op, SimpleRNNOp):
        return reference.simple_rnn(x, op.kernel, op.recurrent_kernel, op.bias, initial_state=states[0], **activations)
    activations["recurrent_activation"] = reference.ACTIVATIONS[op.recurrent_activation.name]
    if isinstance(op, GRUOp):
        arrays = op.kernel, op.recurrent_kernel, op.bias
        return reference.gru(*(x, *arrays), reset_after=op.reset_after, initial_state=states[0], **activations)
    return reference.lstm(x, op.kernel, op.recurrent_kernel, op.bias, initial_state=states, **activations)


def close(actual, exact, bound=3e-6):
    np.testing.assert_allclose(actual, exact, rtol=bound, atol=bound)


def in_pieces(program, x, lengths):
    """What the program gives for pieces of time one after the other, each from the states of the one before."""
    outputs, states, start = [], None, 0
    for length in lengths:
        out, states = program.run(np.ascontiguousarray(x[:, start : start + length]), None, states, True)
        outputs.append(out)
        start += length
    return np.concatenate(outputs, axis=1)


# --- against the definition -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("layout", "blocks"), [("plain", 1), ("gates", 4), ("split", 3)])
@pytest.mark.parametrize("features", [1, 2, 3, 4, 5, 17, 130])
@pytest.mark.parametrize("units", [1, 5, 16, 33, 70])
def test_matrix(mode, layout, blocks, features, units):
    weight = weights(features, blocks * units)
    matrix = quantized_matrix(weight, mode, layout)
    columns = [quantized_column(column, mode) for column in weight.T]
    np.testing.assert_array_equal(matrix.integers(), np.stack([integers for integers, _ in columns], axis=1))
    np.testing.assert_array_equal(matrix.column_scales(), [scale for _, scale in columns])
    assert (np.abs(matrix.dequantized() - weight) <= matrix.column_scales() * 0.51).all()
    assert matrix.is_bounded() and matrix.limit == limit(mode, features)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("sizes", SIZES)
def test_recurrent(mode, isa, name, sizes):
    """From the engine's own states at every step: what is rounded to integers is the same, and no bound hides it."""
    batch, timesteps, (features, units) = 3, 4, sizes
    op = RECURRENT[name](features, units, return_sequences=True)
    program, x = Program([op], isa, mode=mode), random(batch, timesteps, features)
    n_states = 2 if isinstance(op, LSTMOp) else 1
    states = [random(batch, units, seed=1 + n) for n in range(n_states)]
    states[0][1] *= 7  # beyond what a tanh gives
    for t in range(timesteps):
        step = np.ascontiguousarray(x[:, t : t + 1])
        exact, *exact_states = expected_step(op, step, states, mode)
        out, [states] = program.run(step, None, [states], True)
        close(out, exact)
        for state, exact_state in zip(states, exact_states, strict=True):
            close(state, exact_state)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("units", [7, 32])
@pytest.mark.parametrize("size", [9.0, 43.0, 87.0, 88.5, 89.0, 1e4, 1e30, 3e38])
def test_gates_at_their_ends(mode, isa, units, size):
    """Far beyond where an exponential has a value."""
    bias = (size * np.where(np.random.default_rng(3).random(4 * units) < 0.5, -1, 1)).astype(np.float32)
    op = LSTMOp(weights(3, 4 * units), weights(units, 4 * units, seed=1), bias, TANH, SIGMOID, return_sequences=True)
    x, states = random(2, 1, 3), [random(2, units, seed=1), random(2, units, seed=2)]
    exact, *exact_states = expected_step(op, x, states, mode)
    out, [found] = Program([op], isa, mode=mode).run(x, None, [states], True)
    close(out, exact)
    for state, exact_state in zip(found, exact_states, strict=True):
        close(state, exact_state)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("features", [1, 3, 5, 16, 100, 256, 515, 1030])
@pytest.mark.parametrize("units", [1, 17, 64, 130])
def test_dense(mode, isa, features, units):
    op, x = dense(features, units), random(7, features)
    exact = np.tanh(products(mode)(x, op.kernel) + op.bias)
    close(Program([op], isa, mode=mode).run(x)[0], exact)


@pytest.mark.parametrize("mode", MODES)
def test_embedding(mode):
    """The table's projections are those of its rows, looked up or not."""
    ids = np.array([[1, 0, 5, 6, 2]], np.float32)
    for vocabulary in (7, 30):  # fewer rows than columns, and more
        table, op = weights(vocabulary, 9), lstm(9, 6, return_sequences=True)
        looked_up = Program([EmbeddingOp(table), op], mode=mode)
        assert "looked up" in looked_up.describe()[0] or vocabulary == 30
        np.testing.assert_array_equal(looked_up.run(ids)[0], Program([op], mode=mode).run(table[ids.astype(int)])[0])


@pytest.mark.parametrize("mode", MODES)
def test_branches(mode):
    op = BranchesOp(
        ((lstm(5, 6, return_sequences=True),), (lstm(5, 4, return_sequences=True),)), MergeOp("concatenate")
    )
    x = random(2, 6, 5)
    parts = [Program(list(branch), mode=mode).run(x)[0] for branch in op.branches]
    program = Program([op], mode=mode)
    assert sum(f"on {mode}" in line for line in program.describe()) == 2
    np.testing.assert_array_equal(program.run(x)[0], np.concatenate(parts, axis=2))


@pytest.mark.parametrize("mode", MODES)
def test_quantized_once(mode):
    """A quantized op is what the mode makes of it, and stays what it is in any other."""
    op, x = lstm(5, 9), random(2, 6, 5)
    once = quantized_op(op, mode)
    assert isinstance(once.kernel, IntegerMatrix) and once.kernel.mode == mode and quantized_op(once, "int8") is once
    np.testing.assert_array_equal(Program([once]).run(x)[0], Program([op], mode=mode).run(x)[0])
    activation = ActivationOp(TANH)
    assert quantized_op(activation, mode) is activation


# --- extremes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("features", [1, 2, 31, 128, 5000, 140_000])
def test_no_sum_overflows(mode, isa, features):
    """The largest sums that there can be, of either sign: all weights equal, and all values of x."""
    op = DenseOp((np.full((features, 3), 0.7) * [1, -1, 1e-3]).astype(np.float32), None)
    matrix = quantized_matrix(op.kernel, mode, "plain")
    together = features if mode == "int8" else 256
    integers = np.abs(matrix.integers().astype(np.int64))
    sums = np.array([integers[k : k + together].sum(axis=0) for k in range(0, features, together)]) * matrix.limit
    assert sums.max() <= 2**31 - 1 and (mode == "int8" or features == 1 or sums[0].min() > 2**29)
    x = np.stack([np.full(features, 3, np.float32), np.full(features, -3, np.float32)])
    np.testing.assert_allclose(Program([op], isa, mode=mode).run(x)[0], x.astype(float) @ op.kernel, rtol=1e-2)
    # of alternating signs, which saturate a sum of two products if anything does
    signs = np.where(np.arange(features) % 2, 1, -1).astype(np.float32)
    alternating = DenseOp(op.kernel * signs[:, None], None)
    np.testing.assert_allclose(
        Program([alternating], isa, mode=mode).run(x * signs)[0], x.astype(float) @ op.kernel, rtol=1e-2
    )


@pytest.mark.parametrize("mode", MODES)
def test_odd_columns(mode):
    """A column of zeros, of denormals, of the largest and the least floats, and one outlier."""
    kernel = weights(20, 6)
    kernel[:, 0] = 0
    kernel[:, 1] *= np.float32(1e-41)
    kernel[:, 2] *= np.float32(1e37)
    kernel[3, 3] = 1e6
    kernel[:, 4] = 0
    kernel[5, 4] = np.float32(1e-45)
    op, x = DenseOp(kernel, None), random(4, 20)
    outputs = [Program([op], isa, mode=mode).run(x)[0] for isa in kernel_names()]
    exact = products(mode)(x, kernel)
    for out in outputs:
        np.testing.assert_array_equal(out, outputs[0])
        np.testing.assert_allclose(out, exact, rtol=1e-6, atol=1e-42)
    assert (outputs[0][:, 0] == 0).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite(mode, isa, value):
    """Such a row gives NaN from there on, and no other row notices."""
    program, x = Program([lstm(5, 17, return_sequences=True), dense(17, 3)], isa, mode=mode), random(3, 6, 5)
    clean = program.run(x)[0]
    x[1, 2, 3] = value
    out = program.run(x)[0]
    np.testing.assert_array_equal(out[[0, 2]], clean[[0, 2]])
    np.testing.assert_array_equal(out[1, :2], clean[1, :2])
    assert np.isnan(out[1, 2:]).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", [0, 1])
def test_states_that_are_not_finite(mode, state):
    program, x = Program([lstm(5, 17, return_sequences=True)], mode=mode), random(2, 3, 5)
    states = [random(2, 17), random(2, 17, seed=1)]
    states[state][1, 4] = np.nan
    out = program.run(x, None, [states])[0]
    assert np.isnan(out[1, 1:]).all() and np.isfinite(out[0]).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", [1e-42, 1e-33, 1e-10, 1e30])
def test_sizes_of_x(mode, scale):
    """The scale of a row follows its largest value, as far as there is a reciprocal of it."""
    x = random(4, 20) * np.float32(scale)
    op = DenseOp(weights(20, 6), None)
    outputs = [Program([op], isa, mode=mode).run(x)[0] for isa in kernel_names()]
    for out in outputs:
        np.testing.assert_array_equal(out, outputs[0])
        np.testing.assert_allclose(out, products(mode)(x, op.kernel), rtol=1e-6, atol=1e-42)


# --- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", SIZES)
def test_instruction_sets_and_batches(mode, sizes):
    ops, x = stack(*sizes), random(13, 7, sizes[0])
    expected = Program(ops, "scalar", mode=mode).run(x)[0]
    for isa, backend in itertools.product(kernel_names(), ("blas", "packed")):
        program = Program(ops, isa, backend, mode)
        np.testing.assert_array_equal(program.run(x)[0], expected)
        for start, end in ((0, 1), (1, 3), (3, 6), (6, 10), (10, 13), (0, 6), (6, 13)):
            np.testing.assert_array_equal(program.run(x[start:end])[0], expected[start:end])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [1, 5])
def test_cuts_in_time(mode, batch):
    """Chunks of the executor, calls from the states of the one before, and steps of streams."""
    program, x = Program(stack(9, 17), mode=mode), random(batch, 150, 9)
    expected = program.run(x)[0]
    np.testing.assert_array_equal(in_pieces(program, x, [1, 2, 80, 67]), expected)
    stream, pool = Stepper(program, batch), PoolStepper(program, batch, False)
    for t in range(20):
        step = np.ascontiguousarray(x[:, t])
        np.testing.assert_array_equal(stream.step(step), expected[:, t])
        np.testing.assert_array_equal(pool.step(np.arange(batch), step, None, None), expected[:, t])
    np.testing.assert_array_equal(stream.run(np.ascontiguousarray(x[:, 20:])), expected[:, 20:])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("zero_output", [False, True])
def test_masks(mode, zero_output):
    op = lstm(9, 17, return_sequences=True, zero_output_for_mask=zero_output)
    program, x = Program([op], mode=mode), random(4, 12, 9)
    mask = np.random.default_rng(1).random((4, 12)) < 0.6
    mask[1], mask[2] = True, False
    out = program.run(x, mask)[0]
    for row in (0, 1, 3):
        alone = program.run(np.ascontiguousarray(x[row : row + 1, mask[row]]))[0]
        np.testing.assert_array_equal(out[row, mask[row]], alone[0])
    if zero_output:
        assert (out[~mask] == 0).all()


@pytest.fixture
def restore():
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("ops", "batch"),
    [
        ([lstm(9, 300, return_sequences=True), dense(300, 11), lstm(11, 273)], 1),
        ([lstm(40, 64, return_sequences=True), gru(64, 50, return_sequences=True), lstm(50, 30)], 1),
        ([lstm(40, 64, return_sequences=True), lstm(64, 30)], 17),
    ],
    ids=["units", "layers", "rows"],
)
def test_threads(mode, ops, batch, restore):
    program, x = Program(ops, mode=mode), random(batch, 60, ops[0].kernel.shape[0])
    set_num_threads(1)
    expected = program.run(x)[0]
    for threads in (2, 3, 4):
        set_num_threads(threads)
        assert max(program.split(batch, 60, False, threads)) > 1
        np.testing.assert_array_equal(program.run(x)[0], expected)
