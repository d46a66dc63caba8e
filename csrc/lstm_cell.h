/* lstm_cell.h: one LSTM step after its gate products, for the ISA whose vocabulary stands.
 *
 *   i, f, g, o = split(z)        c = ract(f) c_prev + ract(i) act(g)        h = ract(o) act(c)
 *
 * For the pairs of activations in use everything stays in registers: one body, with the pair as a constant. Any other pair
 * goes over z in place, which gives the same bits.
 *
 * For tanh and sigmoid five divisions become three: with E_x = 1 + e^-x and t_x = e^(2|x|) - 1,
 * c = c_prev / E_f + sign(g) t_g / (E_i (t_g + 2))  and  h = sign(c) t_c / (E_o (t_c + 2)).
 *
 * After sums of integers they are `brief` (vec_expm1_brief): what is left out is a hundredth of what rounding to integers
 * leaves.
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

INLINE vec sigmoid_argument(vec x, const int brief)
{
    return brief ? vec_brief_argument(vec_sub(vec_set(0.0f), x)) : vec_sigmoid_argument(x);
}
INLINE void exponentials(vec *q, vec *n, const int count, const int brief)
{
    if (brief)
        vec_expm1_brief(q, n, count);
    else
        vec_expm1_reduced(q, n, count);
}
INLINE vec sigmoid_divisor(vec q, vec n, const int brief)
{
    return brief ? vec_brief_result(q, n, 1.0f) : vec_sigmoid_divisor(q, n);
}
INLINE vec expm1_result(vec q, vec n, const int brief)
{
    return brief ? vec_brief_result(q, n, -1.0f) : vec_expm1_result(q, n);
}

/* h from z (i, f, c, o), and c from c_prev, of `count` vecs of units. What does not wait for each other is taken side by
 * side. */
INLINE void cell_tanh_sigmoid(vec *h, vec *c, const vec (*z)[4], const int count, const int brief)
{
    vec q[6], n[6];
    UNROLL for (int v = 0; v < count; v++) {
        q[3 * v] = sigmoid_argument(z[v][0], brief);
        q[3 * v + 1] = sigmoid_argument(z[v][1], brief);
        q[3 * v + 2] = vec_tanh_argument(z[v][2]);
    }
    exponentials(q, n, 3 * count, brief);
    UNROLL for (int v = 0; v < count; v++) {
        vec i = sigmoid_divisor(q[3 * v], n[3 * v], brief), f = sigmoid_divisor(q[3 * v + 1], n[3 * v + 1], brief);
        c[v] = vec_add(vec_div(c[v], f), tanh_quotient(expm1_result(q[3 * v + 2], n[3 * v + 2], brief), i, z[v][2]));
    }
    UNROLL for (int v = 0; v < count; v++) {
        q[2 * v] = sigmoid_argument(z[v][3], brief);
        q[2 * v + 1] = vec_tanh_argument(c[v]);
    }
    exponentials(q, n, 2 * count, brief);
    UNROLL for (int v = 0; v < count; v++)
        h[v] = tanh_quotient(expm1_result(q[2 * v + 1], n[2 * v + 1], brief), sigmoid_divisor(q[2 * v], n[2 * v], brief),
                             c[v]);
}

/* The same for any pair of elementwise activations; `kind`, `recurrent_kind` and `brief` are constants wherever this is
 * inlined. */
INLINE void cell_update(vec *h, vec *c, const vec (*z)[4], const int count, const int kind, const int recurrent_kind,
                        const int brief, const float *p, const float *recurrent_p)
{
    if (kind == FL_TANH && recurrent_kind == FL_SIGMOID) {
        cell_tanh_sigmoid(h, c, z, count, brief);
        return;
    }
    vec gates[6], g[2], s[2];
    UNROLL for (int v = 0; v < count; v++) {
        g[v] = z[v][2];
        UNROLL for (int gate = 0; gate < 3; gate++) gates[3 * v + gate] = z[v][gate + (gate == 2)];
    }
    act_vecs(gates, 3 * count, recurrent_kind, recurrent_p);
    act_vecs(g, count, kind, p);
    UNROLL for (int v = 0; v < count; v++)
        s[v] = c[v] = vec_add(vec_mul(gates[3 * v + 1], c[v]), vec_mul(gates[3 * v], g[v]));
    act_vecs(s, count, kind, p);
    UNROLL for (int v = 0; v < count; v++) h[v] = vec_mul(s[v], gates[3 * v + 2]);
}

/* h and c (rows, n) from z (rows, 4*n), which may be overwritten; rows of h and c are `stride` apart, of z `z_stride`. */
typedef void cell_function(float *h, float *c, float *z, size_t rows, size_t n, size_t stride, size_t z_stride,
                           const fl_activation *activation, const fl_activation *recurrent_activation);

