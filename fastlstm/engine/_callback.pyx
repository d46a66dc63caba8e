"""Activations that are Python functions, called from code that knows neither Python nor the GIL.

An exception cannot pass through that code: it stays pending on its thread until the executor has the GIL again.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_Occurred
from libc.string cimport memcpy

import numpy as np

cnp.import_array()

cdef extern from *:
    """
    static void fl_pend(PyObject *error)
    {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    """
    void pend "fl_pend" (object error)


cdef void call_function(void *context, float *out, const float *x, size_t rows, size_t units) noexcept with gil:
    """out (rows, units) = function(x). After an exception, which stays pending, nothing more is called."""
    cdef cnp.ndarray given, result
    if PyErr_Occurred() != NULL:
        return
    try:
        # A copy, since the function may keep its argument.
        given = np.empty((rows, units), np.float32)
        memcpy(cnp.PyArray_DATA(given), x, rows * units * sizeof(float))
        result = np.ascontiguousarray((<object> context)(given), np.float32)
        if (<object> result).shape != (rows, units):
            raise ValueError(f"activation {<object> context!r} must keep the shape of its input, {(rows, units)}; "
                             f"it gave {(<object> result).shape}")
        memcpy(out, cnp.PyArray_DATA(result), rows * units * sizeof(float))
    except BaseException as error:
        pend(error)


cdef int raise_pending() except? -1:
    """Raises the exception that a Python activation left."""
    return -1 if PyErr_Occurred() != NULL else 0
