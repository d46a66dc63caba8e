/* activation_backward.h: the gradient of every activation over rows of floats, for the ISA whose vocabulary stands.
 *
 * dx = dy f'(x), from the x that the activation was given. At a corner the slope is the one that TensorFlow takes, but for
 * celu at 0, where that is twice the slope. dx may be x, not dy. As in activation.h, what few models use goes through the C library, and the
 * sums of a row run in ascending order in double.
 */

/* f where low < x < high, else 0 */
static inline vec slope_inside(vec x, float low, float high, float f)
{
    vec below_high = vec_select(vec_less(x, vec_set(high)), vec_set(f), vec_set(0.0f));
    return vec_select(vec_less(vec_set(low), x), below_high, vec_set(0.0f));
}

/* the same where low <= x <= high */
static inline vec slope_within(vec x, float low, float high, float f)
{
    vec up_to_high = vec_select(vec_less(vec_set(high), x), vec_set(0.0f), vec_set(f));
    return vec_select(vec_less(x, vec_set(low)), vec_set(0.0f), up_to_high);
}

static inline vec slope_relu(vec x, const float *p)
{
    vec above = vec_select(vec_less(x, vec_set(p[1])), vec_set(1.0f), vec_set(0.0f));
    return vec_select(vec_less(vec_set(p[2]), x), above, vec_set(p[0]));
}

static inline vec slope_elu(vec x, const float *p)
{
    vec negative = vec_mul(vec_set(p[0]), vec_exp(vec_min(vec_set(0.0f), x)));
    return vec_select(vec_less(vec_set(0.0f), x), vec_set(1.0f), negative);
}

static inline vec slope_selu(vec x)
{
    const float scale = 1.0507009873554805f, alpha = 1.6732632423543772f;
    vec negative = vec_mul(vec_set(scale * alpha), vec_exp(vec_min(vec_set(0.0f), x)));
    return vec_select(vec_less(x, vec_set(0.0f)), negative, vec_set(scale));
}

static inline vec slope_celu(vec x, const float *p)
{
    vec negative = vec_exp(vec_div(vec_min(vec_set(0.0f), x), vec_set(p[0])));
    return vec_select(vec_less(vec_set(0.0f), x), vec_set(1.0f), negative);
}

/* s + x s (1 - s) with s = sigmoid x */
static inline vec slope_silu(vec x)
{
    vec s = vec_sigmoid(x);
    return vec_fma(vec_mul(x, s), vec_sub(vec_set(1.0f), s), s);
}

/* u = sqrt(2 / pi) (x + 0.044715 x^3), t = tanh u:  (1 + t) / 2 + x / 2 (1 - t^2) u' */
static inline vec slope_gelu_tanh(vec x)
{
    vec square = vec_mul(x, x), half = vec_set(0.5f);
    vec t = vec_tanh(vec_mul(vec_set(0.7978845608028654f), vec_fma(vec_mul(vec_set(0.044715f), square), x, x)));
    vec inner = vec_mul(vec_set(0.7978845608028654f), vec_fma(vec_set(0.134145f), square, vec_set(1.0f)));
    vec slope = vec_mul(vec_mul(half, x), vec_sub(vec_set(1.0f), vec_mul(t, t)));
    return vec_fma(slope, inner, vec_fma(half, t, half));
}

/* t + x (1 - t^2) sigmoid x with t = tanh(softplus x), as in act_mish */
static inline vec slope_mish(vec x)
{
    vec e = vec_exp(vec_min(vec_set(20.0f), x)), product = vec_mul(e, vec_add(e, vec_set(2.0f)));
    vec t = vec_div(product, vec_add(product, vec_set(2.0f)));
    return vec_fma(vec_mul(x, vec_sub(vec_set(1.0f), vec_mul(t, t))), vec_sigmoid(x), t);
}

static inline vec slope_softsign(vec x)
{
    vec divisor = vec_add(vec_set(1.0f), vec_abs(x));
    return vec_div(vec_set(1.0f), vec_mul(divisor, divisor));
}

static inline vec slope_sigmoid(vec x)
{
    vec s = vec_sigmoid(x);
    return vec_mul(s, vec_sub(vec_set(1.0f), s));
}

static inline vec slope_tanh(vec x)
{
    vec t = vec_tanh(x);
    return vec_sub(vec_set(1.0f), vec_mul(t, t));
}

static inline vec slope_hard_silu(vec x)
{
    return vec_fma(x, slope_inside(x, -3.0f, 3.0f, 1.0f / 6.0f), act_hard_sigmoid(x));
}

static inline vec slope_hard_sigmoid_keras2(vec x)
{
    return slope_within(vec_add(vec_mul(vec_set(0.2f), x), vec_set(0.5f)), 0.0f, 1.0f, 0.2f);
}

static inline vec slope_tanh_shrink(vec x)
{
    vec t = vec_tanh(x);
    return vec_mul(t, t);
}

static inline vec slope_shrink(vec x, const float *p)
{
    return vec_select(vec_less(vec_set(p[0]), vec_abs(x)), vec_set(1.0f), vec_set(0.0f));
}

