/* lstm_cell.h: one LSTM step after its gate products, for the ISA whose vocabulary stands.
 *
 *   i, f, g, o = split(z)        c = ract(f) c_prev + ract(i) act(g)        h = ract(o) act(c)
 *
 * For tanh and sigmoid everything stays in registers and five divisions become three: with E_x = 1 + e^-x and
 * t_x = e^(2|x|) - 1,  c = c_prev / E_f + sign(g) t_g / (E_i (t_g + 2))  and  h = sign(c) t_c / (E_o (t_c + 2)).
 * Any other pair of activations goes over z in place, block by block.
 */

static inline int is_tanh_sigmoid(const fl_activation *activation, const fl_activation *recurrent_activation)
{
    return activation->kind == FL_TANH && recurrent_activation->kind == FL_SIGMOID;
}

/* sign(x) t / (divisor (t + 2)): tanh x by the divisor of a sigmoid */
static inline vec tanh_quotient(vec t, vec divisor, vec x)
{
    return vec_copysign(vec_div(t, vec_mul(divisor, vec_add(t, vec_set(2.0f)))), x);
}

/* h from z (i, f, c, o), and c from c_prev, of `count` vecs of units. What does not wait for each other is taken side by
 * side. */
INLINE void cell_tanh_sigmoid(vec *h, vec *c, const vec (*z)[4], const int count)
{
    vec q[6], n[6];
    UNROLL for (int v = 0; v < count; v++) {
        q[3 * v] = vec_sigmoid_argument(z[v][0]);
        q[3 * v + 1] = vec_sigmoid_argument(z[v][1]);
        q[3 * v + 2] = vec_tanh_argument(z[v][2]);
    }
    vec_expm1_reduced(q, n, 3 * count);
    UNROLL for (int v = 0; v < count; v++) {
        vec i = vec_sigmoid_divisor(q[3 * v], n[3 * v]), f = vec_sigmoid_divisor(q[3 * v + 1], n[3 * v + 1]);
        c[v] = vec_add(vec_div(c[v], f), tanh_quotient(vec_expm1_result(q[3 * v + 2], n[3 * v + 2]), i, z[v][2]));
    }
    UNROLL for (int v = 0; v < count; v++) {
        q[2 * v] = vec_sigmoid_argument(z[v][3]);
        q[2 * v + 1] = vec_tanh_argument(c[v]);
    }
    vec_expm1_reduced(q, n, 2 * count);
    UNROLL for (int v = 0; v < count; v++)
        h[v] = tanh_quotient(vec_expm1_result(q[2 * v + 1], n[2 * v + 1]), vec_sigmoid_divisor(q[2 * v], n[2 * v]), c[v]);
}

/* h and c (units) from z (4*units) */
static void cell_row_tanh_sigmoid(float *h, float *c, const float *z, size_t units)
{
    for (size_t u = 0; u < units; u += VEC_WIDTH) {
        size_t n = units - u;
        vec gates[1][4], output, state;
        if (n >= VEC_WIDTH) {
            UNROLL for (int gate = 0; gate < 4; gate++) gates[0][gate] = vec_load(z + gate * units + u);
            state = vec_load(c + u);
            cell_tanh_sigmoid(&output, &state, gates, 1);
            vec_store(c + u, state);
            vec_store(h + u, output);
        } else {
            UNROLL for (int gate = 0; gate < 4; gate++) gates[0][gate] = vec_load_part(z + gate * units + u, n);
            state = vec_load_part(c + u, n);
            cell_tanh_sigmoid(&output, &state, gates, 1);
            vec_store_part(c + u, state, n);
            vec_store_part(h + u, output, n);
        }
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
    int fused = is_tanh_sigmoid(activation, recurrent_activation);
    for (size_t row = 0; row < rows; row++, h += units, c += units, z += 4 * units) {
        if (fused)
            cell_row_tanh_sigmoid(h, c, z, units);
        else
            cell_row(h, c, z, units, activation, recurrent_activation);
    }
}
