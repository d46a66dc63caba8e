"""The memory of one call."""

from fastlstm.engine._structs cimport Call, Op, Scratch, State, Value, Wiring, Work


cdef class Workspace:
    cdef void *allocated
    cdef char *base
    cdef readonly size_t size
    cdef Value *values
    # The call before, for which the values are shaped: of the program or of a stepper of it.
    cdef const Wiring *wiring         # NULL: none
    cdef Py_ssize_t batch
    cdef Py_ssize_t longest           # steps of a value
    cdef Work work                    # for a row
    # What else decides where everything lies, and where that is.
    cdef bint laid_out, masked
    cdef Py_ssize_t chunk
    cdef int parts
    cdef State *states
    cdef Scratch *scratch

    cdef int shape(self, const Wiring *wiring, const Op *ops, const Value *x, Py_ssize_t batch) noexcept
    cdef int lay_out(self, Call *call, const Wiring *wiring, const Op *ops, int n_ops) except -1
    cdef int allocate(self, size_t size) except -1

cdef Py_ssize_t runs_of(double cost, const Work *work, Py_ssize_t batch, int by_rows) noexcept

cdef list empty_states(tuple recurrent, Py_ssize_t batch)

cdef void clear_states(const Op *ops, int n_ops, Call *call, Py_ssize_t first, Py_ssize_t n) noexcept nogil

cdef int set_states(Call *call, tuple recurrent, given, Py_ssize_t first) except -1

cdef int get_states(const Call *call, tuple recurrent, list states, Py_ssize_t first) except -1
