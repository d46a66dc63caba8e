"""Products with the matrices of an op: by the packed kernels, by BLAS, or of integers."""

from fastlstm.engine._kernels cimport fl_fill_rows
from fastlstm.engine._structs cimport Engine, Matrix, Scratch


cdef void packed_product(const Engine *engine, float *out, Py_ssize_t out_stride, const float *initial,
                         Py_ssize_t initial_stride, const float *x, const Matrix *matrix, Py_ssize_t rows,
                         Py_ssize_t first, Py_ssize_t columns, Scratch *scratch) noexcept nogil:
    engine.kernels.gemm_packed_forward(out, out_stride, initial, initial_stride, x, matrix.features,
                                       matrix.data + first * matrix.features, rows, matrix.features, columns)


cdef void blas_product(const Engine *engine, float *out, Py_ssize_t out_stride, const float *initial,
                       Py_ssize_t initial_stride, const float *x, const Matrix *matrix, Py_ssize_t rows,
                       Py_ssize_t first, Py_ssize_t columns, Scratch *scratch) noexcept nogil:
    """Of all columns; `initial` is a bias or `out`."""
    if initial_stride == 0:
        fl_fill_rows(out, initial, rows, matrix.columns)
    engine.blas.gemm_accumulate(out, x, matrix.data, <int> rows, <int> matrix.columns, <int> matrix.features)


cdef void integer_product(const Engine *engine, float *out, Py_ssize_t out_stride, const float *initial,
                          Py_ssize_t initial_stride, const float *x, const Matrix *matrix, Py_ssize_t rows,
                          Py_ssize_t first, Py_ssize_t columns, Scratch *scratch) noexcept nogil:
    engine.integer_kernels.quantize_rows(scratch.quantized, scratch.row_scales, x, rows, &matrix.integers)
    engine.integer_kernels.gemm_integers_forward(out, out_stride, initial, initial_stride, scratch.quantized,
                                                 scratch.row_scales, &matrix.integers, rows, first, columns)


cdef void choose_product(Matrix *matrix) noexcept:
    """Sets how the matrix is multiplied with."""
    if matrix.integers.bits:
        matrix.product = integer_product
    elif matrix.packed:
        matrix.product = packed_product
    else:
        matrix.product = blas_product
