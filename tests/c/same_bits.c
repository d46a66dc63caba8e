/* same_bits.c: every instruction set of this build against the scalar kernels, bit for bit, over sizes that straddle vector
 * widths. Prints the instruction sets, the number of comparisons and how many differed. */
#include "fastlstm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_UNITS = 70, MOST_ROWS = 14, MOST_FEATURES = 20, PADDED = 4 * MOST_UNITS + FL_GROUP };

static const int SIZES[] = {1, 2, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 50, 63, 64, 65, 70};
static const int ROWS[] = {1, 2, 3, 5, 6, 7, 8, 13, MOST_ROWS};
static const fl_activation TANH = {.kind = FL_TANH}, SIGMOID = {.kind = FL_SIGMOID};
static const fl_activation ELU = {.kind = FL_ELU, .parameters = {1.0f}}, HARD = {.kind = FL_HARD_SIGMOID};

static float x[MOST_ROWS * PADDED], h_prev[MOST_ROWS * MOST_UNITS], c_prev[MOST_ROWS * MOST_UNITS];
static float weights[(MOST_UNITS + MOST_FEATURES) * PADDED], bias[PADDED];
static long compared, differ;

static void draw(float *out, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) out[i] = scale * ((float)rand() / (float)RAND_MAX - 0.5f);
}

static void compare(const float *a, const float *b, size_t n)
{
    compared++;
    differ += memcmp(a, b, n * sizeof *a) != 0;
}

static void compare_gemm(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t columns)
{
    static float out[MOST_ROWS * PADDED], expected[MOST_ROWS * PADDED];
    kernels->gemm_packed_forward(out, columns, bias, 0, x, weights, rows, MOST_FEATURES, columns);
    scalar->gemm_packed_forward(expected, columns, bias, 0, x, weights, rows, MOST_FEATURES, columns);
    compare(out, expected, rows * columns);
}

static void compare_steps(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t units,
                          const fl_activation *activation, const fl_activation *recurrent_activation)
{
    static float h[2][MOST_ROWS * MOST_UNITS], c[2][MOST_ROWS * MOST_UNITS];
    const fl_kernels *both[2] = {kernels, scalar};
    for (int from_zeros = 0; from_zeros < 2; from_zeros++) {
        for (int k = 0; k < 2; k++) {
            memcpy(c[k], c_prev, sizeof c_prev);
            both[k]->lstm_step_forward(h[k], c[k], x, from_zeros ? NULL : h_prev, weights, rows, units, 0, units,
                                       /* descending */ k, activation, recurrent_activation);
        }
        compare(h[0], h[1], rows * units);
        compare(c[0], c[1], rows * units);
    }
    for (int k = 0; k < 2; k++)
        both[k]->gru_step_forward(h[k], x, bias, h_prev, weights, rows, units, k, activation, recurrent_activation);
    compare(h[0], h[1], rows * units);
}

int main(void)
{
    const fl_kernels *scalar = fl_kernels_find("scalar");
    draw(x, sizeof x / sizeof *x, 4.0f);
    draw(h_prev, sizeof h_prev / sizeof *h_prev, 2.0f);
    draw(c_prev, sizeof c_prev / sizeof *c_prev, 6.0f);
    draw(weights, sizeof weights / sizeof *weights, 1.0f);
    draw(bias, sizeof bias / sizeof *bias, 1.0f);
    for (int i = 0; fl_kernels_name(i); i++) {
        const fl_kernels *kernels = fl_kernels_find(fl_kernels_name(i));
        printf("%s ", kernels->name);
        for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
            for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
                compare_gemm(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_gemm(kernels, scalar, (size_t)ROWS[r], 4 * (size_t)SIZES[s]);
                compare_steps(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &TANH, &SIGMOID);
                compare_steps(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &ELU, &HARD);
            }
    }
    printf("%ld %ld\n", compared, differ);
    return 0;
}
