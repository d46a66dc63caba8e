/* lstm_step.h: one LSTM step over packed weights, for the ISA whose vocabulary stands.
 *
 *   z += h_prev @ recurrent_kernel      then the cell update of lstm_cell.h
 *
 * z and packed_recurrent have the columns of gemm_packed.h: a panel's sums are the i, f, c, o of its 16 units (the last
 * panel: of the units that are left), so they go into the cell update straight from the tile, still in the L1 cache.
 *
 * A step that is `descending` takes the panels from the last to the first. Where the weights are larger than a cache that
 * drops what was used longest ago, every second step then finds those that the step before read last.
 */

static void FL_KERNEL(lstm_step_forward)(float *h, float *c, const float *z, const float *h_prev,
                                         const float *packed_recurrent, size_t rows, size_t units, size_t first,
                                         size_t last, int descending,
                                         const fl_activation *activation, const fl_activation *recurrent_activation)
{
    const size_t z_width = (4 * units + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
    const int fused = activation->kind == FL_TANH && recurrent_activation->kind == FL_SIGMOID;
    float sums[TILE_ROWS * 4 * FL_GROUP];
    const size_t panels = (last - first + FL_GROUP - 1) / FL_GROUP;
    for (size_t i = 0; i < panels; i++) {
        size_t unit = first + (descending ? panels - 1 - i : i) * FL_GROUP;
        size_t n = smaller(FL_GROUP, last - unit), groups = (4 * n + FL_GROUP - 1) / FL_GROUP;
        for (size_t row = 0; row < rows; row += TILE_ROWS) {
            size_t n_rows = smaller(TILE_ROWS, rows - row);
            tiles[groups - 1][n_rows - 1](sums, 4 * FL_GROUP, z + row * z_width + 4 * unit, z_width,
                                          h_prev + row * units, units, packed_recurrent + 4 * unit * units, units);
            for (size_t m = 0; m < n_rows; m++) {
                size_t place = (row + m) * units + unit;
                float *gates = sums + m * 4 * FL_GROUP;
                if (fused)
                    cell_row_tanh_sigmoid(h + place, c + place, gates, n);
                else
                    cell_row(h + place, c + place, gates, n, activation, recurrent_activation);
            }
        }
    }
}
