/* kernels_scalar.c: the kernels for any CPU; the slow twin that the others are tested against. */
#include "fastlstm.h"

#include "vec_scalar.h"

#define FL_KERNEL(name) name##_scalar
#include "kernels.h"
