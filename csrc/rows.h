/* rows.h: moving rows between the caller's order of axes, (batch, timesteps, width), and the engine's inside a chunk,
 * (steps, batch, width), in which the rows of a step are dense. */
#ifndef FL_ROWS_H
#define FL_ROWS_H

#include <stddef.h>
#include <string.h>

/* out (steps, batch, width) = steps start, start + 1, … of x (batch, timesteps, width), or of x (timesteps, batch, width)
 * if time_major; counted from the last step if backwards. */
static inline void fl_gather_steps(float *out, const float *x, size_t batch, size_t timesteps, size_t width, size_t start,
                                   size_t steps, int time_major, int backwards)
{
    size_t row = time_major ? width : timesteps * width, step = time_major ? batch * width : width;
    for (size_t t = 0; t < steps; t++) {
        size_t source = backwards ? timesteps - 1 - start - t : start + t;
        for (size_t b = 0; b < batch; b++)
            memcpy(out + (t * batch + b) * width, x + b * row + source * step, width * sizeof *out);
    }
}

/* out (batch, timesteps, width)[:, start:start + steps] = x (steps, batch, width), axes swapped */
static inline void fl_scatter_steps(float *out, const float *x, size_t batch, size_t timesteps, size_t width,
                                    size_t start, size_t steps)
{
    for (size_t b = 0; b < batch; b++)
        for (size_t t = 0; t < steps; t++)
            memcpy(out + (b * timesteps + start + t) * width, x + (t * batch + b) * width, width * sizeof *out);
}

/* out (n, columns) = x[start::stride, first:first + columns] of x (timesteps, width), zeros where there are no such steps. */
static inline void fl_copy_steps(float *out, const float *x, size_t timesteps, size_t width, ptrdiff_t start,
                                 size_t stride, size_t n, size_t first, size_t columns)
{
    for (size_t i = 0; i < n; i++, out += columns) {
        ptrdiff_t t = start + (ptrdiff_t)(i * stride);
        if (t < 0 || t >= (ptrdiff_t)timesteps)
            memset(out, 0, columns * sizeof *out);
        else
            memcpy(out, x + (size_t)t * width + first, columns * sizeof *out);
    }
}

/* out (n, width) = x (timesteps, width) with every step `size` times, after `before` steps of zeros (below 0: without so
 * many), and zeros at the end; the last step comes first if backwards. */
static inline void fl_spread_steps(float *out, const float *x, size_t timesteps, size_t width, ptrdiff_t before,
                                   size_t size, int backwards, size_t n)
{
    for (size_t i = 0; i < n; i++, out += width) {
        ptrdiff_t t = (ptrdiff_t)i - before;
        if (t < 0 || t >= (ptrdiff_t)(timesteps * size)) {
            memset(out, 0, width * sizeof *out);
            continue;
        }
        size_t source = (size_t)t / size;
        memcpy(out, x + (backwards ? timesteps - 1 - source : source) * width, width * sizeof *out);
    }
}

/* out (columns, rows) = x (rows, columns), axes swapped */
static inline void fl_swap_axes(float *out, const float *x, size_t rows, size_t columns)
{
    for (size_t column = 0; column < columns; column++)
        for (size_t row = 0; row < rows; row++) *out++ = x[row * columns + column];
}

/* x (rows, columns), rows row_apart and columns column_apart from each other, as gemm_packed.h lays out matrices. */
static inline void fl_pack_matrix(float *packed, const float *x, size_t rows, size_t columns, size_t row_apart,
                                  size_t column_apart)
{
    for (size_t first = 0; first < columns; first += 64) {
        size_t width = columns - first < 64 ? columns - first : 64, padded = (width + 15) / 16 * 16;
        for (size_t row = 0; row < rows; row++, packed += padded) {
            const float *values = x + row * row_apart + first * column_apart;
            for (size_t i = 0; i < width; i++) packed[i] = values[i * column_apart];
            memset(packed + width, 0, (padded - width) * sizeof *packed);
        }
    }
}

/* The first `columns` of every row of out (rows, width) = x (rows, columns) */
static inline void fl_place_columns(float *out, const float *x, size_t rows, size_t columns, size_t width)
{
    for (size_t row = 0; row < rows; row++) memcpy(out + row * width, x + row * columns, columns * sizeof *out);
}

/* The row of a table that a float id names: truncated towards 0, a negative one counted from the end; -1 if there is none. */
static inline long fl_table_row(float id, long vocabulary)
{
    if (!(id > -(float)vocabulary - 1.0f && id < (float)vocabulary)) return -1;
    long row = (long)id;
    return row < 0 ? row + vocabulary : row;
}

/* The place of the first of n ids that names no row, or n. */
static inline size_t fl_first_bad_id(const float *ids, size_t n, long vocabulary)
{
    for (size_t i = 0; i < n; i++)
        if (fl_table_row(ids[i], vocabulary) < 0) return i;
    return n;
}

/* out (rows, columns) = part of the rows of table (vocabulary, …) that ids (rows) name; rows of out and of the table start
 * `width` apart. Ids were checked, but another thread may have changed them since: what is none reads row 0. */
static inline void fl_gather_rows(float *out, const float *table, const float *ids, size_t rows, size_t columns,
                                  size_t width, long vocabulary)
{
    for (size_t row = 0; row < rows; row++) {
        long found = fl_table_row(ids[row], vocabulary);
        memcpy(out + row * width, table + (size_t)(found < 0 ? 0 : found) * width, columns * sizeof *out);
    }
}

/* Asks for all lines of x (n) at once, which lie in another core's cache: who reads them waits for one after the other. */
static inline void fl_prefetch(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) __builtin_prefetch(x + i);
}

/* The same for lines that will be written, columns first … last - 1 of x (rows, width). */
static inline void fl_prefetch_to_write(float *x, size_t rows, size_t width, size_t first, size_t last)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = first; i < last; i += 16) __builtin_prefetch(x + row * width + i, 1);
}

/* every row of out (rows, width) = bias (width) */
static inline void fl_fill_rows(float *out, const float *bias, size_t rows, size_t width)
{
    for (size_t row = 0; row < rows; row++) memcpy(out + row * width, bias, width * sizeof *out);
}

/* After a masked step, for each row b of (batch, units): where mask[b * mask_stride], h = out = h_next; elsewhere h stays,
 * c = c_prev, and out stays or becomes 0 if zero_output. c is NULL where there is no second state. */
static inline void fl_select_rows(float *h, float *c, float *out, const float *h_next, const float *c_prev,
                                  const unsigned char *mask, size_t mask_stride, size_t batch, size_t units,
                                  int zero_output)
{
    size_t bytes = units * sizeof *h;
    for (size_t b = 0, place = 0; b < batch; b++, place += units) {
        if (mask[b * mask_stride]) {
            memcpy(h + place, h_next + place, bytes);
            memcpy(out + place, h_next + place, bytes);
            continue;
        }
        if (c) memcpy(c + place, c_prev + place, bytes);
        if (zero_output) memset(out + place, 0, bytes);
    }
}

#endif
