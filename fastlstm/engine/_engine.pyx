"""The executor: a chain of ops over time, without the GIL.

    for each stage, for each chunk of time steps, for each op of the stage: the op's forward function (_forward.pyx)

The caller's arrays are (batch, timesteps, features); between ops a chunk is (timesteps, batch, units), so that a step's
rows are dense. The Executor owns its weights and never changes after construction; all that a call writes lies in its
Workspace, taken from a free-list and given back, and in the arrays that it returns.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_Occurred
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.limits cimport INT_MAX
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastlstm.engine._forward cimport dense_forward, recurrent_forward
from fastlstm.engine._kernels cimport (
    fl_activation,
    fl_blas,
    fl_gather_steps,
    fl_kernels,
    fl_kernels_find,
    fl_kernels_name,
    fl_scatter_steps,
)
from fastlstm.engine._structs cimport ACTIVATION, DENSE, GRU, LSTM, SIMPLE_RNN, Call, Engine, Matrix, Op, State, Value
from fastlstm.engine._workspace cimport Workspace, workspace_size

import numpy as np

cnp.import_array()

cdef enum:
    # Rows (timesteps x batch) of a chunk: enough for the input projection to run at full speed, few enough for z to
    # stay in the L2 cache.
    CHUNK_ROWS = 64
    LARGEST_KEPT_WORKSPACE = 16 << 20  # bytes

cdef dict OP_KINDS = {
    "ActivationOp": ACTIVATION,
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


cdef class Executor:
    """See fastlstm.engine.program.Program, which plans what this class runs.

    Args:
        lowered: One dict per op, with the fields of `Op` in _structs.pxd. Arrays are C-contiguous float32 that nobody
            else changes; a matrix is `(array, features, columns, packed)`, an activation `(kind, parameters,
            function)`.
        stages: Index of the first op of every stage.
        isa: Name of the kernels, one of `kernel_names()`.
    """
    cdef Engine engine
    cdef Op *ops
    cdef int *stage_starts            # n_stages + 1 of them, the last is n_ops
    cdef int n_ops, n_stages
    cdef int features                 # of the first op that has any; 0: any
    cdef tuple recurrent              # (units, number of states) of every recurrent op
    cdef list kept, workspaces

    def __init__(self, list lowered, list stages, isa):
        if self.ops != NULL:
            raise TypeError("An Executor is immutable.")
        self.engine.kernels = _kernels(isa.encode())
        self.kept, self.workspaces, self.recurrent = [], [], ()
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

    # ---- construction

    cdef _add(self, dict lowered):
        cdef Op *op = &self.ops[self.n_ops]
        op.kind = OP_KINDS[lowered["kind"]]
        self._set_activation(&op.activation, lowered["activation"])
        if op.kind != ACTIVATION:
            op.features, op.units, op.z_width = lowered["features"], lowered["units"], lowered["z_width"]
            self.features = self.features or op.features
            self._set_matrix(&op.kernel, lowered["kernel"])
            op.bias = self._data(lowered["bias"])
        if op.kind >= LSTM:
            self._set_matrix(&op.recurrent_kernel, lowered["recurrent_kernel"])
            op.return_sequences = lowered["return_sequences"]
            op.go_backwards = lowered["go_backwards"]
            op.zero_output_for_mask = lowered["zero_output_for_mask"]
            self.recurrent += ((op.units, 2 if op.kind == LSTM else 1),)
        if op.kind == LSTM or op.kind == GRU:
            self._set_activation(&op.recurrent_activation, lowered["recurrent_activation"])
        if op.kind == LSTM:
            op.fused = lowered["fused"]
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
            activation.callback = _call_function
            activation.context = <void *> function

    # ---- a call

    def run(self, cnp.ndarray x not None, mask=None, initial_states=None, bint return_states=False):
        """Runs the chain.

        Args:
            x: float32, C-contiguous: `(batch, timesteps, features)`; if no op is recurrent `(..., features)` of two or
                more dimensions, one or more if there are only activations.
            mask: bool `(batch, timesteps)`: False where a step is to be skipped. None: every step counts.
            initial_states: None, or one entry per recurrent op: None (zeros) or a list of its states (LSTM: `[h, c]`,
                else `[h]`), each `(batch, units)`.
            return_states: Whether to return the final states.

        Returns:
            `(out, states)`: a new float32 array, and per recurrent op a list of new arrays, or None.

        Raises:
            ValueError: A shape or dtype does not fit.
        """
        cdef Call call
        cdef Value value
        cdef bint sequence = len(self.recurrent) > 0
        self._check(x, mask, initial_states)
        value.width = <int> x.shape[x.ndim - 1]
        value.timesteps = x.shape[1] if sequence else 1
        call.batch = x.shape[0] if sequence else x.size // value.width
        if call.batch > INT_MAX:
            raise ValueError(f"x has {call.batch} rows, more than the {INT_MAX} that one call takes.")
        value.data = <const float *> cnp.PyArray_DATA(x)
        value.time_major = call.batch == 1 or value.timesteps == 1
        call.mask = NULL
        if mask is not None:
            call.mask = <const unsigned char *> cnp.PyArray_DATA(mask)
        call.mask_timesteps = value.timesteps
        call.chunk = min(value.timesteps, max(1, CHUNK_ROWS // max(1, call.batch)))

        cdef cnp.ndarray out = np.empty(self._out_shape(x), dtype=np.float32)
        states = None
        if return_states:
            states = [[np.zeros((call.batch, units), np.float32) for _ in range(n)] for units, n in self.recurrent]
        if call.batch == 0:
            return out, states
        cdef Workspace workspace = self._take_workspace(&call, &value)
        self._set_states(&call, initial_states)
        with nogil:
            self._run(&call, value, <float *> cnp.PyArray_DATA(out))
        _raise_pending()
        if return_states:
            self._get_states(&call, states)
        if workspace.size <= LARGEST_KEPT_WORKSPACE:
            self.workspaces.append(workspace)
        return out, states

    cdef _check(self, cnp.ndarray x, mask, initial_states):
        cdef bint sequence = len(self.recurrent) > 0
        _check_array("x", x, None)
        least = 3 if sequence else 2 if self.features else 1
        if x.ndim < least or (sequence and x.ndim > 3):
            raise ValueError(f"expected x with {least} dimensions, received shape {np.shape(x)}")
        if self.features and x.shape[x.ndim - 1] != self.features:
            raise ValueError(f"expected {self.features} features, received x of shape {np.shape(x)}")
        if x.shape[x.ndim - 1] == 0 or (sequence and x.shape[1] == 0):
            raise ValueError(f"expected at least one time step and one feature, received x of shape {np.shape(x)}")
        if mask is not None:
            if not sequence:
                raise ValueError("mask: no op of this chain is recurrent")
            if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or not mask.flags.c_contiguous:
                raise ValueError("mask: expected a C-contiguous bool array")
            if np.shape(mask) != np.shape(x)[:2]:
                raise ValueError(f"mask: expected shape {np.shape(x)[:2]}, received {np.shape(mask)}")
        if initial_states is None:
            return
        if len(initial_states) != len(self.recurrent):
            raise ValueError(f"initial_states: expected {len(self.recurrent)} entries, received {len(initial_states)}")
        for given, (units, n) in zip(initial_states, self.recurrent):
            if given is not None and len(given) != n:
                raise ValueError(f"initial_states: expected {n} arrays for an op, received {len(given)}")
            for array in given or ():
                _check_array("initial_states", array, (x.shape[0], units))

    cdef tuple _out_shape(self, cnp.ndarray x):
        shape = [x.shape[i] for i in range(x.ndim)]
        for i in range(self.n_ops):
            if self.ops[i].kind != ACTIVATION:
                shape[-1] = self.ops[i].units
            if self.ops[i].kind >= LSTM and not self.ops[i].return_sequences:
                del shape[1]
        return tuple(shape)

    cdef Workspace _take_workspace(self, Call *call, const Value *value):
        cdef size_t size = workspace_size(call, value, self.ops, self.n_ops, self.n_stages)
        cdef Workspace workspace = None
        try:
            workspace = self.workspaces.pop()
        except IndexError:
            pass
        if workspace is None or workspace.size < size:
            workspace = Workspace(size)
        workspace.lay_out(call, value, self.ops, self.n_ops, self.n_stages)
        return workspace

    cdef _set_states(self, Call *call, initial_states):
        cdef size_t i, bytes
        cdef State *state
        for i, (units, n) in enumerate(self.recurrent):
            bytes = call.batch * <size_t> units * sizeof(float)
            state = &call.states[i]
            given = None if initial_states is None else initial_states[i]
            _set_state(state.h, given[0] if given else None, bytes)
            if state.c != NULL:
                _set_state(state.c, given[1] if given else None, bytes)
            if call.mask != NULL:
                _set_state(state.out_prev, None, bytes)

    cdef _get_states(self, Call *call, list states):
        cdef size_t i
        for i, arrays in enumerate(states):
            memcpy(cnp.PyArray_DATA(arrays[0]), call.states[i].h, arrays[0].nbytes)
            if call.states[i].c != NULL:
                memcpy(cnp.PyArray_DATA(arrays[1]), call.states[i].c, arrays[1].nbytes)

    # ---- the time loop

    cdef void _run(self, Call *call, Value value, float *out) noexcept nogil:
        cdef int stage, recurrent = 0
        cdef float *destination
        for stage in range(self.n_stages):
            destination = out if stage == self.n_stages - 1 else call.sequences[stage % 2]
            self._run_stage(call, stage, &recurrent, &value, destination)

    cdef void _run_stage(self, Call *call, int stage, int *recurrent, Value *value, float *destination) noexcept nogil:
        """Runs one stage over the whole of `value`, then makes `value` its output.

        The output is time-major between stages, batch-major (as the caller wants it) after the last.
        """
        cdef int first = self.stage_starts[stage], end = self.stage_starts[stage + 1], i, width = 0, state = 0
        cdef Op *last = &self.ops[end - 1]
        cdef Op *op
        cdef bint backwards = self.ops[first].kind >= LSTM and self.ops[first].go_backwards
        cdef bint ends = last.kind >= LSTM and not last.return_sequences
        cdef bint in_place = stage < self.n_stages - 1 or call.batch == 1 or value.timesteps == 1
        cdef Py_ssize_t chunk, start, steps, timesteps = value.timesteps
        cdef const float *x
        cdef float *out
        for chunk in range((timesteps + call.chunk - 1) // call.chunk):
            start = chunk * call.chunk
            steps = min(call.chunk, timesteps - start)
            x = value.data + start * call.batch * value.width
            if backwards or not value.time_major:
                fl_gather_steps(call.buffers[0], value.data, call.batch, timesteps, value.width, start, steps,
                                value.time_major, backwards)
                x = call.buffers[0]
            width, state = value.width, recurrent[0]
            for i in range(first, end):
                op = &self.ops[i]
                width = width if op.kind == ACTIVATION else op.units
                out = call.buffers[1] if x != call.buffers[1] else call.buffers[0]
                if i == end - 1 and in_place and not ends:
                    out = destination + start * call.batch * width
                if op.kind >= LSTM:
                    recurrent_forward(&self.engine, op, call, &call.states[state], out, x, start, steps)
                    state += 1
                else:
                    dense_forward(&self.engine, op, out, x, steps * call.batch, width)
                x = out
            if not in_place and not ends:
                fl_scatter_steps(destination, x, call.batch, timesteps, width, start, steps)
        recurrent[0] = state
        value.data, value.width, value.time_major = destination, width, True
        if ends:
            x = call.states[state - 1].h if call.mask == NULL else call.states[state - 1].out_prev
            memcpy(destination, x, call.batch * width * sizeof(float))
            value.timesteps = 1
            call.mask = NULL


cdef const fl_kernels *_kernels(bytes isa) except NULL:
    cdef const fl_kernels *kernels = fl_kernels_find(isa)
    if kernels == NULL:
        raise ValueError(f"No kernels called {isa.decode()!r}; this CPU and build have {kernel_names()}.")
    return kernels


cdef const fl_blas *_load_blas() except NULL:
    from fastlstm.engine import _blas
    return <const fl_blas *> PyCapsule_GetPointer(_blas.capsule, "fastlstm.blas")


cdef _check_array(str name, array, shape):
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected a C-contiguous float32 array, received {type(array).__name__} "
                         f"of dtype {getattr(array, 'dtype', None)}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, received {array.shape}")


cdef _set_state(float *state, given, size_t bytes):
    if given is None:
        memset(state, 0, bytes)
    else:
        memcpy(state, cnp.PyArray_DATA(given), bytes)


# ---- Python activations

cdef void _call_function(void *context, float *out, const float *x, size_t rows, size_t units) noexcept with gil:
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
        _pend(error)


cdef extern from *:
    """
    static void fl_pend(PyObject *error)
    {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    """
    void _pend "fl_pend" (object error)


cdef int _raise_pending() except? -1:
    """Raises the exception that a Python activation left."""
    return -1 if PyErr_Occurred() != NULL else 0
