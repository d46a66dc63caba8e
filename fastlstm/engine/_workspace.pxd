"""The memory of one call."""

from fastlstm.engine._structs cimport Call, Op, Value


cdef class Workspace:
    cdef void *allocated
    cdef char *base
    cdef readonly size_t size

    cdef void lay_out(self, Call *call, const Value *value, const Op *ops, const int *stage_starts,
                      int n_stages) noexcept


cdef size_t workspace_size(Call *call, const Value *value, const Op *ops, const int *stage_starts,
                           int n_stages) noexcept