static inline vec slope_squareplus(vec x, const float *p)
{
    vec root = vec_sqrt(vec_add(vec_mul(x, x), vec_set(p[0])));
    return vec_fma(vec_set(0.5f), vec_div(x, root), vec_set(0.5f));
}

static inline vec slope_sparse_plus(vec x)
{
    return vec_mul(vec_set(0.5f), act_clip(vec_add(x, vec_set(1.0f)), 0.0f, 2.0f));
}

static inline float slope_gelu(float x)
{
    return 0.5f * erfcf(-0.70710678f * x) + x * 0.3989422804014327f * expf(-0.5f * x * x);
}

/* y (dy - sum of dy y) with y = softmax x, which dx holds first */
static void softmax_row_backward(float *dx, const float *dy, const float *x, size_t units)
{
    double sum = 0.0;
    softmax_row(dx, x, units);
    for (size_t i = 0; i < units; i++) sum += (double)dy[i] * dx[i];
    for (size_t i = 0; i < units; i++) dx[i] *= dy[i] - (float)sum;
}

/* dy - y sum of dy with y = softmax x, which dx holds first */
static void log_softmax_row_backward(float *dx, const float *dy, const float *x, size_t units)
{
    double sum = 0.0;
    softmax_row(dx, x, units);
    for (size_t i = 0; i < units; i++) sum += dy[i];
    for (size_t i = 0; i < units; i++) dx[i] = dy[i] - dx[i] * (float)sum;
}

/* dx = dy * an expression of v, a vec of x */
#define MAP(...)                                                                          \
    for (size_t i = 0; i < n; i += VEC_WIDTH) {                                           \
        size_t left = n - i;                                                              \
        if (left >= VEC_WIDTH) {                                                          \
            vec v = vec_load(x + i);                                                      \
            vec_store(dx + i, vec_mul(vec_load(dy + i), __VA_ARGS__));                    \
        } else {                                                                          \
            vec v = vec_load_part(x + i, left);                                           \
            vec_store_part(dx + i, vec_mul(vec_load_part(dy + i, left), __VA_ARGS__), left); \
        }                                                                                 \
    }                                                                                     \
    break

#define MAP_ROWS(FUNCTION)                                                                \
    for (size_t row = 0; row < rows; row++)                                               \
        FUNCTION(dx + row * units, dy + row * units, x + row * units, units);             \
    break

static void FL_KERNEL(activation_backward)(float *dx, const float *dy, const float *x, size_t rows, size_t units,
                                           const fl_activation *activation)
{
    const float *p = activation->parameters;
    size_t n = rows * units;
    switch (activation->kind) {
    case FL_LINEAR:
        if (dx != dy) memcpy(dx, dy, n * sizeof *dx);
        break;
    case FL_RELU: MAP(slope_relu(v, p));
    case FL_ELU: MAP(slope_elu(v, p));
    case FL_SELU: MAP(slope_selu(v));
    case FL_CELU: MAP(slope_celu(v, p));
    case FL_GELU:
        for (size_t i = 0; i < n; i++) dx[i] = dy[i] * slope_gelu(x[i]);
        break;
    case FL_GELU_TANH: MAP(slope_gelu_tanh(v));
    case FL_SILU: MAP(slope_silu(v));
    case FL_HARD_SILU: MAP(slope_hard_silu(v));
    case FL_MISH: MAP(slope_mish(v));
    case FL_SOFTPLUS: MAP(vec_sigmoid(v));
    case FL_SOFTSIGN: MAP(slope_softsign(v));
    case FL_SIGMOID: MAP(slope_sigmoid(v));
    case FL_HARD_SIGMOID: MAP(slope_inside(v, -3.0f, 3.0f, 1.0f / 6.0f));
    case FL_HARD_SIGMOID_KERAS2: MAP(slope_hard_sigmoid_keras2(v));
    case FL_SPARSE_SIGMOID: MAP(slope_inside(v, -1.0f, 1.0f, 0.5f));
    case FL_LOG_SIGMOID: MAP(vec_sigmoid(vec_sub(vec_set(0.0f), v)));
    case FL_TANH: MAP(slope_tanh(v));
    case FL_HARD_TANH: MAP(slope_within(v, -1.0f, 1.0f, 1.0f));
    case FL_TANH_SHRINK: MAP(slope_tanh_shrink(v));
    case FL_HARD_SHRINK: MAP(slope_shrink(v, p));
    case FL_SOFT_SHRINK: MAP(slope_shrink(v, p));
    case FL_SQUAREPLUS: MAP(slope_squareplus(v, p));
    case FL_SPARSE_PLUS: MAP(slope_sparse_plus(v));
    case FL_EXPONENTIAL: MAP(vec_exp(v));
    case FL_SOFTMAX: MAP_ROWS(softmax_row_backward);
    case FL_LOG_SOFTMAX: MAP_ROWS(log_softmax_row_backward);
    }
}

#undef MAP
#undef MAP_ROWS
