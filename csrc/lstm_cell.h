/* lstm_cell.h: one LSTM step after its gate products, for the ISA whose vocabulary stands.
 *
 *   i, f, g, o = split(z)        c = ract(f) c_prev + ract(i) act(g)        h = ract(o) act(c)
 *
 * For tanh and sigmoid everything stays in registers and five divisions become three: with E_x = 1 + e^-x and
 * t_x = e^(2|x|) - 1,  c = c_prev / E_f + sign(g) t_g / (E_i (t_g + 2))  and  h = sign(c) t_c / (E_o (t_c + 2)).
 * Any other pair of activations goes over z in place, block by block.
 */

/* sign(x) t / (divisor (t + 2)): tanh x by the divisor of a sigmoid */
static inline vec tanh_quotient(vec t, vec divisor, vec x)
{
    return vec_copysign(vec_div(t, vec_mul(divisor, vec_add(t, vec_set(2.0f)))), x);
}

/* h; c goes from c_prev to c. Exponentials that do not wait for each other are taken side by side. */
INLINE vec cell_tanh_sigmoid(vec *c, vec z_i, vec z_f, vec z_c, vec z_o)
{
    vec n[3], q[3] = {vec_sigmoid_argument(z_i), vec_sigmoid_argument(z_f), vec_tanh_argument(z_c)};
    vec_expm1_reduced(q, n, 3);
    vec divisor = vec_sigmoid_divisor(q[0], n[0]);
    *c = vec_add(vec_div(*c, vec_sigmoid_divisor(q[1], n[1])), tanh_quotient(vec_expm1_result(q[2], n[2]), divisor, z_c));
    q[0] = vec_sigmoid_argument(z_o), q[1] = vec_tanh_argument(*c);
    vec_expm1_reduced(q, n, 2);
    return tanh_quotient(vec_expm1_result(q[1], n[1]), vec_sigmoid_divisor(q[0], n[0]), *c);
}

static void cell_row_tanh_sigmoid(float *h, float *c, const float *z, size_t units)
{
    const float *z_i = z, *z_f = z + units, *z_c = z + 2 * units, *z_o = z + 3 * units;
    size_t u = 0;
    for (; u + VEC_WIDTH <= units; u += VEC_WIDTH) {
        vec state = vec_load(c + u);
        vec_store(h + u, cell_tanh_sigmoid(&state, vec_load(z_i + u), vec_load(z_f + u), vec_load(z_c + u),
                                           vec_load(z_o + u)));
        vec_store(c + u, state);
    }
    if (u < units) {
        size_t n = units - u;
        vec state = vec_load_part(c + u, n);
        vec_store_part(h + u, cell_tanh_sigmoid(&state, vec_load_part(z_i + u, n), vec_load_part(z_f + u, n),
                                                vec_load_part(z_c + u, n), vec_load_part(z_o + u, n)), n);
        vec_store_part(c + u, state, n);
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
