/* kernels_avx512_vnni.c: the kernels for integers of x86-64 CPUs with AVX-512 VNNI (Cascade Lake 2019, Zen 4 2022). */
#include "fastlstm.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")
#endif

#define FL_VNNI
#include "vec_avx512.h"

#define FL_KERNEL(name) name##_avx512_vnni
#include "kernels_integers.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
