/* sizes.h: sizes that meet malloc or an index. A product or sum that does not fit is SIZE_MAX, and remains so in what is
 * computed from it: one comparison at the end, before anything is written, tells. */
#ifndef FL_SIZES_H
#define FL_SIZES_H

#include <stddef.h>
#include <stdint.h>

static inline size_t fl_times(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t fl_plus(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

#endif
