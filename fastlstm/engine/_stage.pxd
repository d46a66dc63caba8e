"""One stage of a chain over the whole of its input."""

from fastlstm.engine._structs cimport Call, Engine, Op, Value

cdef void stage_forward(const Engine *engine, const Op *ops, int first, int end, int *state, Call *call, Value *value,
                        float *destination, bint batch_major_out) noexcept nogil
