/* gemm_packed_backward.h: the gradient of packed weights, for the ISA whose vocabulary stands.
 *
 *   dpacked (features, columns) += x (rows, features).T @ dz (rows, columns)
 *
 * dpacked has the layout of gemm_packed.h. A sum begins at 0 with the first of the rows, is one chain of fused
 * multiply-adds over them in ascending order, and is then added to dpacked: how the rows are cut into calls decides about
 * the bits, the tile and the number of threads that share the features do not.
 */

/* Features of a tile: 4 sums of each and 4 values of dz have to fit the registers. */
#if VEC_REGISTERS >= 32
#define TILE_FEATURES 6
#else
#define TILE_FEATURES 3
#endif

/* `features` and `groups` are constants wherever this is inlined, as in tile(). */
INLINE void tile_backward(float *dpanel, const float *x, size_t x_stride, const float *dz, size_t dz_stride, size_t rows,
                          const int features, const int groups)
{
    for (int v = 0; v < GROUP_VECS; v++) {
        vec sums[24], d[4];
        const float *x_row = x, *dz_row = dz + v * VEC_WIDTH;
        float *out = dpanel + v * VEC_WIDTH;
        UNROLL for (int i = 0; i < features * groups; i++) sums[i] = vec_set(0.0f);
        for (size_t k = 0; k < rows; k++, x_row += x_stride, dz_row += dz_stride) {
            UNROLL for (int j = 0; j < groups; j++) d[j] = vec_load(dz_row + j * FL_GROUP);
            UNROLL for (int m = 0; m < features; m++) {
                vec a = vec_set(x_row[m]);
                UNROLL for (int j = 0; j < groups; j++) sums[m * groups + j] = vec_fma(a, d[j], sums[m * groups + j]);
            }
        }
        UNROLL for (int m = 0; m < features; m++)
            UNROLL for (int j = 0; j < groups; j++) {
                float *place = out + (m * groups + j) * FL_GROUP;
                vec_store(place, vec_add(vec_load(place), sums[m * groups + j]));
            }
    }
}

typedef void tile_backward_function(float *dpanel, const float *x, size_t x_stride, const float *dz, size_t dz_stride,
                                    size_t rows);

#define TILE_BACKWARD(features, groups)                                                                             \
    static void tile_backward_##features##_##groups(float *dpanel, const float *x, size_t x_stride, const float *dz, \
                                                    size_t dz_stride, size_t rows)                                  \
    {                                                                                                               \
        tile_backward(dpanel, x, x_stride, dz, dz_stride, rows, features, groups);                                  \
    }
#define NAMED(features, groups) tile_backward_##features##_##groups
#if TILE_FEATURES == 6
#define TILES_BACKWARD(groups)                                                                                      \
    TILE_BACKWARD(1, groups) TILE_BACKWARD(2, groups) TILE_BACKWARD(3, groups) TILE_BACKWARD(4, groups)             \
    TILE_BACKWARD(5, groups) TILE_BACKWARD(6, groups)
#define TILES_BACKWARD_OF(groups)                                                                                   \
    {NAMED(1, groups), NAMED(2, groups), NAMED(3, groups), NAMED(4, groups), NAMED(5, groups), NAMED(6, groups)}
#else
#define TILES_BACKWARD(groups) TILE_BACKWARD(1, groups) TILE_BACKWARD(2, groups) TILE_BACKWARD(3, groups)
#define TILES_BACKWARD_OF(groups) {NAMED(1, groups), NAMED(2, groups), NAMED(3, groups)}
#endif
TILES_BACKWARD(1) TILES_BACKWARD(2) TILES_BACKWARD(3) TILES_BACKWARD(4)

/* [groups - 1][features - 1] */
static tile_backward_function *const tiles_backward[4][TILE_FEATURES] = {
    TILES_BACKWARD_OF(1), TILES_BACKWARD_OF(2), TILES_BACKWARD_OF(3), TILES_BACKWARD_OF(4)};

static void FL_KERNEL(gemm_packed_backward)(float *dpacked, const float *x, size_t x_stride, const float *dz,
                                            size_t dz_stride, size_t rows, size_t features, size_t columns, size_t first,
                                            size_t last)
{
    for (size_t column = 0, width; column < columns; column += width) {
        width = smaller(PANEL, columns - column);
        for (size_t feature = first, n; feature < last; feature += n) {
            n = part_of_rows(last - feature, TILE_FEATURES);
            tiles_backward[width / FL_GROUP - 1][n - 1](dpacked + column * features + feature * width, x + feature,
                                                        x_stride, dz + column, dz_stride, rows);
        }
    }
}
