/* kernels_avx512.c: the kernels for x86-64 CPUs with AVX-512 F (Skylake-X 2017). */
#include "fastlstm.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif

#include "vec_avx512.h"

#define FL_KERNEL(name) name##_avx512
#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
