/* vec.h: the vector vocabulary that every kernel body is written in.
 *
 * A vec_<isa>.h defines the type `vec` of VEC_WIDTH floats, VEC_REGISTERS of them, `vec_mask`, and
 *   vec_set(a)  vec_load(p)  vec_store(p, x)  vec_load_part(p, n)  vec_store_part(p, x, n)   (0 < n < VEC_WIDTH, fills 0)
 *   vec_add  vec_sub  vec_mul  vec_div  vec_sqrt     correctly rounded
 *   vec_fma(a, b, c)                                 a * b + c, rounded once
 *   vec_min(bound, x)  vec_max(bound, x)             x where x is NaN
 *   vec_abs(x)  vec_copysign(x, sign)
 *   vec_round(x)                                     to the nearest integer, ties to even
 *   vec_scale(x, n)                                  x * 2^n for integral n in [-252, 252]; one rounding
 *   vec_two_to(x)                                    2^n, where x = 2^23 * 1.5 + 127 + n; n integral in [-126, 127]
 *   vec_less(a, b)  vec_select(mask, a, b)           false where either is NaN; mask ? a : b
 *   vec_larger(a, b)  vec_largest(x)                 of values that are not negative; NaN is above all
 *   vec_kept(x)                                      x, which GCC is not to read from memory again at each use
 *   vec_store_int16(p, x)  vec_store_int8(p, x)      x rounded as by vec_round, in range; the latter DOT8_OFFSET higher
 * and the type `ints` of as many words of 32 bits, with
 *   ints_set(a)  ints_load(p)  vec_of_ints(x)        the last rounded once
 *   ints_kept(x)                                     as vec_kept
 *   ints_dot16(sums, a, b)                           sums + the products of the 2 int16 of every word
 *   ints_dot8(sums, a, b)                            of the 4 int8, those of a DOT8_OFFSET (0 or 128) higher, and as
 *                                                    many times that of b; no value is -128
 * Each means the same to the last bit on every instruction set, so whatever is written in them does too.
 *
 * On top of them this file has the transcendental functions. exp(x) = 2^n * (1 + q(r)) with n = round(x / ln 2),
 * r = x - n ln 2 in two parts (Cody and Waite), and q(r) = r + r^2 * P(r), the expm1 of |r| <= ln(2) / 2. P is our own
 * least-maximum fit (Lawson's iteration, coefficients rounded to float32 from the highest down): relative error of q at
 * most 1.8e-8. Measured over all floats: exp 1.0, sigmoid 2.4, tanh 2.3 ulp (tests/engine/test_activate.py holds them
 * below 3.5).
 */
#ifndef FL_VEC_H
#define FL_VEC_H

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* The first n > 0 floats, 0 after them; all of a vec from VEC_WIDTH on. */
static inline vec load_units(const float *p, size_t n) { return n >= VEC_WIDTH ? vec_load(p) : vec_load_part(p, n); }
static inline void store_units(float *p, vec x, size_t n) { n >= VEC_WIDTH ? vec_store(p, x) : vec_store_part(p, x, n); }

/* x becomes q, for `count` vecs side by side: one alone would wait for the result of each of its operations. */
INLINE void vec_expm1_reduced(vec *x, vec *n, const int count)
{
    vec p[6];
    UNROLL for (int i = 0; i < count; i++) n[i] = vec_round(vec_mul(x[i], vec_set(0x1.715476p+0f)));
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_fma(n[i], vec_set(-0x1.62e000p-1f), x[i]);
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_fma(n[i], vec_set(-0x1.0bfbe8p-15f), x[i]);
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], vec_set(0x1.6bebfep-10f), vec_set(0x1.1227b0p-7f));
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], p[i], vec_set(0x1.555674p-5f));
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], p[i], vec_set(0x1.5554b0p-3f));
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], p[i], vec_set(0x1.fffffep-2f));
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_fma(vec_mul(x[i], x[i]), p[i], x[i]);
}

/* The two ends of exp(x): 0 below -104, inf above 88.73, denormals in between rounded once. */
static inline vec vec_exp_argument(vec x) { return vec_max(vec_set(-104.0f), vec_min(vec_set(89.0f), x)); }
static inline vec vec_exp_result(vec q, vec n) { return vec_scale(vec_add(vec_set(1.0f), q), n); }

static inline vec vec_exp(vec x)
{
    vec n, q = vec_exp_argument(x);
    vec_expm1_reduced(&q, &n, 1);
    return vec_exp_result(q, n);
}

/* e^x - 1, exact near 0, from its q and n */
static inline vec vec_expm1_result(vec q, vec n)
{
    vec power = vec_scale(vec_set(1.0f), n);
    return vec_fma(power, q, vec_sub(power, vec_set(1.0f)));
}

/* for x <= 40 */
static inline vec vec_expm1(vec x)
{
    vec n, q = vec_max(vec_set(-104.0f), x);
    vec_expm1_reduced(&q, &n, 1);
    return vec_expm1_result(q, n);
}

/* The same for |x| <= 87 in fewer operations, where q may be wrong by 4.6e-7 of itself; n becomes 2^n. */
INLINE void vec_expm1_brief(vec *x, vec *power, const int count)
{
    const vec origin = vec_set(0x1.8000fep+23f);
    vec p[6];
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], vec_set(0x1.715476p+0f), origin);
    UNROLL for (int i = 0; i < count; i++) power[i] = vec_two_to(p[i]);
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_sub(p[i], origin);
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_fma(p[i], vec_set(-0x1.62e430p-1f), x[i]);
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], vec_set(0x1.1138d4p-7f), vec_set(0x1.57053ap-5f));
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], p[i], vec_set(0x1.555632p-3f));
    UNROLL for (int i = 0; i < count; i++) p[i] = vec_fma(x[i], p[i], vec_set(0x1.fffe6ep-2f));
    UNROLL for (int i = 0; i < count; i++) x[i] = vec_fma(vec_mul(x[i], x[i]), p[i], x[i]);
}

static inline vec vec_brief_argument(vec x) { return vec_max(vec_set(-87.0f), vec_min(vec_set(87.0f), x)); }

/* 2^n * (1 + q) + a */
static inline vec vec_brief_result(vec q, vec power, float a) { return vec_fma(power, q, vec_add(power, vec_set(a))); }

/* tanh |x| = t / (t + 2) with t = e^(2|x|) - 1; the quotient is 1 from |x| = 9.02 on. */
static inline vec vec_tanh_argument(vec x)
{
    vec magnitude = vec_abs(x);
    return vec_min(vec_set(18.1f), vec_add(magnitude, magnitude));
}

static inline vec vec_tanh(vec x)
{
    vec n, t = vec_tanh_argument(x);
    vec_expm1_reduced(&t, &n, 1);
    t = vec_expm1_result(t, n);
    return vec_copysign(vec_div(t, vec_add(t, vec_set(2.0f))), x);
}

/* sigmoid x = 1 / (1 + e^-x) */
static inline vec vec_sigmoid_argument(vec x) { return vec_exp_argument(vec_sub(vec_set(0.0f), x)); }
static inline vec vec_sigmoid_divisor(vec q, vec n) { return vec_add(vec_set(1.0f), vec_exp_result(q, n)); }

/* numerator * sigmoid x, rounded twice */
static inline vec vec_times_sigmoid(vec numerator, vec x)
{
    vec n, q = vec_sigmoid_argument(x);
    vec_expm1_reduced(&q, &n, 1);
    return vec_div(numerator, vec_sigmoid_divisor(q, n));
}

static inline vec vec_sigmoid(vec x) { return vec_times_sigmoid(vec_set(1.0f), x); }

#endif
