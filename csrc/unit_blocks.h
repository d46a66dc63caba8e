/* unit_blocks.h: in which blocks a recurrent step takes its units, for the ISA whose vocabulary stands.
 *
 * A block is one panel, the gates of FL_GROUP units. One row alone takes two panels at once where its sums, or after them
 * its cells, would else wait for each other rather than for the weights: where all of these stay in the L1 cache, and at
 * the end, where a narrow panel has few sums.
 *
 * A step that is `descending` takes the blocks from the last to the first. Where the weights are larger than a cache that
 * drops what was used longest ago, every second step then finds those that the step before read last.
 */

enum {
    L1_FLOATS = 1 << 13, /* 32 KB */
    NARROW = FL_GROUP / 2
};

typedef struct {
    size_t first, last, units, count;
} unit_blocks;

/* The blocks of the units first … last - 1, whose step reads `weights` floats, or waits for no more than so many. */
static inline unit_blocks blocks_of_units(size_t rows, size_t first, size_t last, size_t weights)
{
    size_t panels = (last - first + FL_GROUP - 1) / FL_GROUP, at_end = last - first - (panels - 1) * FL_GROUP;
    if (rows == 1 && weights <= L1_FLOATS) return (unit_blocks){first, last, 2 * FL_GROUP, (panels + 1) / 2};
    return (unit_blocks){first, last, FL_GROUP, panels - (rows == 1 && panels > 1 && at_end <= NARROW)};
}

/* The first unit of the i-th block that is taken, and how many it has. */
static inline size_t block_at(const unit_blocks *blocks, size_t i, int descending, size_t *n)
{
    size_t place = descending ? blocks->count - 1 - i : i, unit = blocks->first + place * blocks->units;
    *n = place == blocks->count - 1 ? blocks->last - unit : blocks->units;
    return unit;
}
