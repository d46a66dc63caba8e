"""The memory of one call, cut from a single block whose size is known before the first step.

It grows with the chunk, not with the number of time steps, but where an op needs all steps of what the one before it
gives. Sizes are computed so that what does not fit in a size_t is SIZE_MAX (csrc/sizes.h), of which there is no block.
"""

cimport numpy as cnp
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport SIZE_MAX, int32_t, uintptr_t
from libc.string cimport memcpy, memset

from fastlstm.engine._kernels cimport FL_GROUP, fl_plus, fl_times
from fastlstm.engine._structs cimport (
    GRU,
    HANDED_OVER,
    LSTM,
    Call,
    Matrix,
    Op,
    Scratch,
    State,
    Value,
    Wiring,
    Work,
    may_be_cut,
)
from fastlstm.engine._whole cimport shape_after, window_size

import numpy as np

cnp.import_array()

cdef enum:
    ALIGNMENT = 64
    # A step's cost (OpList.cost times rows) from which on a batch is run in several parts, one after the other; none of
    # them has fewer rows than share a reading of the weights.
    LONG_STEP = 250_000_000
    LEAST_ROWS = 32
    # Floats of the largest value that a run of rows passes from a convolution to the next op.
    IN_CACHE = 1_000_000

cdef struct Arena:                    # hands out parts of a block; only measures where base is NULL
    char *base
    size_t used


cdef Py_ssize_t runs_of(double cost, const Work *work, Py_ssize_t batch, int by_rows) noexcept:
    """In how many runs, one after the other, a batch goes through all stages on `by_rows` threads.

    In several where a step takes long, so that signals are seen; and where there are convolutions above all, whose
    values would not stay in the cache from one to the next.

    Args:
        cost: Of a row's step (OpList.cost).
        work: Of a row.
    """
    cdef double rows = <double> batch / by_rows
    cdef double runs = min(1.0 + cost * rows / LONG_STEP, rows / LEAST_ROWS)
    if work.of_windows > work.in_steps:
        runs = max(runs, min(work.widest * rows / IN_CACHE, rows))
    return max(1, <Py_ssize_t> runs)


cdef class Workspace:
    """A block of bytes, aligned to the cache line, and the values of a program's slots.

    Args:
        n_slots: How many there are.

    Raises:
        MemoryError: There is no such block.
    """

    def __cinit__(self, int n_slots):
        self.values = <Value *> PyMem_RawCalloc(n_slots, sizeof(Value))
        if self.values == NULL:
            raise MemoryError(f"the values of {n_slots} slots")

    def __dealloc__(self):
        PyMem_RawFree(self.allocated)
        PyMem_RawFree(self.values)

    cdef int shape(self, const Wiring *wiring, const Op *ops, const Value *x, Py_ssize_t batch) noexcept:
        """Sets the shapes of all values for the inputs; returns the op that its own does not fit, or -1."""
        cdef int i, slot, bad
        cdef Py_ssize_t steps
        cdef bint as_before = self.wiring == wiring and self.batch == batch
        for i in range(wiring.n_inputs):
            as_before = as_before and self.values[i].timesteps == x[i].timesteps and self.values[i].width == x[i].width
        if as_before:
            return -1  # the call before was of the same form
        self.wiring, self.laid_out = NULL, False
        self.work.in_steps = self.work.of_windows = self.work.widest = 0.0
        for i in range(wiring.n_inputs):
            self.values[i] = x[i]
        for i in range(wiring.n_stages):
            bad = shape_after(ops, &wiring.stages[i], self.values, batch, &self.work)
            if bad >= 0:
                return bad
        self.longest = 1
        for slot in range(wiring.n_slots):
            steps = self.values[slot].timesteps * self.values[slot].fold
            self.longest = max(self.longest, steps)
            self.work.widest = max(self.work.widest, <double> steps * self.values[slot].width)
        self.wiring, self.batch = wiring, batch
        return -1

    cdef int lay_out(self, Call *call, const Wiring *wiring, const Op *ops, int n_ops) except -1:
        """Gives every buffer of the call its place in this block, which is made larger if need be.

        Where the call before was of the same form, everything lies where it lay."""
        cdef Arena arena = Arena(NULL, 0)
        cdef bint masked = call.given_mask != NULL
        call.values = self.values
        call.chunk = min(call.chunk, self.longest)
        if self.laid_out and self.chunk == call.chunk and self.parts == call.parts and self.masked == masked:
            call.states, call.scratch = self.states, self.scratch
            return 0
        self.laid_out = False
        place(&arena, call, wiring, ops, n_ops)
        if arena.used > self.size or self.base == NULL:
            self.allocate(arena.used)
        arena = Arena(self.base, 0)
        place(&arena, call, wiring, ops, n_ops)
        self.states, self.scratch = call.states, call.scratch
        self.chunk, self.parts, self.masked, self.laid_out = call.chunk, call.parts, masked, True
        return 0

    cdef int allocate(self, size_t size) except -1:
        if size > SIZE_MAX // 2 - ALIGNMENT:
            raise MemoryError("a workspace of more bytes than there are addresses")
        PyMem_RawFree(self.allocated)
        self.size, self.base = 0, NULL
        self.allocated = PyMem_RawMalloc(size + ALIGNMENT)  # malloc, in sight of tracemalloc
        if self.allocated == NULL:
            raise MemoryError(f"a workspace of {size} bytes")
        self.base = <char *> ((<uintptr_t> self.allocated + ALIGNMENT - 1) & ~(<uintptr_t> ALIGNMENT - 1))
        self.size = size
        return 0


