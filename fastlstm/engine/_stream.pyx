"""One time step at a time: the states stay in a workspace between calls, and nothing is allocated for a step.

All that a step needs lies in one struct, which begins with what C code sees of it (fastlstm_stream.h): Python's steps
and C's are the same.
"""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memset

from fastlstm.engine._array_form cimport check_array
from fastlstm.engine._engine cimport CHUNK_ROWS, Executor, Rows, rows_forward
from fastlstm.engine._interrupt cimport Interrupt, stops, watch
from fastlstm.engine._kernels cimport fl_first_bad_id
from fastlstm.engine._op_list cimport raise_pending
from fastlstm.engine._sampling cimport Sampler
from fastlstm.engine._steps cimport StepForm, Steps, atomic_flag, give_back, take
from fastlstm.engine._structs cimport LSTM, Call, Op, State, width_after
from fastlstm.engine._workspace cimport Workspace, clear_states, empty_states, get_states, set_states
from fastlstm.stream cimport FASTLSTM_BAD_ID, FASTLSTM_BUSY, FASTLSTM_NO_ARRAY, FASTLSTM_STREAM, fastlstm_stream

from fastlstm.engine._steps import checked_rows, checked_states

import numpy as np

cnp.import_array()

cdef struct Running:                  # a stepper, apart from Python
    fastlstm_stream stream            # first, so that a pointer to one is a pointer to the other
    Rows rows
    atomic_flag *busy
    float *last                       # (batch, units): the output of the last step
    bint has_last
    Py_ssize_t moves


cdef void advance(Running *running, const float *x, float *out) noexcept nogil:
    """One step of every row, by a thread that has taken the states.

    As rows_forward, without what that does once a call (`python -m bench streams`).
    """
    cdef const Rows *rows = &running.rows
    cdef Call *call = &running.rows.call
    cdef int i, state = 0, last = rows.wiring.stages[0].end - 1
    cdef Py_ssize_t width = call.values[0].width
    cdef const Op *op
    cdef float *to
    for i in range(last + 1):
        op, to = &rows.ops[i], out if i == last else call.scratch.buffers[i % 2]
        width = width_after(op, width)
        op.forward(rows.engine, op, call, &call.states[state], call.scratch, to, x, width, 0, 1)
        state += op.kind >= LSTM
        x = to


cdef int stream_step(fastlstm_stream *stream, const float *x, float *out) noexcept nogil:
    """See fastlstm_stream.h."""
    cdef Running *running = <Running *> stream
    cdef size_t batch = running.rows.call.batch
    if x == NULL or out == NULL:
        return FASTLSTM_NO_ARRAY
    if stream.vocabulary > 0 and fl_first_bad_id(x, batch, stream.vocabulary) < batch:
        return FASTLSTM_BAD_ID
    if not take(running.busy):
        return FASTLSTM_BUSY
    advance(running, x, out)
    memcpy(running.last, out, batch * stream.units * sizeof(float))
    running.moves += 1
    running.has_last = True
    give_back(running.busy)
    return 0


cdef int stream_reset(fastlstm_stream *stream) noexcept nogil:
    """See fastlstm_stream.h."""
    cdef Running *running = <Running *> stream
    if not take(running.busy):
        return FASTLSTM_BUSY
    clear(running, 0, running.rows.call.batch)
    running.moves += 1
    running.has_last = False
    give_back(running.busy)
    return 0


