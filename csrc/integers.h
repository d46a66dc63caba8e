/* integers.h: products of integers, for the ISA whose vocabulary stands.
 *
 * A column of weights is `scales[column]` times integers of 16 or 8 bits, made once (fastlstm/engine/integers.py). A row
 * of x is quantized when it is read: `row_scale` times integers of at most `limit`, where row_scale = max |x| / limit. So
 *
 *   x @ w = float(sum of integers) * row_scale * scales[column]
 *
 * No sum overflows: a column's scale is chosen so that the sum of its |integers|, times `limit`, is below 2^31. Those of
 * int16 are emptied into floats after every SUM_VALUES values, so that many features leave enough bits. Integer sums have
 * no order, and what follows them is three operations in a fixed one, hence the same bits for any number of rows, any
 * chunk of time and any ISA. A row that holds NaN or an infinity gives NaN.
 *
 * The layout is that of gemm_packed.h with words in place of floats. A word holds 2 or 4 values of one column, of
 * k = 0, 1(, 2, 3), the next word those that follow; the last is filled with zeros. Rows of x are words too, filled up to
 * FL_GROUP values. Where ints_dot8 takes unsigned values they lie DOT8_OFFSET higher, and sums start at
 * offsets[column] = -DOT8_OFFSET * sum of the column's integers.
 */
#include <float.h>
#include <stdint.h>

/* As SUM_VALUES of fastlstm/engine/integers.py. */
enum { SUM_VALUES = 256, SUM_WORDS = SUM_VALUES / 2 };

/* Below it a row counts as this large: limit / max |x| stays finite. */
#define LEAST_LARGEST 0x1p-100f

static inline size_t values_padded(size_t features) { return (features + FL_GROUP - 1) / FL_GROUP * FL_GROUP; }
static inline size_t words_of(const fl_integers *matrix) { return (matrix->features * matrix->bits + 31) / 32; }
static inline size_t row_words(const fl_integers *matrix) { return values_padded(matrix->features) * matrix->bits / 32; }

static inline float largest_of(const float *x, size_t n)
{
    vec largest = vec_set(0.0f);
    size_t u = 0;
    for (; u + VEC_WIDTH <= n; u += VEC_WIDTH) largest = vec_larger(largest, vec_abs(vec_load(x + u)));
    if (u < n) largest = vec_larger(largest, vec_abs(vec_load_part(x + u, n - u)));
    return vec_largest(largest);
}

/* q = the integers nearest to x * inverse, filled up with zeros */
INLINE void quantize_row(char *q, const float *x, size_t features, float inverse, const int bits)
{
    const vec factor = vec_set(inverse);
    for (size_t u = 0; u < values_padded(features); u += VEC_WIDTH) {
        vec values = u + VEC_WIDTH <= features ? vec_load(x + u) : load_first(x + u, left_of(features, u));
        values = vec_mul(values, factor);
        if (bits == 16)
            vec_store_int16(q + 2 * u, values);
        else
            vec_store_int8(q + u, values);
    }
}

static void FL_KERNEL(quantize_rows)(int32_t *q, float *row_scales, const float *x, size_t rows, const fl_integers *matrix)
{
    const size_t features = matrix->features, stride = row_words(matrix);
    for (size_t row = 0; row < rows; row++, q += stride, x += features) {
        float largest = largest_of(x, features);
        if (!(largest <= FLT_MAX)) {
            memset(q, 0, stride * sizeof *q);
            row_scales[row] = NAN;
            continue;
        }
        if (largest < LEAST_LARGEST) largest = LEAST_LARGEST;
        row_scales[row] = largest / matrix->limit;
        if (matrix->bits == 16)
            quantize_row((char *)q, x, features, matrix->limit / largest, 16);
        else
            quantize_row((char *)q, x, features, matrix->limit / largest, 8);
    }
}

/* Rows of x for a tile. (Tiles take these by reference: by value they were put together from pieces, and read before the
 * stores of those had come to an end.) */
typedef struct {
    const int32_t *words;
    size_t stride;
    const float *scales;
} integer_rows;

/* Weights for a tile; without offsets sums start at 0. */
typedef struct {
    const int32_t *words;
    const float *scales;
    const int32_t *offsets;
    size_t count;      /* words of a column */
    const void *ahead; /* see lines_of_next */
} integer_panel;

/* The panel of a matrix that begins with a column, which is a multiple of PANEL. */
static inline integer_panel integer_panel_at(const fl_integers *matrix, size_t column)
{
    const size_t words = words_of(matrix);
    const int offset = DOT8_OFFSET && matrix->bits == 8;
    return (integer_panel){(const int32_t *)matrix->packed + column * words, matrix->scales + column,
                           offset ? matrix->offsets + column : NULL, words, NULL};
}

