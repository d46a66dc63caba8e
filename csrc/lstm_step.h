/* lstm_step.h: one LSTM step over packed weights, for the ISA whose vocabulary stands.
 *
 *   z += h_prev @ recurrent_kernel      then the cell update of lstm_cell.h
 *
 * z and packed_recurrent have the columns of gemm_packed.h: a panel's sums are the i, f, c, o of its 16 units (the last
 * panel: of the units that are left), so they go into the cell update straight from the tile, still in the L1 cache.
 * unit_blocks.h says in which order, and when one row takes two panels at once.
 */

static inline size_t whole_vecs(size_t n) { return (n + VEC_WIDTH - 1) / VEC_WIDTH; }

/* Few units of several rows, brought together so that they fill whole vecs. */
static void cell_narrow_rows(cell_function *cell, float *h, float *c, const float *gates, size_t rows, size_t n,
                             size_t units, const fl_activation *activation, const fl_activation *recurrent_activation)
{
    float z[4 * TILE_ROWS * FL_GROUP + FL_GROUP], c_all[TILE_ROWS * FL_GROUP], h_all[TILE_ROWS * FL_GROUP];
    for (size_t gate = 0; gate < 4; gate++)
        for (size_t m = 0; m < rows; m++)
            for (size_t u = 0; u < n; u += VEC_WIDTH) /* what it writes past n is overwritten by the next */
                vec_store(z + (gate * rows + m) * n + u, vec_load(gates + m * PANEL + gate * n + u));
    for (size_t m = 0; m < rows; m++) memcpy(c_all + m * n, c + m * units, n * sizeof *c);
    cell(h_all, c_all, z, 1, rows * n, 0, 0, activation, recurrent_activation);
    for (size_t m = 0; m < rows; m++) {
        memcpy(c + m * units, c_all + m * n, n * sizeof *c);
        memcpy(h + m * units, h_all + m * n, n * sizeof *h);
    }
}

/* The cells of the units of two panels of one row, from its sums: FL_GROUP of the first, `second` of the other. */
static inline void cells_of_two_panels(cell_function *cell, float *h, float *c, float *sums, size_t second,
                                       const fl_activation *activation, const fl_activation *recurrent_activation)
{
    if (second == FL_GROUP) {
        cell(h, c, sums, 2, FL_GROUP, FL_GROUP, PANEL, activation, recurrent_activation);
        return;
    }
    cell(h, c, sums, 1, FL_GROUP, 0, 0, activation, recurrent_activation);
    cell(h + FL_GROUP, c + FL_GROUP, sums + PANEL, 1, second, 0, 0, activation, recurrent_activation);
}

/* The cells of n units of a tile of rows, from its sums: row by row, or together where that takes fewer vecs. */
static inline void cells_of_rows(cell_function *cell, float *h, float *c, float *sums, size_t rows, size_t n, size_t units,
                                 const fl_activation *activation, const fl_activation *recurrent_activation)
{
    if (whole_vecs(rows * n) + 2 <= rows * whole_vecs(n))
        cell_narrow_rows(cell, h, c, sums, rows, n, units, activation, recurrent_activation);
    else
        cell(h, c, sums, rows, n, units, PANEL, activation, recurrent_activation);
}

static void FL_KERNEL(lstm_step_forward)(float *h, float *c, const float *z, const float *h_prev,
                                         const float *packed_recurrent, size_t rows, size_t units, size_t first,
                                         size_t last, int descending,
                                         const fl_activation *activation, const fl_activation *recurrent_activation)
{
    const size_t z_width = (4 * units + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
    const size_t features = h_prev ? units : 0; /* of a product with zeros nothing is left */
    const unit_blocks blocks = blocks_of_units(rows, first, last, units * z_width);
    cell_function *cell = cell_of(activation, recurrent_activation);
    float sums[TILE_ROWS * PANEL + FL_GROUP];
    for (size_t i = 0, n; i < blocks.count; i++) {
        size_t unit = block_at(&blocks, i, descending, &n);
        const float *panel = packed_recurrent + 4 * unit * units;
        if (n > FL_GROUP) {
            size_t second = n - FL_GROUP, groups = (4 * second + FL_GROUP - 1) / FL_GROUP;
            pairs_of_panels[1][groups - 1](sums, z + 4 * unit, h_prev, panel, features);
            cells_of_two_panels(cell, h + unit, c + unit, sums, second, activation, recurrent_activation);
            continue;
        }
        tile_function *const *tile_of = tiles[(4 * n + FL_GROUP - 1) / FL_GROUP - 1];
        for (size_t row = 0, n_rows; row < rows; row += n_rows) {
            size_t place = row * units + unit;
            n_rows = next_rows(rows - row);
            tile_of[n_rows - 1](sums, PANEL, z + row * z_width + 4 * unit, z_width, h_prev ? h_prev + row * units : NULL,
                                units, panel, features);
            cells_of_rows(cell, h + place, c + place, sums, n_rows, n, units, activation, recurrent_activation);
        }
    }
}
