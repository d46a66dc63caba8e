/* lstm_step_integers.h: one LSTM step over integer weights, for the ISA whose vocabulary stands: lstm_step.h with the
 * products of integers.h. */

/* A panel; of no words where h is all zeros. */
static inline integer_panel step_panel_at(const fl_integers *matrix, size_t column, const int32_t *q)
{
    const integer_panel panel = integer_panel_at(matrix, column);
    return q ? panel : (integer_panel){panel.words, panel.scales, NULL, 0, NULL};
}

/* The units of two whole panels of one row, tanh and sigmoid, where a group is one vec: all stays in registers. */
INLINE void integer_pair_step(float *h, float *c, const float *z, const integer_rows *q, const integer_panel *panel,
                              const integer_panel *second, const int bits)
{
    vec gates[8], output[2], state[2] = {vec_load(c), vec_load(c + FL_GROUP)};
    sums_of_pair(gates, z, q, panel, second, 4, bits);
    cell_tanh_sigmoid(output, state, (const vec (*)[4])gates, 2, 1);
    UNROLL for (int v = 0; v < 2; v++) {
        vec_store(c + v * FL_GROUP, state[v]);
        vec_store(h + v * FL_GROUP, output[v]);
    }
}

static void integer_pair_step_16(float *h, float *c, const float *z, const integer_rows *q, const integer_panel *panel,
                                 const integer_panel *second)
{
    integer_pair_step(h, c, z, q, panel, second, 16);
}

static void integer_pair_step_8(float *h, float *c, const float *z, const integer_rows *q, const integer_panel *panel,
                                const integer_panel *second)
{
    integer_pair_step(h, c, z, q, panel, second, 8);
}

static void FL_KERNEL(lstm_step_integers_forward)(float *h, float *c, const float *z, const int32_t *q,
                                                  const float *row_scales, const fl_integers *matrix, size_t rows,
                                                  size_t first, size_t last, int descending,
                                                  const fl_activation *activation,
                                                  const fl_activation *recurrent_activation)
{
    static const float no_scales[TILE_ROWS];
    const size_t units = matrix->features, z_width = values_padded(4 * units);
    const integer_rows all = {q, q ? row_words(matrix) : 0, q ? row_scales : no_scales};
    /* In pairs at any size where a group is one vec: the cells of one panel alone take longer than its integers. */
    const unit_blocks blocks = blocks_of_units(rows, first, last, q && GROUP_VECS > 1 ? words_of(matrix) * z_width : 0);
    const int narrow = matrix->bits == 8;
    cell_function *cell = cell_of_integers(activation, recurrent_activation);
    _Alignas(64) float sums[TILE_ROWS * PANEL + FL_GROUP];
    for (size_t i = 0, n, n_beside; i < blocks.count; i++) {
        const size_t unit = block_at(&blocks, i, descending, &n);
        integer_panel panel = step_panel_at(matrix, 4 * unit, q);
        if (n > FL_GROUP) {
            const size_t second = n - FL_GROUP, groups = (4 * second + FL_GROUP - 1) / FL_GROUP;
            const integer_panel next = step_panel_at(matrix, 4 * unit + PANEL, q);
            if (GROUP_VECS == 1 && second == FL_GROUP && cell == brief_cell && (narrow || panel.count <= SUM_WORDS)) {
                (narrow ? integer_pair_step_8 : integer_pair_step_16)(h + unit, c + unit, z + 4 * unit, &all, &panel, &next);
                continue;
            }
            integer_pairs[narrow][groups - 1](sums, z + 4 * unit, &all, &panel, &next);
            cells_of_two_panels(cell, h + unit, c + unit, sums, second, activation, recurrent_activation);
            continue;
        }
        integer_tile_function *const *tile_of = integer_tiles[narrow][(4 * n + FL_GROUP - 1) / FL_GROUP - 1];
        const size_t beside = i + 1 < blocks.count ? block_at(&blocks, i + 1, descending, &n_beside) : unit;
        const int32_t *next_words = integer_panel_at(matrix, 4 * beside).words;
        for (size_t row = 0, n_rows, t = 0; row < rows; row += n_rows, t++) {
            const size_t place = row * units + unit;
            n_rows = next_rows(rows - row);
            panel.ahead = lines_of_next(next_words, panel.count, t, words_of(matrix) * z_width);
            const integer_rows of_tile = q ? integer_rows_at(&all, row) : all;
            tile_of[n_rows - 1](sums, PANEL, z + row * z_width + 4 * unit, z_width, &of_tile, &panel);
            cells_of_rows(cell, h + place, c + place, sums, n_rows, n, units, activation, recurrent_activation);
        }
    }
}
