"""One stage of a program over the whole of its input, chunk by chunk, on one thread or on several.

A chunk passes through all ops of the stage before the next one is read, so that what passes between layers stays in
cache. Several threads share a stage in one of two ways; the sums are the same, so the bits are.

- By ops: each thread has some of the layers, and they form a pipeline: layer 1 works on chunk k + 1 while layer 2 works
  on chunk k. Each keeps its own layers' weights in its own cache, and the hand-over is one flag a chunk. So that all
  have about as much to do, the product of a layer's inputs may be cut: the threads before the one that has the layer
  make its first columns. Of the first layer, whose inputs nobody has to wait for, all make theirs at once.
- By units: each thread computes some units of every LSTM, with a barrier after every step. For layers so wide that a
  step takes far longer than the barrier.

Two stages that follow each other and have nothing to do with each other, the directions of a Bidirectional layer, run
at the same time.
"""

from libc.limits cimport LONG_MAX
from libc.string cimport memcpy

from fastlstm.engine._forward cimport project
from fastlstm.engine._interrupt cimport stops
from fastlstm.engine._kernels cimport fl_gather_steps, fl_prefetch, fl_scatter_steps
from fastlstm.engine._pool cimport FL_LINE, FL_MAX_PARTS, advance, atomic_long, barrier, run, wait_for
from fastlstm.engine._structs cimport (
    HANDED_OVER,
    LSTM,
    Call,
    Engine,
    Op,
    Scratch,
    Stage,
    State,
    Value,
    Wiring,
    cost_of_inputs,
    cost_of_rest,
    may_be_cut,
    width_after,
)

cdef enum:
    PANEL = 64                        # columns that a product is cut at, 4 * FL_GROUP: no sum where overflow is checked

cdef double LEAST_CUT = 0.1           # of a part: what is cut costs as much at least


cdef struct Running:                  # a stage in a call
    const Engine *engine
    const Op *ops
    Call *call
    const Value *value                # its input
    float *destination
    int end                           # past the last op
    int state                         # of the first recurrent op
    bint backwards                    # the input is read from its last step
    bint ends                         # the output is one step, left in the last state
    bint in_place                     # the output lies as the chunks do
    bint stopped                      # by units: as of the last barrier
    int parts
    int starts[FL_MAX_PARTS + 1]      # first op of every part
    Py_ssize_t columns[FL_MAX_PARTS + 1]  # of that op's product of inputs, that parts before make
    atomic_long done[FL_MAX_PARTS * FL_LINE]


cdef struct Beside:                   # stages that run at once
    const Engine *engine
    const Op *ops
    const Stage *stages
    Call calls[2]


cdef void stages_forward(const Engine *engine, const Op *ops, const Wiring *wiring, Call *call) noexcept nogil:
    """Runs all stages, from the value in the first slot to that in the last."""
    cdef int i = 0
    while i < wiring.n_stages and not stops(call.interrupt, call.on_caller):
        if wiring.stages[i].beside and call.parts > 1 and not call.by_units:
            beside_forward(engine, ops, &wiring.stages[i], call)
            i += 2
        else:
            stage_forward(engine, ops, &wiring.stages[i], call)
            i += 1


cdef void beside_forward(const Engine *engine, const Op *ops, const Stage *stages, Call *call) noexcept nogil:
    """Runs two stages on two threads."""
    cdef Beside beside
    cdef int i
    beside.engine, beside.ops, beside.stages = engine, ops, stages
    for i in range(2):
        beside.calls[i] = call[0]
        beside.calls[i].scratch, beside.calls[i].parts = &call.scratch[i], 1
        beside.calls[i].on_caller = call.on_caller and i == 0
    run(one_beside, &beside, 2)


cdef void one_beside(void *context, int part) noexcept nogil:
    cdef Beside *beside = <Beside *> context
    stage_forward(beside.engine, beside.ops, &beside.stages[part], &beside.calls[part])


cdef void stage_forward(const Engine *engine, const Op *ops, const Stage *stage, Call *call) noexcept nogil:
    """Runs one stage, from the values that it reads to the one that it gives."""
    cdef Running running
    cdef const Op *last = &ops[stage.end - 1]
    cdef Value *out = &call.values[stage.output]
    cdef Value given
    cdef int i, n_recurrent = 0
    cdef const State *ended
    call.mask = call.given_mask if stage.masked else NULL
    if stage.mask >= 0:
        call.mask, call.mask_timesteps = call.values[stage.mask].mask, call.values[stage.mask].timesteps
    if stage.alias:
        out.data = call.values[stage.inputs[0]].data
        return
    if last.whole != NULL:
        last.whole(engine, last, call, call.scratch, out, stage.inputs, stage.n_inputs)
        return
    for i in range(stage.first, stage.end):
        n_recurrent += ops[i].kind >= LSTM
    # What is done to every row of values is done to those of all sequences.
    given = call.values[stage.inputs[0]]
    given.timesteps *= given.fold
    running.engine, running.ops, running.call, running.value = engine, ops, call, &given
    running.destination, running.end, running.state = out.data, stage.end, stage.state
    running.backwards = ops[stage.first].kind >= LSTM and ops[stage.first].go_backwards
    running.ends = last.kind >= LSTM and not last.return_sequences
    running.in_place, running.stopped = out.time_major, False
    if call.parts == 1:
        alone_forward(&running, stage.first)
    else:
        shared_forward(&running, stage.first, n_recurrent > 0)
    if running.ends:
        ended = &call.states[stage.state + n_recurrent - 1]
        memcpy(out.data, ended.h if call.mask == NULL or ended.out_is_h else ended.out_prev,
               call.batch * out.width * sizeof(float))


