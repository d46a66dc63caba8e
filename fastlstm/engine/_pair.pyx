"""Two programs over the same input, side by side: the two directions of a Bidirectional layer."""

cimport numpy as cnp

from fastlstm.engine._callback cimport raise_pending
from fastlstm.engine._engine cimport Executor, Rows, rows_forward
from fastlstm.engine._pool cimport acquire, begin_call, end_call, release, run

from fastlstm.engine._engine import PARALLEL_WORK, get_num_threads

cnp.import_array()

cdef enum:
    # From here on each program has rows enough to keep all threads busy by itself.
    ENOUGH_ROWS = 8


def run_pair(Executor first not None, Executor second not None, cnp.ndarray x not None, mask=None,
             first_states=None, second_states=None, bint return_states=False):
    """Runs both programs on x, at once where that pays.

    Args:
        first, second: Programs with a recurrent op each.
        x, mask, return_states: As for `Program.run`.
        first_states, second_states: `initial_states` of each.

    Returns:
        What `Program.run` returns, for each of the two.

    Raises:
        ValueError: As `Program.run`.
    """
    cdef double work = (first.work + second.work) * x.shape[0] * x.shape[1] if x.ndim > 1 else 0
    cdef bint callbacks = first.has_callbacks or second.has_callbacks
    if x.shape[0] == 0 or x.shape[0] >= ENOUGH_ROWS or callbacks or work < PARALLEL_WORK or get_num_threads() < 2:
        return first.run(x, mask, first_states, return_states), second.run(x, mask, second_states, return_states)
    cdef Rows rows[2]
    cdef list started = [
        start(&rows[0], first, x, mask, first_states, return_states),
        start(&rows[1], second, x, mask, second_states, return_states),
    ]
    cdef int parts = acquire(2, work)
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
    return finish(&rows[0], first, started[0]), finish(&rows[1], second, started[1])


cdef tuple start(Rows *rows, Executor program, cnp.ndarray x, mask, initial_states, bint return_states):
    """Readies rows for all of x; returns what has to live until they have run: `(out, states, workspace)`."""
    program._check(x, mask, initial_states)
    cdef int width = 1 if program.vocabulary else <int> x.shape[x.ndim - 1]
    out = program._empty_output(x)
    program._set_rows(rows, x, width, out, mask, 0, x.shape[0], x.shape[0], x.shape[1])
    rows.call.parts, rows.call.by_units = 1, False
    workspace = program._take_workspace(&rows.call, &rows.value)
    program._set_states(&rows.call, initial_states, 0)
    return out, program._empty_states(x.shape[0]) if return_states else None, workspace


cdef tuple finish(Rows *rows, Executor program, tuple started):
    out, states, workspace = started
    if states is not None:
        program._get_states(&rows.call, states, 0)
    program._keep_workspace(workspace)
    return out, states
