/* kernels_avx2.c: the kernels for x86-64 CPUs with AVX2 and FMA (Haswell 2013, Zen 2017). */
#include "fastlstm.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "vec_avx2.h"

#define FL_KERNEL(name) name##_avx2
#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
