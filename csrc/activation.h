/* activation.h: every activation of Keras over rows of floats, for the ISA whose vocabulary stands.
 *
 * Formulas as Keras 3 has them (hard_sigmoid_keras2: as Keras 1 and 2 had it, clip(0.2 x + 0.5, 0, 1)). NaN in gives NaN
 * out. Elementwise functions take and give a vec; those that few models use, or that need erf or log, go through the C
 * library one float at a time, which is the same on every ISA. softmax and log_softmax act on a row; their
 * sums run in double and in an order that no ISA changes.
 */
#include <math.h>
#include <string.h>

static inline vec act_clip(vec x, float low, float high) { return vec_max(vec_set(low), vec_min(vec_set(high), x)); }

/* 0, or NaN where x is NaN. */
static inline vec act_zero(vec x) { return act_clip(x, 0.0f, 0.0f); }

static inline vec act_relu(vec x, const float *p)
{
    vec threshold = vec_set(p[2]);
    vec below = p[0] == 0.0f ? act_zero(x) : vec_mul(vec_set(p[0]), vec_sub(x, threshold));
    return vec_min(vec_set(p[1]), vec_select(vec_less(threshold, x), x, below));
}

static inline vec act_elu(vec x, const float *p)
{
    vec negative = vec_mul(vec_set(p[0]), vec_expm1(vec_min(vec_set(0.0f), x)));
    return vec_select(vec_less(vec_set(0.0f), x), x, negative);
}

static inline vec act_selu(vec x)
{
    const float alpha = 1.6732632423543772f;
    return vec_mul(vec_set(1.0507009873554805f), act_elu(x, &alpha));
}

static inline vec act_celu(vec x, const float *p)
{
    vec alpha = vec_set(p[0]);
    vec negative = vec_mul(alpha, vec_expm1(vec_div(vec_min(vec_set(0.0f), x), alpha)));
    return vec_select(vec_less(vec_set(0.0f), x), x, negative);
}

static inline vec act_silu(vec x) { return vec_times_sigmoid(x, x); }

static inline vec act_gelu_tanh(vec x)
{
    vec cubic = vec_fma(vec_mul(vec_set(0.044715f), vec_mul(x, x)), x, x);
    vec half = vec_mul(vec_set(0.5f), x);
    return vec_fma(half, vec_tanh(vec_mul(vec_set(0.7978845608028654f), cubic)), half);
}

/* x tanh(log(1 + e^x)) = x t / (t + 2) with t = e^x (e^x + 2); the quotient is 1 from x = 10 on. */
static inline vec act_mish(vec x)
{
    vec e = vec_exp(vec_min(vec_set(20.0f), x));
    vec t = vec_mul(e, vec_add(e, vec_set(2.0f)));
    return vec_mul(x, vec_div(t, vec_add(t, vec_set(2.0f))));
}

static inline vec act_softsign(vec x) { return vec_div(x, vec_add(vec_set(1.0f), vec_abs(x))); }

static inline vec act_hard_sigmoid(vec x)
{
    return vec_div(act_clip(vec_add(x, vec_set(3.0f)), 0.0f, 6.0f), vec_set(6.0f));
}

static inline vec act_hard_sigmoid_keras2(vec x)
{
    return act_clip(vec_add(vec_mul(vec_set(0.2f), x), vec_set(0.5f)), 0.0f, 1.0f);
}

static inline vec act_sparse_sigmoid(vec x)
{
    return act_clip(vec_mul(vec_set(0.5f), vec_add(x, vec_set(1.0f))), 0.0f, 1.0f);
}

static inline vec act_hard_shrink(vec x, const float *p)
{
    return vec_select(vec_less(vec_set(p[0]), vec_abs(x)), x, act_zero(x));
}

static inline vec act_soft_shrink(vec x, const float *p)
{
    return vec_copysign(vec_max(vec_set(0.0f), vec_sub(vec_abs(x), vec_set(p[0]))), x);
}

static inline vec act_squareplus(vec x, const float *p)
{
    return vec_mul(vec_set(0.5f), vec_add(x, vec_sqrt(vec_add(vec_mul(x, x), vec_set(p[0])))));
}

static inline vec act_sparse_plus(vec x)
{
    vec root = act_clip(vec_add(x, vec_set(1.0f)), 0.0f, 2.0f);
    return vec_select(vec_less(vec_set(1.0f), x), x, vec_mul(vec_set(0.25f), vec_mul(root, root)));
}

