/* dispatch.c: which kernels this build has and this CPU runs. */
#include "fastlstm.h"

#include <string.h>

extern const fl_kernels fl_kernels_scalar;
extern const fl_integer_kernels fl_integer_kernels_scalar;

#if defined(__x86_64__)
extern const fl_kernels fl_kernels_avx2, fl_kernels_avx512;
extern const fl_integer_kernels fl_integer_kernels_avx2, fl_integer_kernels_avx512, fl_integer_kernels_avx512_vnni;

static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static int runs_avx512_vnni(void) { return runs_avx512() && __builtin_cpu_supports("avx512vnni"); }
#elif defined(__aarch64__)
extern const fl_kernels fl_kernels_neon;
extern const fl_integer_kernels fl_integer_kernels_neon;
#endif

static int runs_always(void) { return 1; }

typedef struct {
    const char *isa;
    const fl_kernels *kernels;
    const fl_integer_kernels *integer_kernels;
    int (*runs)(void);
} candidate;

/* Best first. */
static const candidate candidates[] = {
#if defined(__x86_64__)
    {"avx512_vnni", &fl_kernels_avx512, &fl_integer_kernels_avx512_vnni, runs_avx512_vnni},
    {"avx512", &fl_kernels_avx512, &fl_integer_kernels_avx512, runs_avx512},
    {"avx2", &fl_kernels_avx2, &fl_integer_kernels_avx2, runs_avx2},
#elif defined(__aarch64__)
    {"neon", &fl_kernels_neon, &fl_integer_kernels_neon, runs_always},
#endif
    {"scalar", &fl_kernels_scalar, &fl_integer_kernels_scalar, runs_always},
};

static const candidate *candidate_at(int index)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i].runs() && index-- == 0) return &candidates[i];
    return NULL;
}

static const candidate *candidate_called(const char *isa)
{
    for (int i = 0; candidate_at(i); i++)
        if (strcmp(candidate_at(i)->isa, isa) == 0) return candidate_at(i);
    return NULL;
}

const char *fl_kernels_name(int i)
{
    const candidate *found = candidate_at(i);
    return found ? found->isa : NULL;
}

const fl_kernels *fl_kernels_find(const char *isa)
{
    const candidate *found = candidate_called(isa);
    return found ? found->kernels : NULL;
}

const fl_integer_kernels *fl_integer_kernels_find(const char *isa)
{
    const candidate *found = candidate_called(isa);
    return found ? found->integer_kernels : NULL;
}
