"""A recorded chain of ops backwards, without the GIL.

    per step: d_out joins dh; the cell update's gradient, dz in place of what was recorded;
    dh_prev += dz @ recurrent_kernel.T, which begins with the d_out of before where it can
    per chunk: dx = dz @ kernel.T; d_kernel += x.T @ dz; d_recurrent_kernel += h_prev.T @ dz

Threads share the rows of the batch, as forwards. Weight gradients need all rows, so after every chunk the threads meet,
and each computes the gradients of some features. How a sum is cut depends on the call's shape alone.

When a thread begins with an op, all others have read what came to the op after it. The buffers that ops take in turns
depend on that: their rows have other widths, so one thread's place at one op is another's at the next.
"""

from libc.string cimport memset

from fastlstm.engine._kernels cimport fl_add_table_rows, fl_kernels, fl_output_backward
from fastlstm.engine._pool cimport barrier
from fastlstm.engine._structs cimport ACTIVATION, DENSE, EMBEDDING, GRU, LSTM
from fastlstm.engine._tape cimport (
    CHUNK_ROWS,
    Part,
    Rows,
    Tape,
    TrainedMatrix,
    TrainedOp,
    TrainingCall,
    at,
    ends,
    mask_at,
    part_of,
)

cdef float ONE = 1


cdef void call_backward(void *context, int index) noexcept nogil:
    """All ops, from the last one on, over one part's rows, and its share of the weights' gradients."""
    cdef TrainingCall *call = <TrainingCall *> context
    cdef Part part = part_of(call, index)
    cdef const TrainedOp *op
    cdef Tape *tape
    cdef Rows d_out = call.d_output
    cdef Rows dx
    cdef int i
    for i in range(call.n_ops - 1, -1, -1):
        op, tape = &call.ops[i], &call.tapes[i]
        dx = call.d_input
        if i > 0:
            dx = Rows(call.between[i % 2], call.batch * tape.width, tape.width)
        if op.kind == EMBEDDING:
            embedding_backward(&part, op, tape, &d_out)
        elif op.kind == ACTIVATION:
            activation_backward(&part, op, tape, &d_out, &dx)
        else:
            op_backward(&part, op, tape, &d_out, &dx)
        d_out = dx


cdef inline float *rows_at(const Rows *rows, Py_ssize_t step, Py_ssize_t row) noexcept nogil:
    return rows.data + step * rows.step + row * rows.row


cdef void meet(Part *part) noexcept nogil:
    """Returns when all parts have come."""
    if part.call.parts > 1:
        part.barriers += 1
        barrier(part.call.arrived, part.index, part.call.parts, part.barriers)


cdef void embedding_backward(Part *part, const TrainedOp *op, const Tape *tape, const Rows *d_out) noexcept nogil:
    """d_table[ids] += d_out, row by row in their order, of the part's share of the columns."""
    cdef TrainingCall *call = part.call
    cdef Py_ssize_t step
    cdef Py_ssize_t first = op.units * part.index // call.parts
    cdef Py_ssize_t columns = op.units * (part.index + 1) // call.parts - first
    if op.table_gradient < 0:
        return
    meet(part)
    for step in range(tape.steps):
        if ends(part):
            return
        fl_add_table_rows(call.gradients + op.table_gradient + first, tape.x + step * call.batch,
                          d_out.data + step * d_out.step + first, call.batch, columns, op.units, d_out.row,
                          op.vocabulary)


cdef void activation_backward(Part *part, const TrainedOp *op, const Tape *tape, const Rows *d_out,
                              const Rows *dx) noexcept nogil:
    cdef Py_ssize_t step, row
    if dx.data == NULL:
        return
    for step in range(tape.steps):
        if ends(part):
            break
        for row in range(part.first, part.first + part.rows):
            part.call.kernels.activation_backward(rows_at(dx, step, row), rows_at(d_out, step, row),
                                                  tape.x + (step * part.call.batch + row) * tape.width, 1, tape.width,
                                                  &op.activation)
    meet(part)


