/* lstm_step.h: one LSTM step over packed weights, for the ISA whose vocabulary stands.
 *
 *   z += h_prev @ recurrent_kernel      then the cell update of lstm_cell.h
 *
 * z and packed_recurrent have the columns of gemm_packed.h: a panel's sums are the i, f, c, o of its 16 units (the last
 * panel: of the units that are left), so they go into the cell update straight from the tile, still in the L1 cache.
 * unit_blocks.h says in which order, and when one row takes two panels at once.
 */

static void FL_KERNEL(lstm_step_forward)(float *h, float *c, const float *z, const float *h_prev,
                                         const float *packed_recurrent, size_t rows, size_t units, size_t first,
                                         size_t last, int descending,
                                         const fl_activation *activation, const fl_activation *recurrent_activation)
{
    const size_t z_width = (4 * units + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
    const size_t features = h_prev ? units : 0; /* of a product with zeros nothing is left */
    const unit_blocks blocks = blocks_of_units(rows, first, last, features * z_width);
    cell_function *cell = cell_of(activation, recurrent_activation);
    _Alignas(64) float sums[TILE_ROWS * PANEL + FL_GROUP];
    for (size_t i = 0, n, n_beside; i < blocks.count; i++) {
        size_t unit = block_at(&blocks, i, descending, &n);
        const float *panel = packed_recurrent + 4 * unit * units;
        if (n > FL_GROUP) {
            size_t second = n - FL_GROUP, groups = (4 * second + FL_GROUP - 1) / FL_GROUP;
            pairs_of_panels[1][groups - 1](sums, z + 4 * unit, h_prev, panel, features);
            cells_of_two_panels(cell, h + unit, c + unit, sums, second, activation, recurrent_activation);
            continue;
        }
        tile_function *const *tile_of = tiles[(4 * n + FL_GROUP - 1) / FL_GROUP - 1];
        const size_t beside = i + 1 < blocks.count ? block_at(&blocks, i + 1, descending, &n_beside) : unit;
        const float *next = packed_recurrent + 4 * beside * units;
        for (size_t row = 0, n_rows, t = 0; row < rows; row += n_rows, t++) {
            size_t place = row * units + unit;
            n_rows = next_rows(rows - row);
            tile_of[n_rows - 1](sums, PANEL, z + row * z_width + 4 * unit, z_width, h_prev ? h_prev + row * units : NULL,
                                units, panel, features, lines_of_next(next, features, t, units * z_width));
            cells_of_rows(cell, h + place, c + place, sums, n_rows, n, units, activation, recurrent_activation);
        }
    }
}

/* The cells alone, of sums that other products left. */
static void FL_KERNEL(lstm_cell_forward)(float *h, float *c, float *z, size_t rows, size_t units,
                                         const fl_activation *activation, const fl_activation *recurrent_activation)
{
    cell_of(activation, recurrent_activation)(h, c, z, rows, units, units, 4 * units, activation, recurrent_activation);
}
