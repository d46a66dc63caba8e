"""Stepper: the bits of the whole sequence, states in and out, and what it refuses."""

from itertools import chain

import numpy as np
import pytest

from fastlstm.engine import Program, Stepper
from fastlstm.engine.ops import Activation, DenseOp, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")


def weights(*shape):
    return (np.random.default_rng(shape).standard_normal(shape) * 0.4).astype(np.float32)


def ops(every_step):
    return [
        LSTMOp(weights(3, 72), weights(18, 72), weights(72), TANH, SIGMOID, return_sequences=True),
        DenseOp(weights(18, 7), weights(7), TANH),
        GRUOp(weights(7, 27), weights(9, 27), weights(2, 27), TANH, SIGMOID, return_sequences=True),
        SimpleRNNOp(weights(9, 5), weights(5, 5), None, TANH, return_sequences=every_step),
        DenseOp(weights(5, 2), weights(2)),
    ]


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
def test_steps_equal_the_whole(batch, every_step):
    x = weights(batch, 25, 3)
    program = Program(ops(every_step), backend="packed")
    stepper = Stepper(program, batch)
    whole, states = Program(ops(True), backend="packed").run(x, return_states=True)
    out = np.empty((batch, 2), np.float32)
    for t in range(25):
        returned = stepper.step(x[:, t].copy(), out if t % 2 else None)
        assert (returned is out) == bool(t % 2)
        np.testing.assert_array_equal(returned, whole[:, t])
    for kept, exact in zip(chain(*stepper.states), chain(*states), strict=True):
        np.testing.assert_array_equal(kept, exact)
    stepper.reset()
    np.testing.assert_array_equal(stepper.step(x[:, 0].copy()), whole[:, 0])


def test_states_move_to_another_stream():
    program, x = Program(ops(False)), weights(2, 10, 3)
    one, other = Stepper(program, 2), Stepper(program, 2)
    for t in range(5):
        one.step(x[:, t].copy())
    other.states = one.states
    for t in range(5, 10):
        np.testing.assert_array_equal(other.step(x[:, t].copy()), one.step(x[:, t].copy()))


def test_ids():
    program = Program([EmbeddingOp(weights(9, 4)), LSTMOp(weights(4, 20), weights(5, 20), None, TANH, SIGMOID)])
    ids = np.array([[1, 8, 0, 3]], np.float32)
    stepper = Stepper(program, 1)
    for t in range(4):
        out = stepper.step(ids[:, t].copy())
    np.testing.assert_array_equal(out, program.run(ids)[0])
    with pytest.raises(ValueError, match="ids must be"):
        stepper.step(np.array([9], np.float32))


@pytest.mark.parametrize(
    "x", [np.zeros((1, 4), np.float32), np.zeros((2, 3), np.float32), np.zeros((1, 3)), np.zeros(3, np.float32)]
)
def test_bad_input_leaves_the_states_alone(x):
    stepper = Stepper(Program(ops(False)), 1)
    stepper.step(np.ones((1, 3), np.float32))
    before = stepper.states
    with pytest.raises(ValueError, match="expected"):
        stepper.step(x)
    with pytest.raises(ValueError, match="expected"):
        stepper.step(np.ones((1, 3), np.float32), np.empty((1, 3), np.float32))
    with pytest.raises(ValueError, match="expected"):
        stepper.states = before[:-1]
    for kept, exact in zip(chain(*stepper.states), chain(*before), strict=True):
        np.testing.assert_array_equal(kept, exact)


def test_what_cannot_be_stepped_is_refused():
    backwards = LSTMOp(weights(3, 20), weights(5, 20), None, TANH, SIGMOID, go_backwards=True)
    with pytest.raises(ValueError, match="backwards"):
        Stepper(Program([backwards]), 1)
    with pytest.raises(ValueError, match="no op of this program is recurrent"):
        Stepper(Program([DenseOp(weights(3, 2), None)]), 1)
    with pytest.raises(ValueError, match="batch must be positive"):
        Stepper(Program(ops(False)), 0)
