"""Ops on windows over rows and columns."""

from fastlstm.engine._structs cimport Op, Value

cdef bint plane_shape(const Op *op, Value *shape) noexcept

cdef size_t plane_size(const Op *op, const Value *x) noexcept

cdef void choose_plane(Op *op) noexcept
