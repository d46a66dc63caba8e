"""Ops that read several values, without the GIL; and those that bring states to recurrent ops, and from them."""

from libc.string cimport memcpy, memset

from fastlstm.engine._interrupt cimport stops
from fastlstm.engine._kernels cimport FL_GROUP, fl_pack_matrix, fl_place_columns, fl_times
from fastlstm.engine._structs cimport (
    ADD,
    AVERAGE,
    CONCATENATE,
    CONCATENATE_STEPS,
    MERGE,
    PAIRS,
    PRODUCT,
    STATE_IN,
    STATE_OUT,
    Call,
    Engine,
    Op,
    Scratch,
    Stage,
    State,
    Value,
)


cdef bint shape_of_several(const Op *op, const Stage *stage, const Value *values, Value *shape) noexcept:
    """Makes the shape, that of the first value, that of what the op gives; False where the values do not fit."""
    cdef const Value *x
    cdef int i
    if op.kind == STATE_IN:
        shape.width = 0
        return True
    if op.kind == STATE_OUT:
        shape.width = op.units
        return True
    if op.kind != MERGE:
        return shape_of_two(op, &values[stage.inputs[1]], shape)
    if op.center != NULL and not (repeats(&shape.timesteps, op.before) and repeats(&shape.width, op.after)):
        return False
    for i in range(1, stage.n_inputs):
        x = &values[stage.inputs[i]]
        if x.fold != shape.fold:
            return False
        if op.merge == CONCATENATE:
            if x.timesteps != shape.timesteps:
                return False
            shape.width += x.width
        elif op.merge == CONCATENATE_STEPS:
            if x.width != shape.width:
                return False
            shape.timesteps += x.timesteps
        elif not (repeats(&shape.timesteps, x.timesteps) and repeats(&shape.width, x.width)):
            return False
    return True


cdef bint shape_of_two(const Op *op, const Value *second, Value *shape) noexcept:
    """As `shape_of_several`, of a PRODUCT or PAIRS."""
    cdef bint fits
    if op.kind == PAIRS:
        fits = shape.fold == second.fold == 1 and shape.width == second.width
        shape.fold, shape.outer, shape.timesteps = shape.timesteps, -1, second.timesteps
        return fits
    fits = shape.fold == second.fold and shape.width == (second.width if op.backwards else second.timesteps)
    shape.width = second.timesteps if op.backwards else second.width
    return fits


cdef size_t joining_size(const Op *op, const Stage *stage, const Value *values) noexcept:
    """Floats that an op on several values has to copy at once: the packed second matrix of a product, and zeros."""
    cdef const Value *second
    if op.kind != PRODUCT:
        return 0
    second = &values[stage.inputs[1]]
    return fl_times(1 + values[stage.inputs[0]].width, padded(second.timesteps if op.backwards else second.width))


cdef inline Py_ssize_t padded(Py_ssize_t columns) noexcept nogil:
    return (columns + FL_GROUP - 1) // FL_GROUP * FL_GROUP


cdef bint repeats(Py_ssize_t *length, Py_ssize_t other) noexcept:
    """Makes the length that of both, of which one may be 1; False where they do not fit."""
    if length[0] == 1:
        length[0] = other
    return other == 1 or other == length[0]


cdef void concatenate_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                              const int *inputs, int n_inputs) noexcept nogil:
    cdef Py_ssize_t column = 0
    cdef const Value *x
    cdef int k
    for k in range(n_inputs):
        x = &call.values[inputs[k]]
        fl_place_columns(out.data + column, x.data, call.batch * x.fold * out.timesteps, x.width, out.width)
        column += x.width


cdef void concatenate_steps_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                                    const int *inputs, int n_inputs) noexcept nogil:
    cdef Py_ssize_t size, whole = out.timesteps * out.width, place = 0
    cdef const Value *x
    cdef int k
    for k in range(n_inputs):
        x = &call.values[inputs[k]]
        size = x.timesteps * x.width
        fl_place_columns(out.data + place, x.data, call.batch * x.fold, size, whole)
        place += size


