"""The memory of one call, cut from a single block whose size is known before the first step.

It grows with the chunk, not with the number of time steps, but where an op that reads backwards follows another one:
that needs what the one before it gives for all steps. Sizes are computed so that what does not fit in a size_t is
SIZE_MAX (csrc/sizes.h), of which there is no block.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport SIZE_MAX, uintptr_t

from fastlstm.engine._kernels cimport fl_plus, fl_times
from fastlstm.engine._structs cimport GRU, HANDED_OVER, LSTM, Call, Op, Scratch, State, Value, width_after

cdef enum:
    ALIGNMENT = 64

cdef struct Arena:                    # hands out parts of a block; only measures where base is NULL
    char *base
    size_t used


cdef class Workspace:
    """A block of `size` bytes, aligned to the cache line.

    Raises:
        MemoryError: There is no such block.
    """

    def __cinit__(self, size_t size):
        if size > SIZE_MAX // 2 - ALIGNMENT:
            raise MemoryError("a workspace of more bytes than there are addresses")
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
    cdef size_t batch = call.batch, rows = fl_times(call.chunk, call.batch)
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
        place_scratch(arena, call, i, fl_times(rows, widest_z), fl_times(batch, widest_products),
                      fl_times(rows, widest))
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
        sizes[stage % 2] = max(sizes[stage % 2], fl_times(fl_times(timesteps, call.batch), width))
    for i in range(2):
        call.sequences[i] = take_floats(arena, sizes[i]) if sizes[i] else NULL


cdef void place_scratch(Arena *arena, Call *call, int part, size_t z, size_t products, size_t chunk) noexcept:
    cdef Scratch scratch
    scratch.z = take_floats(arena, z)
    scratch.products = take_floats(arena, products)
    scratch.buffers[0] = take_floats(arena, chunk)
    scratch.buffers[1] = take_floats(arena, chunk)
    scratch.handed_over = NULL
    if part < call.parts - 1:
        scratch.handed_over = take_floats(arena, fl_times(HANDED_OVER, chunk))
    if arena.base != NULL:
        call.scratch[part] = scratch


cdef void place_state(Arena *arena, Call *call, const Op *op, int index) noexcept:
    cdef State state
    cdef size_t size = fl_times(call.batch, op.units)
    state.zero = state.out_is_h = False
    state.h = take_floats(arena, size)
    state.h_next = take_floats(arena, size)
    state.c = take_floats(arena, size) if op.kind == LSTM else NULL
    state.c_prev = state.out_prev = NULL
    if call.mask != NULL:
        state.c_prev = take_floats(arena, size) if op.kind == LSTM else NULL
        state.out_prev = take_floats(arena, size)
    if arena.base != NULL:
        call.states[index] = state


cdef float *take_floats(Arena *arena, size_t n) noexcept:
    return take(arena, fl_times(n, sizeof(float)))


cdef float *take(Arena *arena, size_t size) noexcept:
    """The next `size` bytes, from a multiple of ALIGNMENT on."""
    cdef size_t start = fl_plus(arena.used, ALIGNMENT - 1)
    if start == SIZE_MAX:
        arena.used = SIZE_MAX
        return NULL
    start &= ~(<size_t> ALIGNMENT - 1)
    arena.used = fl_plus(start, size)
    return <float *> (arena.base + start) if arena.base != NULL else NULL
