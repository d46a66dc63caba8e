"""Many streams of one program: any of them advance together, with one read of the weights for some dozens.

The states of a stream are a row of arrays. A step gathers the rows that it is for, block by block, into the workspace
of a thread, takes them through all ops and puts them back.
"""

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastlstm.engine._array_form cimport check_array
from fastlstm.engine._engine cimport PARALLEL_WORK, Executor, Rows, rows_forward
from fastlstm.engine._interrupt cimport Interrupt, stops, watch
from fastlstm.engine._op_list cimport raise_pending
from fastlstm.engine._pool cimport FL_MAX_PARTS, acquire, begin_call, end_call, release, run
from fastlstm.engine._steps cimport Steps, unfit_out

from fastlstm.engine._engine import get_num_threads
from fastlstm.engine._steps import checked_states

import numpy as np

cnp.import_array()

cdef enum:
    # Streams that go through the ops together: what a step leaves in the caches is small, and all row tiles are full.
    BLOCK = 60
    # A stream's id is its row, and above it how many streams had the row before.
    ROW_BITS = 32

cdef struct Stored:                   # of one recurrent op, (capacity, units)
    float *h
    float *c                          # NULL but for LSTM
    size_t bytes                      # of a row

cdef struct Step:
    Rows *parts                       # for every thread, memory for a block
    const Stored *stored
    int n_stored
    int n_parts
    const int64_t *rows
    const unsigned char *mask
    const float *x
    float *out
    Py_ssize_t n
    Py_ssize_t blocks
    Py_ssize_t width
    Py_ssize_t units
    Interrupt *interrupt


