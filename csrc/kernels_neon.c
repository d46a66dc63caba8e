/* kernels_neon.c: the kernels for AArch64, where Advanced SIMD is always there. */
#include "fastlstm.h"

#if defined(__aarch64__)
#include "vec_neon.h"

#define FL_KERNEL(name) name##_neon
#include "kernels.h"
#endif
