"""One op over one chunk of time steps, without the GIL.

    dense       out = activation(x @ kernel + bias)                     one product for the chunk
    recurrent   z = x @ kernel + bias                                   one product for the chunk
                per step: the products with h_prev, then the cell update (csrc/lstm_cell.h, csrc/gru_cell.h)

x and out are (steps, batch, features) and (steps, batch, units); all buffers belong to the caller.
"""

from libc.string cimport memcpy, memset

from fastlstm.engine._kernels cimport (
    FL_GROUP,
    fl_gather_rows,
    fl_prefetch,
    fl_prefetch_to_write,
    fl_select_rows,
)
from fastlstm.engine._pool cimport atomic_long, barrier
from fastlstm.engine._products cimport accumulate, product
from fastlstm.engine._structs cimport (
    ACTIVATION,
    AFFINE,
    CONVOLUTION,
    DENSE,
    EMBEDDING,
    GRU,
    LAYER_NORM,
    LSTM,
    Call,
    Engine,
    Op,
    Scratch,
    State,
)
from fastlstm.engine._whole cimport choose_whole


cdef void embedding_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                            const float *ids, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """out (rows, units) = table[ids (rows,)]"""
    fl_gather_rows(out, op.table, ids, steps * call.batch, op.units, op.units, op.vocabulary)


cdef void project(const Engine *engine, const Op *op, Scratch *scratch, float *z, const float *x, Py_ssize_t rows,
                  Py_ssize_t first, Py_ssize_t columns) noexcept nogil:
    """Some columns of z (rows, z_width) = x (rows, features) @ kernel + bias, looked up where the table has all ids'.

    `first` is a multiple of a panel's 4 groups; BLAS takes all columns alone.
    """
    if op.table != NULL:
        fl_gather_rows(z + first, op.table + first, x, rows, columns, op.z_width, op.vocabulary)
    else:
        op.kernel.product(engine, z + first, op.z_width, op.bias + first, 0, x, &op.kernel, rows, first, columns,
                          scratch)


cdef void dense_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                        const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """out (rows, units) = activation(x (rows, features) @ kernel + bias)"""
    project(engine, op, scratch, out, x, steps * call.batch, 0, op.z_width)
    dense_finish(engine, op, call.batch, state, scratch, out, out, steps)


cdef void dense_finish(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                       float *out, float *z, Py_ssize_t steps) noexcept nogil:
    engine.kernels.activation_forward(out, z, steps * batch, op.units, &op.activation)


cdef void activation_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                             const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """out (rows, width) = activation(x (rows, width))"""
    engine.kernels.activation_forward(out, x, steps * call.batch, width, &op.activation)


cdef void affine_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                         const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """out (rows, units) = (x - center) * scale + shift"""
    engine.kernels.affine_forward(out, x, op.center, op.scale, op.shift, steps * call.batch, op.units)


cdef void layer_norm_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                             const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """out (rows, units) = x with mean 0 and variance 1, * scale + shift"""
    engine.kernels.layer_norm_forward(out, x, op.scale, op.shift, op.epsilon, op.root_mean, steps * call.batch,
                                      op.units)


cdef void recurrent_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                            const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """Takes the state through steps start .. start + steps; out is written if the op returns sequences."""
    if call.mask != NULL:
        masked_forward(engine, op, call, state, scratch, out, x, width, start, steps)
        return
    project(engine, op, scratch, scratch.z, x, steps * call.batch, 0, op.z_width)
    run_steps(engine, op, call.batch, state, scratch, out, scratch.z, steps)


cdef void run_steps(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch, float *out,
                    float *z, Py_ssize_t steps) noexcept nogil:
    """Steps that count for all rows."""
    cdef Py_ssize_t t, size = batch * op.units
    cdef float *own = state.h
    for t in range(steps):
        if op.return_sequences:
            op.step(engine, op, batch, state, scratch, out + t * size, z, t % 2)
            state.h = out + t * size
        else:
            op.step(engine, op, batch, state, scratch, state.h_next, z, t % 2)
            state.h, state.h_next = state.h_next, state.h
        z += batch * op.z_width
    if op.return_sequences:
        # The last h lies in `out`, which the next chunk may overwrite.
        memcpy(own, state.h, size * sizeof(float))
        state.h = own


