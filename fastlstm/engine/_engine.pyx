"""The executor: a chain of ops over time, without the GIL.

    for each stage, for each chunk of time steps, for each op of the stage:
        dense   out = activation(x @ kernel + bias)                 one product for the chunk
        lstm    z = x @ kernel + bias                               one product for the chunk
                per step: z += h_prev @ recurrent_kernel, then the cell update (csrc/lstm_cell.h)

The caller's arrays are (batch, timesteps, features); between ops a chunk is (timesteps, batch, units), so that a step's
rows are dense. The Executor owns its weights and never changes after construction; all that a call writes lies in its
Workspace, taken from a free-list and given back, and in the arrays that it returns.
"""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.limits cimport INT_MAX
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastlstm.engine._kernels cimport (
    FL_PYTHON,
    fl_activation,
    fl_blas,
    fl_fill_rows,
    fl_gather_steps,
    fl_kernels,
    fl_kernels_find,
    fl_kernels_name,
    fl_scatter_steps,
    fl_select_rows,
)
from fastlstm.engine._workspace cimport ACTIVATION, DENSE, LSTM, Call, Op, State, Value, Workspace, workspace_size

import numpy as np

cnp.import_array()

cdef enum:
    # Rows (timesteps x batch) of a chunk: enough for the input projection to run at full speed, few enough for z to
    # stay in the L2 cache.
    CHUNK_ROWS = 64
    LARGEST_KEPT_WORKSPACE = 16 << 20  # bytes

cdef dict OP_KINDS = {"LSTMOp": LSTM, "DenseOp": DENSE, "ActivationOp": ACTIVATION}


def kernel_names():
    """The instruction sets whose kernels this build has and this CPU runs, best first."""
    names = []
    while fl_kernels_name(len(names)) != NULL:
        names.append(fl_kernels_name(len(names)).decode())
    return names


