"""The executor, for the modules that run its ops themselves."""

cimport numpy as cnp

from fastlstm.engine._interrupt cimport Interrupt
from fastlstm.engine._op_list cimport OpList
from fastlstm.engine._structs cimport Call, Engine, Op, Value
from fastlstm.engine._workspace cimport Workspace

cpdef enum:
    # Rows from which on threads share a batch: with fewer, every one of them would read all weights for few.
    ENOUGH_ROWS = 8
    # Multiplications below which a call stays on one thread.
    PARALLEL_WORK = 2_097_152

cdef enum:
    # Rows (timesteps x batch) of a chunk: enough for the input projection to run at full speed, few enough for z to
    # stay in the L2 cache.
    CHUNK_ROWS = 64

cdef struct Rows:                     # some rows of a call's batch, from input to output
    const Engine *engine
    const Op *ops
    const int *stage_starts
    int n_stages
    Call call
    Value value
    float *out

cdef void rows_forward(void *context, int index) noexcept nogil


cdef class Executor(OpList):
    cdef list workspaces              # a free-list

    cdef _run(self, cnp.ndarray x, Py_ssize_t width, cnp.ndarray out, mask, initial_states, states, Py_ssize_t start,
              Py_ssize_t end, Py_ssize_t batch, Py_ssize_t timesteps, int by_rows, int parts, bint by_units,
              Interrupt *interrupt)
    cdef void _set_rows(self, Rows *rows, cnp.ndarray x, Py_ssize_t width, cnp.ndarray out, mask, Py_ssize_t first,
                        Py_ssize_t batch, Py_ssize_t whole_batch, Py_ssize_t timesteps)
    cdef _check(self, cnp.ndarray x, mask, initial_states)
    cdef int _check_ids(self, cnp.ndarray x) except -1
    cdef cnp.ndarray _empty_output(self, cnp.ndarray x)
    cdef Workspace _take_workspace(self, Call *call, const Value *value)
    cdef _keep_workspace(self, Workspace workspace)
    cdef list _empty_states(self, Py_ssize_t batch)
    cdef _set_states(self, Call *call, initial_states, Py_ssize_t first)
    cdef _get_states(self, Call *call, list states, Py_ssize_t first)

cdef int check_array(str name, array, shape) except -1

cdef void clear_states(const Op *ops, int n_ops, Call *call, Py_ssize_t first, Py_ssize_t n) noexcept nogil
