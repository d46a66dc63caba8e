"""A chain of ops forwards, recorded, without the GIL; _tape_backward.pyx goes the way back.

    z = x @ kernel + bias                   one product for a chunk of steps
    per step: the products with h_prev, then the cell update, which records itself in place of z

Threads share the rows of the batch: no row needs another one.
"""

from libc.string cimport memcpy, memset

from fastlstm.engine._kernels cimport fl_gather_rows, fl_kernels, fl_record_mask
from fastlstm.engine._structs cimport ACTIVATION, EMBEDDING, GRU, LSTM


cdef void call_forward(void *context, int index) noexcept nogil:
    """All ops, one after the other, over one part's rows."""
    cdef TrainingCall *call = <TrainingCall *> context
    cdef Part part = part_of(call, index)
    cdef const TrainedOp *op
    cdef Tape *tape
    cdef int i
    for i in range(call.n_ops):
        op, tape = &call.ops[i], &call.tapes[i]
        if tape.copies_x:
            copy_input(&part, i)
        if op.kind >= LSTM:
            recurrent_forward(&part, op, tape)
        else:
            plain_forward(&part, op, tape)
    copy_output(&part)


cdef void copy_input(const Part *part, int i) noexcept nogil:
    """x from where the rows of its steps are: in the call's input, or in the output of the op before."""
    cdef TrainingCall *call = part.call
    cdef Tape *tape = &call.tapes[i]
    cdef Rows rows = call.input
    cdef Py_ssize_t step, source, row
    if i > 0:
        rows = Rows(output_of(call, i - 1), call.batch * tape.width, tape.width)
    for step in range(tape.steps):
        source = tape.steps - 1 - step if call.ops[i].go_backwards else step
        for row in range(part.first, part.first + part.rows):
            memcpy(tape.x + (step * call.batch + row) * tape.width, rows.data + source * rows.step + row * rows.row,
                   tape.width * sizeof(float))


cdef float *output_of(const TrainingCall *call, int i) noexcept nogil:
    """What an op gives: (steps, batch, units), or its last step without return_sequences."""
    cdef const TrainedOp *op = &call.ops[i]
    cdef const Tape *tape = &call.tapes[i]
    if tape.out != NULL:
        return tape.out
    return tape.h + (1 if op.return_sequences else tape.steps) * call.batch * op.units


cdef void copy_output(const Part *part) noexcept nogil:
    cdef const TrainingCall *call = part.call
    cdef const Rows *output = &call.output
    cdef Py_ssize_t step, row, width = output.step
    for step in range(output.row // output.step):
        for row in range(part.first, part.first + part.rows):
            memcpy(output.data + step * output.step + row * output.row,
                   call.last + (step * call.batch + row) * width, width * sizeof(float))


cdef void plain_forward(const Part *part, const TrainedOp *op, Tape *tape) noexcept nogil:
    """An op without states: out = activation(x @ kernel + bias), activation(x), or table[x]."""
    cdef const fl_kernels *kernels = part.call.kernels
    cdef Py_ssize_t step, row, width = tape.width if op.kind == ACTIVATION else op.units
    cdef float *out
    cdef float *z
    for step in range(tape.steps):
        if ends(part):
            return
        out = at(tape.out, step, width, part)
        if op.kind == EMBEDDING:
            fl_gather_rows(out, op.table, at(tape.x, step, 1, part), part.rows, op.units, op.units, op.vocabulary)
        elif op.kind == ACTIVATION:
            kernels.activation_forward(out, at(tape.x, step, width, part), part.rows, width, &op.activation)
        else:
            project(part, op, tape, step)
            z = at(tape.gates, step, op.stride, part)
            for row in range(part.rows):
                kernels.activation_forward(out + row * width, z + row * op.stride, 1, width, &op.activation)


cdef void project(const Part *part, const TrainedOp *op, Tape *tape, Py_ssize_t step) noexcept nogil:
    """z = x @ kernel + bias for a step, or where all rows are the part's for a chunk that begins with it."""
    cdef Py_ssize_t rows = part.rows
    if part.whole:
        if step % part.chunk:
            return
        rows *= min(part.chunk, tape.steps - step)
    part.call.kernels.gemm_packed_forward(at(tape.gates, step, op.stride, part), op.stride, op.bias, 0,
                                          at(tape.x, step, op.features, part), op.features, op.kernel.packed, rows,
                                          op.features, op.kernel.columns)


cdef void recurrent_forward(const Part *part, const TrainedOp *op, Tape *tape) noexcept nogil:
    cdef TrainingCall *call = part.call
    cdef Py_ssize_t step, units = op.units
    cdef float *h
    cdef float *c
    cdef float *h_next
    cdef float *c_next
    cdef float *out
    if call.mask != NULL:
        memset(at(tape.out, 0, units, part), 0, part.rows * units * sizeof(float))
    for step in range(tape.steps):
        if ends(part):
            return
        project(part, op, tape, step)
        h, h_next = at(tape.h, step, units, part), at(tape.h, step + 1, units, part)
        c = c_next = NULL
        if op.kind == LSTM:
            c, c_next = at(tape.c, step, units, part), at(tape.c, step + 1, units, part)
        step_forward(part, op, at(tape.gates, step, op.stride, part), h_next, c_next, h, c)
        if call.mask != NULL:
            out = at(tape.out, step if op.return_sequences else 0, units, part)
            fl_record_mask(h_next, c_next, out,
                           h, c, out - call.batch * units if op.return_sequences and step > 0 else out,
                           mask_at(call, op, step, part), call.mask_timesteps, part.rows, units,
                           op.zero_output_for_mask)


cdef void step_forward(const Part *part, const TrainedOp *op, float *gates, float *h, float *c, const float *h_prev,
                       const float *c_prev) noexcept nogil:
    """h and c after a step from those before it and z, which becomes what the step recorded."""
    cdef const fl_kernels *kernels = part.call.kernels
    cdef const TrainedMatrix *matrix = &op.recurrent_kernel
    cdef float *products
    cdef Py_ssize_t row, width
    if op.kind == GRU:
        width = part.call.products_width
        products = at(part.call.products, 0, width, part)
        # products = h_prev @ recurrent_kernel + recurrent_bias
        kernels.gemm_packed_forward(products, width, op.recurrent_bias, 0, h_prev, op.units, matrix.packed,
                                    part.rows, op.units, matrix.columns)
        kernels.gru_tape_gates_forward(gates, products, width, h_prev, part.rows, op.units, op.stride,
                                       op.reset_after, &op.recurrent_activation, part.scratch)
        if not op.reset_after:
            # z_h += (r h_prev) @ candidate_kernel
            kernels.gemm_packed_forward(gates, op.stride, gates, op.stride, gates + 3 * op.units, op.stride,
                                        op.candidate_kernel.packed, part.rows, op.units, op.units)
        kernels.gru_tape_output_forward(h, gates, h_prev, part.rows, op.units, op.stride, &op.activation,
                                        &op.recurrent_activation, part.scratch)
        return
    # z += h_prev @ recurrent_kernel
    kernels.gemm_packed_forward(gates, op.stride, gates, op.stride, h_prev, op.units, matrix.packed, part.rows,
                                op.units, matrix.columns)
    if op.kind == LSTM:
        kernels.lstm_tape_forward(h, c, gates, c_prev, part.rows, op.units, op.stride, op.block, &op.activation,
                                  &op.recurrent_activation, part.scratch)
        return
    for row in range(part.rows):
        kernels.activation_forward(h + row * op.units, gates + row * op.stride, 1, op.units, &op.activation)
