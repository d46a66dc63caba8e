"""Draws of ids from a network's outputs: the most likely one, or one drawn as the outputs say.

Every row has random numbers of its own (SplitMix64, Steele et al., 2014), so that what it draws depends on the seed
and on its place alone.
"""

cimport cython
cimport numpy as cnp
from libc.math cimport exp, pow
from libc.stdlib cimport calloc, free

import numpy as np

cnp.import_array()


@cython.overflowcheck(False)
cdef unsigned long long advanced(unsigned long long *state) noexcept nogil:
    state[0] = state[0] + <unsigned long long> 0x9E3779B97F4A7C15
    return state[0]


@cython.overflowcheck(False)
cdef unsigned long long mixed(unsigned long long z) noexcept nogil:
    z = (z ^ (z >> 30)) * <unsigned long long> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <unsigned long long> 0x94D049BB133111EB
    return z ^ (z >> 31)


cdef class Sampler:
    """Chooses an id for every row of outputs.

    Args:
        rows: Number of rows.
        units: Ids to choose from.
        temperature: 0 takes the most likely id. Otherwise ids are drawn in proportion to `p ** (1 / temperature)`.
        top_k: Draws only from so many most likely ids; 0 from all. Of equally likely ones the first count.
        seed: Integer; an equal one draws alike.
        logits: Whether the outputs are logarithms of what is in proportion to p.
    """

    def __cinit__(self, Py_ssize_t rows, Py_ssize_t units, double temperature=0.0, Py_ssize_t top_k=0, seed=0,
                  bint logits=False):
        cdef Py_ssize_t row
        cdef unsigned long long key = seed % 2**64
        if rows < 1 or units < 1 or top_k < 0 or not temperature >= 0.0:
            raise ValueError(f"no Sampler of rows={rows}, units={units}, temperature={temperature}, top_k={top_k}")
        self.rows, self.units, self.temperature, self.logits = rows, units, temperature, logits
        self.top_k = top_k if top_k < units else 0
        self.states = <unsigned long long *> calloc(rows, sizeof(unsigned long long))
        self.weights = <double *> calloc(units, sizeof(double))
        self.best = <float *> calloc(self.top_k + 1, sizeof(float))
        if self.states == NULL or self.weights == NULL or self.best == NULL:
            raise MemoryError(f"{rows} rows of samples")
        for row in range(rows):
            self.states[row] = mixed(mixed(key) + <unsigned long long> row)

    def __dealloc__(self):
        free(self.states)
        free(self.weights)
        free(self.best)

    def __call__(self, y):
        """Returns the ids `(rows,)`, as float32, for outputs `(rows, units)`."""
        cdef cnp.ndarray given = np.ascontiguousarray(y, np.float32)
        if (<object> given).shape != (self.rows, self.units):
            raise ValueError(f"expected outputs of shape {(self.rows, self.units)}, received {(<object> given).shape}")
        cdef cnp.ndarray ids = np.empty(self.rows, np.float32)
        self.choose(<float *> cnp.PyArray_DATA(ids), <const float *> cnp.PyArray_DATA(given))
        return ids

    cdef void choose(self, float *ids, const float *y) noexcept nogil:
        cdef Py_ssize_t row, i, best
        for row in range(self.rows):
            if self.temperature > 0.0:
                best = self.draw(row, y)
            else:
                best = 0
                for i in range(1, self.units):
                    if y[i] > y[best]:
                        best = i
            ids[row] = <float> best
            y += self.units

    cdef Py_ssize_t draw(self, Py_ssize_t row, const float *y) noexcept nogil:
        cdef Py_ssize_t i, last = 0, equals = self.units
        cdef double total = 0.0, at, power = 1.0 / self.temperature
        cdef float least = self.threshold(y, &equals) if self.top_k else 0.0
        cdef float greatest = y[0]
        for i in range(1, self.units):
            if y[i] > greatest:
                greatest = y[i]
        for i in range(self.units):
            self.weights[i] = 0.0
            if self.top_k and not y[i] > least:
                if y[i] != least or equals == 0:
                    continue
                equals -= 1
            # Relative to the most likely one, so that nothing overflows.
            if self.logits:
                self.weights[i] = exp((<double> y[i] - greatest) * power)
            else:
                self.weights[i] = pow(<double> y[i] / greatest, power)
            total += self.weights[i]
        at = total * ((mixed(advanced(&self.states[row])) >> 11) * (1.0 / 9007199254740992.0))
        for i in range(self.units):
            if self.weights[i] > 0.0:
                last = i
                at -= self.weights[i]
                if at < 0.0:
                    break
        return last

    cdef float threshold(self, const float *y, Py_ssize_t *equals) noexcept nogil:
        """The top_k-th greatest value, by a heap whose first is its least; `equals`: how many such are among them."""
        cdef float *heap = self.best
        cdef Py_ssize_t i, place, child, k = self.top_k
        for i in range(self.units):
            if i < k:
                place = i
                while place > 0 and heap[(place - 1) // 2] > y[i]:
                    heap[place] = heap[(place - 1) // 2]
                    place = (place - 1) // 2
                heap[place] = y[i]
            elif y[i] > heap[0]:
                place = 0
                while True:
                    child = 2 * place + 1
                    if child >= k:
                        break
                    if child + 1 < k and heap[child + 1] < heap[child]:
                        child += 1
                    if heap[child] >= y[i]:
                        break
                    heap[place] = heap[child]
                    place = child
                heap[place] = y[i]
        equals[0] = 0
        for i in range(k):
            equals[0] += heap[i] == heap[0]
        return heap[0]
