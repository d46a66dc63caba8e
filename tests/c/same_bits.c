/* same_bits.c: every instruction set of this build against the scalar kernels, bit for bit, over sizes that straddle vector
 * widths. Prints the instruction sets, the number of comparisons and how many differed. */
#include "fastlstm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_UNITS = 70, MOST_ROWS = 14, MOST_FEATURES = 20, LONG_FEATURES = 300, PADDED = 4 * MOST_UNITS + FL_GROUP };

static const int SIZES[] = {1, 2, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 50, 63, 64, 65, 70};
static const int ROWS[] = {1, 2, 3, 5, 6, 7, 8, 13, MOST_ROWS};
static const fl_activation TANH = {.kind = FL_TANH}, SIGMOID = {.kind = FL_SIGMOID};
static const fl_activation ELU = {.kind = FL_ELU, .parameters = {1.0f}}, HARD = {.kind = FL_HARD_SIGMOID};

/* what fused cell updates are compiled for, and one activation that they are not */
static const fl_activation ACTIVATIONS[] = {
    {.kind = FL_TANH}, {.kind = FL_RELU, .parameters = {0.0f, 1.5f, 0.0f}}, {.kind = FL_RELU, .parameters = {0.3f, 9.0f, 0.1f}},
    {.kind = FL_LINEAR}, {.kind = FL_SIGMOID}, {.kind = FL_ELU, .parameters = {0.7f}}, {.kind = FL_SELU},
    {.kind = FL_SOFTSIGN}, {.kind = FL_GELU_TANH}};
static const fl_activation RECURRENT[] = {
    {.kind = FL_SIGMOID}, {.kind = FL_HARD_SIGMOID}, {.kind = FL_HARD_SIGMOID_KERAS2}, {.kind = FL_TANH}};

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
    kernels->gemm_packed_forward(out, columns, bias, 0, x, MOST_FEATURES, weights, rows, MOST_FEATURES, columns);
    scalar->gemm_packed_forward(expected, columns, bias, 0, x, MOST_FEATURES, weights, rows, MOST_FEATURES, columns);
    compare(out, expected, rows * columns);
}

static void compare_windows(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t columns)
{
    static float out[MOST_ROWS * PADDED], expected[MOST_ROWS * PADDED];
    static const size_t offsets[] = {0, 30, 61};
    kernels->gemm_windows_forward(out, bias, x, 2, 3, offsets, 3, weights, 2, rows, 5, columns);
    scalar->gemm_windows_forward(expected, bias, x, 2, 3, offsets, 3, weights, 2, rows, 5, columns);
    compare(out, expected, rows * columns);
}

/* Of so many features that they are taken in blocks. */
static void compare_blocks(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t columns)
{
    static float out[MOST_ROWS * PADDED], expected[MOST_ROWS * PADDED];
    static const size_t offsets[] = {0, 110, 225};
    kernels->gemm_packed_forward(out, columns, bias, 0, x, 280, weights, rows, LONG_FEATURES, columns);
    scalar->gemm_packed_forward(expected, columns, bias, 0, x, 280, weights, rows, LONG_FEATURES, columns);
    compare(out, expected, rows * columns);
    kernels->gemm_windows_forward(out, bias, x, 5, 300, offsets, 3, weights, 2, rows, LONG_FEATURES / 3, columns);
    scalar->gemm_windows_forward(expected, bias, x, 5, 300, offsets, 3, weights, 2, rows, LONG_FEATURES / 3, columns);
    compare(out, expected, 2 * rows * columns);
}

