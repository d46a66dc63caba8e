/* adam.h: a step of Adam over numbers one after the other, for the ISA whose vocabulary stands.
 *
 *   m += (g - m) part_m        v += (g g - v) part_v        value -= alpha m / (sqrt(v) + epsilon)
 *
 * Every operation is rounded by itself, in this order: these are the bits of NumPy's.
 */

/* value, m, v (n) and, if it is not NULL, largest (n), the largest v so far, which stands for v then; gradient (n) stays */
static void FL_KERNEL(adam_step)(float *value, float *m, float *v, float *largest, const float *gradient, size_t n,
                                 float part_m, float part_v, float alpha, float epsilon)
{
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        const size_t left = n - i;
        vec g = load_units(gradient + i, left), mean = load_units(m + i, left), square = load_units(v + i, left);
        mean = vec_add(mean, vec_mul(vec_sub(g, mean), vec_set(part_m)));
        square = vec_add(square, vec_mul(vec_sub(vec_mul(g, g), square), vec_set(part_v)));
        store_units(m + i, mean, left);
        store_units(v + i, square, left);
        if (largest) {
            vec most = load_units(largest + i, left);
            square = vec_select(vec_less(square, most), most, square);
            store_units(largest + i, square, left);
        }
        vec change = vec_div(vec_mul(mean, vec_set(alpha)), vec_add(vec_sqrt(square), vec_set(epsilon)));
        store_units(value + i, vec_sub(load_units(value + i, left), change), left);
    }
}
