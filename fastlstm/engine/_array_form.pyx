"""What an array has to be for a program to take it as it is."""

cimport numpy as cnp

cnp.import_array()

cdef enum:
    ANY = -1                          # length of an axis


cdef class ArrayForm:
    """What an array has to be for a Program to take it as it is: float32, C-contiguous, aligned, of no subclass.

    Args:
        shape: Lengths of the axes, None for any.
    """
    def __init__(self, tuple shape not None):
        if len(shape) > cnp.NPY_MAXDIMS:
            raise ValueError(f"shape: NumPy has at most {cnp.NPY_MAXDIMS} axes, received {len(shape)}")
        self.ndim = len(shape)
        for axis, length in enumerate(shape):
            self.lengths[axis] = ANY if length is None else length

    def fits(self, x):
        """Whether x is of this form."""
        return self.matches(x)

    cdef bint matches(self, x) noexcept:
        cdef int axis
        if (not cnp.PyArray_CheckExact(x) or cnp.PyArray_TYPE(x) != cnp.NPY_FLOAT32
                or not cnp.PyArray_ISCARRAY_RO(x) or cnp.PyArray_NDIM(x) != self.ndim):
            return False
        for axis in range(self.ndim):
            if self.lengths[axis] != ANY and self.lengths[axis] != cnp.PyArray_DIM(x, axis):
                return False
        return True
