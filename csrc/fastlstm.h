/* fastlstm.h: everything that Cython sees of csrc/.
 *
 * All arrays are float32, row-major and dense; the caller owns every buffer. Nothing here allocates, prints or knows
 * Python. Kernels take outputs first, then inputs, then sizes. `rows` counts (batch) rows, `units` the last axis.
 */
#ifndef FASTLSTM_H
#define FASTLSTM_H

#include <stddef.h>
#include <stdint.h>

/* The order is that of ACTIVATIONS in fastlstm/engine/ops.py; FL_CALLBACK comes after them. */
typedef enum {
    FL_LINEAR,
    FL_RELU,
    FL_ELU,
    FL_SELU,
    FL_CELU,
    FL_GELU,
    FL_GELU_TANH,
    FL_SILU,
    FL_HARD_SILU,
    FL_MISH,
    FL_SOFTPLUS,
    FL_SOFTSIGN,
    FL_SIGMOID,
    FL_HARD_SIGMOID,
    FL_HARD_SIGMOID_KERAS2,
    FL_SPARSE_SIGMOID,
    FL_LOG_SIGMOID,
    FL_TANH,
    FL_HARD_TANH,
    FL_TANH_SHRINK,
    FL_HARD_SHRINK,
    FL_SOFT_SHRINK,
    FL_SQUAREPLUS,
    FL_SPARSE_PLUS,
    FL_EXPONENTIAL,
    FL_SOFTMAX,
    FL_LOG_SOFTMAX,
    FL_CALLBACK
} fl_activation_kind;

typedef struct {
    int kind;            /* fl_activation_kind */
    float parameters[3]; /* in the order that ops.py names them */

    /* FL_CALLBACK alone: out (rows, units) = f(x (rows, units)); out may be x. */
    void (*callback)(void *context, float *out, const float *x, size_t rows, size_t units);
    void *context;
} fl_activation;

/* Columns of a packed matrix come in groups of this many; see gemm_packed.h. */
enum { FL_GROUP = 16 };

/* A matrix (features, columns) of integers with a scale a column; see integers.h. */
typedef struct {
    const void *packed;     /* int16 or int8 */
    const float *scales;    /* (columns padded to groups), as offsets */
    const int32_t *offsets; /* -128 times the sum of a column's integers */
    size_t features;
    float limit;            /* the largest integer of a row of x */
    int bits;               /* 16 or 8 */
} fl_integers;

/* The kernels of one instruction set for integers … */
typedef struct {
    /* q (rows, features padded to groups) of the matrix's bits and row_scales (rows) = x (rows, features), quantized. */
    void (*quantize_rows)(int32_t *q, float *row_scales, const float *x, size_t rows, const fl_integers *matrix);

    /* out (rows, columns) = initial + x @ the columns first … first + columns - 1, x as quantize_rows left it for this
     * matrix; first is a multiple of 4 groups. Strides as for gemm_packed_forward. */
    void (*gemm_integers_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                  const int32_t *q, const float *row_scales, const fl_integers *matrix, size_t rows,
                                  size_t first, size_t columns);

    /* lstm_step_forward with a matrix of integers, h_prev as quantize_rows left it; a q of NULL is one of zeros. */
    void (*lstm_step_integers_forward)(float *h, float *c, const float *z, const int32_t *q, const float *row_scales,
                                       const fl_integers *matrix, size_t rows, size_t first, size_t last,
                                       int descending, const fl_activation *activation,
                                       const fl_activation *recurrent_activation);
} fl_integer_kernels;