cdef void alone_forward(Running *stage, int first) noexcept nogil:
    """All chunks through all ops, on this thread."""
    cdef Call *call = stage.call
    cdef Scratch *scratch = call.scratch
    cdef Py_ssize_t start = 0, steps, width, timesteps = stage.value.timesteps
    cdef int i, state
    cdef const float *x
    cdef const Op *op
    cdef float *out
    while start < timesteps and not stops(call.interrupt, call.on_caller):
        steps = min(call.chunk, timesteps - start)
        x = input_steps(stage, scratch.buffers[0], start, steps)
        width, state = stage.value.width, stage.state
        for i in range(first, stage.end):
            op = &stage.ops[i]
            width = width_after(op, width)
            out = output_of(stage, scratch, i, x, width, start)
            op.forward(stage.engine, op, call, &call.states[state], scratch, out, x, width, start, steps)
            state += op.kind >= LSTM
            x = out
        scatter_output(stage, x, width, start, steps)
        start += steps


cdef void shared_forward(Running *stage, int first, bint recurrent) noexcept nogil:
    """All chunks through all ops, on the call's threads, or on some of them."""
    cdef Call *call = stage.call
    share_out(stage, first, 1 if call.by_units else call.parts)
    if call.by_units and recurrent and call.mask == NULL:
        run(units_forward, stage, call.parts)
    elif stage.parts > 1:
        run(part_forward, stage, stage.parts)
    else:
        alone_forward(stage, first)


cdef void share_out(Running *stage, int first, int parts) noexcept nogil:
    """Gives every part ops in a row, and columns, that cost about the same; at most `parts` of them."""
    cdef int i, k = 1
    cdef double total = 0, cost = 0, inputs, rest
    cdef bint cut
    for i in range(first, stage.end):
        total += cost_of_inputs(&stage.ops[i]) + cost_of_rest(&stage.ops[i], stage.call.batch)
    stage.parts, stage.starts[0], stage.columns[0] = 1, first, 0
    for i in range(first, stage.end):
        inputs, rest = cost_of_inputs(&stage.ops[i]), cost_of_rest(&stage.ops[i], stage.call.batch)
        cut = stage.call.mask == NULL and may_be_cut(&stage.ops[i]) and inputs * parts >= LEAST_CUT * total
        # The next part begins in this op's product of inputs, else with this op or the next one, whichever is nearer.
        while k < parts and total * k <= (cost + (inputs + rest / 2 if cut else (inputs + rest) / 2)) * parts:
            begin_part(stage, i, (total * k / parts - cost) / inputs if cut else 0.0)
            k += 1
        cost += inputs + rest
    stage.starts[stage.parts], stage.columns[stage.parts] = stage.end, 0
    for i in range(max(stage.parts, stage.call.parts)):
        advance(&stage.done[i * FL_LINE], 0)


cdef void begin_part(Running *stage, int i, double share) noexcept nogil:
    """Begins a part with op i, of whose product of inputs the parts before make a share, unless one begins there."""
    cdef Py_ssize_t width = stage.ops[i].z_width
    cdef Py_ssize_t columns = 0
    if share > 0:
        columns = min(width, <Py_ssize_t> (share * width / PANEL + 0.5) * PANEL)
    if i > stage.starts[stage.parts - 1] or columns > stage.columns[stage.parts - 1]:
        stage.starts[stage.parts], stage.columns[stage.parts] = i, columns
        stage.parts += 1


