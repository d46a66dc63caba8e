"""The memory of one call."""

from fastlstm.engine._structs cimport Call, Op, Value, Wiring


cdef class Workspace:
    cdef void *allocated
    cdef char *base
    cdef readonly size_t size
    cdef Value *values

    cdef int shape(self, const Wiring *wiring, const Op *ops, const Value *x, Py_ssize_t batch) noexcept
    cdef int lay_out(self, Call *call, const Wiring *wiring, const Op *ops, int n_ops) except -1
    cdef int allocate(self, size_t size) except -1
