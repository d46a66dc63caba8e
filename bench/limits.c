/* What one core can do: fused multiply-adds a second, and bytes a second streamed through one from each cache level.
 *
 *   limits SIZE…      prints GFLOP/s, then GB/s for a buffer of each SIZE in bytes, one number a line
 *
 * Compiled for the machine it runs on. The vectors are GCC's and Clang's own, as wide as the machine's. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#if defined __AVX512F__
#define WIDTH 64
#elif defined __AVX__
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define LANES (WIDTH / 4)
#define CHAINS 12 /* independent sums: at least latency times units, at most the registers there are */
#define REPEATS 9
#define LARGE_PAGE (2u << 20)

typedef float vec __attribute__((vector_size(WIDTH)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Keeps the sums alive, so that the compiler may not drop what made them. */
static void use(const vec *sums) {
    for (int j = 0; j < CHAINS; j++) __asm__ volatile("" : : "m"(sums[j]));
}

/* GFLOP/s of multiply-adds between registers. */
static double peak(long rounds) {
    vec sums[CHAINS] = {0}, a = {0}, b = {0};
    __asm__ volatile("" : "+m"(a), "+m"(b));
    double begin = now();
    for (long i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) sums[j] = sums[j] * a + b;
    use(sums);
    return 2e-9 * LANES * CHAINS * rounds / (now() - begin);
}

/* GB/s of weights (count vectors, a multiple of CHAINS) read once a pass, each into one multiply-add. */
static double stream(const vec *weights, long count, long passes) {
    vec sums[CHAINS] = {0}, x = {0};
    __asm__ volatile("" : "+m"(x));
    double begin = now();
    for (long pass = 0; pass < passes; pass++) {
        for (long i = 0; i < count; i += CHAINS)
            for (int j = 0; j < CHAINS; j++) sums[j] += weights[i + j] * x;
        __asm__ volatile("" : : : "memory");
    }
    use(sums);
    return 1e-9 * WIDTH * count * passes / (now() - begin);
}

int main(int argc, char **argv) {
    double best = 0;
    for (int r = 0; r < REPEATS; r++) {
        double got = peak(4000000);
        best = got > best ? got : best;
    }
    printf("%f\n", best);
    for (int a = 1; a < argc; a++) {
        size_t bytes = strtoull(argv[a], NULL, 10);
        long count = (long)(bytes / WIDTH / CHAINS * CHAINS), passes = (long)((256u << 20) / bytes) + 1;
        size_t room = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
        float *buffer = NULL;
        if (posix_memalign((void **)&buffer, LARGE_PAGE, room)) return 1;
#ifdef MADV_HUGEPAGE
        madvise(buffer, room, MADV_HUGEPAGE);
#endif
        for (size_t i = 0; i < room / sizeof(float); i++) buffer[i] = 1e-3f;
        best = 0;
        for (int r = 0; r < REPEATS; r++) {
            double got = stream((const vec *)buffer, count, passes);
            best = got > best ? got : best;
        }
        printf("%f\n", best);
        free(buffer);
    }
    return 0;
}
