/* dispatch.c: which kernel tables this build has and this CPU runs. */
#include "fastlstm.h"

#include <string.h>

extern const fl_kernels fl_kernels_scalar;

#if defined(__x86_64__)
extern const fl_kernels fl_kernels_avx2, fl_kernels_avx512, fl_kernels_avx512_vnni;

static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static int runs_avx512_vnni(void) { return runs_avx512() && __builtin_cpu_supports("avx512vnni"); }
#elif defined(__aarch64__)
extern const fl_kernels fl_kernels_neon;
#endif

static int runs_always(void) { return 1; }

/* Best first. */
static const struct {
    const fl_kernels *kernels;
    int (*runs)(void);
} candidates[] = {
#if defined(__x86_64__)
    {&fl_kernels_avx512_vnni, runs_avx512_vnni},
    {&fl_kernels_avx512, runs_avx512},
    {&fl_kernels_avx2, runs_avx2},
#elif defined(__aarch64__)
    {&fl_kernels_neon, runs_always},
#endif
    {&fl_kernels_scalar, runs_always},
};

static const fl_kernels *kernels_at(int index)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i].runs() && index-- == 0) return candidates[i].kernels;
    return NULL;
}

const char *fl_kernels_name(int i)
{
    const fl_kernels *kernels = kernels_at(i);
    return kernels ? kernels->name : NULL;
}

const fl_kernels *fl_kernels_find(const char *isa)
{
    for (int i = 0; kernels_at(i); i++)
        if (strcmp(kernels_at(i)->name, isa) == 0) return kernels_at(i);
    return NULL;
}
