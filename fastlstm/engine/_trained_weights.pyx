"""Weights that training changes: laid out for the kernels, their gradients as arrays of their shapes, their steps."""

cimport numpy as cnp
from libc.string cimport memcpy

from fastlstm.engine._kernels cimport fl_activation, fl_kernels, fl_pack, fl_pack_transposed, fl_unpack
from fastlstm.engine._op_list cimport find_kernels
from fastlstm.engine._tape cimport TrainedMatrix, TrainedOp, TrainingCall

import numpy as np

cnp.import_array()


cdef set_activation(fl_activation *activation, lowered):
    activation.kind = lowered.kind
    for i, parameter in enumerate(lowered.parameters):
        activation.parameters[i] = parameter


cdef pack_matrix(const TrainedMatrix *matrix, float *bias, lowered, dict arrays):
    """Lays out a weight's columns of this matrix, and its bias."""
    cdef cnp.ndarray weight = arrays[lowered.weight], order = lowered.order, given
    cdef const int *columns = <const int *> cnp.PyArray_DATA(order)
    cdef const float *data = <const float *> cnp.PyArray_DATA(weight)
    fl_pack(matrix.packed, data, weight.shape[1], columns, matrix.features, matrix.columns)
    fl_pack_transposed(matrix.transposed, data, weight.shape[1], columns, matrix.features, matrix.n)
    if lowered.has_bias:
        given = arrays["bias"]
        fl_pack(bias, <const float *> cnp.PyArray_DATA(given) + <Py_ssize_t> lowered.bias_start, 0, columns, 1,
                matrix.columns)


cdef dict unpacked(const TrainingCall *call, const TrainedOp *op, lowered):
    """The gradients by the weights of an op, by name; none where training leaves it."""
    cdef dict found = {}
    if not lowered.trainable:
        return found
    if op.table_gradient >= 0:
        found["table"] = new_array(call.gradients + op.table_gradient, op.vocabulary, op.units)
    for name, matrix in lowered.matrices.items():
        if name == "kernel":
            unpack(call, found, &op.kernel, matrix)
        elif name == "recurrent_kernel":
            unpack(call, found, &op.recurrent_kernel, matrix)
        else:
            unpack(call, found, &op.candidate_kernel, matrix)
    return found


cdef unpack(const TrainingCall *call, dict found, const TrainedMatrix *matrix, lowered):
    """Brings the gradients of a matrix and its bias into arrays of the weights' shapes."""
    cdef cnp.ndarray array, order = lowered.order
    cdef const int *columns = <const int *> cnp.PyArray_DATA(order)
    if lowered.weight not in found:
        found[lowered.weight] = np.empty(lowered.shape, np.float32)
    array = found[lowered.weight]
    fl_unpack(<float *> cnp.PyArray_DATA(array), array.shape[1], call.gradients + matrix.gradient, columns,
              matrix.features, matrix.columns)
    if matrix.bias_gradient >= 0:
        if "bias" not in found:
            found["bias"] = np.empty(lowered.bias_shape, np.float32)
        array = found["bias"]
        fl_unpack(<float *> cnp.PyArray_DATA(array) + <Py_ssize_t> lowered.bias_start, 0,
                  call.gradients + matrix.bias_gradient, columns, 1, matrix.columns)


cdef new_array(const float *data, Py_ssize_t rows, Py_ssize_t columns):
    """A copy of a matrix."""
    cdef cnp.ndarray array = np.empty((rows, columns), np.float32)
    memcpy(cnp.PyArray_DATA(array), data, rows * columns * sizeof(float))
    return array


cdef float *changed(cnp.ndarray array, Py_ssize_t n) except NULL:
    """The numbers of a float32 array that is dense and has n of them."""
    if array.dtype != np.float32 or array.size != n or not array.flags.c_contiguous or not array.flags.aligned:
        raise ValueError(f"expected {n} dense float32, received {array.dtype} of shape {(<object> array).shape}")
    return <float *> cnp.PyArray_DATA(array)


def adam_step(isa, cnp.ndarray value not None, cnp.ndarray m not None, cnp.ndarray v not None, cnp.ndarray largest,
              cnp.ndarray gradient not None, float part_m, float part_v, float alpha, float epsilon):
    """A step of Adam, whose bits are NumPy's.

    Args:
        isa: Name of the kernels, one of `kernel_names()`.
        value, m, v: float32 arrays, dense and of one size, to be changed.
        largest: Likewise, the largest `v` so far, which stands for `v` then; or None.
        gradient: Likewise; it stays.
        part_m, part_v: How much of the means is new.
        alpha: The learning rate, corrected for the means' beginning.
        epsilon: Added to the root.

    Raises:
        ValueError: Another dtype, another size, or not dense.
    """
    cdef const fl_kernels *kernels = find_kernels(isa.encode())
    cdef Py_ssize_t n = value.size
    cdef float *numbers = changed(value, n)
    cdef float *mean = changed(m, n)
    cdef float *square = changed(v, n)
    cdef float *most = NULL if largest is None else changed(largest, n)
    cdef const float *slope = changed(gradient, n)
    with nogil:
        kernels.adam_step(numbers, mean, square, most, slope, n, part_m, part_v, alpha, epsilon)
