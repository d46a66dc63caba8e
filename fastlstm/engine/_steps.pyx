"""A program as one step of time: what the steppers share.

Steps of several programs, with layers in NumPy between them, are made in Python; they share Turn, StepForm,
`checked_states` and `checked_rows`.

A step is a call of the executor over one time step that neither clears the states first nor gives them back, so its
bits are those of the whole sequence. All ops run in one stage and every one gives its step's output, whether or not
the program's recurrent ops return sequences.
"""

cimport numpy as cnp
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastlstm.engine._engine cimport Executor, Rows
from fastlstm.engine._structs cimport LSTM, Op, Stage, Value
from fastlstm.engine._workspace cimport Workspace

import numpy as np

cnp.import_array()


cdef class Turn:
    """The right to the states of a stream: `with turn:`. A lock that does not wait: who comes second made a mistake."""

    def __cinit__(self):
        self.leave()

    cdef int enter(self) except -1:
        if not take(&self.busy):
            raise RuntimeError("This stream is in use on another thread; give each thread streams of its own.")
        return 0

    cdef void leave(self) noexcept nogil:
        give_back(&self.busy)

    def __enter__(self):
        self.enter()

    def __exit__(self, *exception):
        self.leave()


cdef class StepForm:
    """What a stream takes and gives in a step.

    Args:
        batch: Rows. For one of them, arrays may lack the axis of rows.
        x_shape: Of a row's input: `(features,)`, or `()` for ids.
        out_shape: Of a row's output.
    """

    def __cinit__(self, Py_ssize_t batch, tuple x_shape not None, tuple out_shape not None):
        if batch < 1:
            raise ValueError(f"batch must be positive, received {batch}")
        if max(len(x_shape), len(out_shape)) > cnp.NPY_MAXDIMS - 2:
            raise ValueError(f"a step of too many axes: {x_shape} to {out_shape}")
        self.batch, self.x_shape, self.out_shape = batch, x_shape, out_shape
        self.x_ndim, self.out_ndim = <int> len(x_shape), <int> len(out_shape)
        for axis, length in enumerate(x_shape):
            self.x_lengths[axis] = length
        for axis, length in enumerate(out_shape):
            self.out_lengths[axis] = length

    def fit(self, x, int axes):
        """Returns x as a C-contiguous float32 array, and whether it lacks the axis of rows.

        Args:
            axes: Those before a row's own: 1, or 2 where time follows the rows.

        Raises:
            ValueError: The shape or dtype does not fit.
        """
        cdef bint bare = False
        return self.fitted(x, axes, &bare), bare

    def check_out(self, out, bint bare):
        """Raises ValueError where a step's output cannot be written to the array."""
        self.check_output(out, bare)

    cdef cnp.ndarray fitted(self, x, int axes, bint *bare):
        cdef cnp.ndarray array
        cdef int axis, first
        cdef bint fits
        if cnp.PyArray_Check(x) and cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT32 and cnp.PyArray_ISCARRAY_RO(x):
            array = x
        else:
            array = as_float32("x", x)
        bare[0] = self.batch == 1 and array.ndim == axes + self.x_ndim - 1
        first = axes - bare[0]
        fits = array.ndim == first + self.x_ndim and (bare[0] or array.shape[0] == self.batch)
        for axis in range(self.x_ndim):
            fits = fits and array.shape[first + axis] == self.x_lengths[axis]
        if not fits:
            expected = (self.batch, *("timesteps",) * (axes - 1), *self.x_shape)
            raise ValueError(f"x: expected shape ({', '.join(map(str, expected))}), received {np.shape(x)}")
        return array

    cdef int check_output(self, out, bint bare) except -1:
        cdef bint fits = (cnp.PyArray_Check(out) and cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT32
                          and cnp.PyArray_ISCARRAY(out) and cnp.PyArray_NDIM(out) == self.out_ndim + 1 - bare
                          and (bare or cnp.PyArray_DIM(out, 0) == self.batch))
        cdef int axis
        for axis in range(self.out_ndim):
            fits = fits and cnp.PyArray_DIM(out, axis + 1 - bare) == self.out_lengths[axis]
        if not fits:
            raise unfit_out(out, (self.batch, *self.out_shape)[bare:])
        return 0


