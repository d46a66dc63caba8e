"""What an array has to be for a program to take it as it is, and the arrays that a program gives."""

cimport numpy as cnp

from fastlstm.engine._structs cimport Value

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


cdef bint value_of(Value *value, cnp.ndarray x, int axes, bint ids) noexcept:
    """Makes x an input's value; False where its axes are not as many, or, of ids, one less."""
    cdef int axis
    value.data, value.timesteps, value.width = <float *> cnp.PyArray_DATA(x), 1, 1
    if x.ndim != axes - ids:
        return False
    if axes > 2:
        value.timesteps = x.shape[1]
    for axis in range(1 if axes == 2 else 2, x.ndim):
        value.width *= x.shape[axis]
    value.time_major = x.shape[0] == 1 or value.timesteps == 1
    value.fold, value.outer, value.mask = 1, 0, NULL
    return True


cdef cnp.ndarray empty(int axes, Py_ssize_t batch, const Value *value):
    """A new array for a value of so many axes, 3 at the most."""
    cdef cnp.npy_intp shape[3]
    shape[0], shape[1], shape[2] = batch, value.timesteps, value.width
    if axes == 2:
        shape[1] = value.timesteps * value.width
    return cnp.PyArray_EMPTY(min(axes, 3), shape, cnp.NPY_FLOAT32, 0)


cdef int check_array(str name, array, shape) except -1:
    if (not cnp.PyArray_Check(array) or cnp.PyArray_TYPE(array) != cnp.NPY_FLOAT32
            or not cnp.PyArray_ISCARRAY_RO(array)):
        raise ValueError(f"{name}: expected a C-contiguous float32 array, received {type(array).__name__} "
                         f"of dtype {getattr(array, 'dtype', None)}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, received {array.shape}")
    return 0
