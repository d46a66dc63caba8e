"""The executor: ops over time, without the GIL.

    for each stage, for each chunk of time steps, for each op of the stage: the op's forward function (_forward.pyx)
    or, where a stage is an op that reads whole sequences, that op's function (_whole.pyx)

The caller's arrays are (batch, timesteps, features); between ops a chunk is (timesteps, batch, units), so that a step's
rows are dense. What passes between stages lies in slots, as the one or the other (wiring.py). All that a call writes
lies in its Workspace, taken from a free-list and given back, and in the arrays that it returns.
"""

cimport numpy as cnp
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t

from fastlstm.engine._array_form cimport ArrayForm, check_array, empty, value_of
from fastlstm.engine._interrupt cimport LONG_CALL, Interrupt, clock, watch
from fastlstm.engine._kernels cimport fl_first_bad_id
from fastlstm.engine._op_list cimport OpList, raise_pending
from fastlstm.engine._pool cimport FL_MAX_PARTS, acquire, begin_call, end_call, release, run
from fastlstm.engine._stage cimport stages_forward
from fastlstm.engine._structs cimport MOST_ENDS, Value
from fastlstm.engine._workspace cimport Workspace, clear_states, empty_states, get_states, runs_of, set_states

import numpy as np

cnp.import_array()

cdef enum:
    # With the ops on several threads: the shorter, the sooner the next one starts. One tile of rows; some where the
    # largest kernel is read from beyond the L2 cache (in weights).
    PIPELINE_CHUNK_ROWS = 6
    LONG_PIPELINE_CHUNK_ROWS = 24
    LONG_KERNEL = 262_144
    LARGEST_KEPT_WORKSPACE = 16_777_216  # bytes
    # A call's cost below which it keeps the GIL: to let it go and take it back would take longer than the call.
    SHORT_CALL = 32_768

cdef extern from "<stdatomic.h>":
    ctypedef int atomic_int

cdef atomic_int threads = 1


def get_num_threads():
    """Threads that a call may run on, its own included."""
    return <int> threads


def set_num_threads(int number):
    """Sets the threads that a call may run on; see fastlstm.engine.threads."""
    global threads
    threads = max(1, min(number, <int> FL_MAX_PARTS))


cdef void rows_forward(void *context, int index) noexcept nogil:
    """All stages, one after the other, over the index-th rows."""
    cdef Rows *rows = <Rows *> context + index
    cdef int i
    for i in range(rows.wiring.n_ends):
        rows.call.values[rows.wiring.ends[i]].data = rows.ends[i]
    stages_forward(rows.engine, rows.ops, rows.wiring, &rows.call)


