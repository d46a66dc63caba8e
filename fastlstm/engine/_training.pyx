"""The training executor: a chain of ops whose weights are set again and again, forwards with a tape and backwards."""

cimport numpy as cnp
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset

from fastlstm.engine._engine cimport ENOUGH_ROWS, PARALLEL_WORK
from fastlstm.engine._interrupt cimport Interrupt, watch
from fastlstm.engine._kernels cimport fl_kernels
from fastlstm.engine._op_list cimport find_kernels, raise_pending
from fastlstm.engine._pool cimport acquire, begin_call, end_call, fl_task, release, run
from fastlstm.engine._structs cimport ACTIVATION, DENSE, EMBEDDING, GRU, LSTM, SIMPLE_RNN
from fastlstm.engine._tape cimport Rows, Tape, TrainedMatrix, TrainedOp, TrainingCall, call_forward
from fastlstm.engine._tape_backward cimport call_backward
from fastlstm.engine._trained_weights cimport new_array, pack_matrix, set_activation, unpacked

from fastlstm.engine._engine import get_num_threads

cnp.import_array()

cdef enum:
    ALIGNMENT = 64
    GROUP = 16
    LARGEST_KEPT = 1_073_741_824      # bytes of call memory that wait for the next call

cdef dict OP_KINDS = {
    "ActivationOp": ACTIVATION,
    "EmbeddingOp": EMBEDDING,
    "DenseOp": DENSE,
    "LSTMOp": LSTM,
    "GRUOp": GRU,
    "SimpleRNNOp": SIMPLE_RNN,
}


cdef inline Py_ssize_t padded(Py_ssize_t columns) noexcept nogil:
    return (columns + GROUP - 1) // GROUP * GROUP


cdef class Memory:
    """A block of `size` bytes, given out piece by piece, each aligned to the cache line."""

    cdef void *allocated
    cdef char *base
    cdef size_t size, used

    def __cinit__(self, size_t size):
        self.allocated = PyMem_RawMalloc(size + ALIGNMENT)
        if self.allocated == NULL:
            raise MemoryError(f"{size} bytes for a call in training")
        self.base = <char *> ((<uintptr_t> self.allocated + ALIGNMENT - 1) & ~(<uintptr_t> ALIGNMENT - 1))
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.allocated)

    cdef float *take(self, Py_ssize_t n) noexcept:
        """Room for n floats; NULL where this only measures."""
        cdef char *place = self.base + self.used
        self.used += (n * sizeof(float) + ALIGNMENT - 1) & ~(<size_t> ALIGNMENT - 1)
        return <float *> place if self.used <= self.size else NULL