static inline vec act_hard_silu(vec x) { return vec_mul(x, act_hard_sigmoid(x)); }

static inline vec act_hard_tanh(vec x) { return act_clip(x, -1.0f, 1.0f); }

static inline vec act_tanh_shrink(vec x) { return vec_sub(x, vec_tanh(x)); }

/* activation(x) of the elementwise kinds that are written in vecs; `kind` is a constant wherever this is inlined. */
INLINE vec act(const int kind, vec x, const float *p)
{
    switch (kind) {
    case FL_RELU: return act_relu(x, p);
    case FL_ELU: return act_elu(x, p);
    case FL_SELU: return act_selu(x);
    case FL_CELU: return act_celu(x, p);
    case FL_GELU_TANH: return act_gelu_tanh(x);
    case FL_SILU: return act_silu(x);
    case FL_HARD_SILU: return act_hard_silu(x);
    case FL_MISH: return act_mish(x);
    case FL_SOFTSIGN: return act_softsign(x);
    case FL_SIGMOID: return vec_sigmoid(x);
    case FL_HARD_SIGMOID: return act_hard_sigmoid(x);
    case FL_HARD_SIGMOID_KERAS2: return act_hard_sigmoid_keras2(x);
    case FL_SPARSE_SIGMOID: return act_sparse_sigmoid(x);
    case FL_TANH: return vec_tanh(x);
    case FL_HARD_TANH: return act_hard_tanh(x);
    case FL_TANH_SHRINK: return act_tanh_shrink(x);
    case FL_HARD_SHRINK: return act_hard_shrink(x, p);
    case FL_SOFT_SHRINK: return act_soft_shrink(x, p);
    case FL_SQUAREPLUS: return act_squareplus(x, p);
    case FL_SPARSE_PLUS: return act_sparse_plus(x);
    case FL_EXPONENTIAL: return vec_exp(x);
    default: return x; /* FL_LINEAR */
    }
}

/* The same for `count` vecs, side by side where one alone would wait for itself. */
INLINE void act_vecs(vec *x, const int count, const int kind, const float *p)
{
    if (kind != FL_SIGMOID) {
        UNROLL for (int i = 0; i < count; i++) x[i] = act(kind, x[i], p);
        return;
    }
    vec n[6];
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_sigmoid_argument(x[i]);
    vec_expm1_reduced(x, n, count);
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_div(vec_set(1.0f), vec_sigmoid_divisor(x[i], n[i]));
}

/* The pairs (activation, recurrent_activation) whose cell updates are compiled with the pair as a constant: what
 * networks use, in tutorials and in files of Keras 1, 2 and 3. One float at a time gains nothing from it. */
#if VEC_WIDTH == 1
#define FUSED_PAIRS(PAIR) PAIR(FL_TANH, FL_SIGMOID)
#else
#define FUSED_PAIRS(PAIR)                                                                                       \
    PAIR(FL_TANH, FL_SIGMOID) PAIR(FL_TANH, FL_HARD_SIGMOID) PAIR(FL_TANH, FL_HARD_SIGMOID_KERAS2)              \
    PAIR(FL_RELU, FL_SIGMOID) PAIR(FL_RELU, FL_HARD_SIGMOID) PAIR(FL_RELU, FL_HARD_SIGMOID_KERAS2)              \
    PAIR(FL_LINEAR, FL_SIGMOID) PAIR(FL_LINEAR, FL_HARD_SIGMOID) PAIR(FL_LINEAR, FL_HARD_SIGMOID_KERAS2)        \
    PAIR(FL_SOFTSIGN, FL_SIGMOID) PAIR(FL_ELU, FL_SIGMOID) PAIR(FL_SELU, FL_SIGMOID) PAIR(FL_SIGMOID, FL_SIGMOID)
#endif