cdef class PoolStepper(Steps):
    """Runs a program step by step over some of `capacity` rows, all of which start from states of zeros.

    Args:
        program: As for `Stepper`.
        capacity: Not negative.
        masked: Whether steps may have masks.

    Raises:
        ValueError: As `Stepper`.
    """
    cdef readonly Py_ssize_t capacity
    cdef readonly bint masked
    cdef Rows parts[FL_MAX_PARTS]
    cdef list workspaces              # theirs
    cdef list arrays                  # as Stepper.states
    cdef Stored *stored

    def __cinit__(self, Executor program not None, Py_ssize_t capacity, bint masked=False):
        self.workspaces, self.arrays, self.masked = [], [[] for _ in program.recurrent], masked
        self.stored = <Stored *> malloc(len(program.recurrent) * sizeof(Stored))
        if self.stored == NULL:
            raise MemoryError(f"the states of {len(program.recurrent)} ops")
        self.arrays = [[np.zeros((0, units), np.float32) for _ in range(n)] for units, n in program.recurrent]
        self.grow(capacity)

    def __dealloc__(self):
        free(self.stored)

    def grow(self, Py_ssize_t capacity):
        """Adds rows, with states of zeros, up to `capacity` of them."""
        cdef int i
        self.turn.enter()
        try:
            grown = [[np.zeros((capacity, array.shape[1]), np.float32) for array in of_op] for of_op in self.arrays]
            for of_op, old in zip(grown, self.arrays):
                for to, array in zip(of_op, old):
                    to[:len(array)] = array
            for i, of_op in enumerate(grown):
                self.stored[i].h = <float *> cnp.PyArray_DATA(of_op[0])
                self.stored[i].c = <float *> cnp.PyArray_DATA(of_op[1]) if len(of_op) > 1 else NULL
                self.stored[i].bytes = of_op[0].shape[1] * sizeof(float)
            self.arrays, self.capacity = grown, capacity
        finally:
            self.turn.leave()

    def step(self, cnp.ndarray rows not None, cnp.ndarray x not None, cnp.ndarray out=None, cnp.ndarray mask=None):
        """Advances some rows by one step.

        Args:
            rows: int64, C-contiguous, `(n,)`: all different.
            x: float32, C-contiguous, `(n, features)`, or ids `(n,)`.
            out: float32, C-contiguous, writable, `(n, units)`: gets the output. None makes a new one.
            mask: bool, C-contiguous, `(n,)`: False leaves the row's states as they are, and gives its output again (or
                0, where an op says so). Only with `masked`.

        Raises:
            ValueError: A shape or dtype does not fit, or there is no such row; the states are then as before.
            RuntimeError: Another thread is using the same streams.
            What a signal's handler raises, as KeyboardInterrupt: The states are then as before.
        """
        cdef Step step
        cdef Interrupt signals
        cdef double cost
        cdef list before
        cdef Py_ssize_t i
        cdef cnp.npy_intp shape[2]
        if rows.ndim != 1 or cnp.PyArray_TYPE(rows) != cnp.NPY_INT64 or not cnp.PyArray_ISCARRAY_RO(rows):
            raise ValueError(f"rows: expected a C-contiguous int64 array of one dimension, received {rows!r}")
        step.n, step.rows = rows.shape[0], <const int64_t *> cnp.PyArray_DATA(rows)
        check_array("x", x, (step.n, self.width)[:self.ndim])
        self.program._check_ids((x,))
        shape[0], shape[1] = step.n, self.units
        if out is None:
            out = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT32, 0)
        elif (out.ndim != 2 or out.shape[0] != step.n or out.shape[1] != self.units
                or cnp.PyArray_TYPE(out) != cnp.NPY_FLOAT32 or not cnp.PyArray_ISCARRAY(out)):
            raise unfit_out(out, (step.n, self.units))
        step.mask = NULL
        if mask is not None:
            if (not self.masked or mask.ndim != 1 or mask.shape[0] != step.n
                    or cnp.PyArray_TYPE(mask) != cnp.NPY_BOOL or not cnp.PyArray_ISCARRAY_RO(mask)):
                raise ValueError(f"mask: expected a C-contiguous bool array of shape {(step.n,)}, received {mask!r}")
            step.mask = <const unsigned char *> cnp.PyArray_DATA(mask)
        if overlap(x, out):
            x = x.copy()  # blocks of streams are written while others are still to be read
        step.x, step.out = <const float *> cnp.PyArray_DATA(x), <float *> cnp.PyArray_DATA(out)
        self.turn.enter()
        try:
            for i in range(step.n):
                if not 0 <= step.rows[i] < self.capacity:
                    raise ValueError(f"rows: expected rows from 0 to {self.capacity - 1}, received {step.rows[i]}")
            cost = self.program.cost * step.n
            step.interrupt = watch(&signals, cost / max(1, step.n // BLOCK), cost)
            if step.interrupt != NULL:
                before = [[array[rows] for array in of_op] for of_op in self.arrays]
            if step.n > 0:
                self.run_blocks(&step)
            if step.interrupt != NULL and signals.stopped:
                self.put_back(rows, before)
        finally:
            self.turn.leave()
        raise_pending()
        return out

    cdef put_back(self, cnp.ndarray rows, list before):
        """Raises the pending exception, with the states as they were."""
        try:
            raise_pending()
        finally:
            for of_op, kept in zip(self.arrays, before):
                for array, states in zip(of_op, kept):
                    array[rows] = states

    cdef run_blocks(self, Step *step):
        cdef int threads = 1
        cdef bint noticed = not self.program.has_callbacks and self.program.work * step.n >= <double> PARALLEL_WORK
        step.parts, step.stored, step.n_stored = self.parts, self.stored, <int> len(self.arrays)
        step.width, step.units = self.width, self.units
        step.blocks, step.n_parts = (step.n + BLOCK - 1) // BLOCK, 1
        if step.blocks > 1 and noticed:
            threads = <int> min(<Py_ssize_t> get_num_threads(), step.blocks)
        while len(self.workspaces) < threads:
            self.workspaces.append(self.ready(&self.parts[len(self.workspaces)], BLOCK, self.masked))
        if threads > 1:
            step.n_parts = acquire(threads, self.program.work * step.n)
        # As many blocks for every thread.
        step.blocks = (step.blocks + step.n_parts - 1) // step.n_parts * step.n_parts
        with nogil:
            if noticed:
                begin_call()
            if step.n_parts > 1:
                run(step_part, step, step.n_parts)
                release()
            else:
                step_part(step, 0)
            if noticed:
                end_call()

    def states(self, cnp.ndarray rows not None):
        """The states of some rows, as `Stepper.states` has them."""
        self.turn.enter()
        try:
            return [[array[rows] for array in of_op] for of_op in self.arrays]
        finally:
            self.turn.leave()

    def set_states(self, cnp.ndarray rows not None, states):
        """Sets the states of some rows; None: to zeros.

        Raises:
            ValueError: A shape does not fit; the states are then as before.
        """
        if states is not None:
            states = checked_states(states, [[(len(rows), units)] * n for units, n in self.program.recurrent])
        self.turn.enter()
        try:
            for i, of_op in enumerate(self.arrays):
                for j, array in enumerate(of_op):
                    array[rows] = 0.0 if states is None else states[i][j]
        finally:
            self.turn.leave()


cdef bint overlap(cnp.ndarray one, cnp.ndarray other) noexcept:
    """Whether two C-contiguous arrays have bytes in common."""
    cdef const char *first = <const char *> cnp.PyArray_DATA(one)
    cdef const char *second = <const char *> cnp.PyArray_DATA(other)
    return first < second + cnp.PyArray_NBYTES(other) and second < first + cnp.PyArray_NBYTES(one)


cdef void step_part(void *context, int part) noexcept nogil:
    """Every n_parts-th block."""
    cdef Step *step = <Step *> context
    cdef Py_ssize_t block = part, first
    while block < step.blocks and not stops(step.interrupt, part == 0):
        first = step.n * block // step.blocks
        step_block(step, &step.parts[part], first, step.n * (block + 1) // step.blocks - first)
        block += step.n_parts


cdef void step_block(const Step *step, Rows *part, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    cdef Rows rows = part[0]
    cdef const int64_t *chosen = step.rows + first
    cdef int i
    if n == 0:
        return
    for i in range(step.n_stored):
        gather(rows.call.states[i].h, step.stored[i].h, chosen, n, step.stored[i].bytes)
        if step.stored[i].c != NULL:
            gather(rows.call.states[i].c, step.stored[i].c, chosen, n, step.stored[i].bytes)
        rows.call.states[i].out_is_h = True  # a masked row gives what it gave before
    rows.call.batch = n
    rows.call.given_mask = step.mask + first if step.mask != NULL else NULL
    rows.ends[0] = <float *> step.x + first * step.width
    rows.ends[1] = step.out + first * step.units
    rows_forward(&rows, 0)
    for i in range(step.n_stored):
        scatter(step.stored[i].h, rows.call.states[i].h, chosen, n, step.stored[i].bytes)
        if step.stored[i].c != NULL:
            scatter(step.stored[i].c, rows.call.states[i].c, chosen, n, step.stored[i].bytes)


cdef void gather(float *to, const float *stored, const int64_t *rows, Py_ssize_t n, size_t bytes) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(<char *> to + i * bytes, <const char *> stored + rows[i] * bytes, bytes)


cdef void scatter(float *stored, const float *states, const int64_t *rows, Py_ssize_t n, size_t bytes) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(<char *> stored + rows[i] * bytes, <const char *> states + i * bytes, bytes)


cdef class PoolIds:
    """Ids of rows that come and go: an id is given once, and its row is found without a search.

    Args:
        capacity: Rows to begin with.
    """
    cdef cnp.ndarray ids              # (capacity,): of every row, -1 where it is free
    cdef cnp.ndarray streams          # (capacity,): how many ids every row has had
    cdef cnp.ndarray seen             # (capacity,): the last lookup that found the row
    cdef int64_t lookups
    cdef list free

    def __cinit__(self, Py_ssize_t capacity):
        self.ids = self.streams = self.seen = np.zeros(0, np.int64)
        self.free = []
        self.grow(capacity)

    def __reduce__(self):
        return restored_ids, (self.ids, self.streams, self.free)

    def __len__(self):
        """Number of rows in use."""
        return self.ids.shape[0] - len(self.free)

    @property
    def capacity(self):
        """Number of rows."""
        return self.ids.shape[0]

    def open_ids(self):
        """The ids in use, in the order of their rows."""
        return self.ids[self.ids >= 0].tolist()

    def grow(self, Py_ssize_t capacity):
        """Adds free rows, up to `capacity` of them, or none where there is no memory for all."""
        more = capacity - self.ids.shape[0]
        try:
            unused = list(range(capacity - 1, self.ids.shape[0] - 1, -1)) + self.free
            ids = np.concatenate([self.ids, np.full(more, -1, np.int64)])
            streams, seen = (np.concatenate([old, np.zeros(more, np.int64)]) for old in (self.streams, self.seen))
        except MemoryError:
            raise MemoryError(f"ids of {capacity} streams") from None
        self.free, self.ids, self.streams, self.seen = unused, ids, streams, seen

    def open(self):
        """A new id, of a free row, of which there has to be one."""
        cdef int64_t row = self.free.pop()
        self.ids[row] = self.streams[row] << ROW_BITS | row
        self.streams[row] += 1
        return int(self.ids[row])

    def close(self, int64_t row):
        """Frees a row in use."""
        self.ids[row] = -1
        self.free.append(row)

    def rows(self, ids):
        """The rows of some ids, as int64.

        Raises:
            ValueError: An id is not in use, or is there twice.
        """
        cdef cnp.ndarray given = np.ascontiguousarray(ids)
        if given.size == 0:
            given = given.astype(np.int64)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise ValueError(f"ids: expected integers in one dimension, received {ids!r}")
        given = given.astype(np.int64, copy=False)
        cdef cnp.ndarray rows = np.empty_like(given)
        cdef const int64_t *wanted = <const int64_t *> cnp.PyArray_DATA(given)
        cdef const int64_t *in_use = <const int64_t *> cnp.PyArray_DATA(self.ids)
        cdef int64_t *seen = <int64_t *> cnp.PyArray_DATA(self.seen)
        cdef int64_t *found = <int64_t *> cnp.PyArray_DATA(rows)
        cdef Py_ssize_t i, n = given.shape[0], capacity = self.ids.shape[0]
        cdef int64_t row, mask = (<int64_t> 1 << ROW_BITS) - 1
        self.lookups += 1
        for i in range(n):
            row = wanted[i] & mask
            if row >= capacity or wanted[i] < 0 or in_use[row] != wanted[i]:
                raise ValueError(f"no open stream has the id {wanted[i]}")
            if seen[row] == self.lookups:
                raise ValueError(f"the id {wanted[i]} is there twice")
            seen[row] = self.lookups
            found[i] = row
        return rows


def restored_ids(cnp.ndarray ids not None, cnp.ndarray streams not None, list unused not None):
    """The ids that `PoolIds.__reduce__` took apart."""
    cdef PoolIds restored = PoolIds(0)
    restored.ids, restored.streams = np.array(ids, np.int64, ndmin=1), np.array(streams, np.int64, ndmin=1)
    restored.seen = np.zeros_like(restored.ids)
    restored.free = list(unused)
    return restored
