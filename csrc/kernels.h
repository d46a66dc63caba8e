/* kernels.h: what a kernels_<isa>.c includes once its vocabulary stands: every body, then the table of them. */
#include "vec.h"

/* each uses those before it */
#include "activation.h"
#include "lstm_cell.h"
#include "gru_cell.h"
#include "gemm_packed.h"
#include "unit_blocks.h"
#include "lstm_step.h"
#include "gru_step.h"

const fl_kernels FL_KERNEL(fl_kernels) = {
    .name = FL_ISA,
    .gemm_packed_forward = FL_KERNEL(gemm_packed_forward),
    .lstm_step_forward = FL_KERNEL(lstm_step_forward),
    .activation_forward = FL_KERNEL(activation_forward),
    .gru_step_forward = FL_KERNEL(gru_step_forward),
    .lstm_cell_forward = FL_KERNEL(lstm_cell_forward),
    .gru_cell_forward = FL_KERNEL(gru_cell_forward),
    .gru_reset_forward = FL_KERNEL(gru_reset_forward),
    .gru_candidate_forward = FL_KERNEL(gru_candidate_forward),
};
