"""The memory of one call, and the structs that describe it."""

from fastlstm.engine._kernels cimport fl_activation

cdef enum OpKind:
    LSTM
    DENSE
    ACTIVATION

cdef struct Op:
    OpKind kind
    int features
    int units
    bint packed                       # the weights are laid out for csrc/gemm_packed.h, bias there; else as in Keras
    int columns                       # of kernel and z: units, LSTM 4*units, if packed padded to FL_GROUP
    const float *kernel               # (features, columns)
    const float *recurrent_kernel     # (units, columns)
    const float *bias                 # (columns,); NULL: none, only if not packed
    fl_activation activation
    fl_activation recurrent_activation
    bint return_sequences
    bint go_backwards
    bint zero_output_for_mask

cdef struct State:                    # of one recurrent op during one call, each (batch, units)
    float *h
    float *c
    float *h_next
    float *c_prev                     # the last two only with a mask
    float *out_prev

cdef struct Value:                    # what passes between stages
    const float *data
    Py_ssize_t timesteps
    int width
    bint time_major                   # (timesteps, batch, width), else (batch, timesteps, width)

cdef struct Call:
    Py_ssize_t batch
    Py_ssize_t chunk                  # time steps
    const unsigned char *mask         # (batch, timesteps) or NULL
    Py_ssize_t mask_timesteps
    float *z                          # (chunk, batch, columns)
    float *buffers[2]                 # (chunk, batch, width)
    float *sequences[2]               # (timesteps, batch, width), between stages
    State *states                     # one per recurrent op


cdef class Workspace:
    cdef void *allocated
    cdef char *base
    cdef readonly size_t size

    cdef void lay_out(self, Call *call, const Value *value, const Op *ops, int n_ops, int n_stages) noexcept


cdef size_t workspace_size(Call *call, const Value *value, const Op *ops, int n_ops, int n_stages) noexcept
