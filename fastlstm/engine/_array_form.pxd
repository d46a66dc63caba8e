"""What an array has to be, for the modules that ask."""

cimport numpy as cnp


cdef class ArrayForm:
    cdef int ndim
    cdef Py_ssize_t lengths[cnp.NPY_MAXDIMS]

    cdef bint matches(self, x) noexcept