static inline integer_rows integer_rows_at(const integer_rows *rows, size_t row)
{
    return (integer_rows){rows->words + row * rows->stride, rows->stride, rows->scales + row};
}

INLINE ints ints_dot(ints sums, ints a, ints b, const int bits)
{
    return bits == 16 ? ints_dot16(sums, a, b) : ints_dot8(sums, a, b);
}

INLINE ints first_sums(const integer_panel *panel, size_t place)
{
    return panel->offsets ? ints_load(panel->offsets + place) : ints_set(0);
}

INLINE vec scaled_sums(ints sums, vec row_scale, const float *scales, const float *initial)
{
    return vec_fma(vec_mul(vec_of_ints(sums), row_scale), vec_load(scales), vec_load(initial));
}

/* out = initial + x @ panel, of `vecs` vecs of `groups` groups that follow each other in a panel `wide` groups wide. */
INLINE void integer_sums(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                         const integer_rows *x, const integer_panel *panel, const size_t place, const int asks,
                         const int rows, const int wide, const int groups, const int vecs, const int bits)
{
    const int per_row = groups * vecs;
    const int32_t *words = panel->words + place, *row_words = x->words;
    const size_t count = panel->count, stride = x->stride;
    ints sums[TILE_SUMS], weights[TILE_SUMS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int j = 0; j < per_row; j++)
            sums[m * per_row + j] = first_sums(panel, place + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH);
    for (size_t k = 0; k < count; k++, words += wide * FL_GROUP) {
        UNROLL for (int j = 0; j < per_row; j++) {
            weights[j] = ints_load(words + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH);
            if (keeps_weights(rows, per_row)) weights[j] = ints_kept(weights[j]);
        }
        if (asks) ask_ahead(panel->ahead, k);
        if (reads_ahead(rows)) UNROLL for (int j = 0; j < wide; j++) __builtin_prefetch(words + AHEAD + j * FL_GROUP);
        UNROLL for (int m = 0; m < rows; m++) {
            const ints a = ints_set(row_words[m * stride + k]);
            UNROLL for (int j = 0; j < per_row; j++)
                sums[m * per_row + j] = ints_dot(sums[m * per_row + j], a, weights[j], bits);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) {
        const vec row_scale = vec_set(x->scales[m]);
        UNROLL for (int j = 0; j < per_row; j++) {
            const size_t at = place + j / vecs * FL_GROUP + j % vecs * VEC_WIDTH;
            vec_store(out + m * out_stride + at, scaled_sums(sums[m * per_row + j], row_scale, panel->scales + at,
                                                             initial + m * initial_stride + at));
        }
    }
}

/* out (rows, groups * FL_GROUP) = initial + x @ panel; constants and cuts as in tile_of_pieces. */
INLINE void integer_tile(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                         const integer_rows *x, const integer_panel *panel, const int rows, const int groups,
                         const int bits)
{
    const int fit = TILE_SUMS / rows;
    const int vecs = GROUP_VECS <= fit ? GROUP_VECS : 2;
    const int at_once = fit >= vecs * groups ? groups : groups % 2 == 0 && fit >= 2 * vecs ? 2 : 1;
    for (int group = 0; group < groups; group += at_once)
        for (int v = 0; v < GROUP_VECS; v += vecs)
            if (rows >= MANY_ROWS && panel->ahead)
                integer_sums(out, out_stride, initial, initial_stride, x, panel, group * FL_GROUP + v * VEC_WIDTH, 1, rows,
                             groups, at_once, vecs, bits);
            else
                integer_sums(out, out_stride, initial, initial_stride, x, panel, group * FL_GROUP + v * VEC_WIDTH, 0, rows,
                             groups, at_once, vecs, bits);
}

typedef void integer_tile_function(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                   const integer_rows *x, const integer_panel *panel);

/* A tile of more words than are added up at once: of some of them after the other. */
static void tile_in_parts(integer_tile_function *tile, float *out, size_t out_stride, const float *initial,
                          size_t initial_stride, const integer_rows *x, const integer_panel *panel, size_t groups)
{
    integer_rows rows = *x;
    integer_panel part = *panel;
    for (size_t k = 0; k < panel->count; k += SUM_WORDS) {
        part.count = smaller(panel->count - k, SUM_WORDS);
        tile(out, out_stride, initial, initial_stride, &rows, &part);
        rows.words += SUM_WORDS;
        part.words += SUM_WORDS * groups * FL_GROUP;
        if (part.ahead) part.ahead = (const float *)part.ahead + SUM_WORDS * LINE_FLOATS;
        initial = out;
        initial_stride = out_stride;
    }
}

#define INTEGER_TILE(bits, rows, groups)                                                                             \
    static void integer_tile_##bits##_##rows##_##groups(float *out, size_t out_stride, const float *initial,        \
                                                        size_t initial_stride, const integer_rows *x,                \
                                                        const integer_panel *panel)                                  \
    {                                                                                                                \
        if (bits == 16 && panel->count > SUM_WORDS)                                                                  \
            tile_in_parts(integer_tile_##bits##_##rows##_##groups, out, out_stride, initial, initial_stride, x,     \
                          panel, groups);                                                                            \
        else                                                                                                         \
            integer_tile(out, out_stride, initial, initial_stride, x, panel, rows, groups, bits);                    \
    }
