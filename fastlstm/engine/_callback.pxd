"""Activations that are Python functions."""

cdef void call_function(void *context, float *out, const float *x, size_t rows, size_t units) noexcept nogil

cdef int raise_pending() except? -1