cdef void part_forward(void *context, int part) noexcept nogil:
    """All chunks through one part's ops."""
    cdef Running *stage = <Running *> context
    cdef Call *call = stage.call
    cdef Scratch *scratch = &call.scratch[part]
    cdef Py_ssize_t chunk, start, steps, width = stage.value.width
    cdef int i, state = stage.state
    # The part that gives x, -1: it is the stage's input; and the last one that reads what this part leaves.
    cdef int source = part - 1, reader = part + 1
    cdef const float *x
    for i in range(stage.starts[0], stage.starts[part]):
        state += stage.ops[i].kind >= LSTM
        width = width_after(&stage.ops[i], width)
    while source >= 0 and stage.starts[source] == stage.starts[part]:
        source -= 1
    while reader < stage.parts and stage.starts[reader + 1] == stage.starts[part + 1]:
        reader += 1
    for chunk in range((stage.value.timesteps + call.chunk - 1) // call.chunk):
        start = chunk * call.chunk
        steps = min(call.chunk, stage.value.timesteps - start)
        if stops(call.interrupt, part == 0 and call.on_caller):
            advance(&stage.done[part * FL_LINE], LONG_MAX)  # nobody waits for this part any more
            return
        if source >= 0:
            wait_for(&stage.done[source * FL_LINE], chunk + 1)
            x = slot(call.scratch[source].handed_over, call, chunk, width)
        else:
            x = input_steps(stage, scratch.buffers[0], start, steps)
        for i in range(part + 1, min(reader + 1, stage.parts)):
            wait_for(&stage.done[i * FL_LINE], chunk - HANDED_OVER + 1)
        ops_forward(stage, part, source, reader, x, width, state, chunk, start, steps)
        advance(&stage.done[part * FL_LINE], chunk + 1)


cdef void units_forward(void *context, int part) noexcept nogil:
    """All chunks through all ops, in step with the other parts: of an LSTM some units, of any other op part 0 all."""
    cdef Running *stage = <Running *> context
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


cdef const float *input_steps(const Running *stage, float *buffer, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """Steps start .. start + steps of the stage's input, in the order of processing, as (steps, batch, width)."""
    cdef const Value *value = stage.value
    if value.time_major and not stage.backwards:
        return value.data + start * stage.call.batch * value.width
    fl_gather_steps(buffer, value.data, stage.call.batch, value.timesteps, value.width, start, steps,
                    value.time_major, stage.backwards)
    return buffer


cdef float *slot(float *handed, const Call *call, Py_ssize_t chunk, Py_ssize_t width) noexcept nogil:
    """Where a part leaves a chunk for a later one."""
    return handed + (chunk % HANDED_OVER) * call.chunk * call.batch * width


cdef void ops_forward(Running *stage, int part, int source, int reader, const float *x, Py_ssize_t width, int state,
                      Py_ssize_t chunk, Py_ssize_t start, Py_ssize_t steps) noexcept nogil:
    """One chunk through one part's ops, to later parts or to the destination."""
    cdef int i, end = stage.starts[part + 1], last = stage.parts - 1
    cdef Call *call = stage.call
    cdef Scratch *scratch = &call.scratch[part]
    cdef const Op *op
    cdef float *out
    for i in range(stage.starts[part], end):
        op = &stage.ops[i]
        width = width_after(op, width)
        out = output_of(stage, scratch, i, x, width, start)
        if i == end - 1 and part < last:
            out = slot(scratch.handed_over, call, chunk, width)
        if i == stage.starts[part] and stage.columns[part]:
            cut_forward(stage, part, source, state, out, x, chunk, steps)
        else:
            op.forward(stage.engine, op, call, &call.states[state], scratch, out, x, width, start, steps)
        state += op.kind >= LSTM
        x = out
    if stage.columns[part + 1]:
        # The next op's, as far as no part before has them.
        i = 0 if stage.starts[part] < end else stage.columns[part]
        project_some(stage, end, reader, scratch, x, chunk, steps, i, stage.columns[part + 1])
    if end == stage.end and part == last:
        scatter_output(stage, x, width, start, steps)


cdef void cut_forward(Running *stage, int part, int source, int state, float *out, const float *x, Py_ssize_t chunk,
                      Py_ssize_t steps) noexcept nogil:
    """The part's first op, whose product of inputs other parts have begun."""
    cdef const Op *op = &stage.ops[stage.starts[part]]
    cdef Call *call = stage.call
    cdef int i
    project_some(stage, stage.starts[part], part, &call.scratch[part], x, chunk, steps, stage.columns[part], op.z_width)
    cdef float *z = slot(call.scratch[part - 1].handed_z, call, chunk, op.z_width)
    for i in range(source + 1, part):
        wait_for(&stage.done[i * FL_LINE], chunk + 1)
    fl_prefetch(z, steps * call.batch * op.z_width)
    op.finish(stage.engine, op, call.batch, &call.states[state], &call.scratch[part], out, z, steps)


cdef void project_some(Running *stage, int i, int owner, Scratch *scratch, const float *x, Py_ssize_t chunk,
                       Py_ssize_t steps, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The columns first .. last - 1 of the product of op i's inputs, to where its owner finds it."""
    cdef const Op *op = &stage.ops[i]
    cdef float *z = slot(stage.call.scratch[owner - 1].handed_z, stage.call, chunk, op.z_width)
    if first < last:
        project(stage.engine, op, scratch, z, x, steps * stage.call.batch, first, last - first)


cdef float *output_of(const Running *stage, Scratch *scratch, int i, const float *x, Py_ssize_t width,
                      Py_ssize_t start) noexcept nogil:
    """Where op i writes its chunk: to the destination if it is the last one and may, else not over x."""
    if i == stage.end - 1 and stage.in_place and not stage.ends:
        return stage.destination + start * stage.call.batch * width
    return scratch.buffers[1] if x != scratch.buffers[1] else scratch.buffers[0]


cdef void scatter_output(const Running *stage, const float *x, Py_ssize_t width, Py_ssize_t start,
                         Py_ssize_t steps) noexcept nogil:
    """Brings the last op's chunk to the destination, if it does not lie there."""
    if not stage.in_place and not stage.ends:
        fl_scatter_steps(stage.destination, x, stage.call.batch, stage.value.timesteps, width, start, steps)
