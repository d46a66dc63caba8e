"""One stage of a chain over the whole of its input, chunk by chunk, on one thread or on several.

A chunk passes through all ops of the stage before the next one is read, so that what passes between layers stays in
cache. Several threads share a stage in one of two ways; the sums are the same, so the bits are.

- By ops: each thread has some of the layers, and they form a pipeline: layer 1 works on chunk k + 1 while layer 2 works
  on chunk k. Each keeps its own layers' weights in its own cache, and the hand-over is one flag a chunk.
- By units: each thread computes some units of every LSTM, with a barrier after every step. For layers so wide that a
  step takes far longer than the barrier.
"""

from libc.limits cimport LONG_MAX
from libc.string cimport memcpy

from fastlstm.engine._interrupt cimport stops
from fastlstm.engine._kernels cimport fl_gather_steps, fl_scatter_steps
from fastlstm.engine._pool cimport FL_LINE, FL_MAX_PARTS, advance, atomic_long, barrier, run, wait_for
from fastlstm.engine._structs cimport HANDED_OVER, LSTM, Call, Engine, Op, Scratch, State, Value, width_after, work_of

cdef struct Stage:
    const Engine *engine
    const Op *ops
    Call *call
    const Value *value
    float *destination
    int end                           # past the last op
    int state                         # of the first recurrent op
    bint backwards                    # the input is read from its last step
    bint ends                         # the output is one step, left in the last state
    bint in_place                     # the output lies as the chunks do
    bint stopped                      # by units: as of the last barrier
    int parts
    int starts[FL_MAX_PARTS + 1]         # first op of every part
    atomic_long done[FL_MAX_PARTS * FL_LINE]


cdef void stage_forward(const Engine *engine, const Op *ops, int first, int end, int *state, Call *call, Value *value,
                        float *destination, bint batch_major_out) noexcept nogil:
    """Runs ops first .. end over `value`, then makes `value` their output and moves `state` past theirs.

    Args:
        state: Index of the first recurrent op's state.
        destination: `(batch, timesteps, width)` if batch_major_out, else `(timesteps, batch, width)`; without
            timesteps if the last op gives one step.
    """
    cdef Stage stage
    cdef const Op *last = &ops[end - 1]
    cdef int i, n_recurrent = 0
    cdef Py_ssize_t width = value.width
    cdef const State *ended
    for i in range(first, end):
        width = width_after(&ops[i], width)
        n_recurrent += ops[i].kind >= LSTM
    stage.engine, stage.ops, stage.call, stage.value = engine, ops, call, value
    stage.destination, stage.end, stage.state = destination, end, state[0]
    stage.backwards = ops[first].kind >= LSTM and ops[first].go_backwards
    stage.ends = last.kind >= LSTM and not last.return_sequences
    stage.in_place = not batch_major_out or call.batch == 1 or value.timesteps == 1
    stage.stopped = False
    share_out(&stage, first, 1 if call.by_units else min(call.parts, n_recurrent))
    if call.by_units and call.parts > 1 and n_recurrent > 0 and call.mask == NULL:
        run(units_forward, &stage, call.parts)
    elif stage.parts > 1:
        run(part_forward, &stage, stage.parts)
    else:
        part_forward(&stage, 0)
    state[0] += n_recurrent
    value.data, value.width, value.time_major = destination, width, True
    if stage.ends:
        ended = &call.states[state[0] - 1]
        memcpy(destination, ended.h if call.mask == NULL or ended.out_is_h else ended.out_prev,
               call.batch * width * sizeof(float))
        value.timesteps = 1
        call.mask = NULL


cdef void share_out(Stage *stage, int first, int parts) noexcept nogil:
    """Gives every part ops in a row, about the same number of weights each; at most `parts` of them."""
    cdef int i
    cdef double total = 0, sum = 0
    for i in range(first, stage.end):
        total += work_of(&stage.ops[i])
    stage.parts, stage.starts[0] = 1, first
    for i in range(first, stage.end):
        # The op goes to the next part if more than half of it lies beyond this one's share.
        if stage.parts < parts and i > stage.starts[stage.parts - 1] and (
            (sum + work_of(&stage.ops[i]) / 2) * parts > total * stage.parts
        ):
            stage.starts[stage.parts] = i
            stage.parts += 1
        sum += work_of(&stage.ops[i])
    stage.starts[stage.parts] = stage.end
    for i in range(max(stage.parts, stage.call.parts)):
        advance(&stage.done[i * FL_LINE], 0)


