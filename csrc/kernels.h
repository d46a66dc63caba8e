/* kernels.h: what a kernels_<isa>.c includes once its vocabulary stands: every body, then the table of them. */
#include "vec.h"

#include "activation.h"
#include "lstm_cell.h"

const fl_kernels FL_KERNEL(fl_kernels) = {
    .name = FL_ISA,
    .activation_forward = FL_KERNEL(activation_forward),
    .lstm_cell_forward = FL_KERNEL(lstm_cell_forward),
};
