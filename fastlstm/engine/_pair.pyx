"""Two programs on the same input, at once where that pays."""

cimport numpy as cnp

from fastlstm.engine._engine cimport ENOUGH_ROWS, PARALLEL_WORK, Ends, Executor, Rows, rows_forward
from fastlstm.engine._interrupt cimport Interrupt, watch
from fastlstm.engine._op_list cimport raise_pending
from fastlstm.engine._pool cimport acquire, begin_call, end_call, release, run
from fastlstm.engine._structs cimport Value
from fastlstm.engine._workspace cimport Workspace, empty_states, get_states

from fastlstm.engine._engine import get_num_threads

cnp.import_array()


def run_pair(Executor first not None, Executor second not None, cnp.ndarray x not None, mask=None,
             first_states=None, second_states=None, bint return_states=False):
    """Runs two programs on x, at once where that pays: the two directions of a Bidirectional layer.

    Args:
        first, second: Programs with a recurrent op each.
        x, mask, return_states: As for `Program.run`.
        first_states, second_states: `initial_states` of each.

    Returns:
        What `Program.run` returns, for each of the two.

    Raises:
        ValueError: As `Program.run`.
    """
    # Rows and steps are there to be counted where there are two axes; `run` refuses fewer.
    cdef double work = (first.work + second.work) * x.shape[0] * x.shape[1] if x.ndim > 1 else 0
    cdef bint callbacks = first.has_callbacks or second.has_callbacks
    cdef bint short = x.ndim < 2 or work < <double> PARALLEL_WORK
    if short or x.shape[0] >= ENOUGH_ROWS or callbacks or get_num_threads() < 2:
        return first.run(x, mask, first_states, return_states), second.run(x, mask, second_states, return_states)
    cdef Rows rows[2]
    cdef list started = [
        start_beside(&rows[0], first, x, mask, first_states, return_states),
        start_beside(&rows[1], second, x, mask, second_states, return_states),
    ]
    cdef int parts = acquire(2, work)
    cdef Interrupt signals
    cdef double cost = (first.cost + second.cost) * x.shape[0]
    rows[0].call.interrupt = rows[1].call.interrupt = watch(&signals, cost, cost * x.shape[1])
    rows[1].call.on_caller = parts == 1
    with nogil:
        begin_call()
        if parts > 1:
            run(rows_forward, rows, 2)
            release()
        else:
            rows_forward(rows, 0)
            rows_forward(rows, 1)
        end_call()
    raise_pending()
    return finish_beside(&rows[0], first, started[0]), finish_beside(&rows[1], second, started[1])


cdef tuple start_beside(Rows *rows, Executor program, cnp.ndarray x, mask, initial_states, bint return_states):
    """Readies rows for all of x; returns what has to live until they have run: `(out, states, workspace)`."""
    program._check(x, mask, initial_states)
    cdef Value given
    cdef Py_ssize_t batch = program._given(&given, x)
    cdef Workspace workspace = program._shaped(&given, batch, x)
    out = program._empty_output(x, &workspace.values[program.wiring.ends[1]], batch)
    cdef float *ends[2]
    cdef Py_ssize_t sizes[2]
    ends[0], ends[1] = given.data, <float *> cnp.PyArray_DATA(out)
    sizes[0], sizes[1] = given.timesteps * given.width, out.size // batch
    cdef Ends arrays = Ends(&ends[0], &sizes[0], &given, given.timesteps, batch, workspace.work)
    program._set_rows(rows, &arrays, mask, 0, batch)
    program._start_rows(rows, workspace, initial_states, 0)
    return out, empty_states(program.recurrent, batch) if return_states else None, workspace


cdef tuple finish_beside(Rows *rows, Executor program, tuple started):
    out, states, workspace = started
    if states is not None:
        get_states(&rows.call, program.recurrent, states, 0)
    program._keep_workspace(workspace)
    return out, states
