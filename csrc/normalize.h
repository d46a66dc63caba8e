/* normalize.h: rows scaled and shifted by their columns, and rows brought to one mean and variance.
 *
 *   affine       out = (x - center) * scale + shift
 *   layer norm   out = (x - mean) / sqrt(variance + epsilon) * gamma + beta,      mean and variance of the row
 *   root mean    out = x / sqrt(mean of x^2 + epsilon) * gamma + beta
 *
 * The sums of a row are 16 sums of every sixteenth value, added up as a tree: the same bits on every instruction set.
 */

static void FL_KERNEL(affine_forward)(float *out, const float *x, const float *center, const float *scale,
                                      const float *shift, size_t rows, size_t units)
{
    for (size_t row = 0; row < rows; row++, out += units, x += units) {
        size_t i = 0;
        for (; i + VEC_WIDTH <= units; i += VEC_WIDTH)
            vec_store(out + i, vec_fma(vec_sub(vec_load(x + i), vec_load(center + i)), vec_load(scale + i),
                                       vec_load(shift + i)));
        if (i < units) {
            size_t n = units - i;
            vec centered = vec_sub(vec_load_part(x + i, n), vec_load_part(center + i, n));
            vec_store_part(out + i, vec_fma(centered, vec_load_part(scale + i, n), vec_load_part(shift + i, n)), n);
        }
    }
}

/* Sums of x (units), or of the squares. */
INLINE float row_sum(const float *x, size_t units, const int squares)
{
    float lanes[FL_GROUP];
    vec sums[GROUP_VECS];
    UNROLL for (int v = 0; v < GROUP_VECS; v++) sums[v] = vec_set(0.0f);
    for (size_t i = 0; i < units; i += FL_GROUP) {
        UNROLL for (int v = 0; v < GROUP_VECS; v++) {
            size_t place = i + v * VEC_WIDTH;
            if (place >= units) break;
            vec a = place + VEC_WIDTH <= units ? vec_load(x + place) : vec_load_part(x + place, units - place);
            sums[v] = squares ? vec_fma(a, a, sums[v]) : vec_add(sums[v], a);
        }
    }
    UNROLL for (int v = 0; v < GROUP_VECS; v++) vec_store(lanes + v * VEC_WIDTH, sums[v]);
    for (int n = FL_GROUP / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) lanes[i] += lanes[i + n];
    return lanes[0];
}

/* out = x - mean */
INLINE void center_row(float *out, const float *x, float mean, size_t units)
{
    vec m = vec_set(mean);
    size_t i = 0;
    for (; i + VEC_WIDTH <= units; i += VEC_WIDTH) vec_store(out + i, vec_sub(vec_load(x + i), m));
    if (i < units) vec_store_part(out + i, vec_sub(vec_load_part(x + i, units - i), m), units - i);
}

/* out = x * factor * gamma + beta; out may be x */
INLINE void scale_row(float *out, const float *x, float factor, const float *gamma, const float *beta, size_t units)
{
    vec f = vec_set(factor);
    size_t i = 0;
    for (; i + VEC_WIDTH <= units; i += VEC_WIDTH)
        vec_store(out + i, vec_fma(vec_mul(vec_load(x + i), f), vec_load(gamma + i), vec_load(beta + i)));
    if (i < units) {
        size_t n = units - i;
        vec y = vec_mul(vec_load_part(x + i, n), f);
        vec_store_part(out + i, vec_fma(y, vec_load_part(gamma + i, n), vec_load_part(beta + i, n)), n);
    }
}

static void FL_KERNEL(layer_norm_forward)(float *out, const float *x, const float *gamma, const float *beta,
                                          float epsilon, int root_mean, size_t rows, size_t units)
{
    float n = (float)units;
    for (size_t row = 0; row < rows; row++, out += units, x += units) {
        const float *centered = x;
        if (!root_mean) {
            center_row(out, x, row_sum(x, units, 0) / n, units);
            centered = out;
        }
        float factor = 1.0f / sqrtf(row_sum(centered, units, 1) / n + epsilon);
        scale_row(out, centered, factor, gamma, beta, units);
    }
}