/* Rows of one whole vec are taken in twos: one cell update alone would wait for itself. */
INLINE void cell_rows(float *h, float *c, float *z, size_t rows, size_t n, size_t stride, size_t z_stride,
                      const float *p, const float *recurrent_p, const int kind, const int recurrent_kind,
                      const int brief)
{
    size_t row = 0;
    for (; VEC_WIDTH == FL_GROUP && n == FL_GROUP && row + 2 <= rows;
         row += 2, h += 2 * stride, c += 2 * stride, z += 2 * z_stride) {
        vec gates[2][4], output[2], state[2];
        UNROLL for (int v = 0; v < 2; v++) {
            UNROLL for (int gate = 0; gate < 4; gate++) gates[v][gate] = vec_load(z + v * z_stride + gate * FL_GROUP);
            state[v] = vec_load(c + v * stride);
        }
        cell_update(output, state, gates, 2, kind, recurrent_kind, brief, p, recurrent_p);
        UNROLL for (int v = 0; v < 2; v++) {
            vec_store(c + v * stride, state[v]);
            vec_store(h + v * stride, output[v]);
        }
    }
    for (; row < rows; row++, h += stride, c += stride, z += z_stride)
        for (size_t u = 0; u < n; u += VEC_WIDTH) {
            vec gates[1][4], output, state = load_units(c + u, n - u);
            UNROLL for (int gate = 0; gate < 4; gate++) gates[0][gate] = load_units(z + gate * n + u, n - u);
            cell_update(&output, &state, gates, 1, kind, recurrent_kind, brief, p, recurrent_p);
            store_units(c + u, state, n - u);
            store_units(h + u, output, n - u);
        }
}

/* Any pair, those over a row too: its n are all units then. */
static void cell_of_any(float *h, float *c, float *z, size_t rows, size_t n, size_t stride, size_t z_stride,
                        const fl_activation *activation, const fl_activation *recurrent_activation)
{
    for (size_t row = 0; row < rows; row++, h += stride, c += stride, z += z_stride) {
        float *i = z, *f = z + n, *g = z + 2 * n, *o = z + 3 * n;
        FL_KERNEL(activation_forward)(i, i, 2, n, recurrent_activation); /* i and f: two rows of n */
        FL_KERNEL(activation_forward)(g, g, 1, n, activation);
        FL_KERNEL(activation_forward)(o, o, 1, n, recurrent_activation);
        for (size_t u = 0; u < n; u++) c[u] = f[u] * c[u] + i[u] * g[u];
        FL_KERNEL(activation_forward)(h, c, 1, n, activation);
        for (size_t u = 0; u < n; u++) h[u] *= o[u];
    }
}

#define CELL(KIND, RECURRENT_KIND)                                                                             \
    static void cell_of_##KIND##_##RECURRENT_KIND(float *h, float *c, float *z, size_t rows, size_t n, size_t stride, \
                                                  size_t z_stride, const fl_activation *activation,            \
                                                  const fl_activation *recurrent_activation)                   \
    {                                                                                                          \
        cell_rows(h, c, z, rows, n, stride, z_stride, activation->parameters, recurrent_activation->parameters, \
                  KIND, RECURRENT_KIND, 0);                                                                    \
    }
FUSED_PAIRS(CELL)

static void brief_cell(float *h, float *c, float *z, size_t rows, size_t n, size_t stride, size_t z_stride,
                       const fl_activation *activation, const fl_activation *recurrent_activation)
{
    (void)activation, (void)recurrent_activation;
    cell_rows(h, c, z, rows, n, stride, z_stride, NULL, NULL, FL_TANH, FL_SIGMOID, 1);
}

/* The cell update of a pair of activations. */
static inline cell_function *cell_of(const fl_activation *activation, const fl_activation *recurrent_activation)
{
    static cell_function *const cells[FL_CALLBACK + 1][FL_CALLBACK + 1] = {
#define CELL_PLACE(KIND, RECURRENT_KIND) [KIND][RECURRENT_KIND] = cell_of_##KIND##_##RECURRENT_KIND,
        FUSED_PAIRS(CELL_PLACE)
    };
    cell_function *cell = cells[activation->kind][recurrent_activation->kind];
    return cell ? cell : cell_of_any;
}

/* The same after sums of integers. */
static inline cell_function *cell_of_integers(const fl_activation *activation,
                                              const fl_activation *recurrent_activation)
{
    return is_tanh_sigmoid(activation, recurrent_activation) ? brief_cell : cell_of(activation, recurrent_activation);
}