cdef class Executor(OpList):
    """Runs its ops; see fastlstm.engine.program.Program, which plans them. The arguments are those of OpList."""

    def __cinit__(self, *args, **kwargs):
        self.workspaces = []

    def split(self, batch, timesteps, masked, threads):
        """How a call large enough for several threads uses them; here it does not."""
        return 1, 1, 1

    def run(self, cnp.ndarray x not None, mask=None, initial_states=None, bint return_states=False):
        """Runs the ops.

        Args:
            x: float32, C-contiguous: `(batch, timesteps, features)` if an op works over time; `(batch, features)` if
                the first that needs to know repeats or reshapes rows; else `(..., features)` of two or more
                dimensions, one or more if there are only activations. Without the features where the first op takes
                ids.
            mask: bool `(batch, timesteps)`: False where a step is to be skipped. None: every step counts.
            initial_states: None, or one entry per recurrent op: None (zeros) or a list of its states (LSTM: `[h, c]`,
                else `[h]`), each `(batch, units)`.
            return_states: Whether to return the final states.

        Returns:
            `(out, states)`: a new float32 array, and per recurrent op a list of new arrays, or None.

        Raises:
            ValueError: A shape or dtype does not fit.
        """
        self._check(x, mask, initial_states)
        cdef Value given
        cdef Py_ssize_t batch = self._given(&given, x)
        states = empty_states(self.recurrent, batch) if return_states else None
        return self._output(x, &given, batch, mask, initial_states, states), states

    def run_fitting(self, x, ArrayForm form not None):
        """Runs the ops on an array of this form, and returns the output alone; None for anything else.

        Raises:
            ValueError: As `run`.
        """
        if not form.matches(x):
            return None
        self._check(x, None, None)
        cdef Value given
        cdef Py_ssize_t batch = self._given(&given, x)
        return self._output(x, &given, batch, None, None, None)

    cdef cnp.ndarray _output(self, cnp.ndarray x, const Value *given, Py_ssize_t batch, mask, initial_states, states):
        """A new array of what the ops give for an input that was checked; `states` are filled, or None."""
        cdef Workspace workspace = self._shaped(given, batch, x)
        cdef cnp.ndarray out = self._empty_output(x, &workspace.values[self.wiring.ends[1]], batch)
        cdef float *ends[2]
        cdef Py_ssize_t sizes[2]
        cdef Ends arrays
        if batch > 0:
            ends[0], ends[1] = given.data, <float *> cnp.PyArray_DATA(out)
            sizes[0], sizes[1] = given.timesteps * given.width, out.size // batch
            arrays = Ends(&ends[0], &sizes[0], given, given.timesteps, batch, workspace.work)
            self._call(&arrays, workspace, mask, initial_states, states)
        return out

    def run_graph(self, tuple inputs not None):
        """Runs the ops of a graph of any number of inputs and outputs.

        Args:
            inputs: An array for every input, float32, C-contiguous, with as many axes as the graph says, or one less
                where they are ids.

        Returns:
            A list of new arrays, one for every output: those of more than three axes as `(batch, timesteps, values)`.
            None where an op cannot read what it gets with these shapes.

        Raises:
            ValueError: There are other numbers of inputs, or of their axes, or ids that the table does not have.
        """
        self._check_made()
        cdef int i, n = self.wiring.n_inputs
        cdef Value given[MOST_ENDS]
        cdef float *ends[MOST_ENDS]
        cdef Py_ssize_t sizes[MOST_ENDS]
        cdef Py_ssize_t batch = 0, timesteps = 1
        cdef cnp.ndarray x
        cdef Workspace workspace
        cdef const Value *value
        if len(inputs) != n:
            raise ValueError(f"expected {n} inputs, received {len(inputs)}")
        for i in range(n):
            check_array("inputs", inputs[i], None)
            x = inputs[i]
            if not value_of(&given[i], x, self.axes[i], self.ids[i]):
                axes = self.axes[i] - self.ids[i]
                raise ValueError(f"input {i}: expected {axes} axes, received shape {np.shape(x)}")
            if i > 0 and x.shape[0] != batch:
                return None
            batch = x.shape[0]
            if x.size == 0:
                return None
            ends[i], sizes[i] = given[i].data, x.size // batch
            timesteps = max(timesteps, given[i].timesteps)
        self._check_ids(inputs)
        workspace = self._take_workspace()
        if batch > INT_MAX or workspace.shape(&self.wiring, self.ops, given, batch) >= 0:
            return None
        outputs = []
        for i in range(n, self.wiring.n_ends):
            value = &workspace.values[self.wiring.ends[i]]
            if value.fold != 1:
                return None
            outputs.append(empty(self.out_axes[i - n], batch, value))
            ends[i] = <float *> cnp.PyArray_DATA(<cnp.ndarray> outputs[i - n])
            sizes[i] = value.timesteps * value.width
        cdef Ends arrays = Ends(&ends[0], &sizes[0], &given[0], timesteps, batch, workspace.work)
        self._call(&arrays, workspace, None, None, None)
        return outputs

    cdef int _call(self, const Ends *ends, Workspace workspace, mask, initial_states, states) except -1:
        """Runs all rows in a workspace that has the shapes of all values: a call of little work at once."""
        cdef Rows rows
        cdef double work = (ends.work.in_steps + ends.work.of_windows) * ends.batch
        cdef double cost = self.cost * ends.batch * ends.timesteps + work
        if work >= <double> PARALLEL_WORK or cost >= <double> LONG_CALL:
            self._keep_workspace(workspace)
            return self._call_cut(ends, mask, initial_states, states)
        self._set_rows(&rows, ends, mask, 0, ends.batch)
        self._start_rows(&rows, workspace, initial_states, 0)
        if cost < <double> SHORT_CALL:
            rows_forward(&rows, 0)
        else:
            with nogil:
                rows_forward(&rows, 0)
        raise_pending()
        if states is not None:
            get_states(&rows.call, self.recurrent, states, 0)
        self._keep_workspace(workspace)
        return 0

    cdef int _call_cut(self, const Ends *ends, mask, initial_states, states) except -1:
        """Runs all rows, cut among threads, and into parts of which none takes long."""
        cdef int by_rows = 1, parts = 1
        cdef bint shared = False
        cdef Py_ssize_t i, batch = ends.batch
        cdef int64_t started = 0
        cdef fl_trial cut             # a copy: while this call waits for threads, others replace it
        if batch > INT_MAX:
            raise ValueError(f"x has {batch} rows, more than the {INT_MAX} that one call takes.")
        # Few rows are not cut, and convolutions only by rows: threads that wait for them would fall asleep.
        cdef double whole = (ends.work.in_steps + ends.work.of_windows) * batch
        cdef double few = ends.work.in_steps * batch if 8 * ends.work.of_windows < ends.work.in_steps else 0.0
        cdef double work = whole if batch >= ENOUGH_ROWS else few
        cdef fl_trial *trial = NULL
        if threads > 1 and not self.has_callbacks and work >= <double> PARALLEL_WORK:
            trial = self._trial_of(ends, mask is not None or self.makes_masks)
        if trial != NULL:
            cut, shared, started = trial[0], fl_trial_shares(trial), clock()
            if shared:
                parts = acquire(max(cut.by_rows, cut.by_ops, cut.by_units), work)
            by_rows = min(cut.by_rows, parts)
        cdef Interrupt signals
        cdef Py_ssize_t runs = runs_of(self.cost, &ends.work, batch, by_rows)
        cdef Interrupt *interrupt = watch(&signals, self.cost * max(min(batch, CHUNK_ROWS), batch // runs // by_rows),
                                          self.cost * batch * ends.timesteps + whole)
        try:
            for i in range(runs):
                self._run(ends, mask, initial_states, states, batch * i // runs, batch * (i + 1) // runs, by_rows,
                          parts if by_rows == 1 else 1, shared and cut.by_units > 1, interrupt)
        finally:
            if parts > 1:
                release()
        if trial != NULL:
            trial = fl_trial_of(&self.trials, batch, ends.timesteps, cut.masked, cut.threads)
        if trial != NULL:
            fl_trial_took(trial, shared, parts, <long> (clock() - started))
        return 0

    cdef fl_trial *_trial_of(self, const Ends *ends, bint masked) except? NULL:
        """The trial of calls of this shape; NULL if they are not cut."""
        cdef fl_trial *trial = fl_trial_of(&self.trials, ends.batch, ends.timesteps, masked, threads)
        if trial == NULL:
            by_rows, by_ops, by_units = self.split(ends.batch, ends.timesteps, masked, threads)
            trial = fl_trial_new(&self.trials, ends.batch, ends.timesteps, masked, threads)
            trial.by_rows, trial.by_ops, trial.by_units = by_rows, by_ops, by_units
        return NULL if max(trial.by_rows, trial.by_ops, trial.by_units) == 1 else trial

    cdef _run(self, const Ends *ends, mask, initial_states, states, Py_ssize_t start, Py_ssize_t end, int by_rows,
              int parts, bint by_units, Interrupt *interrupt):
        """Runs rows start .. end on acquired threads: cut into `by_rows` parts, each call into `parts`."""
        cdef Rows rows[FL_MAX_PARTS]
        cdef int i
        cdef Py_ssize_t first, chunk, n = end - start
        cdef list workspaces = []
        cdef Workspace workspace
        cdef double whole = (ends.work.in_steps + ends.work.of_windows) * ends.batch
        cdef bint noticed = whole >= <double> PARALLEL_WORK and not self.has_callbacks
        for i in range(by_rows):
            first = start + n * i // by_rows
            workspace = self._shaped(ends.given, start + n * (i + 1) // by_rows - first, None)
            workspaces.append(workspace)
            self._set_rows(&rows[i], ends, mask, first, start + n * (i + 1) // by_rows - first)
            rows[i].call.parts, rows[i].call.by_units = parts, by_units
            rows[i].call.interrupt, rows[i].call.on_caller = interrupt, i == 0
            if parts > 1 and not by_units:
                chunk = LONG_PIPELINE_CHUNK_ROWS if self.largest_kernel > LONG_KERNEL else PIPELINE_CHUNK_ROWS
                rows[i].call.chunk = max(1, chunk // n)
            self._start_rows(&rows[i], workspace, initial_states, first)
        with nogil:
            if noticed:
                begin_call()
            if by_rows > 1:
                run(rows_forward, rows, by_rows)
            else:
                rows_forward(rows, 0)
            if noticed:
                end_call()
        raise_pending()
        for i in range(by_rows):
            if states is not None:
                get_states(&rows[i].call, self.recurrent, states, start + n * i // by_rows)
            self._keep_workspace(workspaces[i])

    cdef Py_ssize_t _given(self, Value *given, cnp.ndarray x) noexcept:
        """Makes x, the only input, a value; returns the number of its rows."""
        cdef Py_ssize_t batch
        given.data = <float *> cnp.PyArray_DATA(x)
        given.timesteps = x.shape[1] if self.axes[0] == 3 else 1
        given.width = 1 if self.vocabulary else x.shape[x.ndim - 1]
        batch = x.shape[0] if self.axes[0] else x.size // given.width
        given.time_major = batch == 1 or given.timesteps == 1
        given.fold, given.outer, given.mask = 1, 0, NULL
        return batch

    cdef Workspace _shaped(self, const Value *given, Py_ssize_t batch, x):
        """A workspace with the shapes of all values; x is what to say where the input does not fit."""
        cdef Workspace workspace = self._take_workspace()
        cdef int bad = workspace.shape(&self.wiring, self.ops, given, batch)
        if bad >= 0:
            raise ValueError(f"x of shape {np.shape(x)} does not fit: {self.misfit(workspace.values, bad)}")
        return workspace

    cdef void _set_rows(self, Rows *rows, const Ends *ends, mask, Py_ssize_t first, Py_ssize_t batch):
        """Some rows of a call, on one thread as long as nobody says otherwise."""
        cdef int i
        cdef Py_ssize_t timesteps = ends.given.timesteps
        rows.engine, rows.ops, rows.wiring = &self.engine, self.ops, &self.wiring
        rows.call.batch, rows.call.parts, rows.call.by_units = batch, 1, False
        rows.call.chunk = max(1, CHUNK_ROWS // batch)
        rows.call.mask_timesteps, rows.call.given_mask, rows.call.mask = timesteps, NULL, NULL
        rows.call.interrupt, rows.call.on_caller, rows.call.makes_masks = NULL, True, self.makes_masks
        if mask is not None:
            rows.call.given_mask = <const unsigned char *> cnp.PyArray_DATA(mask) + first * timesteps
        for i in range(self.wiring.n_ends):
            rows.ends[i] = ends.data[i] + first * ends.sizes[i]

    cdef int _start_rows(self, Rows *rows, Workspace workspace, initial_states, Py_ssize_t first) except -1:
        """Gives rows their memory, with the states that they start from; `first` is the first of them in the call."""
        workspace.lay_out(&rows.call, &self.wiring, self.ops, self.n_ops)
        clear_states(self.ops, self.n_ops, &rows.call, 0, rows.call.batch)
        if initial_states is not None:
            set_states(&rows.call, self.recurrent, initial_states, first)
        return 0

    cdef _check(self, cnp.ndarray x, mask, initial_states):
        self._check_made()
        cdef int axes = self.axes[0]
        cdef bint sequence = axes == 3
        check_array("x", x, None)
        cdef int least = axes if axes else 2 if self.features else 1
        if self.vocabulary:
            least = 2 if sequence else 1
            self._check_ids((x,))
        if x.ndim < least or (axes and x.ndim > least):
            raise ValueError(f"expected x with {least} dimensions, received shape {np.shape(x)}")
        if self.features and not self.vocabulary and x.shape[x.ndim - 1] != self.features:
            raise ValueError(f"expected {self.features} features, received x of shape {np.shape(x)}")
        if sequence and x.shape[1] == 0 or not self.vocabulary and x.shape[x.ndim - 1] == 0:
            raise ValueError(f"expected at least one time step and one feature, received x of shape {np.shape(x)}")
        if mask is not None:
            if not self.takes_masks:
                raise ValueError("mask: no op of this chain takes one")
            if (not cnp.PyArray_Check(mask) or cnp.PyArray_TYPE(mask) != cnp.NPY_BOOL
                    or not cnp.PyArray_ISCARRAY_RO(mask)):
                raise ValueError("mask: expected a C-contiguous bool array")
            if (cnp.PyArray_NDIM(mask) != 2 or cnp.PyArray_DIM(mask, 0) != x.shape[0]
                    or cnp.PyArray_DIM(mask, 1) != x.shape[1]):
                raise ValueError(f"mask: expected shape {np.shape(x)[:2]}, received {np.shape(mask)}")
        if initial_states is None:
            return
        if len(initial_states) != len(self.recurrent):
            raise ValueError(f"initial_states: expected {len(self.recurrent)} entries, received {len(initial_states)}")
        for given, (units, n) in zip(initial_states, self.recurrent):
            if given is not None and len(given) != n:
                raise ValueError(f"initial_states: expected {n} arrays for an op, received {len(given)}")
            for array in given or ():
                check_array("initial_states", array, (x.shape[0], units))

    cdef int _check_ids(self, tuple inputs) except -1:
        """Raises ValueError where the inputs, C-contiguous float32, should be ids and hold something that is none."""
        cdef size_t bad, size
        cdef cnp.ndarray x
        for index, vocabulary, name in self.tables:
            x = inputs[index]
            size = x.size
            bad = fl_first_bad_id(<const float *> cnp.PyArray_DATA(x), size, vocabulary)
            if bad < size:
                raise ValueError(f"{name}: ids must be from {-vocabulary} to {vocabulary - 1}. "
                                 f"Received: {x.ravel()[bad]}")
        return 0

    cdef cnp.ndarray _empty_output(self, cnp.ndarray x, const Value *out, Py_ssize_t batch):
        # One more than NumPy's arrays have, which refuses it: ids of that many axes get one.
        cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS + 1]
        cdef int i, ndim = x.ndim + (self.vocabulary > 0)
        if self.out_axes[0]:
            return empty(self.out_axes[0], batch, out)
        for i in range(x.ndim):
            shape[i] = x.shape[i]
        shape[ndim - 1] = out.width
        return cnp.PyArray_EMPTY(ndim, shape, cnp.NPY_FLOAT32, 0)

    cdef Workspace _take_workspace(self):
        cdef Workspace workspace = self.spare
        if workspace is not None:
            self.spare = None
            return workspace
        return self.workspaces.pop() if self.workspaces else Workspace(self.wiring.n_slots)

    cdef _keep_workspace(self, Workspace workspace):
        """Back to the free-list, unless it is large: then its allocation is not what the call takes long for."""
        if workspace.size > LARGEST_KEPT_WORKSPACE:
            return
        if self.spare is None:
            self.spare = workspace
        else:
            self.workspaces.append(workspace)
