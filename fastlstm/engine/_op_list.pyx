"""The ops of a program as structs: what the executor runs, made once of what lowering.py gives.

An activation may be a Python function. It is called from code that knows neither Python nor the GIL, through which an
exception cannot pass: it stays pending on its thread until the executor has the GIL again.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_Occurred
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastlstm.engine._forward cimport choose_forward
from fastlstm.engine._interrupt cimport pend
from fastlstm.engine._kernels cimport (
    fl_activation,
    fl_blas,
    fl_integer_kernels_find,
    fl_integers,
    fl_kernels,
    fl_kernels_find,
    fl_kernels_name,
)
from fastlstm.engine._products cimport choose_product
from fastlstm.engine._structs cimport (
    ACTIVATION,
    AFFINE,
    CONVOLUTION,
    DENSE,
    EMBEDDING,
    FOLD,
    GLOBAL_POOL,
    GRU,
    HEADS,
    IDS_MASK,
    LAYER_NORM,
    LSTM,
    MASKING,
    MERGE,
    MOST_ENDS,
    PAIRS,
    PERMUTE,
    PLANE_CONVOLUTION,
    PLANE_POOL,
    POOL,
    PRODUCT,
    RESHAPE,
    SIMPLE_RNN,
    SLICE,
    STATE_IN,
    STATE_OUT,
    STEPS,
    UNFOLD,
    Matrix,
    Op,
    Stage,
    Value,
    Wiring,
    cost_of_inputs,
    cost_of_rest,
    may_be_cut,
    work_of,
)

import numpy as np

cnp.import_array()

cdef dict OP_KINDS = {
    "ActivationOp": ACTIVATION,
    "AffineOp": AFFINE,
    "LayerNormOp": LAYER_NORM,
    "ConvolutionOp": CONVOLUTION,
    "PoolOp": POOL,
    "GlobalPoolOp": GLOBAL_POOL,
    "PlaneConvolutionOp": PLANE_CONVOLUTION,
    "PlanePoolOp": PLANE_POOL,
    "StepsOp": STEPS,
    "SliceOp": SLICE,
    "ReshapeOp": RESHAPE,
    "PermuteOp": PERMUTE,
    "HeadsOp": HEADS,
    "FoldOp": FOLD,
    "IdsMaskOp": IDS_MASK,
    "MaskingOp": MASKING,
    "UnfoldOp": UNFOLD,
    "MergeOp": MERGE,
    "ProductOp": PRODUCT,
    "PairsOp": PAIRS,
    "StateInOp": STATE_IN,
    "StateOutOp": STATE_OUT,
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


# How many times as fast as one thread several have to be by their costs.
cdef double LEAST_GAIN = 1.12


cdef class OpList:
    """Ops with their weights, and the kernels that run them. It never changes.

    Args:
        lowered: What lowering.py made of the ops, a `LoweredOp` each.
        wiring: How values go from one to the next, a `Wiring` of wiring.py.
        isa: Name of the kernels, one of `kernel_names()`.
    """

    def __init__(self, list lowered, wiring, isa):
        if self.ops != NULL:
            raise TypeError(f"A {type(self).__name__} is immutable.")
        self.engine.kernels = find_kernels(isa.encode())
        self.engine.integer_kernels = fl_integer_kernels_find(isa.encode())
        self.kernel_name = isa
        self.kept, self.names, self.recurrent = [], [], ()
        self.stages = <Stage *> calloc(len(wiring.stages), sizeof(Stage))
        self.ops = <Op *> calloc(len(lowered), sizeof(Op))
        if self.ops == NULL or self.stages == NULL:
            raise MemoryError(f"{len(lowered)} ops of a program")
        for op in lowered:
            try:
                self._add(op)
            except OverflowError as error:
                raise ValueError(f"A number of {op.name} is larger than any that the engine takes: {error}") from error
        self._wire(wiring, [op.name for op in lowered])

    def __dealloc__(self):
        free(self.ops)
        free(self.stages)

    @property
    def isa(self):
        """Name of the kernels that run this chain."""
        self._check_made()
        return self.kernel_name

    cdef int _check_made(self) except -1:
        if self.wiring.n_stages == 0:
            raise TypeError(f"This {type(self).__name__} was made without its ops.")
        return 0

    cdef _add(self, lowered):
        cdef Op *op = &self.ops[self.n_ops]
        op.kind = OP_KINDS[lowered.kind]
        self.names.append(lowered.kind)
        op.features, op.units, op.z_width = lowered.features, lowered.units, lowered.z_width
        if not self.regrouped:
            self.features = self.features or op.features
        self.regrouped = self.regrouped or STEPS < op.kind < LSTM
        self._set_activation(&op.activation, lowered.activation)
        self._set_activation(&op.recurrent_activation, lowered.recurrent_activation)
        self._set_matrix(&op.kernel, lowered.kernel)
        self._set_matrix(&op.recurrent_kernel, lowered.recurrent_kernel)
        self._set_matrix(&op.candidate_kernel, lowered.candidate_kernel)
        op.bias, op.recurrent_bias = self._data(lowered.bias), self._data(lowered.recurrent_bias)
        op.table = self._data(lowered.table)
        if op.table != NULL:
            op.vocabulary = len(lowered.table)
        op.center, op.scale, op.shift = self._data(lowered.center), self._data(lowered.scale), self._data(lowered.shift)
        op.epsilon, op.root_mean, op.greatest = lowered.epsilon, lowered.root_mean, lowered.greatest
        op.size, op.stride, op.dilation, op.groups = lowered.size, lowered.stride, lowered.dilation, lowered.groups
        op.padding, op.merge, op.timesteps, op.state = lowered.padding, lowered.merge, lowered.timesteps, lowered.state
        op.before, op.after, op.backwards = lowered.before, lowered.after, lowered.backwards
        op.across, op.stride_across, op.channels = lowered.across, lowered.stride_across, lowered.channels
        op.total = lowered.total
        op.finite, op.return_sequences = lowered.finite, lowered.return_sequences
        op.go_backwards, op.zero_output_for_mask = lowered.go_backwards, lowered.zero_output_for_mask
        if op.kind >= LSTM:
            self.recurrent += ((op.units, 2 if op.kind == LSTM else 1),)
        choose_forward(op, lowered.fused, lowered.reset_after)
        self.work += work_of(op)
        self.largest_kernel = max(self.largest_kernel, op.features * op.z_width)
        self.cost += work_of(op) + 16.0 * max(op.units, self.features) + 64.0
        self.n_ops += 1

    cdef _wire(self, wiring, names):
        cdef Stage *stage
        cdef int state = 0, i
        cdef int n_inputs = len(wiring.axes), n_ends = n_inputs + len(wiring.outputs)
        if n_ends > MOST_ENDS:
            raise ValueError(f"A Program has at most {MOST_ENDS} inputs and outputs. Received: {n_ends}")
        self.axes, self.out_axes = self._ints(wiring.axes), self._ints(wiring.out_axes)
        self.tables = []
        for number, given in enumerate(wiring.stages):
            stage = &self.stages[number]
            stage.first, stage.end, stage.state = given.first, given.end, state
            stage.inputs, stage.n_inputs, stage.output = self._ints(given.inputs), len(given.inputs), given.output
            stage.masked, stage.in_rows, stage.beside = given.masked, given.in_rows, given.beside
            stage.alias, stage.mask = given.alias, given.mask
            self.makes_masks = self.makes_masks or stage.mask >= 0
            if self.ops[stage.first].table != NULL:
                self.tables.append((given.inputs[0], self.ops[stage.first].vocabulary, names[stage.first]))
            for i in range(stage.first, stage.end):
                state += self.ops[i].kind >= LSTM
                if stage.masked and (self.ops[i].kind >= LSTM or self.ops[i].kind == GLOBAL_POOL):
                    self.takes_masks = True
        self.ids = self._ints([any(number == table[0] for table in self.tables) for number in range(n_inputs)])
        # Of a chain that begins with ids.
        self.vocabulary = self.tables[0][1] if self.tables and n_ends == 2 else 0
        ends = self._ints([*range(n_inputs), *wiring.outputs])
        self.wiring = Wiring(self.stages, len(wiring.stages), len(wiring.buffers), ends, n_inputs, n_ends,
                             self._ints(wiring.buffers), max(wiring.buffers) + 1)

    def pipeline_parts(self, Py_ssize_t batch, bint masked, int threads):
        """How many threads, each with some of the ops and of their products, take less time than fewer of them.

        Args:
            batch: Rows.
            masked: Whether the call has a mask, with which products are not cut.
            threads: At most; positive.
        """
        cdef double alone = 0, shared = 0, most = 1, total, largest, inputs, rest
        cdef const Stage *stage
        cdef int number, i
        for number in range(self.wiring.n_stages):
            stage, total, largest = &self.stages[number], 0, 0
            for i in range(stage.first, stage.end):
                inputs, rest = cost_of_inputs(&self.ops[i]), cost_of_rest(&self.ops[i], batch)
                total += inputs + rest
                largest = max(largest, rest if may_be_cut(&self.ops[i]) and not masked else inputs + rest)
            if total > 0 and self.ops[stage.first].whole == NULL:
                if stage.beside or number > 0 and self.stages[number - 1].beside:
                    largest = total / 2  # it runs at the same time as another one
                most = max(most, total / largest if largest > 0 else threads)
                shared += max(largest, total / threads)
                alone += total
        if alone < LEAST_GAIN * shared:
            return 1
        return min(threads, <int> min(most + 0.85, threads))

    cdef str misfit(self, const Value *values, int bad):
        """What an op needs, and what it would get of these values instead."""
        cdef const Op *op = &self.ops[bad]
        cdef int i = 0
        while self.stages[i].end <= bad:
            i += 1
        cdef const Value *given = &values[self.stages[i].output]
        name = self.names[bad].removesuffix("Op")
        if op.features and op.features != given.width:
            return f"{name} expected {op.features} features, it would get {given.width}"
        if op.kind == CONVOLUTION or op.kind == POOL:
            least = (op.size - 1) * op.dilation + 1
            return f"{name} expected at least {least} steps, it would get {given.timesteps}"
        if op.kind == RESHAPE and op.units:
            steps = "any number of" if op.timesteps < 0 else op.timesteps
            expected = f"what makes {steps} steps of {op.units} features"
        else:
            expected = "more"
        return f"{name} expected {expected}, it would get {given.timesteps} steps of {given.width} features"

    cdef const int *_ints(self, numbers):
        array = np.array(numbers, np.intc)
        self.kept.append(array)
        return <const int *> cnp.PyArray_DATA(array)

    cdef const float *_data(self, array):
        if array is None:
            return NULL
        self.kept.append(array)
        return <const float *> cnp.PyArray_DATA(array)

    cdef _set_matrix(self, Matrix *matrix, lowered):
        if lowered is None:
            return
        matrix.data = self._data(lowered.data)
        matrix.features, matrix.columns, matrix.packed = lowered.features, lowered.columns, lowered.packed
        if lowered.integers is not None:
            self._set_integers(&matrix.integers, lowered)
        elif not matrix.packed and self.engine.blas == NULL:
            self.engine.blas = _load_blas()
        choose_product(matrix)

    cdef _set_integers(self, fl_integers *integers, lowered):
        given = lowered.integers
        self.kept.append(given)
        integers.packed = <const void *> cnp.PyArray_DATA(given.values)
        integers.scales = <const float *> cnp.PyArray_DATA(given.scales)
        integers.offsets = <const int32_t *> cnp.PyArray_DATA(given.offsets)
        integers.features, integers.limit, integers.bits = lowered.features, given.limit, 8 * given.values.itemsize

    cdef _set_activation(self, fl_activation *activation, lowered):
        activation.kind = lowered.kind
        for i, parameter in enumerate(lowered.parameters):
            activation.parameters[i] = parameter
        if lowered.function is not None:
            self.kept.append(lowered.function)
            self.has_callbacks = True
            activation.callback = call_function
            activation.context = <void *> lowered.function


cdef const fl_kernels *find_kernels(bytes isa) except NULL:
    """The kernels of that name.

    Raises:
        ValueError: This CPU or this build has none.
    """
    cdef const fl_kernels *kernels = fl_kernels_find(isa)
    if kernels == NULL:
        raise ValueError(f"No kernels called {isa.decode()!r}; this CPU and build have {kernel_names()}.")
    return kernels


cdef const fl_blas *_load_blas() except NULL:
    from fastlstm.engine import _blas
    return <const fl_blas *> PyCapsule_GetPointer(_blas.capsule, "fastlstm.blas")


cdef void call_function(void *context, float *out, const float *x, size_t rows, size_t units) noexcept with gil:
    """out (rows, units) = function(x). After an exception, which stays pending, nothing more is called."""
    cdef cnp.ndarray given, result
    if PyErr_Occurred() != NULL:
        return
    try:
        # A copy, since the function may keep its argument.
        given = np.empty((rows, units), np.float32)
        memcpy(cnp.PyArray_DATA(given), x, rows * units * sizeof(float))
        result = np.ascontiguousarray((<object> context)(given), np.float32)
        if (<object> result).shape != (rows, units):
            raise ValueError(f"activation {<object> context!r} must keep the shape of its input, {(rows, units)}; "
                             f"it gave {(<object> result).shape}")
        memcpy(out, cnp.PyArray_DATA(result), rows * units * sizeof(float))
    except BaseException as error:
        pend(error)


cdef int raise_pending() except? -1:
    """Raises the exception that a Python activation left."""
    return -1 if PyErr_Occurred() != NULL else 0