cdef void masked_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                         const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """As recurrent_forward with a mask: steps in a row that count for all rows, or for none, are taken together."""
    cdef Py_ssize_t t = 0, n, rows, first = 0, end = steps, size = call.batch * op.units
    cdef float *z = scratch.z
    while first < end and rows_that_count(call, op, start + first) == 0:
        first += 1
    while first < end and rows_that_count(call, op, start + end - 1) == 0:
        end -= 1
    if first < end:
        project(engine, op, scratch, z + first * call.batch * op.z_width,
                x + first * call.batch * (op.features if op.table == NULL else 1), (end - first) * call.batch, 0,
                op.z_width)
    while t < steps:
        rows, n = rows_that_count(call, op, start + t), 1
        while rows in (0, call.batch) and t + n < steps and rows_that_count(call, op, start + t + n) == rows:
            n += 1
        if rows == call.batch:
            run_steps(engine, op, call.batch, state, scratch, out + t * size, z + t * call.batch * op.z_width, n)
            state.out_is_h = True
        elif rows == 0:
            skip_steps(op, call.batch, state, out + t * size, n)
        else:
            n = 1
            mixed_step(engine, op, call, state, scratch, z + t * call.batch * op.z_width, start + t)
            if op.return_sequences:
                memcpy(out + t * size, state.out_prev, size * sizeof(float))
        t += n


cdef Py_ssize_t time_of(const Call *call, const Op *op, Py_ssize_t step) noexcept nogil:
    """The time step that the op's step is, as the mask counts them."""
    return call.mask_timesteps - 1 - step if op.go_backwards else step


cdef Py_ssize_t rows_that_count(const Call *call, const Op *op, Py_ssize_t step) noexcept nogil:
    """Rows whose mask is set at the op's step."""
    cdef Py_ssize_t row, rows = 0
    cdef const unsigned char *mask = call.mask + time_of(call, op, step)
    for row in range(call.batch):
        rows += mask[row * call.mask_timesteps] != 0
    return rows


cdef void skip_steps(const Op *op, Py_ssize_t batch, State *state, float *out, Py_ssize_t steps) noexcept nogil:
    """Steps that count for no row: the states stay, and the output is that of before or zeros."""
    cdef Py_ssize_t t, size = batch * op.units * sizeof(float)
    if op.zero_output_for_mask:
        memset(state.out_prev, 0, size)
        state.out_is_h = False
    for t in range(steps if op.return_sequences else 0):
        memcpy(out + t * batch * op.units, state.h if state.out_is_h else state.out_prev, size)


