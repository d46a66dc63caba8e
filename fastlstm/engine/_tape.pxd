"""What training keeps: the ops whose weights change, and what their gradients need of one call.

Everything lies time-major, (steps, batch, …), in the order in which the op processes it, so that all rows of some
steps are dense: the products of weight gradients run over them.
"""

from fastlstm.engine._interrupt cimport Interrupt, stops
from fastlstm.engine._kernels cimport fl_activation, fl_kernels
from fastlstm.engine._pool cimport FL_LINE, FL_MAX_PARTS, atomic_long
from fastlstm.engine._structs cimport OpKind

cdef enum:
    # Rows (steps x batch) of a chunk: those of a weight gradient's sum that begins at 0, so they decide about its bits.
    CHUNK_ROWS = 256

cdef struct TrainedMatrix:            # (features, n) of a weight, its columns in the order of those of gates
    Py_ssize_t features
    Py_ssize_t first                  # column of gates
    Py_ssize_t n
    Py_ssize_t columns                # n padded to groups
    float *packed                     # (features, columns) as csrc/gemm_packed.h has it; NULL: there is none
    float *transposed                 # (n, features) likewise, for gradients, which go the other way
    Py_ssize_t gradient               # where the gradient begins among a call's, packed as the weight
    Py_ssize_t bias_gradient          # the same of the bias (columns,); -1: there is none

cdef struct TrainedOp:
    OpKind kind
    Py_ssize_t features
    Py_ssize_t units
    Py_ssize_t stride                 # of rows of gates
    Py_ssize_t block                  # LSTM: see csrc/lstm_tape.h
    TrainedMatrix kernel
    TrainedMatrix recurrent_kernel    # GRU without reset_after: of z and r alone
    TrainedMatrix candidate_kernel    # only there
    float *bias                       # (kernel.columns,)
    float *recurrent_bias             # GRU (recurrent_kernel.columns,)
    const float *table                # EMBEDDING (vocabulary, units)
    long vocabulary
    Py_ssize_t table_gradient         # -1: nobody asks for it
    fl_activation activation
    fl_activation recurrent_activation
    bint reset_after
    bint return_sequences
    bint go_backwards
    bint zero_output_for_mask

cdef struct Rows:                     # rows of values, each dense, for every step
    float *data                       # NULL: nobody asks for them
    Py_ssize_t step                   # from the rows of a step to those of the next
    Py_ssize_t row                    # from a row to the next

cdef struct Tape:                     # of one op in one call
    Py_ssize_t steps
    Py_ssize_t width                  # of a row of x
    float *x                          # (steps, batch, width)
    bint copies_x                     # from the input, or from the output of the op before, read backwards
    float *gates                      # (steps, batch, stride): z, then what the step recorded, then dz
    float *h                          # (steps + 1, batch, units), from the state before the first step on
    float *c                          # the same, LSTM
    float *out                        # (steps, batch, units), or without return_sequences (batch, units)
    float *dh                         # (batch, units): by the state after a step, in the end by the first one
    float *dc

cdef struct TrainingCall:
    const fl_kernels *kernels
    const TrainedOp *ops
    Tape *tapes
    int n_ops
    Py_ssize_t batch
    const unsigned char *mask         # (batch, mask_timesteps) or NULL
    Py_ssize_t mask_timesteps
    int parts                         # threads, which share the rows of the batch
    Interrupt *interrupt              # NULL: the call is short
    float *products                   # (batch, products_width), of a GRU's step
    Py_ssize_t products_width
    float *scratch                    # (most parts, scratch_width)
    Py_ssize_t scratch_width
    Rows input
    const float *last                 # what the last op gives, time-major
    Rows output
    Rows d_input
    Rows d_output
    float *between[2]                 # (steps, batch, width): by what passes between ops
    float *d_repeated                 # (batch, units): by the output before, which a masked step repeats
    float *d_reset                    # (batch, units), GRU without reset_after
    float *gradients
    float *zeros                      # (widest row,)
    atomic_long arrived[FL_MAX_PARTS * FL_LINE]

cdef void call_forward(void *context, int part) noexcept nogil

cdef struct Part:                     # one thread's rows of every step
    TrainingCall *call
    float *scratch
    int index
    Py_ssize_t first                  # row
    Py_ssize_t rows
    bint whole                        # all rows, so that those of several steps are dense
    Py_ssize_t chunk                  # steps
    long barriers                     # that it has been at


cdef inline Part part_of(TrainingCall *call, int index) noexcept nogil:
    cdef Part part
    part.call, part.scratch, part.index, part.barriers = call, call.scratch + index * call.scratch_width, index, 0
    part.first = call.batch * index // call.parts
    part.rows = call.batch * (index + 1) // call.parts - part.first
    part.whole = part.rows == call.batch
    part.chunk = max(<Py_ssize_t> 1, CHUNK_ROWS // call.batch)
    return part


cdef inline bint ends(const Part *part) noexcept nogil:
    """Whether the call is to end before it is done; the parts still meet wherever they would."""
    return stops(part.call.interrupt, part.index == 0)


cdef inline float *at(float *data, Py_ssize_t step, Py_ssize_t width, const Part *part) noexcept nogil:
    """The part's first row of a step of data (steps, batch, width)."""
    return data + (step * part.call.batch + part.first) * width


cdef inline const unsigned char *mask_at(const TrainingCall *call, const TrainedOp *op, Py_ssize_t step,
                                         const Part *part) noexcept nogil:
    """The mask of the part's first row at a step; NULL: there is none."""
    if call.mask == NULL:
        return NULL
    return call.mask + part.first * call.mask_timesteps + (call.mask_timesteps - 1 - step if op.go_backwards else step)
