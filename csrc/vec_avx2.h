/* vec_avx2.h: the vocabulary of vec.h in AVX2 and FMA, 8 floats at a time. */
#include <immintrin.h>

#define VEC_WIDTH 8
#define VEC_REGISTERS 16
typedef __m256 vec;
typedef __m256 vec_mask;

static inline __m256i vec_part(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec vec_set(float a) { return _mm256_set1_ps(a); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec vec_kept(vec x)
{
    __asm__("" : "+x"(x));
    return x;
}
static inline vec vec_load_part(const float *p, size_t n) { return _mm256_maskload_ps(p, vec_part(n)); }
static inline void vec_store_part(float *p, vec x, size_t n) { _mm256_maskstore_ps(p, vec_part(n), x); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec vec_min(vec bound, vec x) { return _mm256_min_ps(bound, x); }
static inline vec vec_max(vec bound, vec x) { return _mm256_max_ps(bound, x); }
static inline vec vec_abs(vec x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
static inline vec vec_round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec vec_two_to(vec x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23)); }
static inline vec_mask vec_less(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vec vec_select(vec_mask mask, vec a, vec b) { return _mm256_blendv_ps(b, a, mask); }

static inline vec vec_copysign(vec x, vec sign)
{
    const vec bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, x), _mm256_and_ps(bit, sign));
}

static inline vec vec_power_of_two(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* Two factors, since 2^n itself may leave the range of float; the first product is exact. */
static inline vec vec_scale(vec x, vec n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return vec_mul(vec_mul(x, vec_power_of_two(half)), vec_power_of_two(_mm256_sub_epi32(whole, half)));
}

/* As integers: NaN lies above the infinities. */
static inline vec vec_larger(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline float vec_largest(vec x)
{
    __m128i bits = _mm_castps_si128(_mm256_castps256_ps128(x));
    bits = _mm_max_epi32(bits, _mm_castps_si128(_mm256_extractf128_ps(x, 1)));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0x4e));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(bits));
}

static inline __m128i vec_int16(vec x)
{
    __m256i words = _mm256_cvtps_epi32(x);
    return _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
static inline void vec_store_int16(void *p, vec x) { _mm_storeu_si128((__m128i *)p, vec_int16(x)); }
static inline void vec_store_int8(void *p, vec x)
{
    __m128i values = vec_int16(x);
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(values, values));
}

typedef __m256i ints;
#define DOT8_OFFSET 0
static inline ints ints_set(int32_t a) { return _mm256_set1_epi32(a); }
static inline ints ints_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline ints ints_kept(ints x)
{
    __asm__("" : "+x"(x));
    return x;
}
static inline vec vec_of_ints(ints x) { return _mm256_cvtepi32_ps(x); }
static inline ints ints_dot16(ints sums, ints a, ints b) { return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)); }

/* Two products of at most 127 * 127 do not saturate. */
static inline ints ints_dot8(ints sums, ints a, ints b)
{
    __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
    return ints_dot16(sums, products, _mm256_set1_epi16(1));
}