cdef class Steps:
    """A program, readied for steps.

    Args:
        program: A causal one: no recurrent op goes backwards.

    Raises:
        ValueError: An op goes backwards or reads whole sequences, or nothing is recurrent.
    """

    def __cinit__(self, Executor program not None, *args, **kwargs):
        cdef int i
        if not program.recurrent:
            raise ValueError("no op of this program is recurrent")
        self.ops = <Op *> malloc(program.n_ops * sizeof(Op))
        if self.ops == NULL:
            raise MemoryError(f"{program.n_ops} ops that step")
        memcpy(self.ops, program.ops, program.n_ops * sizeof(Op))
        for i in range(program.n_ops):
            if self.ops[i].kind >= LSTM and self.ops[i].go_backwards:
                raise ValueError("an op that goes backwards cannot run step by step")
            if self.ops[i].whole != NULL:
                raise ValueError("an op that reads whole sequences cannot run step by step")
            self.ops[i].return_sequences = True
            if self.ops[i].units:
                self.units = self.ops[i].units
        self.program, self.turn = program, Turn()
        self.buffers[0] = self.buffers[1] = -1
        self.ends[0], self.ends[1] = 0, 1
        self.stage = Stage(0, program.n_ops, 0, &self.ends[0], 1, 1, True, True, -1, False, False)
        self.wiring.stages, self.wiring.n_stages, self.wiring.n_slots = &self.stage, 1, 2
        self.wiring.ends, self.wiring.n_inputs, self.wiring.n_ends = &self.ends[0], 1, 2
        self.wiring.buffers, self.wiring.n_buffers = &self.buffers[0], 0
        self.width = 1 if program.vocabulary else program.features
        self.ndim = 1 if program.vocabulary else 2

    def __dealloc__(self):
        free(self.ops)

    cdef Workspace ready(self, Rows *rows, Py_ssize_t batch, bint masked):
        """Readies rows for one step of up to `batch` rows; returns their memory, with the states' undefined."""
        rows.engine, rows.ops, rows.wiring = &self.program.engine, self.ops, &self.wiring
        rows.call.batch, rows.call.chunk = batch, 1
        rows.call.parts, rows.call.by_units = 1, False
        rows.call.interrupt, rows.call.on_caller = NULL, True
        # Any address has room made for a mask.
        rows.call.given_mask, rows.call.mask_timesteps = <const unsigned char *> self.ops if masked else NULL, 1
        rows.call.makes_masks = False
        workspace = self.laid_out(rows, Workspace(2), 1)
        rows.call.given_mask = rows.call.mask = NULL
        return workspace

    cdef Workspace laid_out(self, Rows *rows, Workspace workspace, Py_ssize_t timesteps):
        """The workspace with the call's buffers for so many steps."""
        cdef Value given = Value(NULL, timesteps, self.width, rows.call.batch == 1 or timesteps == 1, 1, 0, NULL)
        workspace.shape(&self.wiring, self.ops, &given, rows.call.batch)
        workspace.lay_out(&rows.call, &self.wiring, self.ops, self.program.n_ops)
        return workspace


cdef cnp.ndarray as_float32(name, value):
    """The numbers as a C-contiguous float32 array."""
    try:
        array = np.asarray(value)
    except MemoryError as error:
        raise MemoryError(f"{name}: there is no memory for it as an array") from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected numbers, received dtype {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, np.float32, "CA")


cdef object unfit_out(out, tuple shape):
    """The error for an array that a result of the shape cannot be written to."""
    return ValueError(f"out: expected a writable C-contiguous float32 array of shape {shape}, received "
                      f"{type(out).__name__} of dtype {getattr(out, 'dtype', None)} and shape {np.shape(out)}")


def checked_states(states, list shapes not None):
    """Returns states as float32 arrays.

    Args:
        states: Of every op or layer that has any a list of arrays.
        shapes: Of every one a list of their shapes.

    Raises:
        ValueError: They are of another form.
    """
    nested = isinstance(states, (list, tuple)) and all(isinstance(given, (list, tuple)) for given in states)
    if not nested:
        raise ValueError(f"states: expected lists of arrays of these shapes: {shapes}. Received: {states!r:.200}")
    arrays = [[as_float32("states", array) for array in given] for given in states]
    received = [[array.shape for array in given] for given in arrays]
    if received != shapes:
        raise ValueError(f"states: expected lists of arrays of these shapes: {shapes}. Received: {received}")
    return arrays


def checked_rows(rows, Py_ssize_t batch):
    """Returns indexes of rows as a list of integers.

    Args:
        rows: One or several; None: all.
        batch: How many there are.

    Raises:
        ValueError: There is no such row.
    """
    chosen = list(range(batch)) if rows is None else np.atleast_1d(rows).tolist()
    for index in chosen:
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < batch:
            raise ValueError(f"rows: expected integers from 0 to {batch - 1}, received {index!r}")
    return chosen
