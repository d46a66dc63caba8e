"""Ops that read whole sequences, without the GIL: convolution and pooling; and the shapes that all ops give.

    convolution   out[t] = activation(bias + sum over j of x[t*stride + j*dilation - before] @ kernel[j])

Values are (batch, timesteps, width), so what a window reads lies in a row, and windows lie a constant way apart: their
product is one of the packed kernel whose rows overlap. Only what has zeros at an end, steps left out or channels apart
is copied first. Every sum is a chain over the window's steps, then their features, in ascending order: the same bits
wherever a window lies. All buffers belong to the caller.
"""

from fastlstm.engine._interrupt cimport stops
from fastlstm.engine._joining cimport choose_joining, joining_size, shape_of_several
from fastlstm.engine._kernels cimport FL_GROUP, fl_copy_steps, fl_times
from fastlstm.engine._moving cimport choose_moving, moved_shape
from fastlstm.engine._planes cimport choose_plane, plane_shape, plane_size
from fastlstm.engine._structs cimport (
    CAUSAL,
    CONVOLUTION,
    GLOBAL_POOL,
    LSTM,
    MERGE,
    PLANE_CONVOLUTION,
    PLANE_POOL,
    POOL,
    SAME,
    STEPS,
    VALID,
    Call,
    Engine,
    Op,
    Scratch,
    Stage,
    Value,
    Work,
    width_after,
    work_of,
)

cdef enum:
    # Windows of a product: so many that the kernel is read seldom, so few that what it gives stays in cache for the
    # activation.
    WINDOWS = 64


# --- shapes -----------------------------------------------------------------------------------------------------------


cdef int shape_after(const Op *ops, const Stage *stage, Value *values, Py_ssize_t batch, Work *work) noexcept:
    """Sets the shape of what a stage gives from those of what it reads; returns the op that these do not fit, or -1.

    The stage's output has the shape that does not fit then. Adds to `work` what it is for a row.
    """
    cdef Value *out = &values[stage.output]
    cdef Value shape = Value(NULL, 1, 0, False, 1, 0, NULL)
    cdef double steps
    cdef int i
    if stage.n_inputs > 0:
        shape = values[stage.inputs[0]]
    for i in range(stage.first, stage.end):
        out.timesteps, out.width = shape.timesteps, shape.width
        steps = <double> shape.timesteps * shape.fold
        if not shape_fits(&ops[i], stage, values, &shape):
            return i
        if ops[i].whole != NULL:
            work.of_windows += work_of(&ops[i]) * windows_of(&ops[i], &shape)
        else:
            work.in_steps += work_of(&ops[i]) * steps
    out.timesteps, out.width, out.fold, out.outer = shape.timesteps, shape.width, shape.fold, shape.outer
    out.time_major = not stage.in_rows or batch == 1 or shape.timesteps * shape.fold == 1
    return -1


