/* merging.h: two values become one, element by element, for the ISA whose vocabulary stands.
 *
 * Steps or columns that a value has only one of are repeated: they lie 0 apart. Every element is one operation, rounded
 * once, so that its bits do not depend on the instruction set. Of NaN and a number, NaN is the greatest and the least.
 */

/* In the order of MERGES in fastlstm/engine/ops.py, from `add` on. */
enum { MERGE_ADD, MERGE_MULTIPLY, MERGE_SUBTRACT, MERGE_DIVIDE, MERGE_MAXIMUM, MERGE_MINIMUM };

INLINE float merged(float a, float b, const int kind)
{
    switch (kind) {
    case MERGE_ADD: return a + b;
    case MERGE_MULTIPLY: return a * b;
    case MERGE_SUBTRACT: return a - b;
    case MERGE_DIVIDE: return a / b;
    case MERGE_MAXIMUM: return a > b || a != a ? a : b;
    default: return a < b || a != a ? a : b;
    }
}

INLINE void merge_row(float *out, const float *a, const float *b, size_t width, const size_t a_apart, const size_t b_apart,
                      const int kind)
{
    for (size_t i = 0; i < width; i++) out[i] = merged(a[i * a_apart], b[i * b_apart], kind);
}

INLINE void merge_steps(float *out, const float *a, const float *b, size_t steps, size_t width, size_t a_step,
                        size_t a_apart, size_t b_step, size_t b_apart, const int kind)
{
    for (size_t t = 0; t < steps; t++, out += width, a += a_step, b += b_step) {
        if (a_apart && b_apart)
            merge_row(out, a, b, width, 1, 1, kind);
        else if (a_apart)
            merge_row(out, a, b, width, 1, 0, kind);
        else if (b_apart)
            merge_row(out, a, b, width, 0, 1, kind);
        else
            merge_row(out, a, b, width, 0, 0, kind);
    }
}

/* out (steps, width), which may be a or b; rows of a lie a_step apart and its columns a_apart, 0 or 1; b likewise. */
static void FL_KERNEL(merge_forward)(float *out, const float *a, const float *b, size_t steps, size_t width, size_t a_step,
                                     size_t a_apart, size_t b_step, size_t b_apart, int kind)
{
#define MERGE(of) \
    case of: merge_steps(out, a, b, steps, width, a_step, a_apart, b_step, b_apart, of); break
    switch (kind) {
        MERGE(MERGE_ADD);
        MERGE(MERGE_MULTIPLY);
        MERGE(MERGE_SUBTRACT);
        MERGE(MERGE_DIVIDE);
        MERGE(MERGE_MAXIMUM);
        MERGE(MERGE_MINIMUM);
    }
#undef MERGE
}
