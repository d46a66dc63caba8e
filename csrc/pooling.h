/* pooling.h: the steps of a window become one: the greatest value of every column, or the mean.
 *
 * Values are taken in the order of the steps, whatever the instruction set. NaN is greater than every number.
 */

enum { POOL_MEAN, POOL_GREATEST, POOL_SUM };

/* out (units) = the mean, the greatest or the sum of x (steps, units), of the steps alone whose mask is set, if there is
 * one. */
static void FL_KERNEL(pool_forward)(float *out, const float *x, const unsigned char *mask, size_t steps, size_t units,
                                    int kind)
{
    size_t count = 0;
    for (size_t t = 0; t < steps; t++, x += units) {
        if (mask && !mask[t]) continue;
        if (count++ == 0)
            memcpy(out, x, units * sizeof *out);
        else if (kind == POOL_GREATEST)
            for (size_t i = 0; i < units; i++) out[i] = x[i] > out[i] || x[i] != x[i] ? x[i] : out[i];
        else
            for (size_t i = 0; i < units; i++) out[i] += x[i];
    }
    if (count == 0) memset(out, 0, units * sizeof *out);
    if (kind == POOL_MEAN)
        for (size_t i = 0; i < units; i++) out[i] /= (float)count;
}
