"""One op over one chunk of time steps."""

from fastlstm.engine._structs cimport Engine, Op, Scratch

cdef void choose_forward(Op *op, bint fused, bint reset_after) noexcept

cdef void project(const Engine *engine, const Op *op, Scratch *scratch, float *z, const float *x, Py_ssize_t rows,
                  Py_ssize_t first, Py_ssize_t columns) noexcept nogil
