"""Draws of ids from a network's outputs."""


cdef class Sampler:
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t units
    cdef double temperature
    cdef Py_ssize_t top_k             # 0: all
    cdef bint logits
    cdef unsigned long long *states   # of every row's random numbers
    cdef double *weights              # of every id, of one row
    cdef float *best                  # a heap of the top_k greatest values

    cdef void choose(self, float *ids, const float *y) noexcept nogil
    cdef Py_ssize_t draw(self, Py_ssize_t row, const float *y) noexcept nogil
    cdef float threshold(self, const float *y, Py_ssize_t *equals) noexcept nogil