cdef void part_forward(void *context, int part) noexcept nogil:
    """All chunks through one part's ops."""
    cdef Stage *stage = <Stage *> context
    cdef Call *call = stage.call
    cdef Scratch *scratch = &call.scratch[part]
    cdef Py_ssize_t chunk, start, steps, width = stage.value.width
    cdef int i, state = stage.state
    cdef const float *x
    for i in range(stage.starts[0], stage.starts[part]):
        state += stage.ops[i].kind >= LSTM
        width = width_after(&stage.ops[i], width)
    for chunk in range((stage.value.timesteps + call.chunk - 1) // call.chunk):
        start = chunk * call.chunk
        steps = min(call.chunk, stage.value.timesteps - start)
        if stops(call.interrupt, part == 0 and call.on_caller):
            advance(&stage.done[part * FL_LINE], LONG_MAX)  # nobody waits for this part any more
            return
        if part > 0:
            wait_for(&stage.done[(part - 1) * FL_LINE], chunk + 1)
            x = slot(&call.scratch[part - 1], call, chunk, width)
        else:
            x = input_steps(stage, scratch.buffers[0], start, steps)
        if part < stage.parts - 1 and chunk >= HANDED_OVER:
            wait_for(&stage.done[(part + 1) * FL_LINE], chunk - HANDED_OVER + 1)
        ops_forward(stage, part, scratch, x, width, state, chunk, start, steps)
        advance(&stage.done[part * FL_LINE], chunk + 1)


cdef void units_forward(void *context, int part) noexcept nogil:
    """All chunks through all ops, in step with the other parts: of an LSTM some units, of any other op part 0 all."""
    cdef Stage *stage = <Stage *> context
    cdef Call *call = stage.call
    cdef Scratch *scratch = &call.scratch[0]
    cdef Py_ssize_t chunk, start, steps, width
    cdef long barriers = 0
    cdef int i, state
    cdef const float *x
    cdef const Op *op
    cdef float *out
    for chunk in range((stage.value.timesteps + call.chunk - 1) // call.chunk):
        start = chunk * call.chunk
        steps = min(call.chunk, stage.value.timesteps - start)
        x = scratch.buffers[0]
        if part == 0 or stage.value.time_major and not stage.backwards:
            x = input_steps(stage, scratch.buffers[0], start, steps)
        if part == 0:
            stage.stopped = stops(call.interrupt, call.on_caller)
        barriers += 1
        barrier(stage.done, part, call.parts, barriers)
        if stage.stopped:
            return  # all parts: part 0 writes it again when all have been at another barrier
        width, state = stage.value.width, stage.state
        for i in range(stage.starts[0], stage.end):
            op = &stage.ops[i]
            width = width_after(op, width)
            out = output_of(stage, scratch, i, x, width, start)
            if op.units_forward != NULL:
                op.units_forward(stage.engine, op, call, &call.states[state], scratch, out, x, steps, part, call.parts,
                                 stage.done, &barriers)
            else:
                if part == 0:
                    op.forward(stage.engine, op, call, &call.states[state], scratch, out, x, width, start, steps)
                barriers += 1
                barrier(stage.done, part, call.parts, barriers)
            state += op.kind >= LSTM
            x = out
        if part == 0:
            scatter_output(stage, x, width, start, steps)


cdef const float *input_steps(const Stage *stage, float *buffer, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """Steps start .. start + steps of the stage's input, in the order of processing, as (steps, batch, width)."""
    cdef const Value *value = stage.value
    if value.time_major and not stage.backwards:
        return value.data + start * stage.call.batch * value.width
    fl_gather_steps(buffer, value.data, stage.call.batch, value.timesteps, value.width, start, steps,
                    value.time_major, stage.backwards)
    return buffer


cdef float *slot(const Scratch *scratch, const Call *call, Py_ssize_t chunk, Py_ssize_t width) noexcept nogil:
    """Where a part leaves a chunk for the next one."""
    return scratch.handed_over + (chunk % HANDED_OVER) * call.chunk * call.batch * width


cdef void ops_forward(Stage *stage, int part, Scratch *scratch, const float *x, Py_ssize_t width, int state,
                      Py_ssize_t chunk, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """One chunk through one part's ops, to the next part or to the destination."""
    cdef int i, end = stage.starts[part + 1]
    cdef const Op *op
    cdef float *out
    for i in range(stage.starts[part], end):
        op = &stage.ops[i]
        width = width_after(op, width)
        out = output_of(stage, scratch, i, x, width, start)
        if i == end - 1 and part < stage.parts - 1:
            out = slot(scratch, stage.call, chunk, width)
        op.forward(stage.engine, op, stage.call, &stage.call.states[state], scratch, out, x, width, start, steps)
        state += op.kind >= LSTM
        x = out
    if end == stage.end:
        scatter_output(stage, x, width, start, steps)


cdef float *output_of(const Stage *stage, Scratch *scratch, int i, const float *x, Py_ssize_t width,
                      Py_ssize_t start) noexcept nogil:
    """Where op i writes its chunk: to the destination if it is the last one and may, else not over x."""
    if i == stage.end - 1 and stage.in_place and not stage.ends:
        return stage.destination + start * stage.call.batch * width
    return scratch.buffers[1] if x != scratch.buffers[1] else scratch.buffers[0]


cdef void scatter_output(const Stage *stage, const float *x, Py_ssize_t width, Py_ssize_t start,
                         Py_ssize_t steps) noexcept nogil:
    """Brings the last op's chunk to the destination, if it does not lie there."""
    if not stage.in_place and not stage.ends:
        fl_scatter_steps(stage.destination, x, stage.call.batch, stage.value.timesteps, width, start, steps)
