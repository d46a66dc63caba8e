/* kernels.h: what a kernels_<isa>.c includes once its vocabulary stands: every body, then the table of them. */
#include "kernels_integers.h"

/* each uses those before it */
#include "gru_cell.h"
#include "gemm_packed.h"
#include "gemm_windows.h"
#include "lstm_step.h"
#include "gru_step.h"
#include "normalize.h"
#include "pooling.h"
#include "depthwise.h"
#include "merging.h"

/* training */
#include "activation_backward.h"
#include "gemm_packed_backward.h"
#include "lstm_tape.h"
#include "gru_tape.h"
#include "adam.h"

const fl_kernels FL_KERNEL(fl_kernels) = {
    .gemm_packed_forward = FL_KERNEL(gemm_packed_forward),
    .gemm_windows_forward = FL_KERNEL(gemm_windows_forward),
    .lstm_step_forward = FL_KERNEL(lstm_step_forward),
    .activation_forward = FL_KERNEL(activation_forward),
    .gru_step_forward = FL_KERNEL(gru_step_forward),
    .lstm_cell_forward = FL_KERNEL(lstm_cell_forward),
    .gru_cell_forward = FL_KERNEL(gru_cell_forward),
    .gru_reset_forward = FL_KERNEL(gru_reset_forward),
    .affine_forward = FL_KERNEL(affine_forward),
    .layer_norm_forward = FL_KERNEL(layer_norm_forward),
    .depthwise_forward = FL_KERNEL(depthwise_forward),
    .pool_forward = FL_KERNEL(pool_forward),
    .merge_forward = FL_KERNEL(merge_forward),
    .gru_candidate_forward = FL_KERNEL(gru_candidate_forward),
    .gemm_packed_backward = FL_KERNEL(gemm_packed_backward),
    .activation_backward = FL_KERNEL(activation_backward),
    .lstm_tape_forward = FL_KERNEL(lstm_tape_forward),
    .lstm_tape_backward = FL_KERNEL(lstm_tape_backward),
    .gru_tape_gates_forward = FL_KERNEL(gru_tape_gates_forward),
    .gru_tape_output_forward = FL_KERNEL(gru_tape_output_forward),
    .gru_tape_output_backward = FL_KERNEL(gru_tape_output_backward),
    .gru_tape_reset_backward = FL_KERNEL(gru_tape_reset_backward),
    .adam_step = FL_KERNEL(adam_step),
};
