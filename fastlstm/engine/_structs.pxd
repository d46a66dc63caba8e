"""The executor's structs: what an op is, and what a call holds."""

from libc.stdint cimport int32_t

from fastlstm.engine._interrupt cimport Interrupt
from fastlstm.engine._kernels cimport fl_activation, fl_blas, fl_integer_kernels, fl_integers, fl_kernels
from fastlstm.engine._pool cimport atomic_long

cdef enum OpKind:
    ACTIVATION
    AFFINE
    LAYER_NORM
    EMBEDDING
    DENSE
    CONVOLUTION                       # from here to STATE_OUT: of whole sequences
    POOL
    GLOBAL_POOL
    PLANE_CONVOLUTION
    PLANE_POOL
    STEPS                             # from here to MASKING: moves values
    SLICE
    RESHAPE
    PERMUTE
    HEADS
    FOLD
    UNFOLD
    IDS_MASK
    MASKING
    MERGE                             # from here to STATE_OUT: of several values, or states
    PRODUCT
    PAIRS
    STATE_IN
    STATE_OUT
    LSTM                              # from here on: recurrent
    GRU
    SIMPLE_RNN

cdef struct Engine:                   # what runs the ops
    const fl_kernels *kernels
    const fl_integer_kernels *integer_kernels
    const fl_blas *blas               # NULL if every matrix is packed

cdef struct Op
cdef struct Call
cdef struct State
cdef struct Scratch
cdef struct Matrix
cdef struct Value

# out (rows, columns) = initial + x (rows, features) @ some columns of a matrix; see _products.pyx.
ctypedef void (*Product)(const Engine *engine, float *out, Py_ssize_t out_stride, const float *initial,
                         Py_ssize_t initial_stride, const float *x, const Matrix *matrix, Py_ssize_t rows,
                         Py_ssize_t first, Py_ssize_t columns, Scratch *scratch) noexcept nogil

cdef struct Matrix:                   # (features, columns)
    Product product
    const float *data                 # NULL where it is of integers
    Py_ssize_t features
    Py_ssize_t columns
    bint packed                       # data is laid out as csrc/gemm_packed.h says, else row-major for BLAS
    fl_integers integers              # of 0 bits where there are none

# What an op does, chosen once, when it is made; the functions are those of _forward.pyx. x and out: (steps, batch, …).
ctypedef void (*OpForward)(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch, float *out,
                           const float *x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t steps) noexcept nogil

# What is left of it when z (steps, batch, z_width), which is used up, holds the products of all inputs.
ctypedef void (*OpFinish)(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                          float *out, float *z, Py_ssize_t steps) noexcept nogil

# One step of a recurrent op: h (batch, units), which is not state.h, and state.c from z, which is used up.
ctypedef void (*OpStep)(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch, float *h,
                        float *z, bint descending) noexcept nogil

# The same of some units, by a thread whose scratch this is; h and c of the others stay.
ctypedef void (*OpUnitsStep)(const Engine *engine, const Op *op, Py_ssize_t batch, State *state, Scratch *scratch,
                             float *h, float *z, Py_ssize_t first, Py_ssize_t last, bint descending) noexcept nogil

# The op's forward by several threads, each some units; they have been at `barriers` barriers.
ctypedef void (*OpUnitsForward)(const Engine *engine, const Op *op, Call *call, State *state, Scratch *scratch,
                                float *out, const float *x, Py_ssize_t steps, int part, int parts,
                                atomic_long *arrived, long *barriers) noexcept nogil

# An op that reads whole sequences: out from the values in the slots `inputs`, all (batch, timesteps, width).
ctypedef void (*OpWhole)(const Engine *engine, const Op *op, const Call *call, Scratch *scratch, Value *out,
                         const int *inputs, int n_inputs) noexcept nogil