cdef class Executor:
    """See fastlstm.engine.program.Program, which plans what this class runs.

    Args:
        lowered: One dict per op: kind, weights as C-contiguous float32 arrays that nobody else changes, activations as
            `(kind, parameters, function)`, flags.
        stages: Index of the first op of every stage.
        isa: Name of the kernels, one of `kernel_names()`.
    """
    cdef const fl_kernels *kernels
    cdef const fl_blas *blas
    cdef Op *ops
    cdef int *stage_starts            # n_stages + 1 of them, the last is n_ops
    cdef int n_ops, n_stages, n_recurrent
    cdef int features                 # of the first op that has any; 0: any
    cdef list arrays, functions, workspaces

    def __init__(self, list lowered, list stages, isa):
        if self.ops != NULL:
            raise TypeError("An Executor is immutable.")
        self.kernels = _kernels(isa.encode())
        self.arrays, self.functions, self.workspaces = [], [], []
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
        return self.kernels.name.decode()

    cdef _add(self, dict lowered):
        cdef Op *op = &self.ops[self.n_ops]
        op.kind = OP_KINDS[lowered["kind"]]
        op.activation, function = _activation(lowered["activation"])
        op.recurrent_activation, recurrent_function = _activation(lowered.get("recurrent_activation"))
        if op.kind != ACTIVATION:
            op.packed, op.columns = lowered["packed"], lowered["columns"]
            op.features, op.units = lowered["features"], lowered["units"]
            op.kernel = self._data(lowered["kernel"])
            op.bias = self._data(lowered["bias"])
            self.features = self.features or op.features
            if not op.packed and self.blas == NULL:
                self.blas = _load_blas()
        if op.kind == LSTM:
            op.recurrent_kernel = self._data(lowered["recurrent_kernel"])
            op.return_sequences = lowered["return_sequences"]
            op.go_backwards = lowered["go_backwards"]
            op.zero_output_for_mask = lowered["zero_output_for_mask"]
            self.n_recurrent += 1
        self.functions.append((function, recurrent_function))
        self.n_ops += 1

    cdef const float *_data(self, array):
        if array is None:
            return NULL
        self.arrays.append(array)
        return <const float *> cnp.PyArray_DATA(array)

    def run(self, cnp.ndarray x not None, mask=None, initial_states=None, bint return_states=False):
        """Runs the chain.

        Args:
            x: float32, C-contiguous: `(batch, timesteps, features)`; if no op is recurrent `(..., features)` of two or
                more dimensions, one or more if there are only activations.
            mask: bool `(batch, timesteps)`: False where a step is to be skipped. None: every step counts.
            initial_states: None, or one entry per recurrent op: None (zeros) or `[h, c]`, each `(batch, units)`.
            return_states: Whether to return the final states.

        Returns:
            `(out, states)`: a new float32 array, and one `[h, c]` of new arrays per recurrent op or None.

        Raises:
            ValueError: A shape or dtype does not fit.
        """
        cdef Call call
        cdef Value value
        _check_array("x", x, None)
        self._check_shape(x, mask, initial_states)
        value.width = <int> x.shape[x.ndim - 1]
        value.timesteps = x.shape[1] if self.n_recurrent else 1
        call.batch = x.size // max(1, value.timesteps * value.width)
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
        states = [
            [np.zeros((call.batch, self.ops[i].units), dtype=np.float32) for _ in range(2)]
            for i in range(self.n_ops) if self.ops[i].kind == LSTM
        ] if return_states else None
        if call.batch == 0:
            return out, states

        cdef Workspace workspace = self._take_workspace(&call, &value)
        self._set_states(&call, initial_states)
        with nogil:
            self._run(&call, value, <float *> cnp.PyArray_DATA(out))
        if return_states:
            self._get_states(&call, states)
        if workspace.size <= LARGEST_KEPT_WORKSPACE:
            self.workspaces.append(workspace)
        return out, states

    cdef _check_shape(self, cnp.ndarray x, mask, initial_states):
        least = 3 if self.n_recurrent else 2 if self.features else 1
        if x.ndim < least or (self.n_recurrent and x.ndim != 3):
            raise ValueError(f"expected x with {least} dimensions, received shape {np.shape(x)}")
        if self.features and x.shape[x.ndim - 1] != self.features:
            raise ValueError(f"expected {self.features} features, received x of shape {np.shape(x)}")
        if self.n_recurrent and x.shape[1] == 0:
            raise ValueError(f"expected at least one time step, received x of shape {np.shape(x)}")
        if x.ndim == 0 or x.shape[x.ndim - 1] == 0:
            raise ValueError(f"expected at least one feature, received x of shape {np.shape(x)}")
        if mask is not None:
            if not self.n_recurrent:
                raise ValueError("mask: no op of this chain is recurrent")
            if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or not mask.flags.c_contiguous:
                raise ValueError("mask: expected a C-contiguous bool array")
            if np.shape(mask) != np.shape(x)[:2]:
                raise ValueError(f"mask: expected shape {np.shape(x)[:2]}, received {np.shape(mask)}")
        if initial_states is None:
            return
        if len(initial_states) != self.n_recurrent:
            raise ValueError(f"initial_states: expected {self.n_recurrent} entries, received {len(initial_states)}")
        units = [self.ops[i].units for i in range(self.n_ops) if self.ops[i].kind == LSTM]
        for state, width in zip(initial_states, units):
            if state is not None:
                h, c = state
                _check_array("h", h, (x.shape[0], width))
                _check_array("c", c, (x.shape[0], width))

    cdef tuple _out_shape(self, cnp.ndarray x):
        shape = [x.shape[i] for i in range(x.ndim)]
        for i in range(self.n_ops):
            if self.ops[i].kind != ACTIVATION:
                shape[-1] = self.ops[i].units
            if self.ops[i].kind == LSTM and not self.ops[i].return_sequences:
                del shape[1]
        return tuple(shape)

    # ---- workspace

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
        cdef int i, n = 0
        cdef size_t bytes
        for i in range(self.n_ops):
            if self.ops[i].kind != LSTM:
                continue
            bytes = call.batch * self.ops[i].units * sizeof(float)
            if initial_states is None or initial_states[n] is None:
                memset(call.states[n].h, 0, bytes)
                memset(call.states[n].c, 0, bytes)
            else:
                memcpy(call.states[n].h, cnp.PyArray_DATA(initial_states[n][0]), bytes)
                memcpy(call.states[n].c, cnp.PyArray_DATA(initial_states[n][1]), bytes)
            if call.mask != NULL:
                memset(call.states[n].out_prev, 0, bytes)
            n += 1

    cdef _get_states(self, Call *call, list states):
        cdef int n
        for n in range(self.n_recurrent):
            h, c = states[n]
            memcpy(cnp.PyArray_DATA(h), call.states[n].h, h.nbytes)
            memcpy(cnp.PyArray_DATA(c), call.states[n].c, c.nbytes)

    # ---- the time loop

    cdef int _run(self, Call *call, Value value, float *out) except -1 nogil:
        cdef int stage, recurrent = 0
        cdef float *destination
        for stage in range(self.n_stages):
            destination = out if stage == self.n_stages - 1 else call.sequences[stage % 2]
            self._run_stage(call, stage, &recurrent, &value, destination, stage == self.n_stages - 1)
        return 0

    cdef int _run_stage(self, Call *call, int stage, int *recurrent, Value *value, float *destination,
                        bint batch_major_out) except -1 nogil:
        """Runs one stage over the whole of `value`, then makes `value` its output.

        The output is time-major between stages, batch-major (as the caller wants it) after the last.
        """
        cdef int first = self.stage_starts[stage], end = self.stage_starts[stage + 1], i, width = 0, state = 0
        cdef Op *last = &self.ops[end - 1]
        cdef bint backwards = self.ops[first].kind == LSTM and self.ops[first].go_backwards
        cdef bint ends = last.kind == LSTM and not last.return_sequences
        cdef bint in_place = not batch_major_out or call.batch == 1 or value.timesteps == 1
        cdef Py_ssize_t chunk, start, steps, timesteps = value.timesteps
        cdef const float *x
        cdef float *target
        for chunk in range((timesteps + call.chunk - 1) // call.chunk):
            start = chunk * call.chunk
            steps = min(call.chunk, timesteps - start)
            x = value.data + start * call.batch * value.width
            if backwards or not value.time_major:
                fl_gather_steps(call.buffers[0], value.data, call.batch, timesteps, value.width, start, steps,
                                value.time_major, backwards)
                x = call.buffers[0]
            width = value.width
            state = recurrent[0]
            for i in range(first, end):
                target = call.buffers[1] if x != call.buffers[1] else call.buffers[0]
                if self.ops[i].kind != ACTIVATION:
                    width = self.ops[i].units
                if i == end - 1 and in_place and not ends:
                    target = destination + start * call.batch * width
                if self.ops[i].kind == LSTM:
                    self._lstm(call, i, &call.states[state], target, x, start, steps)
                    state += 1
                else:
                    self._dense(i, target, x, steps * call.batch, width)
                x = target
            if not in_place and not ends:
                fl_scatter_steps(destination, x, call.batch, timesteps, width, start, steps)
        recurrent[0] = state
        if ends:
            memcpy(destination, call.states[state - 1].out_prev if call.mask != NULL else call.states[state - 1].h,
                   call.batch * width * sizeof(float))
        value.data, value.width, value.time_major = destination, width, True
        if ends:
            value.timesteps = 1
            call.mask = NULL
        return 0

    cdef int _dense(self, int index, float *out, const float *x, Py_ssize_t rows, int width) except -1 nogil:
        """out (rows, units) = activation(x (rows, features) @ kernel + bias), or only the activation."""
        cdef Op *op = &self.ops[index]
        if op.kind == DENSE:
            self._product(op, out, x, rows)
            x = out
        if op.activation.kind == FL_PYTHON:
            with gil:
                _store(out, _call(self.functions[index][0], _copy(x, rows, width)))
        else:
            self.kernels.activation_forward(out, x, rows, width, &op.activation)
        return 0

    cdef void _product(self, const Op *op, float *out, const float *x, Py_ssize_t rows) noexcept nogil:
        """out (rows, columns) = x (rows, features) @ kernel + bias"""
        if op.packed:
            self.kernels.gemm_packed_forward(out, x, op.kernel, op.bias, rows, op.features, op.columns)
        else:
            fl_fill_rows(out, op.bias, rows, op.columns)
            self.blas.gemm_accumulate(out, x, op.kernel, <int> rows, op.columns, op.features)

    cdef int _lstm(self, Call *call, int index, State *state, float *out, const float *x, Py_ssize_t start,
                   Py_ssize_t steps) except -1 nogil:
        """Takes h and c through one chunk; out (steps, batch, units) is written if the op returns sequences."""
        cdef Op *op = &self.ops[index]
        cdef Py_ssize_t t, t_mask, size = call.batch * op.units
        cdef float *z = call.z
        cdef float *h
        self._product(op, z, x, steps * call.batch)
        for t in range(steps):
            if call.mask == NULL:
                h = out + t * size if op.return_sequences else state.h_next
                self._step(index, h, state.c, z, state.h, call.batch)
                if op.return_sequences:
                    state.h = h
                else:
                    state.h, state.h_next = h, state.h
            else:
                memcpy(state.c_prev, state.c, size * sizeof(float))
                self._step(index, state.h_next, state.c, z, state.h, call.batch)
                t_mask = call.mask_timesteps - 1 - start - t if op.go_backwards else start + t
                fl_select_rows(state.h, state.c, state.out_prev, state.h_next, state.c_prev, call.mask + t_mask,
                               call.mask_timesteps, call.batch, op.units, op.zero_output_for_mask)
                if op.return_sequences:
                    memcpy(out + t * size, state.out_prev, size * sizeof(float))
            z += call.batch * op.columns
        if call.mask == NULL and op.return_sequences:
            # The chunk's last h lies in `out`, which the next chunk overwrites.
            memcpy(state.h_next, state.h, size * sizeof(float))
            state.h = state.h_next
        return 0

    cdef int _step(self, int index, float *h, float *c, float *z, const float *h_prev, Py_ssize_t batch) except -1 nogil:
        """h, c (batch, units) from z (batch, columns) = x @ kernel + bias, h_prev and c; z is used up."""
        cdef Op *op = &self.ops[index]
        if op.packed:
            self.kernels.lstm_step_forward(h, c, z, h_prev, op.recurrent_kernel, batch, op.units, &op.activation,
                                           &op.recurrent_activation)
            return 0
        # z += h_prev @ recurrent_kernel
        self.blas.gemm_accumulate(z, h_prev, op.recurrent_kernel, <int> batch, op.columns, op.units)
        if op.activation.kind != FL_PYTHON and op.recurrent_activation.kind != FL_PYTHON:
            self.kernels.lstm_cell_forward(h, c, z, batch, op.units, &op.activation, &op.recurrent_activation)
            return 0
        with gil:
            self._python_cell(index, h, c, z, batch)
        return 0

    cdef int _python_cell(self, int index, float *h, float *c, float *z, Py_ssize_t rows) except -1:
        """The cell update where an activation is a Python function; on copies, since it may keep its argument."""
        cdef int units = self.ops[index].units
        activation = self._as_function(&self.ops[index].activation, self.functions[index][0])
        recurrent_activation = self._as_function(&self.ops[index].recurrent_activation, self.functions[index][1])
        z_i, z_f, z_c, z_o = (block.copy() for block in np.split(_copy(z, rows, 4 * units), 4, axis=1))
        c_next = recurrent_activation(z_f) * _copy(c, rows, units) + recurrent_activation(z_i) * activation(z_c)
        _store(c, c_next)
        _store(h, recurrent_activation(z_o) * activation(c_next.copy()))
        return 0

    cdef object _as_function(self, const fl_activation *activation, function):
        cdef fl_activation native = activation[0]

        def run(cnp.ndarray x):
            self.kernels.activation_forward(<float *> cnp.PyArray_DATA(x), <const float *> cnp.PyArray_DATA(x),
                                            x.shape[0], x.shape[1], &native)
            return x

        return run if function is None else lambda x: _call(function, x)


cdef const fl_kernels *_kernels(bytes isa) except NULL:
    cdef const fl_kernels *kernels = fl_kernels_find(isa)
    if kernels == NULL:
        raise ValueError(f"No kernels called {isa.decode()!r}; this CPU and build have {kernel_names()}.")
    return kernels


cdef const fl_blas *_load_blas() except NULL:
    from fastlstm.engine import _blas
    return <const fl_blas *> PyCapsule_GetPointer(_blas.capsule, "fastlstm.blas")


cdef tuple _activation(lowered):
    """`(fl_activation, function)` from `(kind, parameters, function)`; linear from None."""
    cdef fl_activation activation
    memset(&activation, 0, sizeof(activation))
    if lowered is None:
        return activation, None
    activation.kind, parameters, function = lowered
    for i, parameter in enumerate(parameters):
        activation.parameters[i] = parameter
    return activation, function


cdef _check_array(str name, array, shape):
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected a C-contiguous float32 array, received {type(array).__name__} "
                         f"of dtype {getattr(array, 'dtype', None)}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, received {array.shape}")


# ---- Python activations

cdef cnp.ndarray _copy(const float *data, Py_ssize_t rows, Py_ssize_t width):
    cdef cnp.ndarray array = np.empty((rows, width), dtype=np.float32)
    memcpy(cnp.PyArray_DATA(array), data, array.nbytes)
    return array


cdef int _store(float *out, cnp.ndarray array) except -1:
    memcpy(out, cnp.PyArray_DATA(array), array.nbytes)
    return 0


cdef cnp.ndarray _call(function, cnp.ndarray x):
    shape = np.shape(x)
    out = np.ascontiguousarray(function(x), dtype=np.float32)
    if out.shape != shape:
        raise ValueError(f"activation {function!r} must keep the shape of its input, {shape}; it gave {out.shape}")
    return out
