"""The one door to SciPy's BLAS: row-major products, scalars by value, as function pointers in a capsule.

An extension of its own, because importing scipy.linalg takes 0.2 s: the executor imports it when the first Program that
needs a product is built. A row-major matrix is its own transpose in column-major order, so every product is asked for
transposed.
"""

from cpython.pycapsule cimport PyCapsule_New
from scipy.linalg.cython_blas cimport sgemm, sgemv

from fastlstm.engine._kernels cimport fl_blas


cdef void gemm_accumulate(float *out, const float *a, const float *b, int rows, int units, int features) noexcept nogil:
    cdef float one = 1.0
    cdef int step = 1
    if rows == 1:
        # out += b.T @ a
        sgemv("N", &units, &features, &one, <float *> b, &units, <float *> a, &step, &one, out, &step)
    else:
        # out.T += b.T @ a.T
        sgemm("N", "N", &units, &rows, &features, &one, <float *> b, &units, <float *> a, &features, &one, out, &units)


cdef fl_blas table
table.gemm_accumulate = gemm_accumulate

capsule = PyCapsule_New(&table, "fastlstm.blas", NULL)
