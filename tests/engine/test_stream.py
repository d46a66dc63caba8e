"""Stepper and PoolStepper: the bits of the whole sequence, states in and out, and what they refuse."""

from itertools import chain

import numpy as np
import pytest

from fastlstm.engine import (
    ArrayForm,
    PoolIds,
    PoolStepper,
    Program,
    Sampler,
    StepForm,
    Stepper,
    Turn,
    checked_rows,
    checked_states,
    kernel_names,
    run_pair,
)
from fastlstm.engine.ops import Activation, DenseOp, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp
from fastlstm.records import replaced
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")


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


@pytest.mark.packed_kernels
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
    "x", [np.zeros((1, 4), np.float32), np.zeros((2, 3), np.float32), np.zeros((1, 3), complex), np.float32(0), "abc"]
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
        stepper.run(np.ones((1, 3, 4), np.float32))
    for states in (before[:-1], None, [*before[:-1], [np.zeros((1, 6))]], [*before[:-1], [np.zeros((1, 5))] * 2]):
        with pytest.raises(ValueError, match="expected"):
            stepper.states = states
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
    program = Program(ops(False))
    stepper = Stepper(program)
    stepper.__init__(Program(ops(False)), 3)
    assert stepper.program is program and stepper.batch == 1


def test_nothing_is_made_without_its_arguments():
    for made in (Stepper, PoolStepper, PoolIds, StepForm, Sampler):
        with pytest.raises(TypeError, match="argument"):
            made.__new__(made)
    empty = Program.__new__(Program)
    for use in (
        lambda: empty.run(weights(1, 2, 3)),
        lambda: empty.isa,
        lambda: run_pair(empty, empty, weights(1, 2, 3)),
    ):
        with pytest.raises(TypeError, match="without its ops"):
            use()
    with pytest.raises(ValueError, match="no op of this program is recurrent"):
        Stepper(empty)
    assert not ArrayForm.__new__(ArrayForm).fits(weights(1, 2))


def test_the_form_of_steps():
    form = StepForm(3, (4, 2), (5,))
    x = weights(3, 7, 4, 2)
    array, bare = form.fit(x, 2)
    assert array is x and not bare
    fitted, _ = form.fit(x[:, 0].astype(int).tolist(), 1)
    assert fitted.dtype == np.float32 and fitted.shape == (3, 4, 2)
    for wrong, axes in ((x, 1), (x[:2], 2), (x[..., :1], 2), (x[0], 2)):
        with pytest.raises(ValueError, match=r"x: expected shape \(3, (timesteps, )?4, 2\), received"):
            form.fit(wrong, axes)
    with pytest.raises(ValueError, match="expected numbers"):
        form.fit([["a"]], 1)
    one = StepForm(1, (4, 2), (5,))
    assert one.fit(x[0, 0], 1)[1] and not one.fit(x[:1, 0], 1)[1]
    form.check_out(np.empty((3, 5), np.float32), False)
    one.check_out(np.empty(5, np.float32), True)
    for wrong in (np.empty((3, 4), np.float32), np.empty((5, 3), np.float32).T, np.empty((3, 5)), [0.0]):
        with pytest.raises(ValueError, match=r"writable C-contiguous float32 array of shape \(3, 5\)"):
            form.check_out(wrong, False)
    for batch, shape in ((0, ()), (1, (1,) * 63)):
        with pytest.raises(ValueError, match=r"batch must be positive|too many axes"):
            StepForm(batch, shape, ())


def test_a_turn_is_for_one():
    turn = Turn()
    with turn, pytest.raises(RuntimeError, match="in use on another thread"), turn:
        raise AssertionError
    with turn:
        pass


def test_rows_and_states_are_checked():
    assert (
        checked_rows(None, 3) == [0, 1, 2] and checked_rows(2, 3) == [2] and checked_rows(np.array([0, 2]), 3) == [0, 2]
    )
    for wrong in (3, -1, [0, 3], 1.0, True, "a", [[0]]):
        with pytest.raises(ValueError, match="rows: expected integers from 0 to 2"):
            checked_rows(wrong, 3)
    (h,), (other,) = checked_states([[np.arange(2)], (weights(3),)], [[(2,)], [(3,)]])
    assert h.dtype == other.dtype == np.float32 and h.tolist() == [0, 1]
    for wrong in (None, [h], [[h], None], [[h], [h]], [[h]], [[h, h], [other]]):
        with pytest.raises(
            ValueError, match=r"states: expected lists of arrays of these shapes: \[\[\(2,\)\], \[\(3,\)\]\]"
        ):
            checked_states(wrong, [[(2,)], [(3,)]])


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("batch", [1, 3, 70])
def test_runs_are_steps(batch, isa):
    program = Program(ops(False), isa, "packed")
    x = weights(batch, 90, 3)
    one, other = Stepper(program, batch), Stepper(program, batch)
    exact = np.stack([one.step(x[:, t].copy()) for t in range(90)], axis=1)
    assert other.output is None
    for start, end in ((0, 1), (1, 71), (71, 90)):
        np.testing.assert_array_equal(other.run(x[:, start:end]), exact[:, start:end])
        np.testing.assert_array_equal(other.output, exact[:, end - 1])
    for kept, exact in zip(chain(*other.states), chain(*one.states), strict=True):
        np.testing.assert_array_equal(kept, exact)
    assert (one.moves, other.moves) == (91, 4)