cdef void lstm_units_forward(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                             const float *x, Py_ssize_t steps, int part, int parts, atomic_long *arrived,
                             long *barriers) noexcept nogil:
    """A fused LSTM without a mask, as recurrent_forward, by `parts` threads that each compute some panels of units.

    They wait for each other after every step, since the next one reads all of h.
    """
    cdef State mine = state[0]
    cdef Py_ssize_t t, panels = (op.units + FL_GROUP - 1) // FL_GROUP, size = call.batch * op.units
    cdef Py_ssize_t first = panels * part // parts * FL_GROUP
    cdef Py_ssize_t last = min(op.units, panels * (part + 1) // parts * FL_GROUP)
    cdef Py_ssize_t columns = (op.z_width if last == op.units else 4 * last) - 4 * first
    cdef float *z = scratch.z
    cdef float *h
    project(engine, op, &call.scratch[part], z, x, steps * call.batch, 4 * first, columns)
    for t in range(steps):
        h = out + t * size if op.return_sequences else mine.h_next
        fl_prefetch_to_write(h, call.batch, op.units, first, last)
        op.units_step(engine, op, call.batch, &mine, &call.scratch[part], h, z, first, last, t % 2)
        z += call.batch * op.z_width
        mine.h_next, mine.h = mine.h, h
        barriers[0] += 1
        barrier(arrived, part, parts, barriers[0])
        fl_prefetch(h, size)
    if part == 0 and op.return_sequences:
        memcpy(state.h_next, mine.h, size * sizeof(float))
        state.h, state.zero = state.h_next, False
    elif part == 0:
        state[0] = mine
    barriers[0] += 1
    barrier(arrived, part, parts, barriers[0])


cdef void mixed_step(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *z,
                     Py_ssize_t step) noexcept nogil:
    """A step that counts only for the rows whose mask is set; out_prev becomes its output."""
    cdef Py_ssize_t size = call.batch * op.units * sizeof(float)
    if state.out_is_h:
        memcpy(state.out_prev, state.h, size)
        state.out_is_h = False
    if op.kind == LSTM:
        memcpy(state.c_prev, state.c, size)
    op.step(engine, op, call.batch, state, scratch, state.h_next, z, step % 2)
    fl_select_rows(state.h, state.c, state.out_prev, state.h_next, state.c_prev, call.mask + time_of(call, op, step),
                   call.mask_timesteps, call.batch, op.units, op.zero_output_for_mask)


cdef void lstm_units_step(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                          float *h, float *z, Py_ssize_t first, Py_ssize_t last, bint descending) noexcept nogil:
    """From a state of zeros it needs no product: the first step of a call without initial states."""
    engine.kernels.lstm_step_forward(h, state.c, z, NULL if state.zero else state.h, op.recurrent_kernel.data, batch,
                                     op.units, first, last, descending, &op.activation, &op.recurrent_activation)
    state.zero = False


cdef void lstm_units_step_integers(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                                   float *h, float *z, Py_ssize_t first, Py_ssize_t last,
                                   bint descending) noexcept nogil:
    """As lstm_units_step; every thread quantizes all of h for itself."""
    if not state.zero:
        engine.integer_kernels.quantize_rows(scratch.quantized, scratch.row_scales, state.h, batch,
                                             &op.recurrent_kernel.integers)
    engine.integer_kernels.lstm_step_integers_forward(h, state.c, z, NULL if state.zero else scratch.quantized,
                                                      scratch.row_scales, &op.recurrent_kernel.integers, batch, first,
                                                      last, descending, &op.activation, &op.recurrent_activation)
    state.zero = False


cdef void lstm_step(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch, float *h,
                    float *z, bint descending) noexcept nogil:
    lstm_units_step(engine, op, batch, state, scratch, h, z, 0, op.units, descending)


cdef void lstm_step_integers(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                             float *h, float *z, bint descending) noexcept nogil:
    lstm_units_step_integers(engine, op, batch, state, scratch, h, z, 0, op.units, descending)


cdef void lstm_step_unfused(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                            float *h, float *z, bint descending) noexcept nogil:
    # z += h_prev @ recurrent_kernel
    accumulate(engine, z, state.h, &op.recurrent_kernel, batch, scratch)
    engine.kernels.lstm_cell_forward(h, state.c, z, batch, op.units, &op.activation, &op.recurrent_activation)


cdef void gru_step(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch, float *h,
                   float *z, bint descending) noexcept nogil:
    engine.kernels.gru_step_forward(h, z, op.recurrent_bias, state.h, op.recurrent_kernel.data, batch, op.units,
                                    descending, &op.activation, &op.recurrent_activation)


cdef void gru_step_unfused(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                           float *h, float *z, bint descending) noexcept nogil:
    # products = h_prev @ recurrent_kernel + recurrent_bias
    product(engine, scratch.products, op.recurrent_bias, state.h, &op.recurrent_kernel, batch, scratch)
    engine.kernels.gru_cell_forward(h, z, scratch.products, state.h, batch, op.units, &op.activation,
                                    &op.recurrent_activation)


cdef void gru_step_reset_before(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                                float *h, float *z, bint descending) noexcept nogil:
    cdef Py_ssize_t size = batch * op.units
    cdef float *gates = scratch.products
    cdef float *reset = gates + 2 * size
    cdef float *candidate = reset + size
    # gates = h_prev @ recurrent_kernel_zr
    product(engine, gates, op.recurrent_bias, state.h, &op.recurrent_kernel, batch, scratch)
    engine.kernels.gru_reset_forward(reset, gates, z, state.h, batch, op.units, &op.recurrent_activation)
    # candidate = (r * h_prev) @ recurrent_kernel_h
    product(engine, candidate, op.recurrent_bias, reset, &op.candidate_kernel, batch, scratch)
    engine.kernels.gru_candidate_forward(h, gates, candidate, z, state.h, batch, op.units, &op.activation)


cdef void simple_rnn_step(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                          float *h, float *z, bint descending) noexcept nogil:
    # h = activation(z + h_prev @ recurrent_kernel)
    accumulate(engine, z, state.h, &op.recurrent_kernel, batch, scratch)
    engine.kernels.activation_forward(h, z, batch, op.units, &op.activation)


cdef void choose_forward(Op *op, bint fused, bint reset_after) noexcept:
    """Sets what the op does, so that nothing of it is decided in a step.

    Args:
        fused: Whether the products with the state and the cell update are one kernel.
        reset_after: Of a GRU.
    """
    op.forward = recurrent_forward
    if op.kind >= LSTM:
        op.finish = run_steps
    if op.kind == ACTIVATION:
        op.forward = activation_forward
    elif op.kind == AFFINE:
        op.forward = affine_forward
    elif op.kind == LAYER_NORM:
        op.forward = layer_norm_forward
    elif CONVOLUTION <= op.kind < LSTM:
        op.forward = NULL
        choose_whole(op)
    elif op.kind == EMBEDDING:
        op.forward = embedding_forward
    elif op.kind == DENSE:
        op.forward, op.finish = dense_forward, dense_finish
    elif op.kind == LSTM:
        op.step = lstm_step if fused else lstm_step_unfused
        if fused:
            op.units_forward, op.units_step = lstm_units_forward, lstm_units_step
        if fused and op.recurrent_kernel.integers.bits:
            op.step, op.units_step = lstm_step_integers, lstm_units_step_integers
    elif op.kind == GRU:
        op.step = gru_step if fused else gru_step_unfused if reset_after else gru_step_reset_before
    else:
        op.step = simple_rnn_step
