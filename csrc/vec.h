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
 *   vec_less(a, b)  vec_select(mask, a, b)           false where either is NaN; mask ? a : b
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

static inline vec vec_expm1_reduced(vec x, vec *n)
{
    *n = vec_round(vec_mul(x, vec_set(0x1.715476p+0f)));
    vec r = vec_fma(*n, vec_set(-0x1.62e000p-1f), x);
    r = vec_fma(*n, vec_set(-0x1.0bfbe8p-15f), r);
    vec p = vec_fma(r, vec_set(0x1.6bebfep-10f), vec_set(0x1.1227b0p-7f));
    p = vec_fma(r, p, vec_set(0x1.555674p-5f));
    p = vec_fma(r, p, vec_set(0x1.5554b0p-3f));
    p = vec_fma(r, p, vec_set(0x1.fffffep-2f));
    return vec_fma(vec_mul(r, r), p, r);
}

/* e^x: 0 below -104, inf above 88.73, denormals in between rounded once. */
static inline vec vec_exp(vec x)
{
    vec n, q = vec_expm1_reduced(vec_max(vec_set(-104.0f), vec_min(vec_set(89.0f), x)), &n);
    return vec_scale(vec_add(vec_set(1.0f), q), n);
}

/* e^x - 1 for x <= 40, exact near 0. */
static inline vec vec_expm1(vec x)
{
    vec n, q = vec_expm1_reduced(vec_max(vec_set(-104.0f), x), &n);
    vec power = vec_scale(vec_set(1.0f), n);
    return vec_fma(power, q, vec_sub(power, vec_set(1.0f)));
}

/* t = e^(2|x|) - 1, from which tanh |x| = t / (t + 2); the quotient is 1 from |x| = 9.02 on. */
static inline vec vec_tanh_term(vec x)
{
    return vec_expm1(vec_min(vec_set(18.1f), vec_mul(vec_set(2.0f), vec_abs(x))));
}

static inline vec vec_tanh(vec x)
{
    vec t = vec_tanh_term(x);
    return vec_copysign(vec_div(t, vec_add(t, vec_set(2.0f))), x);
}

/* 1 + e^-x, the divisor of sigmoid x. */
static inline vec vec_sigmoid_divisor(vec x)
{
    return vec_add(vec_set(1.0f), vec_exp(vec_sub(vec_set(0.0f), x)));
}

static inline vec vec_sigmoid(vec x)
{
    return vec_div(vec_set(1.0f), vec_sigmoid_divisor(x));
}

#endif
