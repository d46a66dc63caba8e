/* gemm_windows.h: the product of packed weights with windows that lie beside each other, for the ISA whose vocabulary stands.
 *
 *   out (rows, columns) = bias + windows (rows, pieces * features) @ packed (pieces * features, columns)
 *
 * A window is read where it lies: it is `pieces` runs of `features` values, each at an offset from the window's first value,
 * and the next window begins x_stride further, the next line of windows line_stride. The sums are those of gemm_packed.h over the windows copied into rows.
 */

typedef void window_tile_function(float *out, size_t out_stride, const float *bias, const float *x, size_t x_stride,
                                  const size_t *offsets, size_t pieces, const float *panel, size_t features);

#define WINDOW_TILE(rows, groups)                                                                                   \
    static void window_tile_##rows##_##groups(float *out, size_t out_stride, const float *bias, const float *x,     \
                                              size_t x_stride, const size_t *offsets, size_t pieces,                \
                                              const float *panel, size_t features)                                  \
    {                                                                                                               \
        tile_of_pieces(out, out_stride, bias, 0, x, x_stride, offsets, pieces, panel, features, NULL, 0, rows,      \
                       groups);                                                                                      \
    }
#define WINDOW_TILES(groups)                                                                                        \
    WINDOW_TILE(1, groups) WINDOW_TILE(2, groups) WINDOW_TILE(3, groups)                                            \
    WINDOW_TILE(4, groups) WINDOW_TILE(5, groups) WINDOW_TILE(6, groups)
#define WINDOW_TILES_OF(groups)                                                                                     \
    {window_tile_1_##groups, window_tile_2_##groups, window_tile_3_##groups,                                        \
     window_tile_4_##groups, window_tile_5_##groups, window_tile_6_##groups}
WINDOW_TILES(1) WINDOW_TILES(2) WINDOW_TILES(3) WINDOW_TILES(4)

/* [groups - 1][rows - 1] */
static window_tile_function *const window_tiles[4][TILE_ROWS] = {
    WINDOW_TILES_OF(1), WINDOW_TILES_OF(2), WINDOW_TILES_OF(3), WINDOW_TILES_OF(4)};

/* The sums of one panel, a block of a piece after the other. */
static void blocks_of_panel(float *out, size_t out_stride, const float *bias, const float *x, size_t x_stride,
                            size_t line_stride, const size_t *offsets, size_t pieces, const float *panel, size_t lines,
                            size_t rows, size_t features, size_t width, size_t weights)
{
    const size_t padded = (width + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
    for (size_t piece = 0; piece < pieces; piece++)
        for (size_t k = 0, n; k < features; k += n, panel += n * padded) {
            const int first = piece == 0 && k == 0;
            n = part_of_rows(features - k, BLOCK);
            for (size_t line = 0; line < lines; line++) {
                float *to = out + line * rows * out_stride;
                rows_of_panel(to, out_stride, first ? bias : to, first ? 0 : out_stride,
                              x + line * line_stride + offsets[piece] + k, x_stride, panel,
                              line == 0 ? panel + n * padded : NULL, rows, n, width, weights);
            }
        }
}

/* Those of one line, and a panel that is not long. */
static void windows_of_panel(float *out, size_t out_stride, const float *bias, const float *x, size_t x_stride,
                             const size_t *offsets, size_t pieces, const float *panel, size_t rows, size_t features,
                             size_t width)
{
    const size_t groups = (width + FL_GROUP - 1) / FL_GROUP;
    const int whole = width == groups * FL_GROUP;
    float padded[TILE_ROWS * PANEL], of_bias[PANEL];
    for (size_t j = 0; j < groups * FL_GROUP && !whole; j += VEC_WIDTH)
        vec_store(of_bias + j, load_first(bias + j, left_of(width, j)));
    for (size_t row = 0, n; row < rows; row += n) {
        float *to = out + row * out_stride;
        n = next_rows(rows - row);
        window_tiles[groups - 1][n - 1](whole ? to : padded, whole ? out_stride : PANEL, whole ? bias : of_bias,
                                        x + row * x_stride, x_stride, offsets, pieces, panel, features);
        for (size_t m = 0; m < n && !whole; m++)
            for (size_t j = 0; j < width; j += VEC_WIDTH)
                store_units(to + m * out_stride + j, vec_load(padded + m * PANEL + j), left_of(width, j));
    }
}

static void FL_KERNEL(gemm_windows_forward)(float *out, const float *bias, const float *x, size_t x_stride,
                                            size_t line_stride, const size_t *offsets, size_t pieces,
                                            const float *packed, size_t lines, size_t rows, size_t features,
                                            size_t columns)
{
    const int is_long = lines * rows > TILE_ROWS && pieces * features > LONG;
    for (size_t first = 0, width; first < columns; first += width) {
        const float *panel = packed + first * pieces * features;
        width = smaller(PANEL, columns - first);
        if (is_long) {
            blocks_of_panel(out + first, columns, bias + first, x, x_stride, line_stride, offsets, pieces, panel, lines,
                            rows, features, width, pieces * features * columns);
            continue;
        }
        for (size_t line = 0; line < lines; line++)
            windows_of_panel(out + line * rows * columns + first, columns, bias + first, x + line * line_stride, x_stride,
                             offsets, pieces, panel, rows, features, width);
    }
}
