"""A dense op over windows of an array: a convolution, whose windows are read where they lie.

The windows along the last axis, a line of them, are the rows of one product (csrc/gemm_windows.h); threads share the
lines.
"""

cimport numpy as cnp
from libc.stdlib cimport free, malloc

from fastlstm.engine._array_form cimport check_array
from fastlstm.engine._engine cimport PARALLEL_WORK
from fastlstm.engine._op_list cimport OpList
from fastlstm.engine._pool cimport acquire, begin_call, end_call, release, run
from fastlstm.engine._structs cimport DENSE, Engine, Op

from math import prod

from fastlstm.engine._engine import get_num_threads

cnp.import_array()

cdef enum:
    MOST_AXES = 8

cdef struct Lines:
    const Engine *engine
    const Op *op
    const float *x
    float *out                        # (lines, windows, units)
    size_t *offsets                   # of a window's pieces from its first value
    Py_ssize_t pieces
    Py_ssize_t features               # of a piece
    Py_ssize_t lines                  # of all images
    int axes                          # the last one is that of a line
    Py_ssize_t counts[MOST_AXES]      # of windows along the axes
    Py_ssize_t apart[MOST_AXES]       # values of x from one window to the next
    Py_ssize_t image                  # values of x of an image
    int parts


def takes_windows(OpList program not None):
    """Whether `run_windows` runs the program: one dense op with packed weights and a native activation."""
    return (program.n_ops == 1 and program.ops[0].kind == DENSE and program.ops[0].kernel.packed
            and not program.has_callbacks)


def run_windows(OpList program not None, cnp.ndarray x not None, list axes not None):
    """Returns `(batch, *counts, units)`: the op's output for what each window reads, as one row.

    Args:
        program: One that `takes_windows`.
        x: float32, C-contiguous, `(batch, *lengths, channels)`.
        axes: Of each length `(count, size, stride, dilation)`: window i reads the positions `i*stride + j*dilation`.

    Raises:
        ValueError: A shape or dtype does not fit, or a window reads beyond the end.
    """
    cdef Lines lines
    cdef cnp.ndarray out
    cdef cnp.npy_intp shape[MOST_AXES + 2]
    cdef int axis
    cdef double work
    check_array("x", x, None)
    if not takes_windows(program):
        raise ValueError("this program is not one dense op with packed weights")
    lines.engine, lines.op, lines.axes = &program.engine, &program.ops[0], <int> len(axes)
    if not 1 <= lines.axes <= MOST_AXES or x.ndim != lines.axes + 2:
        raise ValueError(f"{len(axes)} axes of windows do not fit x of shape {(<object> x).shape}")
    channels = x.shape[lines.axes + 1]
    for axis, (count, size, stride, dilation) in enumerate(axes):
        if min(count, size, stride, dilation) < 1 or (count - 1) * stride + (size - 1) * dilation >= x.shape[axis + 1]:
            raise ValueError(f"windows {axes} read beyond x of shape {(<object> x).shape}")
        lines.counts[axis] = shape[axis + 1] = count
        lines.apart[axis] = stride * (cnp.PyArray_STRIDE(x, axis + 1) // sizeof(float))
    if prod(size for _, size, _, _ in axes) * channels != lines.op.features:
        raise ValueError(f"windows {axes} of {channels} channels do not have {lines.op.features} values")
    shape[0], shape[lines.axes + 1] = x.shape[0], lines.op.units
    out = cnp.PyArray_EMPTY(lines.axes + 2, shape, cnp.NPY_FLOAT32, 0)
    if out.size == 0:
        return out
    lines.x, lines.out = <const float *> cnp.PyArray_DATA(x), <float *> cnp.PyArray_DATA(out)
    lines.image, lines.lines = x.size // x.shape[0], out.size // (lines.op.units * lines.counts[lines.axes - 1])
    offsets = offsets_of(x, axes)
    lines.pieces, lines.features = len(offsets), lines.op.features // len(offsets)
    lines.offsets = <size_t *> malloc(len(offsets) * sizeof(size_t))
    if lines.offsets == NULL:
        raise MemoryError(f"where the {len(offsets)} pieces of a window lie")
    for axis, offset in enumerate(offsets):
        lines.offsets[axis] = offset
    work = program.work * (out.size // lines.op.units)
    cdef bint noticed = work >= <double> PARALLEL_WORK
    cdef Py_ssize_t threads = min(<Py_ssize_t> get_num_threads(), lines.lines) if noticed else 1
    lines.parts = acquire(<int> threads, work) if threads > 1 else 1
    with nogil:
        if noticed:
            begin_call()
        if lines.parts > 1:
            run(lines_forward, &lines, lines.parts)
            release()
        else:
            lines_forward(&lines, 0)
        if noticed:
            end_call()
        free(lines.offsets)
    return out


def offsets_of(cnp.ndarray x, list axes):
    """Where the pieces of a window lie: as long as they are, since positions beside each other are one."""
    offsets, last = [0], len(axes) - 1
    for axis, (_, size, _, dilation) in enumerate(axes):
        if axis < last or dilation > 1:
            step = dilation * (x.strides[axis + 1] // sizeof(float))
            offsets = [offset + j * step for offset in offsets for j in range(size)]
    return offsets


cdef void lines_forward(void *context, int part) noexcept nogil:
    """Some of the lines."""
    cdef Lines *lines = <Lines *> context
    cdef const Op *op = lines.op
    cdef Py_ssize_t line, rest, last = lines.axes - 1, windows = lines.counts[lines.axes - 1]
    cdef const float *x
    cdef float *out
    cdef int axis
    for line in range(lines.lines * part // lines.parts, lines.lines * (part + 1) // lines.parts):
        x, rest = lines.x, line
        for axis in range(last - 1, -1, -1):
            x += rest % lines.counts[axis] * lines.apart[axis]
            rest //= lines.counts[axis]
        x += rest * lines.image
        out = lines.out + line * windows * op.units
        lines.engine.kernels.gemm_windows_forward(out, op.bias, x, lines.apart[last], 0, lines.offsets, lines.pieces,
                                                  op.kernel.data, 1, windows, lines.features, op.units)
        lines.engine.kernels.activation_forward(out, out, windows, op.units, &op.activation)