cdef void op_backward(Part *part, const TrainedOp *op, Tape *tape, const Rows *d_out, const Rows *dx) noexcept nogil:
    """Dense and recurrent ops, chunk by chunk from the last step on."""
    cdef TrainingCall *call = part.call
    cdef Py_ssize_t step, start = tape.steps, end
    if call.mask != NULL and op.kind >= LSTM:
        memset(at(call.d_repeated, 0, op.units, part), 0, part.rows * op.units * sizeof(float))
    while start > 0:
        end, start = start, (start - 1) // part.chunk * part.chunk
        for step in range(end - 1, start - 1, -1):
            if ends(part):
                break
            if op.kind == DENSE:
                dense_backward(part, op, tape, d_out, step)
            else:
                if step == tape.steps - 1 or not joins_in_product(part, op):
                    join_output(part, op, tape, d_out, step)
                step_backward(part, op, tape, d_out, step)
        if dx.data != NULL and not ends(part):
            input_backward(part, op, tape, dx, start, end)
        meet(part)
        weights_backward(part, op, tape, start * call.batch, (end - start) * call.batch)


cdef void dense_backward(const Part *part, const TrainedOp *op, Tape *tape, const Rows *d_out,
                         Py_ssize_t step) noexcept nogil:
    """dz in place of z"""
    cdef float *z = at(tape.gates, step, op.stride, part)
    cdef Py_ssize_t row
    for row in range(part.rows):
        part.call.kernels.activation_backward(z + row * op.stride, rows_at(d_out, step, part.first + row),
                                              z + row * op.stride, 1, op.units, &op.activation)


cdef inline bint joins_in_product(const Part *part, const TrainedOp *op) noexcept nogil:
    """Whether nothing of dh reaches h_prev past the products: they then begin with what comes by the output before."""
    return op.kind != GRU and part.call.mask == NULL


cdef void join_output(const Part *part, const TrainedOp *op, Tape *tape, const Rows *d_out,
                      Py_ssize_t step) noexcept nogil:
    """dh += what comes by the step's output"""
    cdef TrainingCall *call = part.call
    cdef const float *d = NULL
    cdef float *d_repeated = NULL
    if op.return_sequences:
        d = rows_at(d_out, step, part.first)
    elif step == tape.steps - 1:
        d = rows_at(d_out, 0, part.first)
    if call.mask != NULL:
        d_repeated = at(call.d_repeated, 0, op.units, part)
    elif d == NULL:
        return
    fl_output_backward(at(tape.dh, 0, op.units, part), d_repeated, d, d_out.row, mask_at(call, op, step, part),
                       call.mask_timesteps, part.rows, op.units, op.zero_output_for_mask)


cdef void step_backward(const Part *part, const TrainedOp *op, Tape *tape, const Rows *d_out,
                        Py_ssize_t step) noexcept nogil:
    """dz in place of what was recorded; dh and dc become those before the step."""
    cdef TrainingCall *call = part.call
    cdef const fl_kernels *kernels = call.kernels
    cdef const TrainedMatrix *matrix = &op.recurrent_kernel
    cdef const unsigned char *mask = mask_at(call, op, step, part)
    cdef Py_ssize_t units = op.units
    cdef float *gates = at(tape.gates, step, op.stride, part)
    cdef float *dh = at(tape.dh, 0, units, part)
    cdef float *d_reset
    cdef const float *h_prev = at(tape.h, step, units, part)
    cdef Rows past = Rows(dh, 0, units)
    if op.kind == LSTM:
        kernels.lstm_tape_backward(gates, dh, at(tape.dc, 0, units, part), at(tape.h, step + 1, units, part),
                                   at(tape.c, step + 1, units, part), at(tape.c, step, units, part), mask,
                                   call.mask_timesteps, part.rows, units, op.stride, op.block, &op.activation,
                                   &op.recurrent_activation, part.scratch)
    elif op.kind == GRU:
        kernels.gru_tape_output_backward(gates, dh, h_prev, mask, call.mask_timesteps, part.rows, units, op.stride,
                                         op.reset_after, &op.activation, &op.recurrent_activation, part.scratch)
        if not op.reset_after:
            # d_reset = dz_h @ candidate_kernel.T
            d_reset = at(call.d_reset, 0, units, part)
            memset(d_reset, 0, part.rows * units * sizeof(float))
            kernels.gemm_packed_forward(d_reset, units, d_reset, units, gates, op.stride,
                                        op.candidate_kernel.transposed, part.rows, units, units)
            kernels.gru_tape_reset_backward(gates, dh, d_reset, h_prev, mask, call.mask_timesteps, part.rows, units,
                                            op.stride, &op.recurrent_activation, part.scratch)
    else:
        simple_rnn_backward(part, op, gates, dh, mask)
    if joins_in_product(part, op):
        past = Rows(call.zeros, 0, 0)
        if op.return_sequences and step > 0:
            past = Rows(rows_at(d_out, step - 1, part.first), 0, d_out.row)
    # dh = past + dz @ recurrent_kernel.T
    kernels.gemm_packed_forward(dh, units, past.data, past.row, gates + matrix.first, op.stride, matrix.transposed,
                                part.rows, matrix.n, units)


