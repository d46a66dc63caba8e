"""The executor, for the modules that run its ops themselves."""

cimport numpy as cnp

from fastlstm.engine._kernels cimport fl_activation
from fastlstm.engine._structs cimport Call, Engine, Matrix, Op, Value
from fastlstm.engine._workspace cimport Workspace

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


cdef class Executor:
    cdef Engine engine
    cdef Op *ops
    cdef int *stage_starts            # n_stages + 1 of them, the last is n_ops
    cdef int n_ops, n_stages
    cdef int features                 # of the first op that has any; 0: any
    cdef long vocabulary              # of the first op, if it takes ids; else 0
    cdef str ids_name                 # whose they are
    cdef tuple recurrent              # (units, number of states) of every recurrent op
    cdef double work                  # multiplications of a row and step
    cdef readonly bint has_callbacks  # to Python: then a call stays on its thread, where an exception belongs
    cdef list kept, workspaces

    cdef _add(self, dict lowered)
    cdef const float *_data(self, array)
    cdef _set_matrix(self, Matrix *matrix, tuple lowered)
    cdef _set_activation(self, fl_activation *activation, tuple lowered)
    cdef _run(self, cnp.ndarray x, int width, cnp.ndarray out, mask, initial_states, states, Py_ssize_t batch,
              Py_ssize_t timesteps, int by_rows, int parts, bint by_units)
    cdef void _set_rows(self, Rows *rows, cnp.ndarray x, int width, cnp.ndarray out, mask, Py_ssize_t first,
                        Py_ssize_t batch, Py_ssize_t whole_batch, Py_ssize_t timesteps)
    cdef _check(self, cnp.ndarray x, mask, initial_states)
    cdef int _check_ids(self, cnp.ndarray x) except -1
    cdef cnp.ndarray _empty_output(self, cnp.ndarray x)
    cdef Workspace _take_workspace(self, Call *call, const Value *value)
    cdef _keep_workspace(self, Workspace workspace)
    cdef list _empty_states(self, Py_ssize_t batch)
    cdef _set_states(self, Call *call, initial_states, Py_ssize_t first)
    cdef void _clear_states(self, Call *call) noexcept nogil
    cdef _get_states(self, Call *call, list states, Py_ssize_t first)

cdef int check_array(str name, array, shape) except -1
