"""The executor against the float64 equations: every flag of the LSTM op, chunks, stages, states, masks, bad input."""

import itertools
import threading
from functools import partial

import numpy as np
import pytest

from fastlstm.engine import ArrayForm, Program, kernel_names, reference
from fastlstm.engine.ops import ACTIVATIONS, Activation, ActivationOp, DenseOp, LSTMOp

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
# batch, timesteps, features, units: all different, straddling vector widths and the chunk of 64 rows
SHAPES = [(1, 7, 3, 5), (3, 70, 5, 17), (2, 33, 1, 15), (70, 3, 4, 8), (5, 130, 2, 31), (1, 65, 16, 33)]


class Weights:
    """Asymmetric random weights; the same for the same seed."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, scale=0.4):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def lstm(self, features, units, use_bias=True, activation=TANH, recurrent_activation=SIGMOID, **flags):
        return LSTMOp(
            self(features, 4 * units),
            self(units, 4 * units, scale=0.8 / units**0.5),
            self(4 * units) if use_bias else None,
            activation,
            recurrent_activation,
            **flags,
        )


def oracle(op, x, mask=None, initial_state=None):
    """`(out, h, c)` of one LSTM op in float64, out as the op returns it."""
    out, h, c = reference.lstm(
        x,
        op.kernel,
        op.recurrent_kernel,
        op.bias,
        activation=reference.ACTIVATIONS[op.activation.name],
        recurrent_activation=reference.ACTIVATIONS[op.recurrent_activation.name],
        initial_state=initial_state,
        mask=mask,
        go_backwards=op.go_backwards,
        zero_output_for_mask=op.zero_output_for_mask,
    )
    return (out if op.return_sequences else out[:, -1]), h, c


def close(actual, exact, bound=2e-6):
    np.testing.assert_allclose(actual, exact, rtol=bound, atol=bound)


@pytest.fixture(params=[(isa, backend) for isa in kernel_names() for backend in ("blas", "packed")], ids="-".join)
def build(request):
    """`Program` on one instruction set and one backend."""
    isa, backend = request.param
    return partial(Program, isa=isa, backend=backend)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("go_backwards", "zero_output", "sequences", "with_state"), list(itertools.product([False, True], repeat=4))
)
def test_lstm(build, shape, go_backwards, zero_output, sequences, with_state):
    batch, timesteps, features, units = shape
    weights = Weights(sum(shape))
    op = weights.lstm(
        features, units, go_backwards=go_backwards, zero_output_for_mask=zero_output, return_sequences=sequences
    )
    x = weights(batch, timesteps, features, scale=1)
    state = [weights(batch, units), weights(batch, units)] if with_state else None
    mask = weights.rng.random((batch, timesteps)) < 0.6
    mask[-1] = False
    for m in (None, mask):
        out, [(h, c)] = build([op]).run(x, m, [state], return_states=True)
        exact = oracle(op, x, m, state)
        for actual, desired in zip((out, h, c), exact, strict=True):
            close(actual, desired)


def test_masked_garbage_never_leaks(build):
    weights = Weights(3)
    op = weights.lstm(3, 17, return_sequences=True)
    x = weights(2, 9, 3, scale=1)
    mask = np.ones((2, 9), bool)
    mask[0, 4:6] = mask[1, 0] = False
    expected = build([op]).run(x, mask)[0]
    x[~mask] = np.nan
    np.testing.assert_array_equal(build([op]).run(x, mask)[0], expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_stack_with_dense_between(build, shape):
    batch, timesteps, features, units = shape
    weights = Weights(1)
    first = weights.lstm(features, units, return_sequences=True)
    dense = DenseOp(weights(units, 9), weights(9), Activation("softsign"))
    second = weights.lstm(9, 7, use_bias=False, return_sequences=True, go_backwards=True)
    third = weights.lstm(7, 16)
    top = DenseOp(weights(16, 3), None, Activation("softmax"))
    x = weights(batch, timesteps, features, scale=1)
    mask = weights.rng.random((batch, timesteps)) < 0.7
    states = [None, [weights(batch, 7), weights(batch, 7)], None]
    for m in (None, mask):
        out, final = build([first, dense, second, third, ActivationOp(SIGMOID), top]).run(x, m, states, True)
        y1, h1, c1 = oracle(first, x, m)
        z = y1 @ dense.kernel.astype(float) + dense.bias
        y2, h2, c2 = oracle(second, z / (1 + np.abs(z)), m, states[1])
        y3, h3, c3 = oracle(third, y2, m)
        close(out, reference.softmax(reference.sigmoid(y3) @ top.kernel.astype(float)), 5e-6)
        for actual, exact in zip(final, [(h1, c1), (h2, c2), (h3, c3)], strict=True):
            close(actual[0], exact[0], 5e-6)
            close(actual[1], exact[1], 5e-6)


@pytest.mark.parametrize("recurrent", ["sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "tanh", "softmax"])
@pytest.mark.parametrize("name", [name for name, parameters in ACTIVATIONS.items() if not parameters])
@pytest.mark.parametrize("backend", ["blas", "packed"])
def test_any_pair_of_activations(backend, name, recurrent):
    weights = Weights(5)
    op = weights.lstm(3, 17, activation=Activation(name), recurrent_activation=Activation(recurrent))
    x = weights(3, 2, 3)  # short and small: the exponential of an exponential grows fast
    close(Program([op], backend=backend).run(x)[0], oracle(op, x)[0], 5e-6)


@pytest.mark.parametrize("isa", kernel_names())
def test_python_activation_equals_native(isa):
    """On BLAS: a cell with a Python activation always runs there."""
    weights, build = Weights(6), partial(Program, isa=isa, backend="blas")
    native = weights.lstm(3, 9, activation=Activation("softsign"), return_sequences=True)
    softsign = Activation("python", function=lambda x: x / (1 + np.abs(x)))
    python = LSTMOp(**{**vars(native), "activation": softsign})
    x = weights(4, 5, 3, scale=1)
    np.testing.assert_array_equal(build([python]).run(x)[0], build([native]).run(x)[0])
    dense = DenseOp(weights(9, 2), weights(2), softsign)
    native_dense = DenseOp(dense.kernel, dense.bias, Activation("softsign"))
    np.testing.assert_array_equal(build([python, dense]).run(x)[0], build([native, native_dense]).run(x)[0])


def test_python_activation_that_fails_leaves_the_program_working():
    calls = []

    def moody(x):
        calls.append(x)
        if len(calls) == 2:
            raise KeyError("not today")
        return x if len(calls) < 4 else x[:, :-1]

    program = Program([DenseOp(Weights()(3, 2), None, Activation("python", function=moody))])
    x = Weights(1)(4, 3)
    first = program.run(x)[0]
    with pytest.raises(KeyError, match="not today"):
        program.run(x)
    np.testing.assert_array_equal(program.run(x)[0], first)
    with pytest.raises(ValueError, match="must keep the shape of its input"):
        program.run(x)


def test_accuracy_after_100_steps_of_128_128(build):
    weights = Weights(9)

    def glorot(rows, columns):
        limit = (6 / (rows + columns)) ** 0.5
        return weights.rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    x = weights(2, 100, 64, scale=1)
    ops, exact = [], x
    for features in (64, 128):
        orthogonal = np.linalg.qr(weights.rng.standard_normal((512, 128)))[0].T.astype(np.float32)
        ops.append(LSTMOp(glorot(features, 512), orthogonal, weights(512, scale=0.1), TANH, SIGMOID, True))
        exact = oracle(ops[-1], exact)[0]
    assert np.abs(build(ops).run(x)[0] - exact).max() <= 1.5e-7


SAME_BITS = [(1, 1, 1), (5, 7, 15), (16, 16, 17), (33, 50, 31), (8, 64, 3)]


def stack(features, units, last):
    weights = Weights(units)
    ops = [weights.lstm(features, units, return_sequences=True), weights.lstm(units, last, return_sequences=True)]
    return [*ops, DenseOp(weights(last, 5), weights(5), TANH)], weights


@pytest.mark.parametrize("sizes", SAME_BITS)
@pytest.mark.parametrize("isa", kernel_names())
def test_packed_bits_do_not_depend_on_the_batch(isa, sizes):
    ops, weights = stack(*sizes)
    program = Program(ops, isa, "packed")
    x = weights(13, 20, sizes[0], scale=1)
    whole = program.run(x)[0]
    for batch in (1, 2, 3, 6, 7):
        for first in range(0, 13 - batch, batch):
            np.testing.assert_array_equal(program.run(x[first : first + batch].copy())[0], whole[first : first + batch])


@pytest.mark.parametrize("sizes", SAME_BITS)
@pytest.mark.parametrize("batch", [1, 4])
def test_packed_bits_do_not_depend_on_the_cut_in_time(sizes, batch):
    ops, weights = stack(*sizes)
    program = Program(ops, backend="packed")
    x = weights(batch, 150, sizes[0], scale=1)
    whole, final = program.run(x, return_states=True)
    for length in (1, 7, 64, 100):
        states, pieces = None, []
        for start in range(0, 150, length):
            out, states = program.run(x[:, start : start + length].copy(), None, states, True)
            pieces.append(out)
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
        np.testing.assert_array_equal(
            np.concatenate([*states[0], *states[1]], axis=1), np.hstack([*final[0], *final[1]])
        )


@pytest.mark.parametrize("sizes", SAME_BITS)
def test_packed_bits_do_not_depend_on_the_instruction_set(sizes):
    ops, weights = stack(*sizes)
    x = weights(7, 40, sizes[0], scale=2)
    outs = [Program(ops, isa, "packed").run(x)[0] for isa in kernel_names()]
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])


def test_nan_stays_in_its_row_and_after_its_step(build):
    weights = Weights(4)
    op = weights.lstm(3, 17, return_sequences=True)
    x = weights(3, 8, 3, scale=1)
    clean = build([op]).run(x)[0]
    x[1, 5, 0] = np.nan
    out = build([op]).run(x)[0]
    assert np.isnan(out[1, 5:]).all()
    np.testing.assert_array_equal(out[1, :5], clean[1, :5])
    np.testing.assert_array_equal(out[[0, 2]], clean[[0, 2]])


def test_saturated_gates_are_exact(build):
    """Gates at +-1000: i = o = 1 and f = 0 give h = tanh(tanh(g)), c = tanh(g), exactly."""
    units, gate = 17, np.ones(17, np.float32)
    bias = np.concatenate([1000 * gate, -1000 * gate, 0.5 * gate, 1000 * gate])
    op = LSTMOp(np.zeros((2, 68), np.float32), np.zeros((17, 68), np.float32), bias, TANH, SIGMOID)
    big = np.full((1, units), 1e30, np.float32)
    h, [[_, c]] = build([op]).run(np.ones((1, 1, 2), np.float32), None, [[big, big]], True)
    g = build([ActivationOp(TANH)]).run(0.5 * gate)[0]
    np.testing.assert_array_equal(c[0], g)
    np.testing.assert_array_equal(h[0], build([ActivationOp(TANH)]).run(g)[0])


def test_calls_do_not_disturb_each_other():
    """Another shape, a mask, a state in between: a call depends on its arguments alone."""
    weights = Weights(8)
    program = Program([weights.lstm(3, 9, return_sequences=True), weights.lstm(9, 5)])
    x, other = weights(2, 30, 3), weights(9, 90, 3)
    first = program.run(x)[0]
    program.run(other, other[:, :, 0] > 0, [[weights(9, 9), weights(9, 9)], [weights(9, 5), weights(9, 5)]])
    second = program.run(x)[0]
    np.testing.assert_array_equal(first, second)
    assert not np.shares_memory(first, second)


def test_program_keeps_its_own_weights():
    weights = Weights(8)
    op = weights.lstm(3, 9)
    program, x = Program([op]), weights(2, 4, 3)
    before = program.run(x)[0]
    op.kernel[:] = 0
    np.testing.assert_array_equal(program.run(x)[0], before)
    with pytest.raises(TypeError, match="immutable"):
        Program.__init__(program, [op])


def test_two_threads_get_what_one_gets():
    weights = Weights(11)
    program = Program([weights.lstm(4, 50, return_sequences=True), weights.lstm(50, 33), DenseOp(weights(33, 2), None)])
    inputs = [weights(batch, 40, 4) for batch in (1, 3, 8, 2)]
    expected = [program.run(x)[0] for x in inputs]
    wrong = []

    def work(offset):
        for i in range(40):
            k = (i + offset) % len(inputs)
            if not np.array_equal(program.run(inputs[k])[0], expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_dense_on_any_rank():
    weights = Weights(12)
    op = DenseOp(weights(5, 3), weights(3), TANH)
    for shape in [(4, 5), (2, 3, 5), (2, 3, 4, 5)]:
        x = weights(*shape)
        out = Program([op]).run(x)[0]
        close(out, np.tanh(x.astype(float) @ op.kernel + op.bias))


def test_empty_batch():
    weights = Weights(13)
    program = Program([weights.lstm(3, 4, return_sequences=True), weights.lstm(4, 2)])
    out, states = program.run(np.empty((0, 5, 3), np.float32), return_states=True)
    assert out.shape == (0, 2) and [h.shape for h, _ in states] == [(0, 4), (0, 2)]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5, 4), np.float32), "expected 3 features"),
        (np.zeros((2, 3), np.float32), "3 dimensions"),
        (np.zeros((2, 0, 3), np.float32), "at least one time step"),
        (np.zeros((2, 5, 3)), "float32"),
        (np.zeros((3, 5, 2), np.float32).T, "C-contiguous"),
    ],
)
def test_bad_input_is_refused_and_the_program_still_works(x, message):
    weights = Weights(14)
    program, good = Program([weights.lstm(3, 4)]), weights(2, 5, 3)
    before = program.run(good)[0]
    with pytest.raises(ValueError, match=message):
        program.run(x)
    np.testing.assert_array_equal(program.run(good)[0], before)


@pytest.mark.parametrize("batch", [0, 1, 3, 200])
def test_a_run_of_what_fits_is_a_run(batch):
    weights = Weights()
    program, form = Program([weights.lstm(3, 5), DenseOp(weights(5, 2), None)]), ArrayForm((None, None, 3))
    x = weights(batch, 4, 3)
    for _ in range(2):
        np.testing.assert_array_equal(program.run_fitting(x, form), program.run(x)[0])
    for other in x.astype(np.float64), x[:, :, :2], x[0:1, 0], x.tolist(), None:
        assert program.run_fitting(other, form) is None
    with pytest.raises(ValueError, match="features"):
        program.run_fitting(x[:, :, :2].copy(), ArrayForm((None, None, 2)))
    with pytest.raises(TypeError):
        program.run_fitting(x, None)


def test_bad_masks_and_states_are_refused():
    weights = Weights(15)
    program, x = Program([weights.lstm(3, 4)]), weights(2, 5, 3)
    h = weights(2, 4)
    for mask in (np.ones((2, 4), bool), np.ones((2, 5)), np.ones((5, 2), bool).T, [[True] * 5] * 2):
        with pytest.raises(ValueError, match="mask"):
            program.run(x, mask)
    for states in ([None, None], [[h, weights(1, 4)]], [[h.astype(float), h]], [[h, weights(4, 2).T]]):
        with pytest.raises(ValueError, match=r"initial_states|expected"):
            program.run(x, None, states)


def test_axes_of_a_kernel_are_features_in_their_order(build):
    weights = Weights(18)
    kernel, bias, x = weights(2, 3, 5, 21), weights(21), weights(7, 30)
    flat = build([DenseOp(kernel.reshape(30, 21), bias, TANH)])
    np.testing.assert_array_equal(build([DenseOp(kernel, bias, TANH)]).run(x)[0], flat.run(x)[0])


def test_ops_that_do_not_fit_are_refused():
    weights = Weights(16)
    with pytest.raises(ValueError, match="expects 3 features, but the op before gives 4"):
        Program([weights.lstm(2, 4), DenseOp(weights(3, 1), None)])
    with pytest.raises(ValueError, match="does not return sequences"):
        Program([weights.lstm(2, 4), weights.lstm(4, 4)])
    with pytest.raises(ValueError, match="bias must have shape"):
        Program([DenseOp(weights(3, 2), weights(3))])
    for kernel in (weights(3), weights(2, 0, 3)):
        with pytest.raises(ValueError, match="kernel must have shape"):
            Program([DenseOp(kernel, None)])
    with pytest.raises(ValueError, match="kernel must have shape"):
        Program([LSTMOp(weights(1, 2, 8), weights(2, 8), None, TANH, SIGMOID)])
    with pytest.raises(ValueError, match="recurrent_kernel must have shape"):
        Program([LSTMOp(weights(2, 8), weights(2, 9), None, TANH, SIGMOID)])
    with pytest.raises(ValueError, match="at least one op"):
        Program([])


def test_what_a_program_cannot_be_is_refused():
    ops = [Weights(17).lstm(2, 4)]
    assert Program(ops, mode="float32").describe() == Program(ops).describe()
    with pytest.raises(ValueError, match=r"`mode` must be one of \('float32', 'int16', 'int8'\)\. Received: 'int7'"):
        Program(ops, mode="int7")
    with pytest.raises(ValueError, match=r"`backend` must be one of \('auto', 'blas', 'packed'\)\. Received: 'mkl'"):
        Program(ops, backend="mkl")
    with pytest.raises(ValueError, match="No kernels called 'mmx'"):
        Program(ops, "mmx")