cdef void simple_rnn_backward(const Part *part, const TrainedOp *op, float *gates, float *dh,
                              const unsigned char *mask) noexcept nogil:
    cdef Py_ssize_t row
    for row in range(part.rows):
        if mask != NULL and not mask[row * part.call.mask_timesteps]:
            memset(gates, 0, op.stride * sizeof(float))
        else:
            part.call.kernels.activation_backward(gates, dh, gates, 1, op.units, &op.activation)
            memset(dh, 0, op.units * sizeof(float))
        gates += op.stride
        dh += op.units


cdef void input_backward(const Part *part, const TrainedOp *op, const Tape *tape, const Rows *dx, Py_ssize_t start,
                         Py_ssize_t end) noexcept nogil:
    """dx = dz @ kernel.T for the steps start … end - 1"""
    cdef const TrainedMatrix *matrix = &op.kernel
    cdef TrainingCall *call = part.call
    cdef bint dense = part.whole and not op.go_backwards and dx.step == call.batch * dx.row
    cdef Py_ssize_t step, rows = part.rows * (end - start if dense else 1)
    for step in range(start, start + 1 if dense else end):
        call.kernels.gemm_packed_forward(
            rows_at(dx, tape.steps - 1 - step if op.go_backwards else step, part.first), dx.row, call.zeros, 0,
            at(tape.gates, step, op.stride, part) + matrix.first, op.stride, matrix.transposed, rows, matrix.n,
            op.features)


cdef void weights_backward(const Part *part, const TrainedOp *op, const Tape *tape, Py_ssize_t row,
                           Py_ssize_t rows) noexcept nogil:
    """The part's share of the gradients over some rows of all steps, cut into chunks."""
    cdef Py_ssize_t end = row + rows, n
    cdef float *gates
    while row < end and not ends(part):
        n = min(<Py_ssize_t> CHUNK_ROWS, end - row)
        gates = tape.gates + row * op.stride
        matrix_backward(part, &op.kernel, tape.x + row * op.features, op.features, gates, op.stride, n)
        if op.kind >= LSTM:
            matrix_backward(part, &op.recurrent_kernel, tape.h + row * op.units, op.units, gates, op.stride, n)
        if op.candidate_kernel.packed != NULL:
            matrix_backward(part, &op.candidate_kernel, gates + 3 * op.units, op.stride, gates, op.stride, n)
        row += n


cdef void matrix_backward(const Part *part, const TrainedMatrix *matrix, const float *x, Py_ssize_t x_stride,
                          const float *gates, Py_ssize_t stride, Py_ssize_t rows) noexcept nogil:
    """gradient += x (rows, features).T @ dz (rows, columns), the part's share of the features, and that of the bias"""
    cdef TrainingCall *call = part.call
    cdef const float *dz = gates + matrix.first
    if matrix.gradient >= 0:
        call.kernels.gemm_packed_backward(call.gradients + matrix.gradient, x, x_stride, dz, stride, rows,
                                          matrix.features, matrix.columns,
                                          matrix.features * part.index // call.parts,
                                          matrix.features * (part.index + 1) // call.parts)
    if matrix.bias_gradient >= 0 and part.index == call.parts - 1:
        call.kernels.gemm_packed_backward(call.gradients + matrix.bias_gradient, &ONE, 0, dz, stride, rows, 1,
                                          matrix.columns, 0, 1)
