"""One op over one chunk of time steps."""

from fastlstm.engine._pool cimport atomic_long
from fastlstm.engine._structs cimport Call, Engine, Op, Scratch, State

cdef void embedding_forward(const Op *op, float *out, const float *ids, Py_ssize_t rows) noexcept nogil

cdef void dense_forward(const Engine *engine, const Op *op, float *out, const float *x, Py_ssize_t rows,
                        int width) noexcept nogil

cdef void recurrent_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                            const float *x, Py_ssize_t start, Py_ssize_t steps) noexcept nogil

cdef void lstm_units_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                             const float *x, Py_ssize_t steps, int part, int parts, atomic_long *arrived,
                             long *meetings) noexcept nogil