cdef class TrainingExecutor:
    """Runs its ops and gives gradients; see fastlstm.engine.training.TrainingProgram, which lowers them.

    Args:
        lowered: One `TrainedOp` of training.py per op.
        isa: Name of the kernels, one of `kernel_names()`.
    """

    cdef const fl_kernels *kernels
    cdef TrainedOp *ops
    cdef int n_ops
    cdef readonly list lowered
    cdef list kept                    # arrays that the ops point to
    cdef list memories                # a free-list
    cdef Py_ssize_t gradient_size     # floats
    cdef double work                  # multiplications of a row and step, forwards and backwards

    def __init__(self, list lowered, isa):
        self.kernels = find_kernels(isa.encode())
        self.lowered, self.kept, self.memories = lowered, [], []
        self.ops = <TrainedOp *> PyMem_RawCalloc(len(lowered), sizeof(TrainedOp))
        if self.ops == NULL:
            raise MemoryError(f"{len(lowered)} ops of a program in training")
        for op in lowered:
            self._add(op)

    def __dealloc__(self):
        PyMem_RawFree(self.ops)

    cdef _add(self, lowered):
        cdef TrainedOp *op = &self.ops[self.n_ops]
        op.kind = OP_KINDS[lowered.kind]
        op.features, op.units, op.stride, op.block = lowered.features, lowered.units, lowered.stride, lowered.block
        set_activation(&op.activation, lowered.activation)
        set_activation(&op.recurrent_activation, lowered.recurrent_activation)
        op.reset_after, op.return_sequences = lowered.reset_after, lowered.return_sequences
        op.go_backwards, op.zero_output_for_mask = lowered.go_backwards, lowered.zero_output_for_mask
        op.vocabulary, op.table_gradient = lowered.vocabulary, -1
        if op.kind == EMBEDDING and lowered.trainable:
            op.table_gradient = self._gradient(op.vocabulary * op.units)
        for name, matrix in lowered.matrices.items():
            if name == "kernel":
                op.bias = self._set_matrix(&op.kernel, matrix)
            elif name == "recurrent_kernel":
                op.recurrent_bias = self._set_matrix(&op.recurrent_kernel, matrix)
            else:
                self._set_matrix(&op.candidate_kernel, matrix)
        self.n_ops += 1

    cdef float *_set_matrix(self, TrainedMatrix *matrix, lowered) except? NULL:
        """Makes room for a matrix; returns where its bias is."""
        matrix.features, matrix.first, matrix.n = lowered.features, lowered.first, lowered.n
        matrix.columns = len(lowered.order)
        matrix.packed = self._room(matrix.features * matrix.columns)
        matrix.transposed = self._room(matrix.n * padded(matrix.features))
        matrix.gradient = self._gradient(matrix.features * matrix.columns) if lowered.trainable else -1
        matrix.bias_gradient = self._gradient(matrix.columns) if lowered.trainable and lowered.has_bias else -1
        self.work += 3.0 * matrix.features * matrix.n
        return self._room(matrix.columns)

    cdef float *_room(self, Py_ssize_t n) except NULL:
        cdef Memory memory = Memory(n * sizeof(float) + ALIGNMENT)
        cdef float *room = memory.take(n)
        memset(room, 0, n * sizeof(float))
        self.kept.append(memory)
        return room

    cdef Py_ssize_t _gradient(self, Py_ssize_t n):
        cdef Py_ssize_t place = self.gradient_size
        self.gradient_size += padded(n)
        return place

    def set_weights(self, list weights):
        """Packs the weights.

        Args:
            weights: Per op a dict of arrays, float32 and C-contiguous, of the shapes in which the ops had them. A table
                is read where it is, and kept until the next call of this.
        """
        cdef int i
        cdef TrainedOp *op
        for i, arrays in enumerate(weights):
            op, lowered = &self.ops[i], self.lowered[i]
            if op.kind == EMBEDDING:
                lowered.table = arrays["table"]
                op.table = <const float *> cnp.PyArray_DATA(lowered.table)
            for name, matrix in lowered.matrices.items():
                if name == "kernel":
                    pack_matrix(&op.kernel, op.bias, matrix, arrays)
                elif name == "recurrent_kernel":
                    pack_matrix(&op.recurrent_kernel, op.recurrent_bias, matrix, arrays)
                else:
                    pack_matrix(&op.candidate_kernel, NULL, matrix, arrays)

    def forward(self, cnp.ndarray x, cnp.ndarray out, mask, list states, Py_ssize_t batch, Py_ssize_t steps,
                Py_ssize_t width):
        """Runs the chain and records it.

        Args:
            x: float32, C-contiguous, `(batch, steps, width)` in whatever dimensions. Nobody changes it until the
                gradients are had.
            out: The same, for the output.
            mask: bool `(batch, steps)`, C-contiguous, or None; as x.
            states: Per recurrent op None or the arrays `(batch, units)` that it starts from.
            batch, steps, width: Positive.

        Returns:
            The `Recording`.
        """
        cdef Recording recording = Recording(self, x, mask, batch, steps, width)
        recording.forward(out, states)
        return recording

    cdef Memory _take_memory(self, size_t size):
        cdef Memory memory = None
        try:
            memory = self.memories.pop()
        except IndexError:
            pass
        if memory is None or memory.size < size:
            return Memory(size)
        memory.used = 0
        return memory


