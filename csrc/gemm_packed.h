/* gemm_packed.h: products with weights that were laid out once, for the ISA whose vocabulary stands.
 *
 * The layout of packed_* (made by fastlstm/engine/packing.py, the same for every ISA). The columns of a matrix (features,
 * columns) are put in the order that suits the kernel, padded with zeros to a multiple of FL_GROUP = 16, and cut into
 * panels of 4 groups, the last of 1 to 4. A panel holds, for k = 0, 1, … features - 1, its values of row k one after the
 * other, so that a product reads memory straight on. Example, the gates of an LSTM with 50 units:
 *
 *   panel 0   units  0…15   row k: i0…i15 f0…f15 c0…c15 o0…o15                        64 values
 *   panel 1   units 16…31   the same
 *   panel 2   units 32…47   the same
 *   panel 3   units 48, 49  row k: i48 i49 f48 f49 c48 c49 o48 o49 0 0 0 0 0 0 0 0    16 values
 *
 * One panel's sums are all that its units need for their cell update, and 50 units read 208 values a row, not 256. (The
 * recurrent weights of gru_step.h, of three gates, have panels of 3 groups.)
 *
 * Every sum is one chain of fused multiply-adds over k in ascending order, whatever the tile: the same bits for any number
 * of rows, any chunk of time and any ISA.
 */

/* The sums of `vecs` vecs of `groups` groups that follow each other in a panel `wide` groups wide, of `rows` rows. */
INLINE void sums_of_tile(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                         size_t x_stride, const size_t *offsets, size_t pieces, const float *panel, size_t features,
                         const void *ahead, const int asks, const int rows, const int wide, const int groups,
                         const int vecs)
{
    const int per_row = groups * vecs;
    vec sums[TILE_SUMS], weights[TILE_SUMS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int j = 0; j < per_row; j++)
            sums[m * per_row + j] = vec_load(initial + m * initial_stride + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH);
    for (size_t piece = 0; piece < pieces; piece++) {
        const float *values = offsets ? x + offsets[piece] : x;
        for (size_t k = 0; k < features; k++, panel += wide * FL_GROUP) {
            UNROLL for (int j = 0; j < per_row; j++) {
                weights[j] = vec_load(panel + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH);
                if (keeps_weights(rows, per_row)) weights[j] = vec_kept(weights[j]);
            }
            if (asks) ask_ahead(ahead, k);
            if (reads_ahead(rows))
                UNROLL for (int j = 0; j < wide; j++) __builtin_prefetch(panel + AHEAD + j * FL_GROUP);
            UNROLL for (int m = 0; m < rows; m++) {
                vec a = vec_set(values[m * x_stride + k]);
                UNROLL for (int j = 0; j < per_row; j++)
                    sums[m * per_row + j] = vec_fma(a, weights[j], sums[m * per_row + j]);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int j = 0; j < per_row; j++)
            vec_store(out + m * out_stride + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH, sums[m * per_row + j]);
}

/* out (rows, groups * FL_GROUP) = initial + x @ panel, where a row of x is `pieces` times `features` values, each piece at an
 * offset from the row; without offsets it is one piece. `rows` and `groups` are constants wherever this is inlined, so that
 * the sums stay in registers. Of wide groups all vecs are taken at once, so that every line of the panel is read once; of
 * groups as many as fit. */
INLINE void tile_of_pieces(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                           size_t x_stride, const size_t *offsets, size_t pieces, const float *panel, size_t features,
                           const void *ahead, const int asks, const int rows, const int groups)
{
    const int fit = TILE_SUMS / rows;
    const int vecs = GROUP_VECS <= fit ? GROUP_VECS : 2;
    const int at_once = fit >= vecs * groups ? groups : groups % 2 == 0 && fit >= 2 * vecs ? 2 : 1;
    for (int group = 0; group < groups; group += at_once)
        for (int v = 0; v < GROUP_VECS; v += vecs) {
            const int place = group * FL_GROUP + v * VEC_WIDTH;
            sums_of_tile(out + place, out_stride, initial + place, initial_stride, x, x_stride, offsets, pieces,
                         panel + place, features, ahead, asks, rows, groups, at_once, vecs);
        }
}

/* The same of one piece. */
INLINE void tile(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                 size_t x_stride, const float *panel, size_t features, const void *ahead, const int rows, const int groups)
{
    if (rows >= MANY_ROWS && ahead)
        tile_of_pieces(out, out_stride, initial, initial_stride, x, x_stride, NULL, 1, panel, features, ahead, 1, rows,
                       groups);
    else
        tile_of_pieces(out, out_stride, initial, initial_stride, x, x_stride, NULL, 1, panel, features, NULL, 0, rows,
                       groups);
}

typedef void tile_function(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                           size_t x_stride, const float *panel, size_t features, const void *ahead);

#define TILE(rows, groups)                                                                                      \
    static void tile_##rows##_##groups(float *out, size_t out_stride, const float *initial, size_t initial_stride, \
                                       const float *x, size_t x_stride, const float *panel, size_t features,    \
                                       const void *ahead)                                                      \
    {                                                                                                           \
        tile(out, out_stride, initial, initial_stride, x, x_stride, panel, features, ahead, rows, groups);      \
    }
#define TILES(groups) TILE(1, groups) TILE(2, groups) TILE(3, groups) TILE(4, groups) TILE(5, groups) TILE(6, groups)
#define TILES_OF(groups) {tile_1_##groups, tile_2_##groups, tile_3_##groups, tile_4_##groups, tile_5_##groups, tile_6_##groups}
TILES(1) TILES(2) TILES(3) TILES(4)

/* [groups - 1][rows - 1] */
static tile_function *const tiles[4][TILE_ROWS] = {TILES_OF(1), TILES_OF(2), TILES_OF(3), TILES_OF(4)};

/* out ((wide + groups) * FL_GROUP) = initial + x (features) @ two panels that follow each other, the first of `wide`
 * groups. Where a group is one vec, the sums of one row and panel would wait for each other; those of two panels do not. */
INLINE void two_panels(float *out, const float *initial, const float *x, const float *panel, size_t features,
                       const int wide, const int groups)
{
    const float *second = panel + wide * FL_GROUP * features;
    if (GROUP_VECS > 1) {
        tile(out, 0, initial, 0, x, 0, panel, features, NULL, 1, wide);
        tile(out + wide * FL_GROUP, 0, initial + wide * FL_GROUP, 0, x, 0, second, features, NULL, 1, groups);
        return;
    }
    vec sums[8];
    UNROLL for (int j = 0; j < wide + groups; j++) sums[j] = vec_load(initial + j * FL_GROUP);
    for (size_t k = 0; k < features; k++, panel += wide * FL_GROUP, second += groups * FL_GROUP) {
        vec a = vec_set(x[k]);
        UNROLL for (int j = 0; j < wide; j++) sums[j] = vec_fma(a, vec_load(panel + j * FL_GROUP), sums[j]);
        UNROLL for (int j = 0; j < groups; j++)
            sums[wide + j] = vec_fma(a, vec_load(second + j * FL_GROUP), sums[wide + j]);
    }
    UNROLL for (int j = 0; j < wide + groups; j++) vec_store(out + j * FL_GROUP, sums[j]);
}

typedef void two_panels_function(float *out, const float *initial, const float *x, const float *panel, size_t features);

#define TWO_PANELS(wide, groups)                                                                                  \
    static void two_panels_##wide##_##groups(float *out, const float *initial, const float *x, const float *panel, \
                                             size_t features)                                                     \
    {                                                                                                             \
        two_panels(out, initial, x, panel, features, wide, groups);                                               \
    }
