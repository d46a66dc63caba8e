"""Ops that move values, without the GIL: steps and features repeated, left out, swapped, or taken as another shape.

A row is (fold, timesteps, width): `fold` sequences, which those ops that work on sequences treat like rows. FOLD makes
every step a sequence of its own, UNFOLD the sequences steps again; both leave the values where they are.
"""

from libc.stdint cimport PTRDIFF_MAX
from libc.string cimport memcpy, memset

from fastlstm.engine._kernels cimport fl_place_columns, fl_spread_steps, fl_swap_axes
from fastlstm.engine._structs cimport (
    ANY_LENGTH,
    FOLD,
    HEADS,
    IDS_MASK,
    MASKING,
    PERMUTE,
    RESHAPE,
    SLICE,
    STEPS,
    Call,
    Engine,
    Op,
    Scratch,
    Value,
)

cdef enum:
    ONE_LEVEL = -1                    # Value.outer below one fold; below two it is how many sequences there were


cdef bint moved_shape(const Op *op, Value *shape) noexcept:
    """Makes the shape that of what the op gives; False where it gives nothing."""
    cdef Py_ssize_t size = shape.timesteps * shape.width
    if op.kind == STEPS:
        if shape.timesteps > PTRDIFF_MAX // 4 // op.size:
            return False
        shape.timesteps = op.before + shape.timesteps * op.size + op.after
    elif op.kind == SLICE:
        if op.greatest:
            shape.width = place(op.after, shape.width) - place(op.before, shape.width)
        else:
            shape.timesteps = place(op.after, shape.timesteps) - place(op.before, shape.timesteps)
    elif op.kind == RESHAPE:
        if op.timesteps == ANY_LENGTH and op.units > 0:
            shape.timesteps, shape.width = size // op.units, op.units
        else:
            shape.timesteps, shape.width = op.timesteps, size // op.timesteps
        return shape.timesteps * shape.width == size and (op.units == 0 or shape.width == op.units)
    elif op.kind == PERMUTE:
        shape.timesteps, shape.width = shape.width, shape.timesteps
    elif op.kind == IDS_MASK:
        shape.width = 0
        return shape.fold == 1
    elif op.kind == MASKING:
        return shape.fold == 1 and op.after in (1, shape.width)
    elif op.kind == HEADS:
        return heads_shape(op, shape)
    elif op.kind == FOLD:
        return folded_shape(op, shape)
    else:
        return unfolded_shape(shape)
    return shape.timesteps > 0 and shape.width > 0


cdef inline Py_ssize_t place(Py_ssize_t end, Py_ssize_t length) noexcept nogil:
    """Where the end of a slice lies."""
    return min(max(end + length if end < 0 else end, 0), length)


cdef bint heads_shape(const Op *op, Value *shape) noexcept:
    if op.backwards:
        shape.width *= shape.fold
        shape.fold, fits = 1, shape.fold == op.size
        return fits
    fits = shape.fold == 1 and shape.width % op.size == 0
    shape.fold, shape.width = op.size, shape.width // op.size
    return fits


cdef bint folded_shape(const Op *op, Value *shape) noexcept:
    if shape.outer > 0 or shape.width % op.size:
        return False
    shape.outer = ONE_LEVEL if shape.outer == 0 else shape.fold
    shape.fold, shape.timesteps, shape.width = shape.fold * shape.timesteps, shape.width // op.size, op.size
    return True


cdef bint unfolded_shape(Value *shape) noexcept:
    cdef Py_ssize_t sequences = 1 if shape.outer == ONE_LEVEL else shape.outer
    if shape.outer == 0:
        return False
    shape.width, shape.timesteps = shape.timesteps * shape.width, shape.fold // sequences
    shape.fold, shape.outer = sequences, 0 if shape.outer == ONE_LEVEL else ONE_LEVEL
    return True


cdef void steps_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                        const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b
    for b in range(call.batch * x.fold):
        fl_spread_steps(out.data + b * out.timesteps * out.width, x.data + b * x.timesteps * x.width, x.timesteps,
                        x.width, op.before, op.size, op.backwards, out.timesteps)


cdef void slice_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                        const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, rows = call.batch * x.fold, size = out.timesteps * out.width
    cdef const float *first
    if not op.greatest:
        first = x.data + place(op.before, x.timesteps) * x.width
        for b in range(rows):
            memcpy(out.data + b * size, first + b * x.timesteps * x.width, size * sizeof(float))
        return
    first = x.data + place(op.before, x.width)
    for b in range(rows * x.timesteps):
        memcpy(out.data + b * out.width, first + b * x.width, out.width * sizeof(float))


cdef void copy_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                       const int *inputs, int n_inputs) noexcept nogil:
    """An alias whose values have to lie in an array of their own."""
    cdef Py_ssize_t rows = call.batch * out.fold
    memcpy(out.data, call.values[inputs[0]].data, rows * out.timesteps * out.width * sizeof(float))


cdef void permute_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                          const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, size = x.timesteps * x.width
    for b in range(call.batch * x.fold):
        fl_swap_axes(out.data + b * size, x.data + b * size, x.timesteps, x.width)


cdef void heads_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                        const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, head, t, width = x.width if op.backwards else out.width, timesteps = x.timesteps
    cdef Py_ssize_t size = timesteps * width
    for b in range(call.batch):
        for head in range(op.size):
            if op.backwards:
                fl_place_columns(out.data + b * op.size * size + head * width, x.data + (b * op.size + head) * size,
                                 timesteps, width, op.size * width)
                continue
            for t in range(timesteps):
                memcpy(out.data + (b * op.size + head) * size + t * width,
                       x.data + ((b * timesteps + t) * op.size + head) * width, width * sizeof(float))


cdef void ids_mask_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                           const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t i
    if out.mask != NULL:
        for i in range(call.batch * x.timesteps):
            out.mask[i] = x.data[i] != 0


cdef void masking_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                          const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t i, k, width = x.width
    cdef bint counts
    for i in range(call.batch * x.timesteps):
        counts = False
        for k in range(width):
            counts = counts or x.data[i * width + k] != op.center[k if op.after > 1 else 0]
        if counts:
            memcpy(out.data + i * width, x.data + i * width, width * sizeof(float))
        else:
            memset(out.data + i * width, 0, width * sizeof(float))
        if out.mask != NULL:
            out.mask[i] = counts


cdef void choose_moving(Op *op) noexcept:
    """Sets what an op that moves values does."""
    if op.kind == STEPS:
        op.whole = steps_forward
    elif op.kind == SLICE:
        op.whole = slice_forward
    elif op.kind == PERMUTE:
        op.whole = permute_forward
    elif op.kind == HEADS:
        op.whole = heads_forward
    elif op.kind == IDS_MASK:
        op.whole = ids_mask_forward
    elif op.kind == MASKING:
        op.whole = masking_forward
    else:
        op.whole = copy_forward
