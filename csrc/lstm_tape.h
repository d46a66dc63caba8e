/* lstm_tape.h: an LSTM's cell update that records what its gradient needs, and that gradient, for the ISA whose vocabulary
 * stands.
 *
 *   c = f c_prev + i g        h = o s        s = act(c)        i, f, o = ract(z_i, z_f, z_o)        g = act(z_c)
 *
 *   dc += dh o act'(c)        dz_i = dc g ract'(z_i)        dz_f = dc c_prev ract'(z_f)        dz_c = dc i act'(z_c)
 *   dz_o = dh s ract'(z_o)    dc_prev = dc f
 *
 * A row of gates has the columns of z: blocks i, f, c, o of `block` units each, then of the next `block` units, the last
 * time of those that are left. For tanh and sigmoid it holds the gates after the step; their slopes are 1 - g^2 and
 * i (1 - i), and s = h / o. For any other pair it holds z, and the gates are computed again.
 */

/* Rows that are taken at once: one cell update alone would wait for itself. */
enum { TAPE_ROWS = VEC_WIDTH == FL_GROUP ? 2 : 1 };

/* h (rows, n), c (rows, n) and the gates (rows, 4*n) in place of z; rows of h and c are `units` apart, of z `stride`. */
INLINE void tape_tanh_sigmoid(float *h, float *c, float *z, const float *c_prev, size_t n, size_t units, size_t stride,
                              const int rows)
{
    const vec one = vec_set(1.0f), two = vec_set(2.0f);
    for (size_t u = 0; u < n; u += VEC_WIDTH) {
        const size_t left = n - u;
        vec q[3 * TAPE_ROWS], scale[3 * TAPE_ROWS], z_c[TAPE_ROWS], state[TAPE_ROWS];
        UNROLL for (int m = 0; m < rows; m++) {
            const float *gates = z + m * stride + u;
            z_c[m] = load_units(gates + 2 * n, left);
            q[3 * m] = vec_sigmoid_argument(load_units(gates, left));
            q[3 * m + 1] = vec_sigmoid_argument(load_units(gates + n, left));
            q[3 * m + 2] = vec_tanh_argument(z_c[m]);
        }
        vec_expm1_reduced(q, scale, 3 * rows);
        UNROLL for (int m = 0; m < rows; m++) {
            float *gates = z + m * stride + u;
            vec t = vec_expm1_result(q[3 * m + 2], scale[3 * m + 2]);
            vec i = vec_div(one, vec_sigmoid_divisor(q[3 * m], scale[3 * m]));
            vec f = vec_div(one, vec_sigmoid_divisor(q[3 * m + 1], scale[3 * m + 1]));
            vec g = vec_copysign(vec_div(t, vec_add(t, two)), z_c[m]);
            state[m] = vec_fma(f, load_units(c_prev + m * units + u, left), vec_mul(i, g));
            store_units(gates, i, left);
            store_units(gates + n, f, left);
            store_units(gates + 2 * n, g, left);
            store_units(c + m * units + u, state[m], left);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            q[2 * m] = vec_sigmoid_argument(load_units(z + m * stride + 3 * n + u, left));
            q[2 * m + 1] = vec_tanh_argument(state[m]);
        }
        vec_expm1_reduced(q, scale, 2 * rows);
        UNROLL for (int m = 0; m < rows; m++) {
            vec o = vec_div(one, vec_sigmoid_divisor(q[2 * m], scale[2 * m]));
            vec t = vec_expm1_result(q[2 * m + 1], scale[2 * m + 1]);
            store_units(z + m * stride + 3 * n + u, o, left);
            store_units(h + m * units + u, vec_mul(o, vec_copysign(vec_div(t, vec_add(t, two)), state[m])), left);
        }
    }
}

/* dz (4*n) in place of the gates; dc (n) becomes that of c_prev */
static void tape_row_tanh_sigmoid_backward(float *gates, float *dc, const float *dh, const float *h, const float *c_prev,
                                           size_t n)
{
    for (size_t u = 0; u < n; u += VEC_WIDTH) {
        float *z = gates + u;
        const size_t left = n - u;
        const vec one = vec_set(1.0f);
        vec i = load_units(z, left), f = load_units(z + n, left), g = load_units(z + 2 * n, left);
        vec o = load_units(z + 3 * n, left), d = load_units(dh + u, left);
        /* an o of 0, from which s cannot be had, lets nothing through */
        vec s = vec_select(vec_less(vec_set(0.0f), o), vec_div(load_units(h + u, left), o), vec_set(0.0f));
        vec of_o = vec_mul(d, o);
        vec of_c = vec_fma(of_o, vec_sub(one, vec_mul(s, s)), load_units(dc + u, left));
        vec of_i = vec_mul(of_c, i), of_f = vec_mul(of_c, f);
        store_units(z, vec_mul(vec_mul(of_i, g), vec_sub(one, i)), left);
        store_units(z + n, vec_mul(vec_mul(of_f, load_units(c_prev + u, left)), vec_sub(one, f)), left);
        store_units(z + 2 * n, vec_mul(of_i, vec_sub(one, vec_mul(g, g))), left);
        store_units(z + 3 * n, vec_mul(vec_mul(of_o, s), vec_sub(one, o)), left);
        store_units(dc + u, of_f, left);
    }
}

/* values (5*n) = the gates i, f, g, o and act(c) */
static void tape_values(float *values, const float *z, const float *c, size_t n, const fl_activation *activation,
                        const fl_activation *recurrent_activation)
{
    FL_KERNEL(activation_forward)(values, z, 2, n, recurrent_activation); /* i and f: two rows of n */
    FL_KERNEL(activation_forward)(values + 2 * n, z + 2 * n, 1, n, activation);
    FL_KERNEL(activation_forward)(values + 3 * n, z + 3 * n, 1, n, recurrent_activation);
    FL_KERNEL(activation_forward)(values + 4 * n, c, 1, n, activation);
}