#define INTEGER_TILES(bits, groups)                                                                              \
    INTEGER_TILE(bits, 1, groups) INTEGER_TILE(bits, 2, groups) INTEGER_TILE(bits, 3, groups)                   \
    INTEGER_TILE(bits, 4, groups) INTEGER_TILE(bits, 5, groups) INTEGER_TILE(bits, 6, groups)
#define INTEGER_TILES_OF(bits, groups)                                                                   \
    {integer_tile_##bits##_1_##groups, integer_tile_##bits##_2_##groups, integer_tile_##bits##_3_##groups, \
     integer_tile_##bits##_4_##groups, integer_tile_##bits##_5_##groups, integer_tile_##bits##_6_##groups}
INTEGER_TILES(16, 1) INTEGER_TILES(16, 2) INTEGER_TILES(16, 3) INTEGER_TILES(16, 4)
INTEGER_TILES(8, 1) INTEGER_TILES(8, 2) INTEGER_TILES(8, 3) INTEGER_TILES(8, 4)

/* [bits == 8][groups - 1][rows - 1] */
static integer_tile_function *const integer_tiles[2][4][TILE_ROWS] = {
    {INTEGER_TILES_OF(16, 1), INTEGER_TILES_OF(16, 2), INTEGER_TILES_OF(16, 3), INTEGER_TILES_OF(16, 4)},
    {INTEGER_TILES_OF(8, 1), INTEGER_TILES_OF(8, 2), INTEGER_TILES_OF(8, 3), INTEGER_TILES_OF(8, 4)},
};

/* z (4 + groups) = initial + x @ two panels that follow each other, the first of 4 groups, where a group is one vec. */
INLINE void sums_of_pair(vec *z, const float *initial, const integer_rows *x, const integer_panel *panel,
                         const integer_panel *second, const int groups, const int bits)
{
    ints sums[8];
    const int32_t *words = panel->words, *second_words = second->words, *row_words = x->words;
    const size_t count = panel->count;
    UNROLL for (int j = 0; j < 4 + groups; j++) sums[j] = first_sums(panel, (size_t)j * FL_GROUP);
    for (size_t k = 0; k < count; k++, words += PANEL, second_words += groups * FL_GROUP) {
        const ints a = ints_set(row_words[k]);
        UNROLL for (int j = 0; j < 4; j++) sums[j] = ints_dot(sums[j], a, ints_load(words + j * FL_GROUP), bits);
        UNROLL for (int j = 0; j < groups; j++)
            sums[4 + j] = ints_dot(sums[4 + j], a, ints_load(second_words + j * FL_GROUP), bits);
    }
    const vec row_scale = vec_set(x->scales[0]);
    UNROLL for (int j = 0; j < 4 + groups; j++)
        z[j] = scaled_sums(sums[j], row_scale, panel->scales + j * FL_GROUP, initial + j * FL_GROUP);
}

/* out ((4 + groups) * FL_GROUP) = the same; as two_panels. */
INLINE void integer_pair(float *out, const float *initial, const integer_rows *x, const integer_panel *panel,
                         const integer_panel *second, const int groups, const int bits)
{
    if (GROUP_VECS > 1) {
        integer_tile(out, 0, initial, 0, x, panel, 1, 4, bits);
        integer_tile(out + PANEL, 0, initial + PANEL, 0, x, second, 1, groups, bits);
        return;
    }
    vec z[8];
    sums_of_pair(z, initial, x, panel, second, groups, bits);
    UNROLL for (int j = 0; j < 4 + groups; j++) vec_store(out + j * FL_GROUP, z[j]);
}

typedef void integer_pair_function(float *out, const float *initial, const integer_rows *x, const integer_panel *panel,
                                   const integer_panel *second);

/* As tile_in_parts. */
static void pair_in_parts(integer_pair_function *pair, float *out, const float *initial, const integer_rows *x,
                          const integer_panel *panel, const integer_panel *second, size_t groups)
{
    integer_rows row = *x;
    integer_panel part = *panel, second_part = *second;
    for (size_t k = 0; k < panel->count; k += SUM_WORDS) {
        part.count = second_part.count = smaller(panel->count - k, SUM_WORDS);
        pair(out, initial, &row, &part, &second_part);
        row.words += SUM_WORDS;
        part.words += SUM_WORDS * PANEL;
        second_part.words += SUM_WORDS * groups * FL_GROUP;
        initial = out;
    }
}

#define INTEGER_PAIR(bits, groups)                                                                              \
    static void integer_pair_##bits##_##groups(float *out, const float *initial, const integer_rows *x,         \
                                               const integer_panel *panel, const integer_panel *second)         \
    {                                                                                                           \
        if (bits == 16 && panel->count > SUM_WORDS)                                                             \
            pair_in_parts(integer_pair_##bits##_##groups, out, initial, x, panel, second, groups);              \
        else                                                                                                    \
            integer_pair(out, initial, x, panel, second, groups, bits);                                         \
    }
INTEGER_PAIR(16, 1) INTEGER_PAIR(16, 2) INTEGER_PAIR(16, 3) INTEGER_PAIR(16, 4)
INTEGER_PAIR(8, 1) INTEGER_PAIR(8, 2) INTEGER_PAIR(8, 3) INTEGER_PAIR(8, 4)

/* [bits == 8][groups of the second panel - 1] */
static integer_pair_function *const integer_pairs[2][4] = {
    {integer_pair_16_1, integer_pair_16_2, integer_pair_16_3, integer_pair_16_4},
    {integer_pair_8_1, integer_pair_8_2, integer_pair_8_3, integer_pair_8_4},
};

/* The first `columns` of the last panel, whose tile is wider than what is left of `out`. */
static void last_integer_panel(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                               const integer_rows *x, const integer_panel *panel, size_t columns,
                               integer_tile_function *sums, size_t rows)
{
    float first[TILE_ROWS * PANEL], padded[TILE_ROWS * PANEL];
    const size_t wide = values_padded(columns);
    for (size_t m = 0; m < (initial_stride ? rows : 1); m++)
        for (size_t j = 0; j < wide; j += VEC_WIDTH)
            vec_store(first + m * PANEL + j, load_first(initial + m * initial_stride + j, left_of(columns, j)));
    sums(padded, PANEL, first, initial_stride ? PANEL : 0, x, panel);
    for (size_t m = 0; m < rows; m++)
        for (size_t j = 0; j < columns; j += VEC_WIDTH)
            store_units(out + m * out_stride + j, vec_load(padded + m * PANEL + j), left_of(columns, j));
}

static void FL_KERNEL(gemm_integers_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                             const int32_t *q, const float *row_scales, const fl_integers *matrix,
                                             size_t rows, size_t first, size_t columns)
{
    const int narrow = matrix->bits == 8;
    const integer_rows x = {q, row_words(matrix), row_scales};
    size_t width;
    for (size_t column = 0; column < columns; column += width) {
        integer_panel panel = integer_panel_at(matrix, first + column);
        width = smaller(PANEL, columns - column);
        const size_t second = smaller(PANEL, columns - column - width);
        if (rows == 1 && second > 0 && second % FL_GROUP == 0) {
            const integer_panel next = integer_panel_at(matrix, first + column + PANEL);
            integer_pairs[narrow][second / FL_GROUP - 1](out + column, initial + column, &x, &panel, &next);
            width += second;
            continue;
        }
        const size_t groups = (width + FL_GROUP - 1) / FL_GROUP;
        for (size_t row = 0, n, i = 0; row < rows; row += n, i++) {
            n = next_rows(rows - row);
            panel.ahead = lines_of_next(panel.words + width * panel.count, panel.count, i, columns * panel.count);
            const integer_rows of_tile = integer_rows_at(&x, row);
            integer_tile_function *sums = integer_tiles[narrow][groups - 1][n - 1];
            float *to = out + row * out_stride + column;
            const float *from = initial + row * initial_stride + column;
            if (width == groups * FL_GROUP)
                sums(to, out_stride, from, initial_stride, &of_tile, &panel);
            else
                last_integer_panel(to, out_stride, from, initial_stride, &of_tile, &panel, width, sums, n);
        }
    }
}