static void compare_depthwise(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t columns)
{
    static float out[MOST_ROWS * PADDED], expected[MOST_ROWS * PADDED];
    kernels->depthwise_forward(out, bias, x, columns, 2 * columns, weights, rows, 5, columns);
    scalar->depthwise_forward(expected, bias, x, columns, 2 * columns, weights, rows, 5, columns);
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

/* products with integers of rows of MOST_UNITS at most, and steps of them */
static void compare_integers(const fl_integer_kernels *kernels, const fl_integer_kernels *scalar, size_t rows, size_t units,
                             int bits)
{
    static int32_t q[2][MOST_ROWS * PADDED];
    static float out[2][MOST_ROWS * PADDED], h[2][MOST_ROWS * MOST_UNITS], c[2][MOST_ROWS * MOST_UNITS];
    static float row_scales[2][MOST_ROWS], scales[PADDED];
    static int16_t wide[PADDED * (MOST_UNITS + 1)];
    static int8_t narrow[PADDED * (MOST_UNITS + 3)];
    static int32_t offsets[PADDED];
    const size_t columns = (4 * units + FL_GROUP - 1) / FL_GROUP * FL_GROUP, in_word = 32 / bits;
    const size_t words = (units + in_word - 1) / in_word;
    const fl_integer_kernels *both[2] = {kernels, scalar};
    memset(offsets, 0, sizeof offsets);
    for (size_t column = 0; column < columns; column++) {
        const size_t panel = column / (4 * FL_GROUP) * 4 * FL_GROUP;
        const size_t width = columns - panel < 4 * FL_GROUP ? columns - panel : 4 * FL_GROUP;
        scales[column] = 1e-3f + 1e-4f * (float)(column % 7);
        for (size_t k = 0; k < words * in_word; k++) {
            const int value = k >= units ? 0 : column % 9 == 0 ? (k % 2 ? 127 : -127) : rand() % 255 - 127;
            const size_t place = ((panel * words + k / in_word * width + column - panel) * in_word) + k % in_word;
            offsets[column] -= 128 * value;
            wide[place] = (int16_t)(value * 8);
            narrow[place] = (int8_t)value;
        }
    }
    const fl_integers matrix = {bits == 16 ? (const void *)wide : narrow, scales, offsets, units,
                                bits == 16 ? 4000.0f : 127.0f, bits};
    for (int k = 0; k < 2; k++) {
        both[k]->quantize_rows(q[k], row_scales[k], h_prev, rows, &matrix);
        both[k]->gemm_integers_forward(out[k], columns, bias, 0, q[k], row_scales[k], &matrix, rows, 0, 4 * units);
    }
    compare(row_scales[0], row_scales[1], rows);
    for (size_t row = 0; row < rows; row++) compare(out[0] + row * columns, out[1] + row * columns, 4 * units);
    for (int from_zeros = 0; from_zeros < 2; from_zeros++) {
        for (int k = 0; k < 2; k++) {
            memcpy(c[k], c_prev, sizeof c_prev);
            both[k]->lstm_step_integers_forward(h[k], c[k], x, from_zeros ? NULL : q[k], row_scales[k], &matrix, rows, 0,
                                                units, /* descending */ k, &TANH, &SIGMOID);
        }
        compare(h[0], h[1], rows * units);
        compare(c[0], c[1], rows * units);
    }
}

static void compare_pairs(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t units)
{
    for (size_t a = 0; a < sizeof ACTIVATIONS / sizeof *ACTIVATIONS; a++)
        for (size_t r = 0; r < sizeof RECURRENT / sizeof *RECURRENT; r++)
            compare_steps(kernels, scalar, rows, units, &ACTIVATIONS[a], &RECURRENT[r]);
}

/* dpacked and dz of sizes that straddle vector widths, in the kernels of training */
static void compare_training(const fl_kernels *kernels, const fl_kernels *scalar, size_t rows, size_t units,
                             const fl_activation *activation, const fl_activation *recurrent_activation)
{
    static float packed[2][MOST_FEATURES * PADDED], gates[2][MOST_ROWS * PADDED], scratch[6 * MOST_UNITS];
    static float h[2][MOST_ROWS * MOST_UNITS], c[2][MOST_ROWS * MOST_UNITS], d[2][2][MOST_ROWS * MOST_UNITS];
    static const unsigned char mask[MOST_ROWS] = {1, 1, 0, 1, 1, 1, 0};
    const size_t columns = (4 * units + FL_GROUP - 1) / FL_GROUP * FL_GROUP, n = rows * units;
    const fl_kernels *both[2] = {kernels, scalar};
    for (int k = 0; k < 2; k++) {
        memset(packed[k], 0, sizeof packed[k]);
        both[k]->gemm_packed_backward(packed[k], h_prev, MOST_FEATURES, x, columns, rows, MOST_FEATURES, columns, 0, 7);
        both[k]->gemm_packed_backward(packed[k], h_prev, MOST_FEATURES, x, columns, rows, MOST_FEATURES, columns, 7,
                                      MOST_FEATURES);
        memcpy(gates[k], x, sizeof gates[k]);
        memcpy(d[k][0], c_prev, sizeof c_prev);
        memcpy(d[k][1], h_prev, sizeof h_prev);
        both[k]->lstm_tape_forward(h[k], c[k], gates[k], c_prev, rows, units, columns, FL_GROUP, activation,
                                   recurrent_activation, scratch);
        both[k]->lstm_tape_backward(gates[k], d[k][0], d[k][1], h[k], c[k], c_prev, mask, 1, rows, units, columns,
                                    FL_GROUP, activation, recurrent_activation, scratch);
    }
    compare(packed[0], packed[1], MOST_FEATURES * columns);
    compare(gates[0], gates[1], rows * columns);
    compare(h[0], h[1], n);
    compare(d[0][1], d[1][1], n);
    for (int reset_after = 0; reset_after < 2; reset_after++)
        for (int k = 0; k < 2; k++) {
            memcpy(gates[k], x, sizeof gates[k]);
            memcpy(d[k][0], c_prev, sizeof c_prev);
            both[k]->gru_tape_gates_forward(gates[k], weights, 3 * units, h_prev, rows, units, columns, reset_after,
                                            recurrent_activation, scratch);
            both[k]->gru_tape_output_forward(h[k], gates[k], h_prev, rows, units, columns, activation,
                                             recurrent_activation, scratch);
            both[k]->gru_tape_output_backward(gates[k], d[k][0], h_prev, mask, 1, rows, units, columns, reset_after,
                                              activation, recurrent_activation, scratch);
            if (!reset_after)
                both[k]->gru_tape_reset_backward(gates[k], d[k][0], h[k], h_prev, mask, 1, rows, units, columns,
                                                 recurrent_activation, scratch);
            if (!k) continue;
            compare(gates[0], gates[1], rows * columns);
            compare(h[0], h[1], n);
            compare(d[0][0], d[1][0], n);
        }
}

static void compare_adam(const fl_kernels *kernels, const fl_kernels *scalar, size_t n)
{
    static float values[2][4][MOST_UNITS];
    const fl_kernels *both[2] = {kernels, scalar};
    for (int with_largest = 0; with_largest < 2; with_largest++) {
        for (int k = 0; k < 2; k++) {
            float (*of)[MOST_UNITS] = values[k];
            for (size_t i = 0; i < n; i++) of[0][i] = x[i], of[1][i] = h_prev[i], of[3][i] = 0.01f;
            for (size_t i = 0; i < n; i++) of[2][i] = c_prev[i] * c_prev[i];
            both[k]->adam_step(of[0], of[1], of[2], with_largest ? of[3] : NULL, weights, n, 0.1f, 0.001f, 0.01f, 1e-7f);
        }
        for (int i = 0; i < 4; i++) compare(values[0][i], values[1][i], n);
    }
}

static void compare_slopes(const fl_kernels *kernels, const fl_kernels *scalar, size_t units)
{
    static float dx[MOST_UNITS], expected[MOST_UNITS];
    for (int kind = 0; kind < FL_CALLBACK; kind++) {
        const fl_activation activation = {.kind = kind, .parameters = {0.5f, 1.5f, 0.25f}};
        kernels->activation_backward(dx, h_prev, x, 1, units, &activation);
        scalar->activation_backward(expected, h_prev, x, 1, units, &activation);
        compare(dx, expected, units);
    }
}

int main(void)
{
    const fl_kernels *scalar = fl_kernels_find("scalar");
    const fl_integer_kernels *scalar_integers = fl_integer_kernels_find("scalar");
    draw(x, sizeof x / sizeof *x, 4.0f);
    draw(h_prev, sizeof h_prev / sizeof *h_prev, 2.0f);
    draw(c_prev, sizeof c_prev / sizeof *c_prev, 6.0f);
    draw(weights, sizeof weights / sizeof *weights, 1.0f);
    draw(bias, sizeof bias / sizeof *bias, 1.0f);
    for (int i = 0; fl_kernels_name(i); i++) {
        const fl_kernels *kernels = fl_kernels_find(fl_kernels_name(i));
        const fl_integer_kernels *integers = fl_integer_kernels_find(fl_kernels_name(i));
        printf("%s ", fl_kernels_name(i));
        for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
            for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
                compare_gemm(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_gemm(kernels, scalar, (size_t)ROWS[r], 4 * (size_t)SIZES[s]);
                compare_windows(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_depthwise(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_blocks(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_steps(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &TANH, &SIGMOID);
                compare_steps(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &ELU, &HARD);
                if (ROWS[r] <= 7 && SIZES[s] <= 33) compare_pairs(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s]);
                compare_training(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &TANH, &SIGMOID);
                compare_training(kernels, scalar, (size_t)ROWS[r], (size_t)SIZES[s], &ELU, &HARD);
                compare_slopes(kernels, scalar, (size_t)SIZES[s]);
                compare_adam(kernels, scalar, (size_t)SIZES[s]);
                compare_integers(integers, scalar_integers, (size_t)ROWS[r], (size_t)SIZES[s], 16);
                compare_integers(integers, scalar_integers, (size_t)ROWS[r], (size_t)SIZES[s], 8);
            }
    }
    printf("%ld %ld\n", compared, differ);
    return 0;
}
