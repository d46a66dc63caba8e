/* gru_step.h: one GRU step with reset_after over packed weights, for the ISA whose vocabulary stands.
 *
 *   z, r = ract(x_zr + h_prev @ recurrent_kernel_zr)
 *   h = z h_prev + (1 - z) act(x_h + r (recurrent_bias_h + h_prev @ recurrent_kernel_h))
 *
 * A panel of packed_recurrent is 3 groups wide, with the z, r, h of 16 units (the last one: of the units that are left);
 * x has the columns of Keras. unit_blocks.h says in which order panels are taken.
 */

#define GRU_PANEL (3 * FL_GROUP)

/* h from z, r as pre-activations, the candidate's product and its x, and h_prev */
INLINE vec gru_update(const vec *z_r, vec product, vec x, vec h_prev, const int kind, const int recurrent_kind,
                      const float *p, const float *recurrent_p)
{
    vec gates[2] = {z_r[0], z_r[1]}, n[2], candidate;
    if (kind == FL_TANH && recurrent_kind == FL_SIGMOID) { /* r product in one division */
        UNROLL for (int i = 0; i < 2; i++) gates[i] = vec_sigmoid_argument(gates[i]);
        vec_expm1_reduced(gates, n, 2);
        vec update = vec_div(vec_set(1.0f), vec_sigmoid_divisor(gates[0], n[0]));
        candidate = vec_tanh(vec_add(x, vec_div(product, vec_sigmoid_divisor(gates[1], n[1]))));
        return vec_fma(update, h_prev, vec_mul(vec_sub(vec_set(1.0f), update), candidate));
    }
    act_vecs(gates, 2, recurrent_kind, recurrent_p);
    candidate = act(kind, vec_add(x, vec_mul(gates[1], product)), p);
    return vec_add(vec_mul(gates[0], h_prev), vec_mul(vec_sub(vec_set(1.0f), gates[0]), candidate));
}

/* h of n units from their gates z, r (n each, as pre-activations) and candidate product, all three in a row, which may be
 * overwritten */
typedef void gru_row_function(float *h, float *gates, const float *x_h, const float *h_prev, size_t n,
                              const fl_activation *activation, const fl_activation *recurrent_activation);

#define GRU_ROW(KIND, RECURRENT_KIND)                                                                           \
    static void gru_row_of_##KIND##_##RECURRENT_KIND(float *h, float *gates, const float *x_h, const float *h_prev, \
                                                     size_t n, const fl_activation *activation,                 \
                                                     const fl_activation *recurrent_activation)                 \
    {                                                                                                           \
        for (size_t u = 0; u < n; u += VEC_WIDTH) {                                                             \
            const size_t left = n - u;                                                                          \
            const vec z_r[2] = {load_units(gates + u, left), load_units(gates + n + u, left)};                  \
            vec product = load_units(gates + 2 * n + u, left);                                                  \
            vec after = gru_update(z_r, product, load_units(x_h + u, left), load_units(h_prev + u, left), KIND, \
                                   RECURRENT_KIND, activation->parameters, recurrent_activation->parameters);   \
            store_units(h + u, after, left);                                                                    \
        }                                                                                                       \
    }
FUSED_PAIRS(GRU_ROW)

static void gru_row_of_any(float *h, float *gates, const float *x_h, const float *h_prev, size_t n,
                           const fl_activation *activation, const fl_activation *recurrent_activation)
{
    float *r = gates + n, *candidate = r + n;
    FL_KERNEL(activation_forward)(gates, gates, 2, n, recurrent_activation);
    for (size_t u = 0; u < n; u++) candidate[u] = x_h[u] + r[u] * candidate[u];
    gru_output_row(h, gates, candidate, h_prev, n, activation);
}

static inline gru_row_function *gru_row_of(const fl_activation *activation, const fl_activation *recurrent_activation)
{
    static gru_row_function *const rows[FL_CALLBACK + 1][FL_CALLBACK + 1] = {
#define GRU_ROW_PLACE(KIND, RECURRENT_KIND) [KIND][RECURRENT_KIND] = gru_row_of_##KIND##_##RECURRENT_KIND,
        FUSED_PAIRS(GRU_ROW_PLACE)
    };
    gru_row_function *row = rows[activation->kind][recurrent_activation->kind];
    return row ? row : gru_row_of_any;
}

/* gates (2*n + n) = x_z, x_r, recurrent_bias_h: what the products are added to */
static inline void gru_initial(float *gates, const float *x, const float *recurrent_bias, size_t units, size_t n)
{
    memcpy(gates, x, n * sizeof *gates);
    memcpy(gates + n, x + units, n * sizeof *gates);
    memcpy(gates + 2 * n, recurrent_bias, n * sizeof *gates);
}

static void FL_KERNEL(gru_step_forward)(float *h, const float *x, const float *recurrent_bias, const float *h_prev,
                                        const float *packed_recurrent, size_t rows, size_t units, int descending,
                                        const fl_activation *activation, const fl_activation *recurrent_activation)
{
    const unit_blocks blocks = blocks_of_units(rows, 0, units, 3 * units * units);
    gru_row_function *gru_row = gru_row_of(activation, recurrent_activation);
    float sums[TILE_ROWS * GRU_PANEL];
    memset(sums, 0, smaller(rows + 1, TILE_ROWS) * GRU_PANEL * sizeof *sums); /* what pads a panel is read too */
    for (size_t i = 0, n; i < blocks.count; i++) {
        size_t unit = block_at(&blocks, i, descending, &n);
        const float *panel = packed_recurrent + 3 * unit * units;
        if (n > FL_GROUP) {
            size_t second = n - FL_GROUP, groups = (3 * second + FL_GROUP - 1) / FL_GROUP, next = unit + FL_GROUP;
            gru_initial(sums, x + unit, recurrent_bias + unit, units, FL_GROUP);
            gru_initial(sums + GRU_PANEL, x + next, recurrent_bias + next, units, second);
            pairs_of_panels[0][groups - 1](sums, sums, h_prev, panel, units);
            gru_row(h + unit, sums, x + 2 * units + unit, h_prev + unit, FL_GROUP, activation, recurrent_activation);
            gru_row(h + next, sums + GRU_PANEL, x + 2 * units + next, h_prev + next, second, activation,
                    recurrent_activation);
            continue;
        }
        tile_function *const *tile_of = tiles[(3 * n + FL_GROUP - 1) / FL_GROUP - 1];
        for (size_t row = 0, n_rows; row < rows; row += n_rows) {
            const float *of_rows = x + row * 3 * units + unit;
            n_rows = next_rows(rows - row);
            for (size_t m = 0; m < n_rows; m++)
                gru_initial(sums + m * GRU_PANEL, of_rows + m * 3 * units, recurrent_bias + unit, units, n);
            tile_of[n_rows - 1](sums, GRU_PANEL, sums, GRU_PANEL, h_prev + row * units, units, panel, units,
                                NULL);
            for (size_t m = 0; m < n_rows; m++) {
                size_t place = (row + m) * units + unit;
                gru_row(h + place, sums + m * GRU_PANEL, of_rows + m * 3 * units + 2 * units, h_prev + place, n,
                        activation, recurrent_activation);
            }
        }
    }
}
