/* lstm_cell.h: one LSTM step after its gate products, for the ISA whose vocabulary stands.
 *
 *   i, f, g, o = split(z)        c = ract(f) c_prev + ract(i) act(g)        h = ract(o) act(c)
 *
 * For tanh and sigmoid everything stays in registers and five divisions become three: with E_x = 1 + e^-x and
 * t_x = e^(2|x|) - 1,  c = c_prev / E_f + sign(g) t_g / (E_i (t_g + 2))  and  h = sign(c) t_c / (E_o (t_c + 2)).
 * Any other pair of activations goes over z in place, block by block.
 */

/* sigmoid(gate) * tanh(x) with one division */
static inline vec sigmoid_times_tanh(vec gate, vec x)
{
    vec t = vec_tanh_term(x);
    return vec_copysign(vec_div(t, vec_mul(vec_sigmoid_divisor(gate), vec_add(t, vec_set(2.0f)))), x);
}

static inline vec cell_state(vec z_i, vec z_f, vec z_c, vec c_prev)
{
    return vec_add(vec_div(c_prev, vec_sigmoid_divisor(z_f)), sigmoid_times_tanh(z_i, z_c));
}

static void cell_row_tanh_sigmoid(float *h, float *c, const float *z, size_t units)
{
    const float *z_i = z, *z_f = z + units, *z_c = z + 2 * units, *z_o = z + 3 * units;
    size_t u = 0;
    for (; u + VEC_WIDTH <= units; u += VEC_WIDTH) {
        vec state = cell_state(vec_load(z_i + u), vec_load(z_f + u), vec_load(z_c + u), vec_load(c + u));
        vec_store(c + u, state);
        vec_store(h + u, sigmoid_times_tanh(vec_load(z_o + u), state));
    }
    if (u < units) {
        size_t n = units - u;
        vec state = cell_state(vec_load_part(z_i + u, n), vec_load_part(z_f + u, n), vec_load_part(z_c + u, n),
                               vec_load_part(c + u, n));
        vec_store_part(c + u, state, n);
        vec_store_part(h + u, sigmoid_times_tanh(vec_load_part(z_o + u, n), state), n);
    }
}

static void cell_row(float *h, float *c, float *z, size_t units, const fl_activation *activation,
                     const fl_activation *recurrent_activation)
{
    float *i = z, *f = z + units, *g = z + 2 * units, *o = z + 3 * units;
    FL_KERNEL(activation_forward)(i, i, 2, units, recurrent_activation); /* i and f: two rows of units */
    FL_KERNEL(activation_forward)(g, g, 1, units, activation);
    FL_KERNEL(activation_forward)(o, o, 1, units, recurrent_activation);
    for (size_t u = 0; u < units; u++) c[u] = f[u] * c[u] + i[u] * g[u];
    FL_KERNEL(activation_forward)(h, c, 1, units, activation);
    for (size_t u = 0; u < units; u++) h[u] *= o[u];
}

static void FL_KERNEL(lstm_cell_forward)(float *h, float *c, float *z, size_t rows, size_t units,
                                         const fl_activation *activation, const fl_activation *recurrent_activation)
{
    int fused = activation->kind == FL_TANH && recurrent_activation->kind == FL_SIGMOID;
    for (size_t row = 0; row < rows; row++, h += units, c += units, z += 4 * units) {
        if (fused)
            cell_row_tanh_sigmoid(h, c, z, units);
        else
            cell_row(h, c, z, units, activation, recurrent_activation);
    }
}