cdef void place(Arena *arena, Call *call, const Wiring *wiring, const Op *ops, int n_ops) noexcept:
    cdef size_t batch = call.batch, rows = fl_times(call.chunk, call.batch)
    cdef size_t widest = 0, widest_z = 0, widest_handed = 0, widest_products = 0, window = 0, quantized = 0
    cdef int i, n_states = 0
    for i in range(n_ops):
        n_states += ops[i].kind >= LSTM
    call.states = <State *> take(arena, n_states * sizeof(State))
    call.scratch = <Scratch *> take(arena, call.parts * sizeof(Scratch))
    n_states = 0
    for i in range(n_ops):
        widest = max(widest, <size_t> ops[i].units if ops[i].whole == NULL else 0)
        widest_handed = max(widest_handed, <size_t> ops[i].z_width if may_be_cut(&ops[i]) else 0)
        if ops[i].kind >= LSTM:
            widest_z = max(widest_z, <size_t> ops[i].z_width)
            if ops[i].kind == GRU:
                widest_products = max(widest_products, 4 * <size_t> ops[i].units)
            place_state(arena, call, &ops[i], n_states)
            n_states += 1
        quantized = max(quantized, fl_times(rows, row_words(&ops[i].kernel)))
        quantized = max(quantized, fl_times(batch, row_words(&ops[i].recurrent_kernel)))
    for i in range(wiring.n_stages):
        if ops[wiring.stages[i].first].whole == NULL and wiring.stages[i].n_inputs > 0:  # chunks pass through it
            widest = max(widest, <size_t> call.values[wiring.stages[i].inputs[0]].width)
            widest = max(widest, <size_t> call.values[wiring.stages[i].output].width)
        window = max(window, window_size(&ops[wiring.stages[i].first], &wiring.stages[i], call.values))
    for i in range(call.parts):
        place_scratch(arena, call, i, max(fl_times(rows, widest_z), window), fl_times(batch, widest_products),
                      fl_times(rows, widest), fl_times(rows, widest_handed), quantized, rows if quantized else 0)
    place_values(arena, call, wiring)


cdef size_t row_words(const Matrix *matrix) noexcept:
    """Words of a quantized row for a product with the matrix; 0 where it is not of integers."""
    cdef size_t groups = (matrix.integers.features + FL_GROUP - 1) / FL_GROUP
    return groups * FL_GROUP * matrix.integers.bits / 32