TWO_PANELS(3, 1) TWO_PANELS(3, 2) TWO_PANELS(3, 3) TWO_PANELS(4, 1) TWO_PANELS(4, 2) TWO_PANELS(4, 3) TWO_PANELS(4, 4)

/* [groups of the first panel - 3][groups of the second - 1] */
static two_panels_function *const pairs_of_panels[2][4] = {
    {two_panels_3_1, two_panels_3_2, two_panels_3_3},
    {two_panels_4_1, two_panels_4_2, two_panels_4_3, two_panels_4_4},
};

/* The first `columns` of the last panel, whose tile is wider than what is left of `out`. */
static void last_panel(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                       size_t x_stride, const float *panel, size_t features, const void *ahead, size_t columns,
                       tile_function *sums, size_t rows)
{
    float first[TILE_ROWS * PANEL], padded[TILE_ROWS * PANEL];
    const size_t wide = (columns + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
    for (size_t m = 0; m < (initial_stride ? rows : 1); m++)
        for (size_t j = 0; j < wide; j += VEC_WIDTH)
            vec_store(first + m * PANEL + j, load_first(initial + m * initial_stride + j, left_of(columns, j)));
    sums(padded, PANEL, first, initial_stride ? PANEL : 0, x, x_stride, panel, features, ahead);
    for (size_t m = 0; m < rows; m++)
        for (size_t j = 0; j < columns; j += VEC_WIDTH)
            store_units(out + m * out_stride + j, vec_load(padded + m * PANEL + j), left_of(columns, j));
}

/* out (rows, width) = initial + x (rows, features) @ one panel; `next` of the same matrix of `weights` is read after it. */
static void rows_of_panel(float *out, size_t out_stride, const float *initial, size_t initial_stride, const float *x,
                          size_t x_stride, const float *panel, const float *next, size_t rows, size_t features,
                          size_t width, size_t weights)
{
    const size_t groups = (width + FL_GROUP - 1) / FL_GROUP;
    for (size_t row = 0, n, i = 0; row < rows; row += n, i++) {
        const void *ahead = lines_of_next(next, features, i, weights);
        n = next_rows(rows - row);
        tile_function *sums = tiles[groups - 1][n - 1];
        float *to = out + row * out_stride;
        const float *from = initial + row * initial_stride, *rows_of_x = x + row * x_stride;
        if (width == groups * FL_GROUP)
            sums(to, out_stride, from, initial_stride, rows_of_x, x_stride, panel, features, ahead);
        else
            last_panel(to, out_stride, from, initial_stride, rows_of_x, x_stride, panel, features, NULL, width, sums, n);
    }
}

static void FL_KERNEL(gemm_packed_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                           const float *x, size_t x_stride, const float *packed, size_t rows,
                                           size_t features, size_t columns)
{
    for (size_t k = 0, n; k < features; k += n, initial = out, initial_stride = out_stride) {
        n = next_block(features - k, rows, features);
        for (size_t first = 0, width; first < columns; first += width) {
            width = smaller(PANEL, columns - first);
            const size_t second = smaller(PANEL, columns - first - width);
            const size_t padded = (width + FL_GROUP - 1) / FL_GROUP * FL_GROUP;
            const float *panel = packed + first * features + k * padded;
            if (rows == 1 && second > 0 && second % FL_GROUP == 0) {
                pairs_of_panels[1][second / FL_GROUP - 1](out + first, initial + first, x, panel, features);
                width += second;
                continue;
            }
            rows_of_panel(out + first, out_stride, initial + first, initial_stride, x + k, x_stride, panel,
                          panel + padded * features, rows, n, width, features * columns);
        }
    }
}
