"""A program as one step of time: what the steppers share."""

cimport numpy as cnp

from fastlstm.engine._engine cimport Executor, Rows
from fastlstm.engine._structs cimport Op, Stage, Value, Wiring
from fastlstm.engine._workspace cimport Workspace

cdef extern from "<stdatomic.h>":
    ctypedef struct atomic_flag:
        pass
    ctypedef enum memory_order:
        memory_order_acquire
        memory_order_release
    bint atomic_flag_test_and_set_explicit(atomic_flag *flag, memory_order order) nogil
    void atomic_flag_clear_explicit(atomic_flag *flag, memory_order order) nogil


cdef inline bint take(atomic_flag *busy) noexcept nogil:
    """Whether the states are this thread's now, with all that the one before wrote."""
    return not atomic_flag_test_and_set_explicit(busy, memory_order_acquire)


cdef inline void give_back(atomic_flag *busy) noexcept nogil:
    atomic_flag_clear_explicit(busy, memory_order_release)


cdef class Turn:
    cdef atomic_flag busy

    cdef int enter(self) except -1
    cdef void leave(self) noexcept nogil


cdef class StepForm:
    cdef readonly Py_ssize_t batch
    cdef readonly tuple x_shape, out_shape
    cdef int x_ndim, out_ndim         # of a row
    cdef Py_ssize_t x_lengths[cnp.NPY_MAXDIMS]
    cdef Py_ssize_t out_lengths[cnp.NPY_MAXDIMS]

    cdef cnp.ndarray fitted(self, x, int axes, bint *bare)
    cdef int check_output(self, out, bint bare) except -1


cdef class Steps:
    cdef readonly Executor program
    cdef readonly Turn turn
    cdef Op *ops                      # the program's, all of them returning sequences
    cdef Stage stage                  # all ops
    cdef Wiring wiring                # of that one stage, from slot 0 to slot 1
    cdef int ends[2]
    cdef int buffers[2]
    cdef Py_ssize_t width, units      # of a row of x, of the output
    cdef int ndim                     # of one step's x: 1 of ids, else 2

    cdef Workspace ready(self, Rows *rows, Py_ssize_t batch, bint masked)
    cdef Workspace laid_out(self, Rows *rows, Workspace workspace, Py_ssize_t timesteps)

cdef object unfit_out(out, tuple shape)
