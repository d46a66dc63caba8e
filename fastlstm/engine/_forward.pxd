"""One op over one chunk of time steps."""

from fastlstm.engine._structs cimport Op

cdef void choose_forward(Op *op, bint fused, bint reset_after) noexcept