cdef class Recording:
    """What a call has left for its gradients; see `TrainingExecutor.forward`."""

    cdef TrainingExecutor executor
    cdef TrainingCall call
    cdef Tape *tapes
    cdef Memory memory
    cdef object kept
    cdef Py_ssize_t steps, width
    cdef int most_parts
    cdef double work

    def __cinit__(self, TrainingExecutor executor, cnp.ndarray x, mask, Py_ssize_t batch, Py_ssize_t steps,
                  Py_ssize_t width):
        cdef TrainingCall *call = &self.call
        cdef Memory measure = Memory(0)
        self.executor, self.kept, self.steps, self.width = executor, (x, mask), steps, width
        self.work = executor.work * batch * steps
        self.tapes = <Tape *> PyMem_RawCalloc(executor.n_ops, sizeof(Tape))
        if self.tapes == NULL:
            raise MemoryError(f"tapes of {executor.n_ops} ops")
        self.most_parts = max(1, min(get_num_threads(), batch)) if batch >= <int> ENOUGH_ROWS else 1
        call.kernels, call.ops, call.tapes, call.n_ops = executor.kernels, executor.ops, self.tapes, executor.n_ops
        call.batch, call.mask_timesteps = batch, steps
        call.input = Rows(<float *> cnp.PyArray_DATA(x), width, steps * width)
        if mask is not None:
            call.mask = <const unsigned char *> cnp.PyArray_DATA(mask)
        self._lay_out(measure)
        self.memory = executor._take_memory(measure.used)
        self._lay_out(self.memory)

    def __del__(self):
        self._give_back()

    def __dealloc__(self):
        PyMem_RawFree(self.tapes)

    cdef void _lay_out(self, Memory memory):
        """Gives everything of the call its place in the block."""
        cdef TrainingCall *call = &self.call
        cdef Py_ssize_t steps = self.steps, batch = call.batch, width = self.width, widest = self.width
        cdef Py_ssize_t products = 0, between = 0
        cdef float *x = call.input.data
        cdef const TrainedOp *op
        cdef Tape *tape
        cdef int i
        for i in range(call.n_ops):
            op, tape = &call.ops[i], &call.tapes[i]
            tape.steps, tape.width, tape.x = steps, width, x
            tape.copies_x = steps > 1 and (op.go_backwards or i == 0 and batch > 1)
            if tape.copies_x:
                tape.x = memory.take(steps * batch * width)
            if i > 0:
                between = max(between, steps * batch * width)
            tape.gates = memory.take(steps * batch * op.stride)
            tape.out = NULL
            width = width if op.kind == ACTIVATION else op.units
            if op.kind >= LSTM:
                tape.h = memory.take((steps + 1) * batch * width)
                tape.c = memory.take((steps + 1) * batch * width) if op.kind == LSTM else NULL
                tape.dh = memory.take(batch * width)
                tape.dc = memory.take(batch * width) if op.kind == LSTM else NULL
                x = tape.h + (1 if op.return_sequences else steps) * batch * width
                steps = steps if op.return_sequences else 1
            if op.kind < LSTM or call.mask != NULL:
                x = tape.out = memory.take(steps * batch * width)
            products, widest = max(products, op.recurrent_kernel.columns), max(widest, width)
        call.last = x
        call.products_width = products
        call.products = memory.take(batch * products)
        call.scratch_width = padded(6 * widest)
        call.scratch = memory.take(self.most_parts * call.scratch_width)
        call.between[0], call.between[1] = memory.take(between), memory.take(between)
        call.d_repeated, call.d_reset = memory.take(batch * widest), memory.take(batch * widest)
        call.gradients, call.zeros = memory.take(self.executor.gradient_size), memory.take(widest)

    cdef forward(self, cnp.ndarray out, list states):
        cdef TrainingCall *call = &self.call
        cdef Py_ssize_t steps = self.steps
        cdef int i, n = 0
        for i in range(call.n_ops):
            if call.ops[i].kind >= LSTM:
                given = states[n]
                set_state(call.tapes[i].h, None if given is None else given[0], call.batch * call.ops[i].units)
                if call.tapes[i].c != NULL:
                    set_state(call.tapes[i].c, None if given is None else given[1], call.batch * call.ops[i].units)
                steps = steps if call.ops[i].return_sequences else 1
                n += 1
        call.output = whole_rows(out, call.batch, steps)
        self._run(call_forward)

    def states(self):
        """The states after the last step, per recurrent op a list of new arrays."""
        cdef list found = []
        cdef const Tape *tape
        cdef Py_ssize_t units, place
        cdef int i
        for i in range(self.call.n_ops):
            tape, units = &self.call.tapes[i], self.call.ops[i].units
            if self.call.ops[i].kind >= LSTM:
                place = tape.steps * self.call.batch * units
                found.append([new_array(tape.h + place, self.call.batch, units)])
                if tape.c != NULL:
                    found[-1].append(new_array(tape.c + place, self.call.batch, units))
        return found

    def backward(self, cnp.ndarray d_out, list d_states, cnp.ndarray dx):
        """Gives the gradients, once.

        Args:
            d_out: By the output, float32 and C-contiguous.
            d_states: Per recurrent op None or the gradients by its states after the last step.
            dx: Of the input's shape, float32, C-contiguous: gets the gradient by it. None: nobody asks for it.

        Returns:
            `(d_initial, gradients)`: per recurrent op a list of new arrays, by the states that it started from; per op
            a dict of new arrays, by its weights.

        Raises:
            RuntimeError: They have been had.
        """
        cdef TrainingCall *call = &self.call
        cdef Tape *tape
        cdef Py_ssize_t size
        cdef int i, n = 0
        cdef list d_initial = []
        if self.memory is None:
            raise RuntimeError("The gradients of a call can be had once.")
        call.d_output = Rows(<float *> cnp.PyArray_DATA(d_out), call.output.step, call.output.row)
        call.d_input = Rows(NULL, call.input.step, call.input.row)
        if dx is not None:
            call.d_input.data = <float *> cnp.PyArray_DATA(dx)
        memset(call.gradients, 0, self.executor.gradient_size * sizeof(float))
        memset(call.zeros, 0, call.scratch_width // 6 * sizeof(float))
        for i in range(call.n_ops):
            tape, size = &call.tapes[i], call.batch * call.ops[i].units
            if call.ops[i].kind >= LSTM:
                given = d_states[n]
                set_state(tape.dh, None if given is None else given[0], size)
                if tape.dc != NULL:
                    set_state(tape.dc, None if given is None else given[1], size)
                n += 1
        self._run(call_backward)
        for i in range(call.n_ops):
            tape = &call.tapes[i]
            if call.ops[i].kind >= LSTM:
                d_initial.append([new_array(tape.dh, call.batch, call.ops[i].units)])
                if tape.dc != NULL:
                    d_initial[-1].append(new_array(tape.dc, call.batch, call.ops[i].units))
        gradients = [unpacked(&self.call, &self.call.ops[i], self.executor.lowered[i]) for i in range(call.n_ops)]
        self._give_back()
        return d_initial, gradients

    cdef _give_back(self):
        """Ends the call."""
        if self.memory is not None and self.memory.size <= <size_t> LARGEST_KEPT:
            self.executor.memories.append(self.memory)
        self.memory = self.kept = None

    cdef _run(self, fl_task *task):
        """Runs a task on as many threads as there are to be had.

        Raises:
            What a signal's handler raises, as KeyboardInterrupt.
        """
        cdef int parts = 1
        cdef bint noticed = self.work >= <double> PARALLEL_WORK
        cdef Interrupt signals
        self.call.interrupt = watch(&signals, self.work / self.steps / self.executor.n_ops, self.work)
        if noticed and self.most_parts > 1:
            parts = acquire(self.most_parts, self.work)
        self.call.parts = parts
        memset(self.call.arrived, 0, sizeof(self.call.arrived))
        with nogil:
            if noticed:
                begin_call()
            if parts > 1:
                run(task, &self.call, parts)
            else:
                task(&self.call, 0)
            if noticed:
                end_call()
        if parts > 1:
            release()
        raise_pending()


cdef inline Rows whole_rows(cnp.ndarray array, Py_ssize_t batch, Py_ssize_t steps):
    """The rows of every step of an array (batch, steps, width)."""
    cdef Py_ssize_t width = array.size // (batch * steps)
    return Rows(<float *> cnp.PyArray_DATA(array), width, steps * width)


cdef set_state(float *state, cnp.ndarray given, Py_ssize_t n):
    if given is None:
        memset(state, 0, n * sizeof(float))
    else:
        memcpy(state, cnp.PyArray_DATA(given), n * sizeof(float))
