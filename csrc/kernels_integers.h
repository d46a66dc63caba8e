/* kernels_integers.h: the part of kernels.h that multiplies integers. An instruction set that adds nothing but their dot
 * products has this alone. */
#include "vec.h"

/* each uses those before it */
#include "panels.h"
#include "activation.h"
#include "lstm_cell.h"
#include "unit_blocks.h"
#include "unit_cells.h"
#include "integers.h"
#include "lstm_step_integers.h"

const fl_integer_kernels FL_KERNEL(fl_integer_kernels) = {
    .quantize_rows = FL_KERNEL(quantize_rows),
    .gemm_integers_forward = FL_KERNEL(gemm_integers_forward),
    .lstm_step_integers_forward = FL_KERNEL(lstm_step_integers_forward),
};
