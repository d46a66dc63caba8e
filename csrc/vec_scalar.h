/* vec_scalar.h: the vocabulary of vec.h, one float at a time. The definition of what the others must equal. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define VEC_WIDTH 1
#define VEC_REGISTERS 16
typedef float vec;
typedef int vec_mask;

static inline vec vec_set(float a) { return a; }
static inline vec vec_load(const float *p) { return *p; }
static inline void vec_store(float *p, vec x) { *p = x; }
static inline vec vec_kept(vec x) { return x; }
static inline vec vec_load_part(const float *p, size_t n) { return n ? *p : 0.0f; }
static inline void vec_store_part(float *p, vec x, size_t n) { if (n) *p = x; }
static inline vec vec_add(vec a, vec b) { return a + b; }
static inline vec vec_sub(vec a, vec b) { return a - b; }
static inline vec vec_mul(vec a, vec b) { return a * b; }
static inline vec vec_div(vec a, vec b) { return a / b; }
static inline vec vec_sqrt(vec a) { return sqrtf(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return fmaf(a, b, c); }
static inline vec vec_min(vec bound, vec x) { return bound < x ? bound : x; }
static inline vec vec_max(vec bound, vec x) { return bound > x ? bound : x; }
static inline vec vec_abs(vec x) { return fabsf(x); }
static inline vec vec_copysign(vec x, vec sign) { return copysignf(x, sign); }
static inline vec vec_round(vec x) { return rintf(x); }
static inline vec_mask vec_less(vec a, vec b) { return a < b; }
static inline vec vec_select(vec_mask mask, vec a, vec b) { return mask ? a : b; }

static inline vec vec_two_to(vec x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof x);
    bits <<= 23;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float vec_power_of_two(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* Two factors, since 2^n itself may leave the range of float; the first product is exact. */
static inline vec vec_scale(vec x, vec n)
{
    int32_t whole = n == n ? (int32_t)n : 0, half = whole >> 1;
    return x * vec_power_of_two(half) * vec_power_of_two(whole - half);
}

/* As integers: NaN lies above the infinities. */
static inline vec vec_larger(vec a, vec b)
{
    uint32_t a_bits, b_bits;
    memcpy(&a_bits, &a, sizeof a);
    memcpy(&b_bits, &b, sizeof b);
    return a_bits > b_bits ? a : b;
}
static inline float vec_largest(vec x) { return x; }

static inline void vec_store_int16(void *p, vec x) { memcpy(p, &(int16_t){(int16_t)rintf(x)}, sizeof(int16_t)); }
static inline void vec_store_int8(void *p, vec x) { memcpy(p, &(int8_t){(int8_t)rintf(x)}, sizeof(int8_t)); }

typedef int32_t ints;
#define DOT8_OFFSET 0
static inline ints ints_set(int32_t a) { return a; }
static inline ints ints_load(const int32_t *p) { return *p; }
static inline ints ints_kept(ints x) { return x; }
static inline vec vec_of_ints(ints x) { return (float)x; }

static inline ints ints_dot16(ints sums, ints a, ints b)
{
    int16_t as[2], bs[2];
    memcpy(as, &a, sizeof a);
    memcpy(bs, &b, sizeof b);
    for (int i = 0; i < 2; i++) sums += as[i] * bs[i];
    return sums;
}

static inline ints ints_dot8(ints sums, ints a, ints b)
{
    int8_t as[4], bs[4];
    memcpy(as, &a, sizeof a);
    memcpy(bs, &b, sizeof b);
    for (int i = 0; i < 4; i++) sums += as[i] * bs[i];
    return sums;
}
