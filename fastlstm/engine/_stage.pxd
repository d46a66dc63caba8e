"""The stages of a program over the whole of their inputs."""

from fastlstm.engine._structs cimport Call, Engine, Op, Wiring

cdef void stages_forward(const Engine *engine, const Op *ops, const Wiring *wiring, Call *call) noexcept nogil
