"""The way back, for the executor."""

cdef void call_backward(void *context, int part) noexcept nogil
