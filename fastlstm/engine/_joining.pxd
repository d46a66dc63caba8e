"""Ops that read several values, or states."""

from fastlstm.engine._structs cimport Op, Stage, Value

cdef bint shape_of_several(const Op *op, const Stage *stage, const Value *values, Value *shape) noexcept

cdef size_t joining_size(const Op *op, const Stage *stage, const Value *values) noexcept

cdef void choose_joining(Op *op) noexcept
