"""The memory of one call, cut from a single block whose size is known before the first step.

It grows with the chunk, not with the number of time steps, but where an op that reads backwards follows another one:
that needs what the one before it gives for all steps.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport uintptr_t

from fastlstm.engine._structs cimport GRU, HANDED_OVER, LSTM, Call, Op, Scratch, State, Value, width_after

cdef enum:
    ALIGNMENT = 64

cdef struct Arena:                    # hands out parts of a block; only measures where base is NULL
    char *base
    size_t used


cdef class Workspace:
    """A block of `size` bytes, aligned to the cache line."""

    def __cinit__(self, size_t size):
        self.allocated = PyMem_RawMalloc(size + ALIGNMENT)  # malloc, in sight of tracemalloc
        if self.allocated == NULL:
            raise MemoryError(f"a workspace of {size} bytes")
        self.base = <char *> ((<uintptr_t> self.allocated + ALIGNMENT - 1) & ~(<uintptr_t> ALIGNMENT - 1))
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.allocated)

    cdef void lay_out(self, Call *call, const Value *value, const Op *ops, const int *stage_starts,
                      int n_stages) noexcept:
        """Gives every buffer of the call its place in this block."""
        cdef Arena arena = Arena(self.base, 0)
        place(&arena, call, value, ops, stage_starts, n_stages)


cdef size_t workspace_size(Call *call, const Value *value, const Op *ops, const int *stage_starts,
                           int n_stages) noexcept:
    """Bytes that the call needs."""
    cdef Arena arena = Arena(NULL, 0)
    place(&arena, call, value, ops, stage_starts, n_stages)
    return arena.used


cdef void place(Arena *arena, Call *call, const Value *value, const Op *ops, const int *stage_starts,
                int n_stages) noexcept:
    cdef size_t batch = call.batch, rows = call.chunk * call.batch
    cdef size_t widest = value.width, widest_z = 0, widest_products = 0
    cdef int i, n_states = 0, n_ops = stage_starts[n_stages]
    for i in range(n_ops):
        n_states += ops[i].kind >= LSTM
    call.states = <State *> take(arena, n_states * sizeof(State))
    call.scratch = <Scratch *> take(arena, call.parts * sizeof(Scratch))
    n_states = 0
    for i in range(n_ops):
        widest = max(widest, <size_t> ops[i].units)
        if ops[i].kind >= LSTM:
            widest_z = max(widest_z, <size_t> ops[i].z_width)
            if ops[i].kind == GRU:
                widest_products = max(widest_products, 4 * <size_t> ops[i].units)
            place_state(arena, call, &ops[i], n_states)
            n_states += 1
    for i in range(call.parts):
        place_scratch(arena, call, i, rows * widest_z, batch * widest_products, rows * widest)
    place_sequences(arena, call, value, ops, stage_starts, n_stages)


cdef void place_sequences(Arena *arena, Call *call, const Value *value, const Op *ops, const int *stage_starts,
                          int n_stages) noexcept:
    """What passes between stages: all steps where the next stage reads them backwards, one where they have ended."""
    cdef size_t timesteps = value.timesteps, width = value.width
    cdef size_t[2] sizes = [0, 0]
    cdef int stage, i
    for stage in range(n_stages - 1):
        for i in range(stage_starts[stage], stage_starts[stage + 1]):
            width = width_after(&ops[i], width)
            timesteps = 1 if ops[i].kind >= LSTM and not ops[i].return_sequences else timesteps
        sizes[stage % 2] = max(sizes[stage % 2], timesteps * call.batch * width)
    for i in range(2):
        call.sequences[i] = take(arena, sizes[i] * sizeof(float)) if sizes[i] else NULL


cdef void place_scratch(Arena *arena, Call *call, int part, size_t z, size_t products, size_t chunk) noexcept:
    cdef Scratch scratch
    scratch.z = take(arena, z * sizeof(float))
    scratch.products = take(arena, products * sizeof(float))
    scratch.buffers[0] = take(arena, chunk * sizeof(float))
    scratch.buffers[1] = take(arena, chunk * sizeof(float))
    scratch.handed_over = NULL
    if part < call.parts - 1:
        scratch.handed_over = take(arena, HANDED_OVER * chunk * sizeof(float))
    if arena.base != NULL:
        call.scratch[part] = scratch


cdef void place_state(Arena *arena, Call *call, const Op *op, int index) noexcept:
    cdef State state
    cdef size_t size = call.batch * op.units * sizeof(float)
    state.zero = False
    state.h = take(arena, size)
    state.h_next = take(arena, size)
    state.c = take(arena, size) if op.kind == LSTM else NULL
    state.c_prev = state.out_prev = NULL
    if call.mask != NULL:
        state.c_prev = take(arena, size) if op.kind == LSTM else NULL
        state.out_prev = take(arena, size)
    if arena.base != NULL:
        call.states[index] = state


cdef float *take(Arena *arena, size_t size) noexcept:
    """The next `size` bytes, from a multiple of ALIGNMENT on."""
    cdef size_t start = (arena.used + ALIGNMENT - 1) & ~(<size_t> ALIGNMENT - 1)
    arena.used = start + size
    return <float *> (arena.base + start) if arena.base != NULL else NULL