def test_generate_is_the_loop():
    program = Program([*ops(False)[:-1], DenseOp(weights(5, 3), weights(3))], backend="packed")
    one, other, x = Stepper(program, 4), Stepper(program, 4), weights(4, 3)
    out = one.generate(x, 6)
    for t in range(6):
        x = other.step(x)
        np.testing.assert_array_equal(out[:, t], x)
    with pytest.raises(ValueError, match="do not fit"):
        Stepper(Program(ops(False)), 4).generate(x, 6)
    with pytest.raises(ValueError, match="do not fit"):
        one.generate(x, 0)
    with pytest.raises(ValueError, match="expected a sampler"):
        one.generate(x, 6, Sampler(3, 3))
    with pytest.raises(ValueError, match="expected"):
        one.generate(x[:2], 6)


@pytest.mark.parametrize("isa", kernel_names())
def test_masked_rows_of_a_pool(isa):
    """As the executor's masks, which the steps of one row here see one by one."""
    recurrent = [op for op in ops(True) if not isinstance(op, DenseOp)]
    kernels = {LSTMOp: (3, 18), GRUOp: (18, 9), SimpleRNNOp: (9, 5)}
    blocks = {LSTMOp: 4, GRUOp: 3, SimpleRNNOp: 1}
    recurrent = [
        replaced(op, kernel=weights(kernels[type(op)][0], blocks[type(op)] * kernels[type(op)][1])) for op in recurrent
    ]
    program = Program(recurrent, isa, "packed")
    x, mask = weights(130, 9, 3), np.random.default_rng(3).random((130, 9)) < 0.6
    whole, states = program.run(x, mask, return_states=True)
    pool = PoolStepper(program, 200, masked=True)
    rows = np.random.default_rng(4).permutation(200)[:130]
    for t in range(9):
        out = pool.step(rows, x[:, t].copy(), None, mask[:, t].copy())
        np.testing.assert_array_equal(out, whole[:, t])
    for kept, exact in zip(chain(*pool.states(rows)), chain(*states), strict=True):
        np.testing.assert_array_equal(kept, exact)


def test_what_a_pool_refuses():
    pool = PoolStepper(Program(ops(False)), 4)
    rows, x = np.arange(3), weights(3, 3)
    pool.step(rows, x)
    before = pool.states(np.arange(4))
    mask = np.ones(3, bool)
    for arguments in (
        (np.array([0, 1, 4]), x),
        (np.array([0, -1, 2]), x),
        (rows.astype(np.int32), x),
        (rows[:2], x),
        (rows, x.astype(np.float64)),
        (rows, x, np.empty((3, 3), np.float32)),
        (rows, x, None, mask),
    ):
        with pytest.raises(ValueError, match="expected"):
            pool.step(*arguments)
    masked = PoolStepper(Program(ops(False)), 4, masked=True)
    for wrong in (mask[:2], mask.astype(np.int8)):
        with pytest.raises(ValueError, match="expected a C-contiguous bool"):
            masked.step(rows, x, None, wrong)
    with pytest.raises(ValueError, match="of these shapes"):
        pool.set_states(rows, before)
    for kept, exact in zip(chain(*pool.states(np.arange(4))), chain(*before), strict=True):
        np.testing.assert_array_equal(kept, exact)
    assert pool.step(rows[:0], x[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match="backwards"):
        PoolStepper(Program([replaced(ops(False)[0], go_backwards=True)]), 1)


def test_ids_of_a_pool():
    ids = PoolIds(1)
    first = ids.open()
    ids.grow(3)
    assert [first, ids.open(), ids.open()] == [0, 1, 2] and len(ids) == ids.capacity == 3
    assert ids.rows([2, 0]).tolist() == [2, 0]
    ids.close(1)
    again = ids.open()
    assert ids.rows(np.array([again], np.uint64)).tolist() == [1]
    assert sorted(ids.open_ids()) == [0, 2, again] and again not in (0, 1, 2)
