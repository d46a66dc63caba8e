"""The first step from states of zeros, which takes no recurrent product: the bits of one that does."""

import numpy as np
import pytest

from fastlstm.engine import Program, Stepper, get_num_threads, run_pair, set_num_threads
from fastlstm.engine.ops import Activation, LSTMOp
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = get_num_threads()
    set_num_threads(request.param)
    yield
    set_num_threads(before)


def lstm(features, units, activation=TANH, **flags):
    return LSTMOp(
        weights(features, 4 * units), weights(units, 4 * units), weights(4 * units), activation, SIGMOID, **flags
    )


def zeros(batch, *units):
    return [[np.zeros((batch, n), np.float32), np.zeros((batch, n), np.float32)] for n in units]


@pytest.mark.parametrize("units", [5, 33, 64, 530])
@pytest.mark.parametrize("timesteps", [1, 2, 67])
@pytest.mark.parametrize("batch", [1, 7, 9])
@pytest.mark.parametrize("sequences", [False, True])
def test_zeros_given_or_not(units, timesteps, batch, sequences):
    ops = [lstm(6, units, return_sequences=True), lstm(units, 21, return_sequences=sequences)]
    program = Program(ops, backend="packed")
    x = weights(batch, timesteps, 6)
    mask = np.random.default_rng(1).random((batch, timesteps)) < 0.5
    for m in (None, mask):
        plain, states = program.run(x, m, None, True)
        given, given_states = program.run(x, m, zeros(batch, units, 21), True)
        np.testing.assert_array_equal(plain, given)
        for of_op, of_given in zip(states, given_states, strict=True):
            for array, exact in zip(of_op, of_given, strict=True):
                np.testing.assert_array_equal(array, exact)


def test_a_state_given_to_one_op_alone_counts():
    program = Program([lstm(6, 40, return_sequences=True), lstm(40, 21)], backend="packed")
    x, state = weights(3, 4, 6), [weights(3, 21), weights(21, 3).T.copy()]
    np.testing.assert_array_equal(
        program.run(x, None, [None, state])[0], program.run(x, None, [zeros(3, 40)[0], state])[0]
    )
    assert not np.array_equal(program.run(x, None, [None, state])[0], program.run(x)[0])


def test_steps_do_not_begin_anew():
    program, x = Program([lstm(6, 40)], backend="packed"), weights(1, 5, 6)
    stepper = Stepper(program)
    for _ in range(2):
        stepped = [stepper.step(x[:, t].copy())[0] for t in range(5)]
        for t in range(5):
            np.testing.assert_array_equal(stepped[t], program.run(x[:, : t + 1].copy())[0][0])
        stepper.reset()


def test_both_of_a_pair_begin_at_zero():
    first = Program([lstm(6, 96)], backend="packed")
    second = Program([lstm(6, 80, go_backwards=True)], backend="packed")
    x = weights(1, 50, 6)
    pairs = zip(run_pair(first, second, x), (first, second), (96, 80), strict=True)
    for (out, _), program, units in pairs:
        np.testing.assert_array_equal(out, program.run(x, None, zeros(1, units))[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_not_passed_over(bad):
    op = lstm(6, 40, Activation("linear"))
    op.recurrent_kernel[3, 85] = bad  # of the candidate of unit 5
    x = weights(2, 1, 6)
    expected = np.zeros((2, 40), bool)
    expected[:, 5] = True
    np.testing.assert_array_equal(np.isnan(Program([op]).run(x)[0]), expected)