cdef struct Op:
    OpKind kind
    OpForward forward                 # a chunk of time steps; NULL where `whole` is not
    OpFinish finish                   # NULL where there is no such product
    OpWhole whole
    OpStep step                       # recurrent
    OpUnitsForward units_forward      # NULL where threads cannot share the units, as units_step
    OpUnitsStep units_step
    Py_ssize_t features
    Py_ssize_t units
    Py_ssize_t z_width                # of a row of x @ kernel: units, LSTM 4*units (fused: padded), GRU 3*units
    Matrix kernel
    Matrix recurrent_kernel           # GRU without reset_after: of z and r alone
    Matrix candidate_kernel           # only there
    const float *bias                 # (z_width,)
    const float *recurrent_bias       # GRU (3*units,), fused (units,) of the candidate
    fl_activation activation
    fl_activation recurrent_activation
    const float *table                # EMBEDDING (vocabulary, units); recurrent: NULL, or (vocabulary, z_width)
    long vocabulary
    const float *center               # AFFINE (units,)
    const float *scale                # AFFINE, LAYER_NORM (units,), as shift
    const float *shift
    float epsilon                     # LAYER_NORM
    bint root_mean                    # LAYER_NORM: without the mean
    Py_ssize_t size                   # steps: CONVOLUTION and POOL of a window, STEPS that an input step becomes
    Py_ssize_t stride                 # from one window to the next
    Py_ssize_t dilation               # from one step of a window to the next
    Py_ssize_t groups                 # of channels, of a CONVOLUTION
    int padding                       # Padding
    Py_ssize_t before                 # STEPS of zeros at the ends, below 0 they are cut off; SLICE: its ends;
    Py_ssize_t after                  # MERGE: steps and features of the constant in `center`, as MASKING
    Py_ssize_t across                 # PLANE_…: columns of a window, as `size` are its rows
    Py_ssize_t stride_across          # and from one window to the next
    Py_ssize_t channels
    bint total                        # GLOBAL_POOL: the sum, not the mean
    bint backwards                    # STEPS: from the last to the first; HEADS: the way back; PRODUCT: b is transposed
    Py_ssize_t timesteps              # RESHAPE: of the result, ANY_LENGTH for what is left
    int merge                         # Merge
    int state                         # STATE_IN, STATE_OUT: of which recurrent op; `size` is 0 for h, 1 for c
    bint greatest                     # POOL: the greatest value, not the mean; SLICE: of the features
    bint finite                       # LSTM on lstm_step_forward: so are all recurrent weights
    bint return_sequences
    bint go_backwards
    bint zero_output_for_mask

cdef enum:
    ANY_LENGTH = -1

cdef enum Padding:
    VALID
    SAME
    CAUSAL

cdef enum Merge:
    CONCATENATE
    CONCATENATE_STEPS
    AVERAGE
    ADD                               # from here on: numbered as csrc/merging.h numbers them, from 0

cdef struct Stage:                    # ops that work on one chunk after the other, or one that reads whole sequences
    int first
    int end                           # past the last one
    int state                         # of the first recurrent one
    const int *inputs                 # slots
    int n_inputs
    int output                        # slot
    bint masked                       # whether the call's mask counts
    bint in_rows                      # the output is (batch, timesteps, width)
    int mask                          # slot of the op whose mask counts; -1: none does
    bint alias                        # the output is the input in another shape, and lies where that does
    bint beside                       # the next one reads nothing of this one's, so that both may run at once

cdef enum:
    MOST_ENDS = 32                    # inputs and outputs of a program

cdef struct Wiring:                   # how values go from the inputs, in the first slots, to the outputs
    const Stage *stages
    int n_stages
    int n_slots
    const int *ends                   # slots of the caller's arrays: those of the inputs, then those of the outputs
    int n_inputs
    int n_ends
    const int *buffers                # of every slot; -1: the caller's array
    int n_buffers


cdef inline Py_ssize_t width_after(const Op *op, Py_ssize_t width) noexcept nogil:
    """Of a row that the op, which works on chunks, gives for a row of `width`."""
    return op.units if op.units else width


cdef inline double work_of(const Op *op) noexcept nogil:
    """Multiplications for a row and step; of an op on windows, for each of them."""
    if op.kind == CONVOLUTION or op.kind == PLANE_CONVOLUTION:
        return <double> (op.size if op.scale != NULL else op.kernel.features) * op.units
    return <double> op.z_width * (op.features + (op.units if op.kind >= LSTM else 0))


