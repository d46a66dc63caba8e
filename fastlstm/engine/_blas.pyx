"""The one door to SciPy's BLAS: row-major products, scalars by value, as function pointers in a capsule.

An extension of its own, because importing scipy.linalg takes 0.2 s: the executor imports it when the first Program that
needs a product is built. A row-major matrix is its own transpose in column-major order, so every product is asked for
transposed.

The functions are found when this is imported (`scipy.LowLevelCallable` does the same), so SciPy is not needed to build.
"""

import re

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer, PyCapsule_New
from scipy.linalg import cython_blas

from fastlstm.engine._kernels cimport fl_blas

ctypedef void (*Sgemm)(char *transa, char *transb, int *m, int *n, int *k, float *alpha, float *a, int *lda, float *b,
                       int *ldb, float *beta, float *c, int *ldc) noexcept nogil
ctypedef void (*Sgemv)(char *trans, int *m, int *n, float *alpha, float *a, int *lda, float *x, int *incx, float *beta,
                       float *y, int *incy) noexcept nogil


cdef void *function(str name, str expected) except NULL:
    """SciPy's function.

    Raises:
        ImportError: It takes other arguments, such as integers of 64 bits.
    """
    capsule = cython_blas.__pyx_capi__[name]
    cdef const char *signature = PyCapsule_GetName(capsule)
    # SciPy writes float as a type of its own.
    if re.sub(r"__pyx_t_\w+_s\b", "float", signature.decode()) != f"void ({expected})":
        raise ImportError(f"fastlstm cannot call this SciPy's {name}, which is {signature.decode()}")
    return PyCapsule_GetPointer(capsule, signature)


cdef Sgemm sgemm = <Sgemm> function("sgemm", "char *, char *, int *, int *, int *, float *, float *, int *, float *, "
                                             "int *, float *, float *, int *")
cdef Sgemv sgemv = <Sgemv> function("sgemv", "char *, int *, int *, float *, float *, int *, float *, int *, float *, "
                                             "float *, int *")


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