cdef void place_values(Arena *arena, Call *call, const Wiring *wiring) noexcept:
    """What passes between stages: slots that are never needed at once share a buffer."""
    cdef size_t size, sequences
    cdef int buffer, slot, i
    cdef float *data
    for buffer in range(wiring.n_buffers):
        size = 0
        for slot in range(1, wiring.n_slots):
            if wiring.buffers[slot] == buffer:
                sequences = fl_times(call.batch, call.values[slot].fold)
                size = max(size, fl_times(fl_times(call.values[slot].timesteps, sequences), call.values[slot].width))
        data = take_floats(arena, size)
        for slot in range(1, wiring.n_slots):
            if wiring.buffers[slot] == buffer:
                call.values[slot].data = data
    for i in range(wiring.n_stages):
        if wiring.stages[i].mask >= 0:
            slot = wiring.stages[i].mask
            size = fl_times(call.batch, call.values[slot].timesteps)
            call.values[slot].mask = <unsigned char *> take(arena, size)


cdef void place_scratch(Arena *arena, Call *call, int part, size_t z, size_t products, size_t chunk,
                        size_t handed_z, size_t quantized, size_t quantized_rows) noexcept:
    cdef Scratch scratch
    scratch.z = take_floats(arena, z)
    scratch.products = take_floats(arena, products)
    scratch.buffers[0] = take_floats(arena, chunk)
    scratch.buffers[1] = take_floats(arena, chunk)
    scratch.quantized = <int32_t *> take(arena, fl_times(quantized, sizeof(int32_t)))
    scratch.row_scales = take_floats(arena, quantized_rows)
    scratch.handed_over = scratch.handed_z = NULL
    if part < call.parts - 1 and not call.by_units:
        scratch.handed_over = take_floats(arena, fl_times(HANDED_OVER, chunk))
        scratch.handed_z = take_floats(arena, fl_times(HANDED_OVER, handed_z))
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
    if call.given_mask != NULL or call.makes_masks:
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

cdef list empty_states(tuple recurrent, Py_ssize_t batch):
    """New arrays for the states of recurrent ops, all zeros."""
    return [[np.zeros((batch, units), np.float32) for _ in range(n)] for units, n in recurrent]


cdef void clear_states(const Op *ops, int n_ops, Call *call, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Sets the states of n rows to zeros, and with a mask the outputs before."""
    cdef State *state = call.states
    cdef size_t size
    cdef int i
    for i in range(n_ops):
        if ops[i].kind < LSTM:
            continue
        size = n * ops[i].units * sizeof(float)
        memset(state.h + first * ops[i].units, 0, size)
        if state.c != NULL:
            memset(state.c + first * ops[i].units, 0, size)
        if call.given_mask != NULL or call.makes_masks:
            memset(state.out_prev + first * ops[i].units, 0, size)
        if n == call.batch:
            state.zero, state.out_is_h = ops[i].finite, False
        state += 1


cdef int set_states(Call *call, tuple recurrent, given, Py_ssize_t first) except -1:
    """Sets the states of a call to rows `first` and on of those given, an entry for every recurrent op, None for zeros.
    """
    cdef size_t i, units
    cdef State *state
    for i, (units, _) in enumerate(recurrent):
        state = &call.states[i]
        if given[i] is not None:
            copy_state(state.h, given[i][0], first * units, call.batch * units)
            if state.c != NULL:
                copy_state(state.c, given[i][1], first * units, call.batch * units)
            state.zero = False
    return 0


cdef int copy_state(float *state, cnp.ndarray given, size_t first, size_t size) except -1:
    memcpy(state, <const float *> cnp.PyArray_DATA(given) + first, size * sizeof(float))
    return 0


cdef int get_states(const Call *call, tuple recurrent, list states, Py_ssize_t first) except -1:
    """Copies the states of a call to rows `first` and on of arrays as `empty_states` makes them."""
    cdef size_t i, size, units
    for i, (units, n) in enumerate(recurrent):
        size = call.batch * units * sizeof(float)
        memcpy(<float *> cnp.PyArray_DATA(states[i][0]) + first * units, call.states[i].h, size)
        if n > 1:
            memcpy(<float *> cnp.PyArray_DATA(states[i][1]) + first * units, call.states[i].c, size)
    return 0
