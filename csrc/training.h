/* training.h: what training does between the kernels: weights into the panels of gemm_packed.h and their gradients out of
 * them, once an update of the weights; masks, outputs and tables of rows.
 *
 * `order` (columns) says which column of the matrix stands where, -1 for one of zeros; columns is a multiple of FL_GROUP.
 * Rows of the matrix start a stride apart.
 */
#ifndef FL_TRAINING_H
#define FL_TRAINING_H

#include "rows.h"

enum { FL_PANEL = 64 };

static inline size_t fl_panel_width(size_t first, size_t columns)
{
    return columns - first < FL_PANEL ? columns - first : FL_PANEL;
}

/* packed (rows, columns) = matrix[:, order] */
static inline void fl_pack(float *packed, const float *matrix, size_t stride, const int *order, size_t rows,
                           size_t columns)
{
    for (size_t first = 0; first < columns; first += FL_PANEL) {
        size_t width = fl_panel_width(first, columns);
        for (size_t row = 0; row < rows; row++)
            for (size_t j = 0; j < width; j++) {
                int source = order[first + j];
                *packed++ = source < 0 ? 0.0f : matrix[row * stride + source];
            }
    }
}

/* packed (n, rows padded to groups) = matrix[:, order].T, for an order of n */
static inline void fl_pack_transposed(float *packed, const float *matrix, size_t stride, const int *order, size_t rows,
                                      size_t n)
{
    size_t columns = (rows + 15) / 16 * 16;
    for (size_t first = 0; first < columns; first += FL_PANEL) {
        size_t width = fl_panel_width(first, columns);
        for (size_t k = 0; k < n; k++) {
            int source = order[k];
            for (size_t j = 0; j < width; j++)
                *packed++ = source < 0 || first + j >= rows ? 0.0f : matrix[(first + j) * stride + source];
        }
    }
}

/* matrix[:, order] = packed (rows, columns), but for columns of zeros */
static inline void fl_unpack(float *matrix, size_t stride, const float *packed, const int *order, size_t rows,
                             size_t columns)
{
    for (size_t first = 0; first < columns; first += FL_PANEL) {
        size_t width = fl_panel_width(first, columns);
        for (size_t row = 0; row < rows; row++)
            for (size_t j = 0; j < width; j++, packed++)
                if (order[first + j] >= 0) matrix[row * stride + order[first + j]] = *packed;
    }
}

/* After a recorded step, for each row b: where mask[b * mask_stride], out = h; elsewhere h = h_prev, c = c_prev, and out =
 * out_prev, which may be out, or 0 if zero_output. All (rows, units); c is NULL where there is no second state. */
static inline void fl_record_mask(float *h, float *c, float *out, const float *h_prev, const float *c_prev,
                                  const float *out_prev, const unsigned char *mask, size_t mask_stride, size_t rows,
                                  size_t units, int zero_output)
{
    size_t bytes = units * sizeof *h;
    for (size_t b = 0, place = 0; b < rows; b++, place += units) {
        if (mask[b * mask_stride]) {
            memcpy(out + place, h + place, bytes);
            continue;
        }
        memcpy(h + place, h_prev + place, bytes);
        if (c) memcpy(c + place, c_prev + place, bytes);
        if (zero_output)
            memset(out + place, 0, bytes);
        else if (out != out_prev)
            memcpy(out + place, out_prev + place, bytes);
    }
}

/* dh (rows, units) += d_out, whose rows start d_stride apart, or nothing where it is NULL. With a mask, dh of the rows that
 * it leaves out stays: what comes by their output goes by way of d_repeated (rows, units) to the output before, or nowhere if
 * zero_output. */
static inline void fl_output_backward(float *dh, float *d_repeated, const float *d_out, size_t d_stride,
                                      const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                                      int zero_output)
{
    for (size_t b = 0; b < rows; b++, dh += units) {
        float *to = mask && !mask[b * mask_stride] ? d_repeated + b * units : dh;
        if (d_out)
            for (size_t u = 0; u < units; u++) to[u] += d_out[b * d_stride + u];
        if (!mask) continue;
        float *repeated = d_repeated + b * units;
        if (to == dh)
            for (size_t u = 0; u < units; u++) dh[u] += repeated[u];
        if (to == dh || zero_output) memset(repeated, 0, units * sizeof *repeated);
    }
}

/* Some columns of the rows of d_table (vocabulary, width) that valid ids (rows) name += those of d_out, row by row. */
static inline void fl_add_table_rows(float *d_table, const float *ids, const float *d_out, size_t rows, size_t columns,
                                     size_t width, size_t d_stride, long vocabulary)
{
    for (size_t row = 0; row < rows; row++) {
        float *to = d_table + (size_t)fl_table_row(ids[row], vocabulary) * width;
        for (size_t u = 0; u < columns; u++) to[u] += d_out[row * d_stride + u];
    }
}

#endif
