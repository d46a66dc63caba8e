"""One time step at a time: the states stay in the workspace between calls, and nothing is allocated for a step.

A step is a call of the executor over one time step that neither clears the states first nor gives them back, so its
bits are those of the whole sequence.
"""

cimport numpy as cnp

from fastlstm.engine._callback cimport raise_pending
from fastlstm.engine._engine cimport Executor, Rows, check_array, rows_forward
from fastlstm.engine._structs cimport ACTIVATION, LSTM
from fastlstm.engine._workspace cimport Workspace

import numpy as np

cnp.import_array()


cdef class Stepper:
    """Runs a program step by step over `batch` rows, starting from states of zeros.

    Args:
        program: A causal one: no recurrent op goes backwards.
        batch: Positive.

    Raises:
        ValueError: An op goes backwards, or nothing is recurrent.
    """
    cdef readonly Executor program
    cdef readonly Py_ssize_t batch
    cdef Rows rows
    cdef Workspace workspace
    cdef int units                    # of the output
    cdef bint running

    def __init__(self, Executor program not None, Py_ssize_t batch):
        cdef int i
        if batch < 1:
            raise ValueError(f"batch must be positive, received {batch}")
        if not program.recurrent:
            raise ValueError("no op of this program is recurrent")
        for i in range(program.n_ops):
            if program.ops[i].kind >= LSTM and program.ops[i].go_backwards:
                raise ValueError("an op that goes backwards cannot run step by step")
            if program.ops[i].kind != ACTIVATION:
                self.units = program.ops[i].units
        self.program, self.batch = program, batch
        x = self._zero_input()
        out = np.empty((batch, self.units), np.float32)
        program._set_rows(&self.rows, x, 1 if program.vocabulary else program.features, out, None, 0, batch, batch, 1)
        self.rows.call.parts, self.rows.call.by_units = 1, False
        self.workspace = program._take_workspace(&self.rows.call, &self.rows.value)
        self.reset()

    def step(self, cnp.ndarray x not None, cnp.ndarray out=None):
        """Advances every row by one step.

        Args:
            x: float32, C-contiguous, `(batch, features)`, or ids `(batch,)`.
            out: float32, C-contiguous, writable, `(batch, units)`: gets the output. None makes a new one.

        Raises:
            ValueError: A shape or dtype does not fit; the states are then as before.
            RuntimeError: Another thread is in a step of the same stream.
        """
        cdef Rows rows
        cdef cnp.npy_intp shape[2]
        self._check(x)
        if out is None:
            shape[0], shape[1] = self.batch, self.units
            out = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT32, 0)
        else:
            check_array("out", out, (self.batch, self.units))
            if not cnp.PyArray_ISWRITEABLE(out):
                raise ValueError("out: expected a writable array")
        if self.running:
            raise RuntimeError("This stream is in a step on another thread; give each thread streams of its own.")
        self.running = True
        rows = self.rows
        rows.value.data = <const float *> cnp.PyArray_DATA(x)
        rows.out = <float *> cnp.PyArray_DATA(out)
        with nogil:
            rows_forward(&rows, 0)
        self.running = False
        raise_pending()
        return out

    cdef cnp.ndarray _zero_input(self):
        """One step as a call of the whole program takes it."""
        if self.program.vocabulary:
            return np.zeros((self.batch, 1), np.float32)
        return np.zeros((self.batch, 1, self.program.features), np.float32)

    cdef int _check(self, cnp.ndarray x) except -1:
        if self.program.vocabulary:
            check_array("x", x, (self.batch,))
            self.program._check(x[:, np.newaxis], None, None)
        elif (x.ndim != 2 or cnp.PyArray_TYPE(x) != cnp.NPY_FLOAT32 or not cnp.PyArray_ISCARRAY_RO(x)
                or x.shape[0] != self.batch or x.shape[1] != self.program.features):
            check_array("x", x, (self.batch, self.program.features))
        return 0

    @property
    def states(self):
        """Per recurrent op a list of new arrays, LSTM `[h, c]`, else `[h]`, each `(batch, units)`."""
        states = [[np.empty((self.batch, units), np.float32) for _ in range(n)] for units, n in self.program.recurrent]
        self.program._get_states(&self.rows.call, states, 0)
        return states

    @states.setter
    def states(self, states):
        self.program._check(self._zero_input(), None, states)
        self.program._set_states(&self.rows.call, states, 0)

    def reset(self):
        """Sets all states to zeros."""
        self.program._set_states(&self.rows.call, None, 0)
