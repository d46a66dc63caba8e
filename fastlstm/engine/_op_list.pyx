"""The ops of a program as structs: what the executor runs, made once of what program.py lowered."""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport calloc, free, malloc

from fastlstm.engine._callback cimport call_function
from fastlstm.engine._kernels cimport fl_activation, fl_blas, fl_kernels, fl_kernels_find, fl_kernels_name
from fastlstm.engine._structs cimport ACTIVATION, DENSE, EMBEDDING, GRU, LSTM, SIMPLE_RNN, Matrix, Op

cnp.import_array()

cdef dict OP_KINDS = {
    "ActivationOp": ACTIVATION,
    "EmbeddingOp": EMBEDDING,
    "DenseOp": DENSE,
    "LSTMOp": LSTM,
    "GRUOp": GRU,
    "SimpleRNNOp": SIMPLE_RNN,
}


def kernel_names():
    """The instruction sets whose kernels this build has and this CPU runs, best first."""
    names = []
    while fl_kernels_name(len(names)) != NULL:
        names.append(fl_kernels_name(len(names)).decode())
    return names


cdef class OpList:
    """Ops with their weights, and the kernels that run them. It never changes.

    Args:
        lowered: One dict per op, with the fields of `Op` in _structs.pxd. Arrays are C-contiguous float32 that nobody
            else changes; a matrix is `(array, features, columns, packed)`, an activation `(kind, parameters,
            function)`.
        stages: Index of the first op of every stage.
        isa: Name of the kernels, one of `kernel_names()`.
    """

    def __init__(self, list lowered, list stages, isa):
        if self.ops != NULL:
            raise TypeError(f"A {type(self).__name__} is immutable.")
        self.engine.kernels = _kernels(isa.encode())
        self.kept, self.recurrent = [], ()
        self.n_stages = len(stages)
        self.stage_starts = <int *> malloc((self.n_stages + 1) * sizeof(int))
        self.ops = <Op *> calloc(len(lowered), sizeof(Op))
        if self.ops == NULL or self.stage_starts == NULL:
            raise MemoryError()
        for i, start in enumerate(stages):
            self.stage_starts[i] = start
        self.stage_starts[self.n_stages] = len(lowered)
        for op in lowered:
            self._add(op)

    def __dealloc__(self):
        free(self.ops)
        free(self.stage_starts)

    @property
    def isa(self):
        """Name of the kernels that run this chain."""
        return self.engine.kernels.name.decode()

    cdef _add(self, dict lowered):
        cdef Op *op = &self.ops[self.n_ops]
        op.kind = OP_KINDS[lowered["kind"]]
        self._set_activation(&op.activation, lowered["activation"])
        if "table" in lowered:
            table = lowered["table"]
            op.table, op.vocabulary = self._data(table), len(table)
            self.vocabulary, self.ids_name = op.vocabulary, lowered["name"]
        if op.kind == EMBEDDING:
            op.units = lowered["units"]
        elif op.kind != ACTIVATION:
            op.features, op.units, op.z_width = lowered["features"], lowered["units"], lowered["z_width"]
            self.features = self.features or op.features
            if op.table == NULL:
                self._set_matrix(&op.kernel, lowered["kernel"])
                op.bias = self._data(lowered["bias"])
            self.work += <double> op.z_width * (op.features + (op.units if op.kind >= LSTM else 0))
        if op.kind >= LSTM:
            self._set_matrix(&op.recurrent_kernel, lowered["recurrent_kernel"])
            op.return_sequences = lowered["return_sequences"]
            op.go_backwards = lowered["go_backwards"]
            op.zero_output_for_mask = lowered["zero_output_for_mask"]
            self.recurrent += ((op.units, 2 if op.kind == LSTM else 1),)
        if op.kind == LSTM or op.kind == GRU:
            self._set_activation(&op.recurrent_activation, lowered["recurrent_activation"])
            op.fused = lowered["fused"]
        if op.kind == LSTM:
            op.finite = op.fused and lowered["finite"]
        if op.kind == GRU:
            op.reset_after = lowered["reset_after"]
            op.recurrent_bias = self._data(lowered["recurrent_bias"])
            if not op.reset_after:
                self._set_matrix(&op.candidate_kernel, lowered["candidate_kernel"])
        self.n_ops += 1

    cdef const float *_data(self, array):
        self.kept.append(array)
        return <const float *> cnp.PyArray_DATA(array)

    cdef _set_matrix(self, Matrix *matrix, tuple lowered):
        array, matrix.features, matrix.columns, matrix.packed = lowered
        matrix.data = self._data(array)
        if not matrix.packed and self.engine.blas == NULL:
            self.engine.blas = _load_blas()

    cdef _set_activation(self, fl_activation *activation, tuple lowered):
        activation.kind, parameters, function = lowered
        for i, parameter in enumerate(parameters):
            activation.parameters[i] = parameter
        if function is not None:
            self.kept.append(function)
            self.has_callbacks = True
            activation.callback = call_function
            activation.context = <void *> function


cdef const fl_kernels *_kernels(bytes isa) except NULL:
    cdef const fl_kernels *kernels = fl_kernels_find(isa)
    if kernels == NULL:
        raise ValueError(f"No kernels called {isa.decode()!r}; this CPU and build have {kernel_names()}.")
    return kernels


cdef const fl_blas *_load_blas() except NULL:
    from fastlstm.engine import _blas
    return <const fl_blas *> PyCapsule_GetPointer(_blas.capsule, "fastlstm.blas")
