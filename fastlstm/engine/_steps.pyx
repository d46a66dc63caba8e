"""A program as one step of time: what the steppers share.

A step is a call of the executor over one time step that neither clears the states first nor gives them back, so its
bits are those of the whole sequence. All ops run in one stage and every one gives its step's output, whether or not
the program's recurrent ops return sequences.
"""

cimport numpy as cnp
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastlstm.engine._engine cimport Executor, Rows
from fastlstm.engine._structs cimport ACTIVATION, LSTM, Op, Value
from fastlstm.engine._workspace cimport Workspace, workspace_size

import numpy as np

cnp.import_array()


cdef class Steps:
    """A program, readied for steps.

    Args:
        program: A causal one: no recurrent op goes backwards.

    Raises:
        ValueError: An op goes backwards, or nothing is recurrent.
    """

    def __cinit__(self, *args, **kwargs):
        self.leave()

    def __init__(self, Executor program not None):
        cdef int i
        if self.ops != NULL:
            raise TypeError("A stepper keeps the program that it was made with.")
        if not program.recurrent:
            raise ValueError("no op of this program is recurrent")
        self.ops = <Op *> malloc(program.n_ops * sizeof(Op))
        if self.ops == NULL:
            raise MemoryError()
        memcpy(self.ops, program.ops, program.n_ops * sizeof(Op))
        for i in range(program.n_ops):
            if self.ops[i].kind >= LSTM and self.ops[i].go_backwards:
                raise ValueError("an op that goes backwards cannot run step by step")
            self.ops[i].return_sequences = True
            if self.ops[i].kind != ACTIVATION:
                self.units = self.ops[i].units
        self.program = program
        self.starts[0], self.starts[1] = 0, program.n_ops
        self.width = 1 if program.vocabulary else program.features
        self.ndim = 1 if program.vocabulary else 2

    def __dealloc__(self):
        free(self.ops)

    cdef Workspace ready(self, Rows *rows, Py_ssize_t batch, bint masked):
        """Readies rows for one step of up to `batch` rows; returns their memory, with the states' undefined."""
        rows.engine, rows.ops = &self.program.engine, self.ops
        rows.stage_starts, rows.n_stages = self.starts, 1
        rows.value = Value(NULL, 1, self.width, True)
        rows.call.batch, rows.call.chunk = batch, 1
        rows.call.parts, rows.call.by_units = 1, False
        # Any address has room made for a mask.
        rows.call.mask, rows.call.mask_timesteps = <const unsigned char *> self.ops if masked else NULL, 1
        workspace = Workspace(workspace_size(&rows.call, &rows.value, self.ops, self.starts, 1))
        workspace.lay_out(&rows.call, &rows.value, self.ops, self.starts, 1)
        rows.call.mask = NULL
        return workspace

    cdef int enter(self) except -1:
        """Takes the states for this thread.

        Raises:
            RuntimeError: Another thread has them.
        """
        if not take(&self.busy):
            raise RuntimeError("This stream is in use on another thread; give each thread streams of its own.")
        return 0

    cdef void leave(self) noexcept:
        give_back(&self.busy)


cdef cnp.ndarray as_float32(name, value):
    """The numbers as a C-contiguous float32 array."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected numbers, received dtype {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, np.float32, "CA")


cdef object unfit_out(out, tuple shape):
    """The error for an array that a result of the shape cannot be written to."""
    return ValueError(f"out: expected a writable C-contiguous float32 array of shape {shape}, received "
                      f"{type(out).__name__} of dtype {getattr(out, 'dtype', None)} and shape {np.shape(out)}")


cdef list checked_states(states, tuple recurrent, Py_ssize_t batch):
    """The states of every recurrent op as float32 arrays `(batch, units)`."""
    if not isinstance(states, (list, tuple)) or len(states) != len(recurrent):
        raise ValueError(f"states: expected a list of {len(recurrent)} lists, one per recurrent op")
    checked = []
    for given, (units, n) in zip(states, recurrent):
        if not isinstance(given, (list, tuple)) or len(given) != n:
            raise ValueError(f"states: expected a list of {n} arrays for an op of {units} units")
        arrays = [as_float32("states", array) for array in given]
        for array in arrays:
            if (<object> array).shape != (batch, units):
                raise ValueError(f"states: expected shape {(batch, units)}, received {(<object> array).shape}")
        checked.append(arrays)
    return checked
