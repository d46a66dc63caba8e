/* vec_avx512.h: the vocabulary of vec.h in AVX-512 F, 16 floats at a time. */
#include <immintrin.h>

#define VEC_WIDTH 16
#define VEC_REGISTERS 32
typedef __m512 vec;
typedef __mmask16 vec_mask;

static inline __mmask16 vec_part(size_t n) { return (__mmask16)((1u << n) - 1u); }

static inline __m512i vec_sign_bit(void) { return _mm512_set1_epi32((int)0x80000000u); }

static inline vec vec_set(float a) { return _mm512_set1_ps(a); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
static inline vec vec_kept(vec x)
{
    __asm__("" : "+v"(x));
    return x;
}
static inline vec vec_load_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps(vec_part(n), p); }
static inline void vec_store_part(float *p, vec x, size_t n) { _mm512_mask_storeu_ps(p, vec_part(n), x); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec vec_min(vec bound, vec x) { return _mm512_min_ps(bound, x); }
static inline vec vec_max(vec bound, vec x) { return _mm512_max_ps(bound, x); }
static inline vec vec_abs(vec x) { return _mm512_abs_ps(x); }
static inline vec vec_round(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec vec_scale(vec x, vec n) { return _mm512_scalef_ps(x, n); }
static inline vec vec_two_to(vec x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23)); }
static inline vec_mask vec_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vec vec_select(vec_mask mask, vec a, vec b) { return _mm512_mask_blend_ps(mask, b, a); }

static inline vec vec_copysign(vec x, vec sign)
{
    __m512i signs = _mm512_and_si512(vec_sign_bit(), _mm512_castps_si512(sign));
    return _mm512_castsi512_ps(_mm512_or_si512(signs, _mm512_castps_si512(vec_abs(x))));
}

#ifdef FL_VNNI
#define DOT8_OFFSET 128
#else
#define DOT8_OFFSET 0
#endif

/* As integers: NaN lies above the infinities. */
static inline vec vec_larger(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline float vec_largest(vec x)
{
    __m512i all = _mm512_castps_si512(x);
    __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    __m128i bits = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0x4e));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(bits));
}

static inline void vec_store_int16(void *p, vec x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
}
static inline void vec_store_int8(void *p, vec x)
{
    __m128i values = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x));
    _mm_storeu_si128((__m128i *)p, DOT8_OFFSET ? _mm_xor_si128(values, _mm_set1_epi8((char)0x80)) : values);
}

/* Of int, not __m512i: GCC 12 spills the sums of a tile otherwise. */
typedef int ints __attribute__((vector_size(64)));
static inline ints ints_set(int32_t a) { return (ints)_mm512_set1_epi32(a); }
static inline ints ints_load(const int32_t *p) { return (ints)_mm512_loadu_si512(p); }
static inline ints ints_kept(ints x)
{
    __asm__("" : "+v"(x));
    return x;
}
static inline vec vec_of_ints(ints x) { return _mm512_cvtepi32_ps((__m512i)x); }

#ifdef FL_VNNI
static inline ints ints_dot16(ints sums, ints a, ints b)
{
    return (ints)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
}
static inline ints ints_dot8(ints sums, ints a, ints b)
{
    return (ints)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
}
#else
static inline ints ints_dot16(ints sums, ints a, ints b)
{
    return sums + (ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
}

/* Two products of at most 127 * 127 do not saturate. */
static inline ints ints_dot8(ints sums, ints a, ints b)
{
    __mmask64 below = _mm512_movepi8_mask((__m512i)a);
    __m512i with_sign = _mm512_mask_sub_epi8((__m512i)b, below, _mm512_setzero_si512(), (__m512i)b);
    __m512i products = _mm512_maddubs_epi16(_mm512_abs_epi8((__m512i)a), with_sign);
    return sums + (ints)_mm512_madd_epi16(products, _mm512_set1_epi16(1));
}
#endif
