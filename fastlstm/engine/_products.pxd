from fastlstm.engine._structs cimport Engine, Matrix, Scratch


cdef void choose_product(Matrix *matrix) noexcept

cdef inline void product(const Engine *engine, float *out, const float *bias, const float *x, const Matrix *matrix,
                         Py_ssize_t rows, Scratch *scratch) noexcept nogil:
    """out (rows, columns) = bias + x (rows, features) @ matrix"""
    matrix.product(engine, out, matrix.columns, bias, 0, x, matrix, rows, 0, matrix.columns, scratch)

cdef inline void accumulate(const Engine *engine, float *out, const float *x, const Matrix *matrix, Py_ssize_t rows,
                            Scratch *scratch) noexcept nogil:
    """out (rows, columns) += x (rows, features) @ matrix"""
    matrix.product(engine, out, matrix.columns, out, matrix.columns, x, matrix, rows, 0, matrix.columns, scratch)