/* log(1 + e^x), without overflow */
static inline float act_softplus(float x) { return x != x ? x : fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

static inline float act_log_sigmoid(float x) { return -act_softplus(-x); }

static inline float act_gelu(float x) { return 0.5f * x * erfcf(-0.70710678f * x); }

static inline float row_max(const float *x, size_t units)
{
    float lanes[VEC_WIDTH], max = x[0];
    size_t i = VEC_WIDTH;
    if (units >= 2 * VEC_WIDTH) {
        vec most = vec_load(x);
        for (; i + VEC_WIDTH <= units; i += VEC_WIDTH) most = vec_max(most, vec_load(x + i));
        vec_store(lanes, most);
        for (size_t lane = 0; lane < VEC_WIDTH; lane++) max = lanes[lane] > max ? lanes[lane] : max;
    } else {
        i = 1;
    }
    for (; i < units; i++) max = x[i] > max ? x[i] : max;
    return max;
}

/* out = e^(x - max); returns the sum of out: of every FL_GROUP-th value first, whatever the ISA. */
static double row_exp(float *out, const float *x, size_t units, float max)
{
    double sums[FL_GROUP] = {0.0}, sum = 0.0;
    size_t i = 0;
    for (; i + VEC_WIDTH <= units; i += VEC_WIDTH)
        vec_store(out + i, vec_exp(vec_sub(vec_load(x + i), vec_set(max))));
    if (i < units)
        vec_store_part(out + i, vec_exp(vec_sub(vec_load_part(x + i, units - i), vec_set(max))), units - i);
    for (i = 0; i + FL_GROUP <= units; i += FL_GROUP)
        for (size_t lane = 0; lane < FL_GROUP; lane++) sums[lane] += out[i + lane];
    for (size_t lane = 0; i + lane < units; lane++) sums[lane] += out[i + lane];
    for (size_t lane = 0; lane < FL_GROUP; lane++) sum += sums[lane];
    return sum;
}

static void softmax_row(float *out, const float *x, size_t units)
{
    vec sum = vec_set((float)row_exp(out, x, units, row_max(x, units)));
    for (size_t i = 0; i < units; i += VEC_WIDTH)
        store_units(out + i, vec_div(load_units(out + i, units - i), sum), units - i);
}

static void log_softmax_row(float *out, const float *x, size_t units)
{
    float max = row_max(x, units);
    double sum = 0.0;
    for (size_t i = 0; i < units; i++) sum += exp((double)x[i] - max);
    float log_sum = (float)log(sum);
    for (size_t i = 0; i < units; i++) out[i] = x[i] - max - log_sum;
}

/* out = activation(x) over n floats, a vec at a time. */
#define MAP(KIND)                                                  \
    case KIND:                                                     \
        for (size_t i = 0; i < n; i += VEC_WIDTH)                  \
            store_units(out + i, act(KIND, load_units(x + i, n - i), p), n - i); \
        break

#define MAP_SCALAR(FUNCTION)                                       \
    for (size_t i = 0; i < n; i++) out[i] = FUNCTION(x[i]);        \
    break

#define MAP_ROWS(FUNCTION)                                         \
    for (size_t row = 0; row < rows; row++) FUNCTION(out + row * units, x + row * units, units); \
    break

static void FL_KERNEL(activation_forward)(float *out, const float *x, size_t rows, size_t units,
                                          const fl_activation *activation)
{
    const float *p = activation->parameters;
    size_t n = rows * units;
    switch (activation->kind) {
    case FL_LINEAR:
        if (out != x) memcpy(out, x, n * sizeof *out);
        break;
    MAP(FL_RELU);
    MAP(FL_ELU);
    MAP(FL_SELU);
    MAP(FL_CELU);
    case FL_GELU: MAP_SCALAR(act_gelu);
    MAP(FL_GELU_TANH);
    MAP(FL_SILU);
    MAP(FL_HARD_SILU);
    MAP(FL_MISH);
    case FL_SOFTPLUS: MAP_SCALAR(act_softplus);
    MAP(FL_SOFTSIGN);
    MAP(FL_SIGMOID);
    MAP(FL_HARD_SIGMOID);
    MAP(FL_HARD_SIGMOID_KERAS2);
    MAP(FL_SPARSE_SIGMOID);
    case FL_LOG_SIGMOID: MAP_SCALAR(act_log_sigmoid);
    MAP(FL_TANH);
    MAP(FL_HARD_TANH);
    MAP(FL_TANH_SHRINK);
    MAP(FL_HARD_SHRINK);
    MAP(FL_SOFT_SHRINK);
    MAP(FL_SQUAREPLUS);
    MAP(FL_SPARSE_PLUS);
    MAP(FL_EXPONENTIAL);
    case FL_SOFTMAX: MAP_ROWS(softmax_row);
    case FL_LOG_SOFTMAX: MAP_ROWS(log_softmax_row);
    case FL_CALLBACK: activation->callback(activation->context, out, x, rows, units); break;
    }
}

#undef MAP
#undef MAP_SCALAR
#undef MAP_ROWS