cdef inline double cost_of(const Matrix *matrix, double features) noexcept nogil:
    """About how many multiplications in float32, of many rows, take as long as a row's product with the matrix."""
    return features * matrix.columns * (matrix.integers.bits / 32.0 if matrix.integers.bits else 1.0)


cdef enum:
    # What a column costs at least, for a row, that one thread makes for another: so much its way between cores costs.
    LEAST_COLUMN = 60


cdef inline bint may_be_cut(const Op *op) noexcept nogil:
    """Whether threads may share the product of the op's inputs by its columns."""
    return (op.finish != NULL and op.table == NULL and (op.kernel.packed or op.kernel.integers.bits)
            and cost_of(&op.kernel, op.features) >= <double> LEAST_COLUMN * op.kernel.columns)


cdef inline double cost_of_inputs(const Op *op) noexcept nogil:
    """The cost of a row of what `may_be_cut`."""
    return <double> op.z_width if op.table != NULL else cost_of(&op.kernel, op.features)


cdef inline double cost_of_rest(const Op *op, Py_ssize_t batch) noexcept nogil:
    """The same of the rest of the op: a step's product of few rows waits for its weights, and then the cells follow."""
    if op.kind < LSTM:
        return 0.0 if op.finish != NULL else work_of(op) + 16.0 * op.units
    return ((1.0 + 1.0 / batch) * (cost_of(&op.recurrent_kernel, op.units) + cost_of(&op.candidate_kernel, op.units))
            + 64.0 * op.units + 4000.0 / batch)


cdef struct State:                    # of one recurrent op during one call, each (batch, units)
    float *h
    float *h_next
    float *c                          # NULL but for LSTM
    float *c_prev                     # only with a mask, as out_prev
    float *out_prev
    bint out_is_h                     # with a mask: the output of the step before is h, else out_prev
    bint zero                         # h is all zeros, and the op's recurrent weights are finite

cdef struct Work:                     # multiplications
    double in_steps                   # which threads share by the ops or their units too
    double of_windows                 # of convolutions, which they share by rows alone
    double widest                     # floats of the largest value that passes between stages

cdef struct Value:                    # what passes between stages
    float *data                       # the call's input is only read
    Py_ssize_t timesteps
    Py_ssize_t width
    bint time_major                   # (timesteps, batch, width), else (batch, timesteps, width), or both the same
    Py_ssize_t fold                   # sequences of a row: (batch, fold, timesteps, width)
    Py_ssize_t outer                  # of the level above; 0: there is none
    unsigned char *mask               # (batch, timesteps), of an op that makes one

cdef enum:
    HANDED_OVER = 4                   # chunks that a part may be ahead of the next one

cdef struct Scratch:                  # of one part
    float *z                          # (chunk, batch, z_width), or what windows of a CONVOLUTION read
    float *products                   # (batch, 4*units), of one GRU step
    float *buffers[2]                 # (chunk, batch, width)
    int32_t *quantized                # rows of x for a product of integers, or of h
    float *row_scales                 # of these rows
    float *handed_over                # (HANDED_OVER, chunk, batch, width): chunks for the next part
    float *handed_z                   # (HANDED_OVER, chunk, batch, z_width): products of its inputs that others made

cdef struct Call:
    Py_ssize_t batch
    Py_ssize_t chunk                  # time steps
    const unsigned char *given_mask   # (batch, timesteps) or NULL
    const unsigned char *mask         # the same where the stage sees it, else NULL
    Py_ssize_t mask_timesteps
    bint makes_masks                  # ops do
    int parts                         # threads that share the call
    bint by_units                     # each with some units of every LSTM, in step; else each with some of the ops
    Interrupt *interrupt              # NULL: the call is short
    bint on_caller                    # part 0 runs on the thread that the call came from
    State *states                     # one per recurrent op
    Scratch *scratch                  # one per part
    Value *values                     # one per slot