/* … and those for floats. */
typedef struct {
    /* out (rows, columns) = initial + x (rows, features) @ packed (features, columns). Rows of out, initial and x start a
     * stride apart: an initial_stride of 0 is a bias. out may be initial. */
    void (*gemm_packed_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                const float *x, size_t x_stride, const float *packed, size_t rows, size_t features,
                                size_t columns);

    /* out (lines, rows, columns) = bias + windows (lines, rows, pieces*features) @ packed (pieces*features, columns), read
     * where they lie: row r of a line has its piece p of `features` values at x + line*line_stride + r*x_stride + offsets[p]. */
    void (*gemm_windows_forward)(float *out, const float *bias, const float *x, size_t x_stride, size_t line_stride,
                                 const size_t *offsets, size_t pieces, const float *packed, size_t lines, size_t rows,
                                 size_t features, size_t columns);

    /* out (rows, units) = bias (units) + the sum over j < size of x[row*x_stride + j*apart] (units) * kernel[j] (units). */
    void (*depthwise_forward)(float *out, const float *bias, const float *x, size_t x_stride, size_t apart,
                              const float *kernel, size_t rows, size_t size, size_t units);

    /* dpacked (features, columns) += x (rows, features).T @ dz (rows, columns), of the features first … last - 1 alone.
     * columns is a multiple of FL_GROUP; dpacked is laid out as packed is. */
    void (*gemm_packed_backward)(float *dpacked, const float *x, size_t x_stride, const float *dz, size_t dz_stride,
                                 size_t rows, size_t features, size_t columns, size_t first, size_t last);

    /* One LSTM step: h (rows, units) and c (rows, units) from z (rows, 4*units padded to groups) = bias + x @ kernel, which
     * stays as it is, h_prev (rows, units), which h must not overlap, and c, which goes from c_prev to c in place. An h_prev
     * of NULL is one of zeros: the recurrent weights, which are finite then, are not read. Only the units first … last - 1
     * are computed; first is a multiple of FL_GROUP, last too or all of them. The activations are elementwise and native;
     * `descending` does not change the result, see lstm_step.h. */
    void (*lstm_step_forward)(float *h, float *c, const float *z, const float *h_prev, const float *packed_recurrent,
                              size_t rows, size_t units, size_t first, size_t last, int descending,
                              const fl_activation *activation, const fl_activation *recurrent_activation);

    /* One GRU step with reset_after: h (rows, units) from x (rows, 3*units) = x @ kernel + bias, whose bias has the
     * recurrent one of z and r in it, recurrent_bias (units) of the candidate, and h_prev (rows, units), which h must not
     * overlap. Activations and `descending` as above; the columns of packed_recurrent are those of gru_step.h. */
    void (*gru_step_forward)(float *h, const float *x, const float *recurrent_bias, const float *h_prev,
                             const float *packed_recurrent, size_t rows, size_t units, int descending,
                             const fl_activation *activation, const fl_activation *recurrent_activation);

    /* out (rows, units) = activation(x (rows, units)); out may be x. */
    void (*activation_forward)(float *out, const float *x, size_t rows, size_t units, const fl_activation *activation);

    /* out (rows, units) = (x - center) * scale + shift, these three (units); out may be x. */
    void (*affine_forward)(float *out, const float *x, const float *center, const float *scale, const float *shift,
                           size_t rows, size_t units);

    /* out (rows, units) = x / sqrt(mean of x^2 + epsilon) * gamma + beta, gamma and beta (units), of every row; without
     * root_mean of x less its mean. out may be x. */
    void (*layer_norm_forward)(float *out, const float *x, const float *gamma, const float *beta, float epsilon,
                               int root_mean, size_t rows, size_t units);

    /* out (units) = the greatest value, or the mean, of x (steps, units); of those steps alone that mask (steps) has, if it
     * is not NULL. */
    void (*pool_forward)(float *out, const float *x, const unsigned char *mask, size_t steps, size_t units, int kind);

    /* out (steps, width) = a with b, element by element; a row of a is a_step further than the one before, a column a_apart, 0
     * or 1; b likewise. `kind`: an operation of merging.h. */
    void (*merge_forward)(float *out, const float *a, const float *b, size_t steps, size_t width, size_t a_step,
                          size_t a_apart, size_t b_step, size_t b_apart, int kind);

    /* dx = dy activation'(x), all (rows, units); dx may be x, not dy. Native activations only, here as in all of training. */
    void (*activation_backward)(float *dx, const float *dy, const float *x, size_t rows, size_t units,
                                const fl_activation *activation);

    /* One LSTM step after its gate products. z (rows, 4*units) holds the pre-activations i, f, c, o and is overwritten;
     * h (rows, units) is written; c (rows, units) goes from c_prev to c in place. */
    void (*lstm_cell_forward)(float *h, float *c, float *z, size_t rows, size_t units, const fl_activation *activation,
                              const fl_activation *recurrent_activation);

    /* One GRU step with reset_after: h (rows, units) from x (rows, 3*units) = x @ kernel + bias, products (rows, 3*units) =
     * h_prev @ recurrent_kernel + recurrent_bias, which is overwritten, and h_prev. */
    void (*gru_cell_forward)(float *h, const float *x, float *products, const float *h_prev, size_t rows, size_t units,
                             const fl_activation *activation, const fl_activation *recurrent_activation);

    /* The same without reset_after, in two parts. First reset (rows, units) = r h_prev and gates (rows, 2*units) = z, r;
     * gates holds h_prev @ recurrent_kernel_zr before. */
    void (*gru_reset_forward)(float *reset, float *gates, const float *x, const float *h_prev, size_t rows, size_t units,
                              const fl_activation *recurrent_activation);

    /* Then h; candidate (rows, units) holds reset @ recurrent_kernel_h and is overwritten. */
    void (*gru_candidate_forward)(float *h, const float *gates, float *candidate, const float *x, const float *h_prev,
                                  size_t rows, size_t units, const fl_activation *activation);

    /* Steps that record what their gradients need, in place of z in rows of gates that start a stride apart, and these
     * gradients, in place of what was recorded. A row whose mask is not set gives zeros, and its dh and dc stay. See
     * lstm_tape.h and gru_tape.h for the columns of gates and the size of scratch.
     *
     * h and c (rows, units) from gates (rows, 4*units) = z with all products, and c_prev. */
    void (*lstm_tape_forward)(float *h, float *c, float *gates, const float *c_prev, size_t rows, size_t units,
                              size_t stride, size_t block, const fl_activation *activation,
                              const fl_activation *recurrent_activation, float *scratch);

    /* dc becomes that of c_prev, dh zeros: what reaches h_prev past the products. */
    void (*lstm_tape_backward)(float *gates, float *dh, float *dc, const float *h, const float *c, const float *c_prev,
                               const unsigned char *mask, size_t mask_stride, size_t rows, size_t units, size_t stride,
                               size_t block, const fl_activation *activation,
                               const fl_activation *recurrent_activation, float *scratch);

    void (*gru_tape_gates_forward)(float *gates, const float *products, size_t products_stride, const float *h_prev,
                                   size_t rows, size_t units, size_t stride, int reset_after,
                                   const fl_activation *recurrent_activation, float *scratch);
    void (*gru_tape_output_forward)(float *h, const float *gates, const float *h_prev, size_t rows, size_t units,
                                    size_t stride, const fl_activation *activation,
                                    const fl_activation *recurrent_activation, float *scratch);
    void (*gru_tape_output_backward)(float *gates, float *dh, const float *h_prev, const unsigned char *mask,
                                     size_t mask_stride, size_t rows, size_t units, size_t stride, int reset_after,
                                     const fl_activation *activation, const fl_activation *recurrent_activation,
                                     float *scratch);
    void (*gru_tape_reset_backward)(float *gates, float *dh, const float *d_reset, const float *h_prev,
                                    const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                                    size_t stride, const fl_activation *recurrent_activation, float *scratch);

    /* A step of Adam, see adam.h: value, m, v and largest, which may be NULL, change; all (n). */
    void (*adam_step)(float *value, float *m, float *v, float *largest, const float *gradient, size_t n, float part_m,
                      float part_v, float alpha, float epsilon);
} fl_kernels;

/* The kernels called `isa` ("avx512", "avx2", "neon", "scalar"); NULL if this CPU or this build has none of that name. */
const fl_kernels *fl_kernels_find(const char *isa);
const fl_integer_kernels *fl_integer_kernels_find(const char *isa);

/* The name of the i-th kernels that this CPU runs, best first; NULL past the last. */
const char *fl_kernels_name(int i);

/* SciPy's BLAS behind one door (fastlstm/engine/_blas.pyx fills it in). */
typedef struct {
    /* out (rows, units) += a (rows, features) @ b (features, units) */
    void (*gemm_accumulate)(float *out, const float *a, const float *b, int rows, int units, int features);
} fl_blas;

#endif