cdef void clear(Running *running, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Sets the states of n rows to zeros."""
    clear_states(running.rows.ops, running.rows.wiring.stages[0].end, &running.rows.call, first, n)


cdef void release(capsule) noexcept:
    """Ends a capsule."""
    Py_DECREF(<object> PyCapsule_GetContext(capsule))


cdef class Stepper(Steps):
    """Runs a program step by step over `batch` rows, starting from states of zeros.

    For one row, x and out may lack the axis of rows. After an exception of a Python activation the states are
    undefined: reset them.

    Args:
        program: A causal one: no recurrent op goes backwards.
        batch: Positive.

    Raises:
        ValueError: An op goes backwards, or nothing is recurrent.
    """
    cdef readonly Py_ssize_t batch
    cdef Running running
    cdef StepForm form
    cdef Workspace workspace
    cdef cnp.ndarray last             # whose data running.last is

    def __cinit__(self, Executor program not None, Py_ssize_t batch=1):
        self.form = StepForm(batch, () if self.ndim == 1 else (self.width,), (self.units,))
        self.batch = batch
        self.workspace = self.ready(&self.running.rows, batch, False)
        self.last = np.empty((batch, self.units), np.float32)
        self.running.last = <float *> cnp.PyArray_DATA(self.last)
        self.running.busy = &self.turn.busy
        self.running.stream = fastlstm_stream(batch, self.width, self.units, program.vocabulary, stream_step,
                                              stream_reset)
        stream_reset(&self.running.stream)

    @property
    def capsule(self):
        """A capsule of a `fastlstm_stream` (fastlstm_stream.h), which keeps the stepper alive.

        Raises:
            ValueError: An activation is a Python function.
        """
        if self.program.has_callbacks:
            raise ValueError("a step that calls a Python function as activation cannot do without the GIL")
        capsule = PyCapsule_New(&self.running.stream, FASTLSTM_STREAM, release)
        PyCapsule_SetContext(capsule, <void *> self)
        Py_INCREF(self)
        return capsule

    # ---- steps

    def step(self, x, out=None):
        """Advances every row by one step.

        Args:
            x: Numbers `(batch, features)`, or ids `(batch,)`; float32 and C-contiguous is fastest.
            out: float32, C-contiguous, writable, `(batch, units)`: gets the output. None makes a new one.

        Raises:
            ValueError: A shape or dtype does not fit; the states are then as before.
            RuntimeError: Another thread is using the same stream.
        """
        cdef cnp.npy_intp shape[2]
        cdef bint bare = False
        cdef cnp.ndarray given = self.form.fitted(x, 1, &bare), result
        if self.ndim == 1:
            self.program._check_ids((given,))
        if out is None:
            shape[0], shape[1] = self.batch, self.units
            result = cnp.PyArray_EMPTY(2 - bare, &shape[bare], cnp.NPY_FLOAT32, 0)
        else:
            self.form.check_output(out, bare)
            result = out
        self.turn.enter()
        with nogil:
            advance(&self.running, <const float *> cnp.PyArray_DATA(given), <float *> cnp.PyArray_DATA(result))
            memcpy(self.running.last, <const float *> cnp.PyArray_DATA(result), self.batch * self.units * sizeof(float))
        self.moved(True)
        return result

    def run(self, x):
        """Advances every row by several steps.

        Args:
            x: Numbers `(batch, timesteps, features)`, or ids `(batch, timesteps)`.

        Returns:
            Every step's output, `(batch, timesteps, units)`.

        Raises:
            ValueError, RuntimeError: As `step`.
            What a signal's handler raises, as KeyboardInterrupt: The states are then as before.
        """
        cdef Rows rows
        cdef bint bare = False
        cdef cnp.ndarray given = self.form.fitted(x, 2, &bare), out
        cdef Py_ssize_t b, timesteps = given.shape[given.ndim - self.ndim]
        self.program._check_ids((given,))
        out = np.empty((self.batch, timesteps, self.units), np.float32)
        if timesteps == 0:
            return out[0] if bare else out
        rows = self.running.rows
        rows.ends[0], rows.ends[1] = <float *> cnp.PyArray_DATA(given), <float *> cnp.PyArray_DATA(out)
        rows.call.chunk = max(1, CHUNK_ROWS // self.batch)
        # The steps of a chunk take more room than one does.
        cdef Workspace workspace = self.laid_out(&rows, self.program._take_workspace(), timesteps)
        cdef double cost = self.program.cost * self.batch
        cdef Interrupt signals
        rows.call.interrupt = watch(&signals, cost * rows.call.chunk, cost * timesteps)
        self.turn.enter()
        with nogil:
            self.copy_states(rows.call.states, self.running.rows.call.states)
            rows_forward(&rows, 0)
        if rows.call.interrupt != NULL and signals.stopped:
            self.turn.leave()
            raise_pending()
        with nogil:
            self.copy_states(self.running.rows.call.states, rows.call.states)
            for b in range(self.batch):
                memcpy(self.running.last + b * self.units, rows.ends[1] + ((b + 1) * timesteps - 1) * self.units,
                       self.units * sizeof(float))
        self.program._keep_workspace(workspace)
        self.moved(True)
        return out[0] if bare else out

    def generate(self, cnp.ndarray x not None, Py_ssize_t steps, Sampler sampler=None):
        """Advances every row by `steps` steps, each on what the one before gave.

        Args:
            x: float32, C-contiguous: the first input `(batch, features)`, or ids `(batch,)`.
            steps: Positive.
            sampler: Chooses ids from the outputs: as many as the first op's vocabulary, or as there are features,
                which are then 1 at the chosen one and 0 elsewhere. None: the outputs are the next inputs.

        Returns:
            The outputs `(batch, steps, units)`; with a sampler the ids `(batch, steps)`, as int64.

        Raises:
            ValueError: A shape or dtype does not fit, or the output does not fit the input.
            RuntimeError: As `step`.
            What a signal's handler raises, as KeyboardInterrupt: The states are then those after some of the steps.
        """
        cdef long choices = self.program.vocabulary if sampler is not None and self.ndim == 1 else self.width
        if self.units != choices or steps < 1 or (sampler is None and self.ndim == 1):
            raise ValueError(f"{self.units} outputs do not fit the input, for {steps} steps")
        if sampler is not None and (sampler.rows, sampler.units) != (self.batch, self.units):
            raise ValueError(f"expected a sampler of {(self.batch, self.units)}")
        check_array("x", x, (self.batch, self.width)[:self.ndim])
        self.program._check_ids((x,))
        cdef cnp.ndarray given = x.copy(), ids = np.empty(self.batch, np.float32)
        if sampler is None:
            out = np.empty((self.batch, steps, self.units), np.float32)
            self.turn.enter()
            self.generate_values(given, out, steps)
        else:
            out = np.empty((self.batch, steps), np.int64)
            self.turn.enter()
            self.generate_ids(given, ids, out, steps, sampler)
        self.moved(True)
        return out

    cdef generate_values(self, cnp.ndarray given, cnp.ndarray out, Py_ssize_t steps):
        cdef float *x = <float *> cnp.PyArray_DATA(given)
        cdef float *to = <float *> cnp.PyArray_DATA(out)
        cdef Py_ssize_t t, b, size = self.units * sizeof(float)
        cdef double cost = self.program.cost * self.batch
        cdef Interrupt signals
        cdef Interrupt *interrupt = watch(&signals, cost, cost * steps)
        with nogil:
            for t in range(steps):
                if t > 0 and stops(interrupt, True):
                    break
                advance(&self.running, x, self.running.last)
                memcpy(x, self.running.last, self.batch * size)
                for b in range(self.batch):
                    memcpy(to + (b * steps + t) * self.units, x + b * self.units, size)

    cdef generate_ids(self, cnp.ndarray given, cnp.ndarray chosen, cnp.ndarray out, Py_ssize_t steps, Sampler sampler):
        cdef float *x = <float *> cnp.PyArray_DATA(given)
        cdef float *ids = <float *> cnp.PyArray_DATA(chosen)
        cdef cnp.int64_t *to = <cnp.int64_t *> cnp.PyArray_DATA(out)
        cdef Py_ssize_t t, b
        cdef double cost = self.program.cost * self.batch
        cdef Interrupt signals
        cdef Interrupt *interrupt = watch(&signals, cost, cost * steps)
        with nogil:
            for t in range(steps):
                if t > 0 and stops(interrupt, True):
                    break
                advance(&self.running, x, self.running.last)
                sampler.choose(ids, self.running.last)
                if self.ndim == 2:
                    memset(x, 0, self.batch * self.width * sizeof(float))
                for b in range(self.batch):
                    to[b * steps + t] = <cnp.int64_t> ids[b]
                    if self.ndim == 2:
                        x[b * self.width + <Py_ssize_t> ids[b]] = 1.0
                    else:
                        x[b] = ids[b]

    # ---- states

    @property
    def states(self):
        """Per recurrent op a list of new arrays, LSTM `[h, c]`, else `[h]`, each `(batch, units)`."""
        states = empty_states(self.program.recurrent, self.batch)
        self.turn.enter()
        get_states(&self.running.rows.call, self.program.recurrent, states, 0)
        self.turn.leave()
        return states

    @states.setter
    def states(self, states):
        states = checked_states(states, [[(self.batch, units)] * n for units, n in self.program.recurrent])
        self.turn.enter()
        clear(&self.running, 0, self.batch)
        set_states(&self.running.rows.call, self.program.recurrent, states, 0)
        self.moved(False)

    def reset(self, rows=None):
        """Sets the states to zeros, all of them or those of some rows.

        Raises:
            ValueError: There is no such row.
        """
        cdef Py_ssize_t row
        chosen = checked_rows(rows, self.batch)
        self.turn.enter()
        for row in chosen:
            clear(&self.running, row, 1)
        self.moved(False)

    @property
    def output(self):
        """A copy of the last step's output `(batch, units)`; None if the states do not come from a step."""
        self.turn.enter()
        output = self.last.copy() if self.running.has_last else None
        self.turn.leave()
        return output

    @output.setter
    def output(self, output):
        self.turn.enter()
        try:
            if output is not None:
                self.last[:] = output
            self.running.has_last = output is not None
        finally:
            self.turn.leave()

    @property
    def moves(self):
        """What changed the states, counted."""
        return self.running.moves

    # ---- parts of the above

    cdef int moved(self, bint has_last) except -1:
        """Ends what `enter` began, with the exception of a Python activation if there was one."""
        self.running.moves += 1
        self.running.has_last = has_last
        self.turn.leave()
        return raise_pending()

    cdef void copy_states(self, State *to, const State *states) noexcept nogil:
        cdef int i, state = 0
        cdef size_t size
        for i in range(self.program.n_ops):
            if self.ops[i].kind >= LSTM:
                size = self.batch * self.ops[i].units * sizeof(float)
                memcpy(to[state].h, states[state].h, size)
                if to[state].c != NULL:
                    memcpy(to[state].c, states[state].c, size)
                to[state].zero = states[state].zero
                state += 1
