"""Weights that training changes, for the executor."""

from fastlstm.engine._kernels cimport fl_activation
from fastlstm.engine._tape cimport TrainedMatrix, TrainedOp, TrainingCall

cdef set_activation(fl_activation *activation, lowered)

cdef pack_matrix(const TrainedMatrix *matrix, float *bias, lowered, dict arrays)

cdef dict unpacked(const TrainingCall *call, const TrainedOp *op, lowered)

cdef new_array(const float *data, Py_ssize_t rows, Py_ssize_t columns)
