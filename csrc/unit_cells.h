/* unit_cells.h: the cells of a block of units (unit_blocks.h) from the sums of its panel or panels, for the ISA whose
 * vocabulary stands; whether the sums came of floats or of integers. */

static inline size_t whole_vecs(size_t n) { return (n + VEC_WIDTH - 1) / VEC_WIDTH; }

/* Few units of several rows, brought together so that they fill whole vecs. */
static void cell_narrow_rows(cell_function *cell, float *h, float *c, const float *gates, size_t rows, size_t n,
                             size_t units, const fl_activation *activation, const fl_activation *recurrent_activation)
{
    _Alignas(64) float z[4 * TILE_ROWS * FL_GROUP + FL_GROUP], c_all[TILE_ROWS * FL_GROUP], h_all[TILE_ROWS * FL_GROUP];
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