cdef inline double windows_of(const Op *op, const Value *shape) noexcept:
    """Windows for a row, of a convolution that gives the shape."""
    return <double> shape.timesteps * shape.fold * (shape.width // op.units if op.kind == PLANE_CONVOLUTION else 1)


cdef bint shape_fits(const Op *op, const Stage *stage, const Value *values, Value *shape) noexcept:
    """Makes the shape that of what the op gives; False where it cannot read it, or gives nothing."""
    if op.features and op.table == NULL and op.features != shape.width:
        return False
    if op.kind >= MERGE and op.kind < LSTM:
        return shape_of_several(op, stage, values, shape)
    if op.whole != NULL:
        return moved_shape(op, shape) if op.kind >= STEPS else window_shape(op, shape)
    shape.width = width_after(op, shape.width)
    if op.kind >= LSTM and not op.return_sequences:
        shape.timesteps = 1
    return op.kind < LSTM or shape.fold == 1


cdef bint window_shape(const Op *op, Value *shape) noexcept:
    """Makes the shape that of what an op on windows gives; False where it gives nothing."""
    if op.kind == PLANE_CONVOLUTION or op.kind == PLANE_POOL:
        return plane_shape(op, shape)
    shape.timesteps = 1 if op.kind == GLOBAL_POOL else windows(op, shape.timesteps)
    if op.kind == CONVOLUTION:
        shape.width = op.units
    return shape.timesteps > 0


cdef inline Py_ssize_t windows(const Op *op, Py_ssize_t timesteps) noexcept nogil:
    """How many windows there are over so many steps, 0 or less if those are too few for one."""
    cdef Py_ssize_t span = span_of(op)
    if op.padding == VALID:
        return (timesteps - span) // op.stride + 1 if timesteps >= span else 0
    return (timesteps - 1) // op.stride + 1


cdef inline Py_ssize_t span_of(const Op *op) noexcept nogil:
    """Steps from the first to the last that a window reads."""
    return (op.size - 1) * op.dilation + 1


cdef inline Py_ssize_t steps_before(const Op *op, Py_ssize_t timesteps) noexcept nogil:
    """How many steps before the first one the first window begins."""
    if op.padding == CAUSAL:
        return span_of(op) - 1
    if op.padding == SAME:
        return max(0, (windows(op, timesteps) - 1) * op.stride + span_of(op) - timesteps) // 2
    return 0


cdef size_t window_size(const Op *op, const Stage *stage, const Value *values) noexcept:
    """Floats that an op on whole sequences has to copy at once."""
    cdef size_t n
    if stage.n_inputs == 0:
        return 0
    cdef const Value *x = &values[stage.inputs[0]]
    if op.kind == PLANE_CONVOLUTION or op.kind == PLANE_POOL:
        return plane_size(op, x)
    if op.kind >= MERGE:
        return joining_size(op, stage, values)
    if op.kind != CONVOLUTION or op.scale != NULL:
        return 0
    n = min(<size_t> WINDOWS, <size_t> max(0, windows(op, x.timesteps)))
    return fl_times(fl_times(n, op.stride) + op.size, x.width // op.groups)


# --- convolution and pooling ------------------------------------------------------------------------------------------


cdef void convolution_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                              const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, first, n, before = steps_before(op, x.timesteps)
    cdef const float *row
    cdef float *to
    for b in range(call.batch * x.fold):
        row = x.data + b * x.timesteps * x.width
        first = 0
        while first < out.timesteps and not stops(call.interrupt, call.on_caller):
            n = min(<Py_ssize_t> WINDOWS, out.timesteps - first)
            to = out.data + (b * out.timesteps + first) * op.units
            convolve(engine, op, to, row, x.timesteps, x.width, first * op.stride - before, n, scratch.z)
            engine.kernels.activation_forward(to, to, n, op.units, &op.activation)
            first += n


cdef void depthwise_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                            const int *inputs, int n_inputs) noexcept nogil:
    """Of every column alone; what a window has beyond the ends, it has not."""
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, i, n, start, before = steps_before(op, x.timesteps)
    cdef Py_ssize_t skipped, size, apart = op.dilation * x.width
    cdef const float *row
    cdef float *to
    for b in range(call.batch * x.fold):
        if stops(call.interrupt, call.on_caller):
            return
        row = x.data + b * x.timesteps * x.width
        to = out.data + b * out.timesteps * op.units
        i = 0
        while i < out.timesteps:
            start, n, skipped, size = i * op.stride - before, 1, 0, op.size
            if start < 0:
                skipped = min(size, (-start + op.dilation - 1) // op.dilation)
                size -= skipped
            if start + (op.size - 1) * op.dilation >= x.timesteps:
                size = max(0, (x.timesteps - start + op.dilation - 1) // op.dilation - skipped)
            elif start >= 0:
                n = (x.timesteps - 1 - start - (op.size - 1) * op.dilation) // op.stride + 1
                n = min(n, out.timesteps - i)
            start += skipped * op.dilation
            engine.kernels.depthwise_forward(to + i * op.units, op.bias, row + start * x.width, op.stride * x.width,
                                             apart, op.scale + skipped * op.units, n, size, op.units)
            i += n
        engine.kernels.activation_forward(to, to, out.timesteps, op.units, &op.activation)


cdef void convolve(const Engine *engine, const Op *op, float *out, const float *x, Py_ssize_t timesteps,
                   Py_ssize_t width, Py_ssize_t start, Py_ssize_t n, float *copied) noexcept nogil:
    """out (n, units) = the sums of n windows over x (timesteps, width), of which the first begins at step `start`."""
    cdef Py_ssize_t columns = width // op.groups, units = op.units // op.groups
    cdef Py_ssize_t of_group = op.kernel.features * ((units + FL_GROUP - 1) // FL_GROUP * FL_GROUP)
    cdef Py_ssize_t group, phase, rows, stride = op.stride * columns
    cdef const float *read
    for group in range(op.groups):
        # Windows that read every dilation-th step: those of a phase read the same steps.
        for phase in range(min(op.dilation, n)):
            rows = (n - phase + op.dilation - 1) // op.dilation
            read = copied
            if op.groups == op.dilation == 1 and start >= 0 and start + (n - 1) * op.stride + op.size <= timesteps:
                read = x + start * width
            else:
                fl_copy_steps(copied, x, timesteps, width, start + phase, op.dilation,
                              (rows - 1) * op.stride + op.size, group * columns, columns)
            engine.kernels.gemm_packed_forward(out + phase * op.units + group * units, op.dilation * op.units,
                                               op.bias + group * units, 0, read, stride,
                                               op.kernel.data + group * of_group, rows, op.kernel.features, units)


cdef void pooling_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                          const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Py_ssize_t b, i, start, first, last, before = steps_before(op, x.timesteps)
    cdef const float *row
    for b in range(call.batch * x.fold):
        row = x.data + b * x.timesteps * x.width
        for i in range(out.timesteps):
            start = i * op.stride - before
            first, last = max(start, 0), min(start + op.size, x.timesteps)
            engine.kernels.pool_forward(out.data + (b * out.timesteps + i) * x.width, row + first * x.width, NULL,
                                        last - first, x.width, op.greatest)


cdef void global_pooling_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                                 const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef const unsigned char *mask = NULL
    cdef Py_ssize_t b
    for b in range(call.batch * x.fold):
        if call.mask != NULL and not op.greatest:
            mask = call.mask + b * call.mask_timesteps
        engine.kernels.pool_forward(out.data + b * x.width, x.data + b * x.timesteps * x.width, mask, x.timesteps,
                                    x.width, 2 if op.total else op.greatest)


cdef void choose_whole(Op *op) noexcept:
    """Sets what an op on whole sequences does; of any other there is nothing to set."""
    if op.kind == CONVOLUTION:
        op.whole = convolution_forward if op.scale == NULL else depthwise_forward
    elif op.kind == POOL:
        op.whole = pooling_forward
    elif op.kind == GLOBAL_POOL:
        op.whole = global_pooling_forward
    elif op.kind == PLANE_CONVOLUTION or op.kind == PLANE_POOL:
        choose_plane(op)
    elif op.kind < MERGE:
        choose_moving(op)
    else:
        choose_joining(op)
