"""Ops that move values."""

from fastlstm.engine._structs cimport Op, Value

cdef bint moved_shape(const Op *op, Value *shape) noexcept

cdef void choose_moving(Op *op) noexcept
