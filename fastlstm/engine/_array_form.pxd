"""What an array has to be, for the modules that ask."""

cimport numpy as cnp

from fastlstm.engine._structs cimport Value


cdef class ArrayForm:
    cdef int ndim
    cdef Py_ssize_t lengths[cnp.NPY_MAXDIMS]

    cdef bint matches(self, x) noexcept

cdef bint value_of(Value *value, cnp.ndarray x, int axes, bint ids) noexcept

cdef cnp.ndarray empty(int axes, Py_ssize_t batch, const Value *value)

cdef int check_array(str name, array, shape) except -1
