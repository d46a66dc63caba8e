/* panels.h: what all that reads panels (gemm_packed.h says what they are) shares, for the ISA whose vocabulary stands: their
 * sizes, and rows and columns a tile or a panel at a time. */

#define GROUP_VECS (FL_GROUP / VEC_WIDTH)
#define PANEL (4 * FL_GROUP)
#define TILE_ROWS 6
/* Sums of a tile at once: they and a few weights have to fit the registers. */
#if VEC_REGISTERS >= 32
#define TILE_SUMS 24
#else
#define TILE_SUMS 12
#endif

/* What a tile of MANY_ROWS rows asks the L2 cache for meanwhile, a line with every k: a quarter of the next panel, of a
 * matrix that lies beyond that cache. NULL: nothing. */
enum { MANY_ROWS = 4, FAR_FLOATS = 1 << 18, LINE_FLOATS = 16 };

/* That of the i-th tile of a panel of `count` k; a word of integers counts as a float. */
static inline const void *lines_of_next(const void *next, size_t count, size_t i, size_t weights)
{
    return weights > FAR_FLOATS && i < PANEL / LINE_FLOATS ? (const float *)next + i * count * LINE_FLOATS : NULL;
}
INLINE void ask_ahead(const void *lines, size_t k) { __builtin_prefetch((const float *)lines + k * LINE_FLOATS, 0, 2); }

/* Two or three rows wait for weights beyond the L1 cache between their products: they are asked for this many floats ahead.
 * One row has nothing else to do, and more have enough (`python -m bench sweep`). */
#define AHEAD 512
INLINE int reads_ahead(const int rows) { return rows == 2 || rows == 3; }

/* Whether there are registers for a few weights beside so many sums of every one of `rows` rows. Else, and for one row, the
 * weights are read where they are multiplied; GCC reads those of two and three rows once a row, if it is not told to keep
 * them, and then a tile of three takes longer than one of four. */
INLINE int keeps_weights(const int rows, const int per_row)
{
    return rows > 1 && rows * per_row + per_row < VEC_REGISTERS;
}

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Rows of the next tile of at most `most` where `left` are left: all tiles of about one size. */
static inline size_t part_of_rows(size_t left, size_t most)
{
    size_t n_tiles = (left + most - 1) / most;
    return (left + n_tiles - 1) / n_tiles;
}

/* Rows of more than a tile take a long matrix in blocks of about so many k: a block's part of a panel stays in the L1 cache
 * from tile to tile, and its part of the rows in the L2 cache from panel to panel. The sums wait in `out` meanwhile. */
enum { BLOCK = 128, LONG = 2 * BLOCK };

static inline size_t next_block(size_t left, size_t rows, size_t all)
{
    return rows > TILE_ROWS && all > LONG ? part_of_rows(left, BLOCK) : left;
}

static inline size_t next_rows(size_t left) { return part_of_rows(left, TILE_ROWS); }

static inline size_t left_of(size_t columns, size_t j) { return columns > j ? columns - j : 0; }

/* load_units, where n may be 0 */
static inline vec load_first(const float *p, size_t n) { return n > 0 ? load_units(p, n) : vec_set(0.0f); }
