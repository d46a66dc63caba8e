"""Ops that read whole sequences, and the shapes that ops give."""

from fastlstm.engine._structs cimport Op, Stage, Value, Work

cdef int shape_after(const Op *ops, const Stage *stage, Value *values, Py_ssize_t batch, Work *work) noexcept

cdef size_t window_size(const Op *op, const Stage *stage, const Value *values) noexcept

cdef void choose_whole(Op *op) noexcept