/* h (n) and c (n); z (4*n) stays; scratch (5*n) */
static void tape_row(float *h, float *c, const float *z, const float *c_prev, size_t n, const fl_activation *activation,
                     const fl_activation *recurrent_activation, float *scratch)
{
    const float *i = scratch, *f = scratch + n, *g = scratch + 2 * n, *o = scratch + 3 * n, *s = scratch + 4 * n;
    tape_values(scratch, z, c_prev, n, activation, recurrent_activation);
    for (size_t u = 0; u < n; u++) c[u] = f[u] * c_prev[u] + i[u] * g[u];
    FL_KERNEL(activation_forward)(scratch + 4 * n, c, 1, n, activation);
    for (size_t u = 0; u < n; u++) h[u] = o[u] * s[u];
}

/* dz (4*n) in place of z; dc (n) becomes that of c_prev; scratch (6*n) */
static void tape_row_backward(float *z, float *dc, const float *dh, const float *c, const float *c_prev, size_t n,
                              const fl_activation *activation, const fl_activation *recurrent_activation, float *scratch)
{
    const float *i = scratch, *f = scratch + n, *g = scratch + 2 * n, *o = scratch + 3 * n;
    float *s = scratch + 4 * n, *dy = scratch + 5 * n;
    tape_values(scratch, z, c, n, activation, recurrent_activation);
    for (size_t u = 0; u < n; u++) dy[u] = dh[u] * s[u];
    FL_KERNEL(activation_backward)(z + 3 * n, dy, z + 3 * n, 1, n, recurrent_activation);
    /* act'(c), in the place of s, which is not needed any more */
    for (size_t u = 0; u < n; u++) dy[u] = dh[u] * o[u];
    FL_KERNEL(activation_backward)(s, dy, c, 1, n, activation);
    for (size_t u = 0; u < n; u++) dc[u] += s[u];
    for (size_t u = 0; u < n; u++) dy[u] = dc[u] * g[u];
    FL_KERNEL(activation_backward)(z, dy, z, 1, n, recurrent_activation);
    for (size_t u = 0; u < n; u++) dy[u] = dc[u] * c_prev[u];
    FL_KERNEL(activation_backward)(z + n, dy, z + n, 1, n, recurrent_activation);
    for (size_t u = 0; u < n; u++) dy[u] = dc[u] * i[u];
    FL_KERNEL(activation_backward)(z + 2 * n, dy, z + 2 * n, 1, n, activation);
    for (size_t u = 0; u < n; u++) dc[u] *= f[u];
}

/* All units of some rows. */
INLINE void tape_rows_tanh_sigmoid(float *h, float *c, float *gates, const float *c_prev, size_t units, size_t stride,
                                   size_t block, const int rows)
{
    for (size_t unit = 0; unit < units; unit += block)
        tape_tanh_sigmoid(h + unit, c + unit, gates + 4 * unit, c_prev + unit, smaller(block, units - unit), units, stride,
                          rows);
}

static void FL_KERNEL(lstm_tape_forward)(float *h, float *c, float *gates, const float *c_prev, size_t rows, size_t units,
                                         size_t stride, size_t block, const fl_activation *activation,
                                         const fl_activation *recurrent_activation, float *scratch)
{
    const int fast = is_tanh_sigmoid(activation, recurrent_activation);
    size_t row = 0;
    for (; fast && row + TAPE_ROWS <= rows; row += TAPE_ROWS)
        tape_rows_tanh_sigmoid(h + row * units, c + row * units, gates + row * stride, c_prev + row * units, units, stride,
                               block, TAPE_ROWS);
    for (; row < rows; row++) {
        float *to_h = h + row * units, *to_c = c + row * units, *z = gates + row * stride;
        const float *from_c = c_prev + row * units;
        if (fast)
            tape_rows_tanh_sigmoid(to_h, to_c, z, from_c, units, stride, block, 1);
        else
            for (size_t unit = 0; unit < units; unit += block)
                tape_row(to_h + unit, to_c + unit, z + 4 * unit, from_c + unit, smaller(block, units - unit), activation,
                         recurrent_activation, scratch);
    }
}

static void FL_KERNEL(lstm_tape_backward)(float *gates, float *dh, float *dc, const float *h, const float *c,
                                          const float *c_prev, const unsigned char *mask, size_t mask_stride, size_t rows,
                                          size_t units, size_t stride, size_t block, const fl_activation *activation,
                                          const fl_activation *recurrent_activation, float *scratch)
{
    const int fast = is_tanh_sigmoid(activation, recurrent_activation);
    for (size_t row = 0; row < rows;
         row++, gates += stride, dh += units, dc += units, h += units, c += units, c_prev += units) {
        if (mask && !mask[row * mask_stride]) {
            memset(gates, 0, stride * sizeof *gates);
            continue;
        }
        for (size_t unit = 0; unit < units; unit += block) {
            size_t n = smaller(block, units - unit);
            float *z = gates + 4 * unit;
            if (fast)
                tape_row_tanh_sigmoid_backward(z, dc + unit, dh + unit, h + unit, c_prev + unit, n);
            else
                tape_row_backward(z, dc + unit, dh + unit, c + unit, c_prev + unit, n, activation, recurrent_activation,
                                  scratch);
        }
        memset(dh, 0, units * sizeof *dh);
    }
}
