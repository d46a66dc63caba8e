"""The executor, for the modules that run its ops themselves."""

cimport numpy as cnp

from fastlstm.engine._interrupt cimport Interrupt
from fastlstm.engine._op_list cimport OpList
from fastlstm.engine._structs cimport MOST_ENDS, Call, Engine, Op, Value, Wiring, Work
from fastlstm.engine._workspace cimport Workspace

cdef extern from "trial.h":
    ctypedef struct fl_trial:
        int masked, threads, by_rows, by_ops, by_units
    ctypedef struct fl_trials:
        pass
    fl_trial *fl_trial_of(fl_trials *trials, long batch, long timesteps, bint masked, int threads) nogil
    fl_trial *fl_trial_new(fl_trials *trials, long batch, long timesteps, bint masked, int threads) nogil
    int fl_trial_shares(const fl_trial *trial) nogil
    void fl_trial_took(fl_trial *trial, bint shared, int threads, long nanoseconds) nogil

cpdef enum:
    # Rows from which on threads share a batch: with fewer, every one of them would read all weights for few.
    ENOUGH_ROWS = 8
    # Multiplications below which a call stays on one thread.
    PARALLEL_WORK = 1_048_576

cdef enum:
    # Rows (timesteps x batch) of a chunk: enough for the input projection to run at full speed, few enough for z to
    # stay in the L2 cache.
    CHUNK_ROWS = 64

cdef struct Rows:                     # some rows of a call's batch, from input to output
    const Engine *engine
    const Op *ops
    const Wiring *wiring
    Call call
    float *ends[MOST_ENDS]            # of the inputs, which are only read, and of the outputs

cdef struct Ends:                     # the caller's arrays
    float **data                      # as Wiring.ends
    const Py_ssize_t *sizes           # of a row of each
    const Value *given                # the inputs
    Py_ssize_t timesteps              # of the longest input
    Py_ssize_t batch
    Work work                         # for a row

cdef void rows_forward(void *context, int index) noexcept nogil


cdef class Executor(OpList):
    cdef Workspace spare              # the one that a call takes, so that calls one by one touch no list
    cdef list workspaces              # further ones, of calls at once
    cdef fl_trials trials

    cdef cnp.ndarray _output(self, cnp.ndarray x, const Value *given, Py_ssize_t batch, mask, initial_states, states)
    cdef int _call(self, const Ends *ends, Workspace workspace, mask, initial_states, states) except -1
    cdef int _call_cut(self, const Ends *ends, mask, initial_states, states) except -1
    cdef fl_trial *_trial_of(self, const Ends *ends, bint masked) except? NULL
    cdef _run(self, const Ends *ends, mask, initial_states, states, Py_ssize_t start, Py_ssize_t end, int by_rows,
              int parts, bint by_units, Interrupt *interrupt)
    cdef _check(self, cnp.ndarray x, mask, initial_states)
    cdef int _check_ids(self, tuple inputs) except -1
    cdef Py_ssize_t _given(self, Value *given, cnp.ndarray x) noexcept
    cdef Workspace _shaped(self, const Value *given, Py_ssize_t batch, x)
    cdef void _set_rows(self, Rows *rows, const Ends *ends, mask, Py_ssize_t first, Py_ssize_t batch)
    cdef int _start_rows(self, Rows *rows, Workspace workspace, initial_states, Py_ssize_t first) except -1
    cdef cnp.ndarray _empty_output(self, cnp.ndarray x, const Value *out, Py_ssize_t batch)
    cdef Workspace _take_workspace(self)
    cdef _keep_workspace(self, Workspace workspace)
