/* vec_neon.h: the vocabulary of vec.h in AArch64 Advanced SIMD, 4 floats at a time. */
#include <arm_neon.h>

#define VEC_WIDTH 4
#define VEC_REGISTERS 32
typedef float32x4_t vec;
typedef uint32x4_t vec_mask;

static inline vec vec_set(float a) { return vdupq_n_f32(a); }
static inline vec vec_load(const float *p) { return vld1q_f32(p); }
static inline void vec_store(float *p, vec x) { vst1q_f32(p, x); }
static inline vec vec_kept(vec x)
{
    __asm__("" : "+w"(x));
    return x;
}

static inline vec vec_load_part(const float *p, size_t n)
{
    float part[VEC_WIDTH] = {0.0f};
    for (size_t i = 0; i < n; i++) part[i] = p[i];
    return vld1q_f32(part);
}

static inline void vec_store_part(float *p, vec x, size_t n)
{
    float part[VEC_WIDTH];
    vst1q_f32(part, x);
    for (size_t i = 0; i < n; i++) p[i] = part[i];
}

static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec vec_sub(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec vec_mul(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec vec_div(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec vec_sqrt(vec a) { return vsqrtq_f32(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec vec_abs(vec x) { return vabsq_f32(x); }
static inline vec vec_round(vec x) { return vrndnq_f32(x); }
static inline vec vec_two_to(vec x) { return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(x), 23)); }
static inline vec_mask vec_less(vec a, vec b) { return vcltq_f32(a, b); }
static inline vec vec_select(vec_mask mask, vec a, vec b) { return vbslq_f32(mask, a, b); }
static inline vec vec_copysign(vec x, vec sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, x); }

/* vminq/vmaxq order the two zeros, which the others do not. */
static inline vec vec_min(vec bound, vec x) { return vec_select(vec_less(bound, x), bound, x); }
static inline vec vec_max(vec bound, vec x) { return vec_select(vec_less(x, bound), bound, x); }

static inline vec vec_power_of_two(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

/* Two factors, since 2^n itself may leave the range of float; the first product is exact. */
static inline vec vec_scale(vec x, vec n)
{
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return vec_mul(vec_mul(x, vec_power_of_two(half)), vec_power_of_two(vsubq_s32(whole, half)));
}

/* As integers: NaN lies above the infinities. */
static inline vec vec_larger(vec a, vec b)
{
    return vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a), vreinterpretq_s32_f32(b)));
}
static inline float vec_largest(vec x)
{
    return vgetq_lane_f32(vreinterpretq_f32_s32(vdupq_n_s32(vmaxvq_s32(vreinterpretq_s32_f32(x)))), 0);
}

static inline void vec_store_int16(void *p, vec x) { vst1_s16((int16_t *)p, vmovn_s32(vcvtnq_s32_f32(x))); }
static inline void vec_store_int8(void *p, vec x)
{
    int16x4_t values = vmovn_s32(vcvtnq_s32_f32(x));
    vst1_lane_s32((int32_t *)p, vreinterpret_s32_s8(vmovn_s16(vcombine_s16(values, values))), 0);
}

typedef int32x4_t ints;
#define DOT8_OFFSET 0
static inline ints ints_set(int32_t a) { return vdupq_n_s32(a); }
static inline ints ints_load(const int32_t *p) { return vld1q_s32(p); }
static inline ints ints_kept(ints x)
{
    __asm__("" : "+w"(x));
    return x;
}
static inline vec vec_of_ints(ints x) { return vcvtq_f32_s32(x); }

static inline ints ints_dot16(ints sums, ints a, ints b)
{
    int16x8_t as = vreinterpretq_s16_s32(a), bs = vreinterpretq_s16_s32(b);
    int32x4_t low = vmull_s16(vget_low_s16(as), vget_low_s16(bs)), high = vmull_high_s16(as, bs);
    return vaddq_s32(sums, vpaddq_s32(low, high));
}

#ifdef __ARM_FEATURE_DOTPROD
static inline ints ints_dot8(ints sums, ints a, ints b)
{
    return vdotq_s32(sums, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}
#else
static inline ints ints_dot8(ints sums, ints a, ints b)
{
    int8x16_t as = vreinterpretq_s8_s32(a), bs = vreinterpretq_s8_s32(b);
    int16x8_t low = vmull_s8(vget_low_s8(as), vget_low_s8(bs)), high = vmull_high_s8(as, bs);
    return vaddq_s32(sums, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
#endif