cdef void merge_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                        const int *inputs, int n_inputs) noexcept nogil:
    """out = values[0] with values[1], with values[2] …, each repeated along axes of one."""
    cdef Value before = call.values[inputs[0]], constant
    cdef Py_ssize_t i, rows = call.batch * before.fold, size = rows * out.timesteps * out.width
    cdef int k, kind = 0 if op.merge == AVERAGE else op.merge - ADD
    if op.center != NULL:
        constant = Value(<float *> op.center, op.before, op.after, False, 0, 0, NULL)
        if op.backwards:
            merge_two(engine, rows, out, &constant, &before, kind)
        else:
            merge_two(engine, rows, out, &before, &constant, kind)
        return
    for k in range(1, n_inputs):
        merge_two(engine, rows, out, &before, &call.values[inputs[k]], kind)
        before = out[0]
    if n_inputs == 1:
        memcpy(out.data, before.data, size * sizeof(float))
    if op.merge == AVERAGE:
        for i in range(size):
            out.data[i] /= <float> n_inputs


cdef void merge_two(const Engine *engine, Py_ssize_t rows, Value *out, const Value *a, const Value *b,
                    int kind) noexcept nogil:
    """out = a with b; one that has no sequences, fold = 0, is the same in every row."""
    cdef Py_ssize_t row, size = out.timesteps * out.width
    cdef Py_ssize_t a_row = a.timesteps * a.width if a.fold else 0, b_row = b.timesteps * b.width if b.fold else 0
    if a_row == b_row == size and a.width == b.width == out.width:
        engine.kernels.merge_forward(out.data, a.data, b.data, 1, rows * size, 0, 1, 0, 1, kind)
        return
    for row in range(rows):
        engine.kernels.merge_forward(out.data + row * size, a.data + row * a_row, b.data + row * b_row, out.timesteps,
                                     out.width, a.width if a.timesteps > 1 else 0, a.width > 1,
                                     b.width if b.timesteps > 1 else 0, b.width > 1, kind)


cdef void product_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                          const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *a = &call.values[inputs[0]]
    cdef const Value *b = &call.values[inputs[1]]
    cdef Py_ssize_t row, features = a.width, columns = out.width
    cdef float *zeros = scratch.z + features * padded(columns)
    memset(zeros, 0, padded(columns) * sizeof(float))
    for row in range(call.batch * a.fold):
        if stops(call.interrupt, call.on_caller):
            return
        fl_pack_matrix(scratch.z, b.data + row * b.timesteps * b.width, features, columns,
                       1 if op.backwards else columns, features if op.backwards else 1)
        engine.kernels.gemm_packed_forward(out.data + row * a.timesteps * columns, columns, zeros, 0,
                                           a.data + row * a.timesteps * features, features, scratch.z, a.timesteps,
                                           features, columns)


cdef void pairs_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                        const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *a = &call.values[inputs[0]]
    cdef const Value *b = &call.values[inputs[1]]
    cdef Py_ssize_t row, size = b.timesteps * b.width
    for row in range(call.batch * a.timesteps):
        engine.kernels.merge_forward(out.data + row * size, a.data + row * a.width,
                                     b.data + row // a.timesteps * size, b.timesteps, b.width, 0, 1, b.width, 1, 0)


cdef void state_in_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                           const int *inputs, int n_inputs) noexcept nogil:
    cdef State *state = &call.states[op.state]
    cdef const Value *x = &call.values[inputs[0]]
    memcpy(state.h if op.size == 0 else state.c, x.data, call.batch * x.width * sizeof(float))
    state.zero = False


cdef void state_out_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                            const int *inputs, int n_inputs) noexcept nogil:
    cdef const State *state = &call.states[op.state]
    memcpy(out.data, state.h if op.size == 0 else state.c, call.batch * out.width * sizeof(float))


cdef void choose_joining(Op *op) noexcept:
    """Sets what an op on several values, or on states, does."""
    if op.kind == MERGE:
        op.whole = merge_forward
        if op.merge == CONCATENATE:
            op.whole = concatenate_forward
        elif op.merge == CONCATENATE_STEPS:
            op.whole = concatenate_steps_forward
    elif op.kind == PRODUCT:
        op.whole = product_forward
    elif op.kind == PAIRS:
        op.whole = pairs_forward
    else:
        op.whole = state_in_forward if op.kind == STATE_IN else state_out_forward
