"""Convolution and pooling over rows and columns, without the GIL.

A plane is a sequence (timesteps, width): its steps are rows, its width is columns * channels. The windows of a line of
the output lie beside each other: they are the rows of one product, read where they lie (csrc/gemm_windows.h), or in a
copy with zeros around where there is padding.
"""

from libc.string cimport memcpy, memset

from fastlstm.engine._interrupt cimport stops
from fastlstm.engine._kernels cimport fl_plus, fl_times
from fastlstm.engine._structs cimport PLANE_CONVOLUTION, SAME, Call, Engine, Op, Scratch, Value

cdef enum:
    MOST_ROWS = 32                    # of a window of a convolution
    # Windows of one product, in whole lines: so many that the kernel is read seldom, so few that they stay in cache.
    WINDOWS = 128
    SUM = 2                           # as csrc/pooling.h has it

cdef struct Axis:                     # windows along rows, or along columns
    Py_ssize_t count
    Py_ssize_t before                 # zeros before the first, and in all
    Py_ssize_t padding


cdef Axis axis_of(Py_ssize_t length, Py_ssize_t size, Py_ssize_t stride, int padding) noexcept nogil:
    cdef Axis axis
    axis.count, axis.before, axis.padding = 0, 0, 0
    if padding == SAME:
        axis.count = (length - 1) // stride + 1
        axis.padding = max(0, (axis.count - 1) * stride + size - length)
        axis.before = axis.padding // 2
    elif length >= size:
        axis.count = (length - size) // stride + 1
    return axis


cdef bint plane_shape(const Op *op, Value *shape) noexcept:
    """Makes the shape that of what the op gives; False where it gives nothing."""
    cdef Axis rows, columns
    if shape.width % op.channels or op.kind == PLANE_CONVOLUTION and op.size > MOST_ROWS:
        return False
    rows = axis_of(shape.timesteps, op.size, op.stride, op.padding)
    columns = axis_of(shape.width // op.channels, op.across, op.stride_across, op.padding)
    shape.timesteps, shape.width = rows.count, columns.count * (op.units if op.units else op.channels)
    return rows.count > 0 and columns.count > 0


cdef size_t plane_size(const Op *op, const Value *x) noexcept:
    """Floats that the op has to copy at once: a plane with its padding, or a row of one."""
    cdef Axis rows = axis_of(x.timesteps, op.size, op.stride, op.padding)
    cdef Axis columns = axis_of(x.width // op.channels, op.across, op.stride_across, op.padding)
    if op.kind != PLANE_CONVOLUTION:
        return x.width
    if rows.padding == columns.padding == 0:
        return 0
    return fl_times(fl_plus(x.timesteps, rows.padding), fl_plus(x.width, fl_times(columns.padding, op.channels)))


cdef void plane_convolution_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                                    const int *inputs, int n_inputs) noexcept nogil:
    cdef const Value *x = &call.values[inputs[0]]
    cdef Axis rows = axis_of(x.timesteps, op.size, op.stride, op.padding)
    cdef Axis columns = axis_of(x.width // op.channels, op.across, op.stride_across, op.padding)
    cdef Py_ssize_t b, i, n, width = x.width + columns.padding * op.channels
    cdef Py_ssize_t lines = max(1, WINDOWS // columns.count)
    cdef const float *plane
    cdef float *to = out.data
    cdef size_t offsets[MOST_ROWS]
    for i in range(op.size):
        offsets[i] = i * width
    for b in range(call.batch * x.fold):
        if stops(call.interrupt, call.on_caller):
            return
        plane = x.data + b * x.timesteps * x.width
        if rows.padding > 0 or columns.padding > 0:
            memset(scratch.z, 0, (x.timesteps + rows.padding) * width * sizeof(float))
            for i in range(x.timesteps):
                memcpy(scratch.z + (rows.before + i) * width + columns.before * op.channels, plane + i * x.width,
                       x.width * sizeof(float))
            plane = scratch.z
        i = 0
        while i < rows.count:
            n = min(lines, rows.count - i)
            engine.kernels.gemm_windows_forward(to, op.bias, plane + i * op.stride * width,
                                                op.stride_across * op.channels, op.stride * width, offsets, op.size,
                                                op.kernel.data, n, columns.count, op.across * op.channels, op.units)
            engine.kernels.activation_forward(to, to, n * columns.count, op.units, &op.activation)
            to += n * columns.count * op.units
            i += n


cdef void plane_pooling_forward(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                                const int *inputs, int n_inputs) noexcept nogil:
    """Of every window, first what the rows give in each column, then what these give."""
    cdef const Value *x = &call.values[inputs[0]]
    cdef Axis rows = axis_of(x.timesteps, op.size, op.stride, op.padding)
    cdef Axis columns = axis_of(x.width // op.channels, op.across, op.stride_across, op.padding)
    cdef Py_ssize_t b, i, j, k, first, last, height, kind = op.greatest if op.greatest else SUM
    cdef float *to = out.data
    for b in range(call.batch * x.fold):
        for i in range(rows.count):
            first = max(i * op.stride - rows.before, 0)
            height = min(i * op.stride - rows.before + op.size, x.timesteps) - first
            engine.kernels.pool_forward(scratch.z, x.data + (b * x.timesteps + first) * x.width, NULL, height, x.width,
                                        kind)
            for j in range(columns.count):
                first = max(j * op.stride_across - columns.before, 0)
                last = min(j * op.stride_across - columns.before + op.across, x.width // op.channels)
                engine.kernels.pool_forward(to, scratch.z + first * op.channels, NULL, last - first, op.channels, kind)
                if not op.greatest:
                    for k in range(op.channels):
                        to[k] /= <float> (height * (last - first))
                to += op.channels


cdef void choose_plane(Op *op) noexcept:
    """Sets what an op on rows and columns does."""
    op.whole = plane_convolution_forward if op.kind == PLANE_CONVOLUTION else plane_pooling_forward
