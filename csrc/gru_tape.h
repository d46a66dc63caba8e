/* gru_tape.h: a GRU's step after its products, recorded for its gradient, and that gradient, for the ISA whose vocabulary
 * stands. gru_cell.h has the equations.
 *
 * A row of gates has four blocks of `units`, in this order, so that the gradients by x @ kernel are the first three, and
 * with reset_after those by h_prev @ recurrent_kernel the last three:
 *
 *   before the step    x_h              x_z     x_r     -
 *   recorded           candidate's z    z_z     z_r     with reset_after h_h, the product that r scales; else r h_prev
 *   gradients          of the same      dz_z    dz_r    with reset_after that of h_h; else still r h_prev
 *
 * scratch is (3*units).
 */

/* Records the gates; products (rows, 3*units with reset_after, else 2*units) = h_z, h_r, h_h, whose rows are
 * products_stride apart. Without reset_after the candidate's product is missing after it. */
static void FL_KERNEL(gru_tape_gates_forward)(float *gates, const float *products, size_t products_stride,
                                              const float *h_prev, size_t rows, size_t units, size_t stride,
                                              int reset_after, const fl_activation *recurrent_activation, float *scratch)
{
    for (size_t row = 0; row < rows; row++, gates += stride, products += products_stride, h_prev += units) {
        float *z_r = gates + 2 * units, *last = gates + 3 * units, *r = scratch;
        for (size_t u = 0; u < 2 * units; u++) gates[units + u] += products[u];
        FL_KERNEL(activation_forward)(r, z_r, 1, units, recurrent_activation);
        if (reset_after) {
            memcpy(last, products + 2 * units, units * sizeof *last);
            for (size_t u = 0; u < units; u++) gates[u] += r[u] * last[u];
        } else {
            for (size_t u = 0; u < units; u++) last[u] = r[u] * h_prev[u];
        }
    }
}

/* h (rows, units) = z h_prev + (1 - z) candidate */
static void FL_KERNEL(gru_tape_output_forward)(float *h, const float *gates, const float *h_prev, size_t rows, size_t units,
                                               size_t stride, const fl_activation *activation,
                                               const fl_activation *recurrent_activation, float *scratch)
{
    float *z = scratch, *candidate = scratch + units;
    for (size_t row = 0; row < rows; row++, h += units, gates += stride, h_prev += units) {
        FL_KERNEL(activation_forward)(z, gates + units, 1, units, recurrent_activation);
        FL_KERNEL(activation_forward)(candidate, gates, 1, units, activation);
        for (size_t u = 0; u < units; u++) h[u] = z[u] * h_prev[u] + (1.0f - z[u]) * candidate[u];
    }
}

/* dz_h and dz_z, with reset_after dz_r and the gradient of h_h too, in place of what was recorded; dh becomes what of it
 * reaches h_prev past the products. Rows whose mask is not set give zeros, and their dh stays. */
static void FL_KERNEL(gru_tape_output_backward)(float *gates, float *dh, const float *h_prev, const unsigned char *mask,
                                                size_t mask_stride, size_t rows, size_t units, size_t stride,
                                                int reset_after, const fl_activation *activation,
                                                const fl_activation *recurrent_activation, float *scratch)
{
    float *z = scratch, *candidate = scratch + units, *dy = scratch + 2 * units;
    for (size_t row = 0; row < rows; row++, gates += stride, dh += units, h_prev += units) {
        float *z_z = gates + units, *z_r = gates + 2 * units, *last = gates + 3 * units;
        if (mask && !mask[row * mask_stride]) {
            memset(gates, 0, stride * sizeof *gates);
            continue;
        }
        FL_KERNEL(activation_forward)(z, z_z, 1, units, recurrent_activation);
        FL_KERNEL(activation_forward)(candidate, gates, 1, units, activation);
        for (size_t u = 0; u < units; u++) dy[u] = dh[u] * (h_prev[u] - candidate[u]);
        FL_KERNEL(activation_backward)(z_z, dy, z_z, 1, units, recurrent_activation);
        for (size_t u = 0; u < units; u++) dy[u] = dh[u] * (1.0f - z[u]);
        FL_KERNEL(activation_backward)(gates, dy, gates, 1, units, activation);
        for (size_t u = 0; u < units; u++) dh[u] *= z[u];
        if (reset_after) {
            float *r = scratch;
            FL_KERNEL(activation_forward)(r, z_r, 1, units, recurrent_activation);
            for (size_t u = 0; u < units; u++) {
                dy[u] = gates[u] * last[u];
                last[u] = gates[u] * r[u];
            }
            FL_KERNEL(activation_backward)(z_r, dy, z_r, 1, units, recurrent_activation);
        }
    }
}

/* Without reset_after: dz_r in place of z_r, and what of d_reset (rows, units) = dz_h @ recurrent_kernel_h.T reaches h_prev,
 * added to dh. Rows whose mask is not set are left alone. */
static void FL_KERNEL(gru_tape_reset_backward)(float *gates, float *dh, const float *d_reset, const float *h_prev,
                                               const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                                               size_t stride, const fl_activation *recurrent_activation, float *scratch)
{
    float *r = scratch, *dy = scratch + units;
    for (size_t row = 0; row < rows; row++, gates += stride, dh += units, d_reset += units, h_prev += units) {
        float *z_r = gates + 2 * units;
        if (mask && !mask[row * mask_stride]) continue;
        FL_KERNEL(activation_forward)(r, z_r, 1, units, recurrent_activation);
        for (size_t u = 0; u < units; u++) {
            dy[u] = d_reset[u] * h_prev[u];
            dh[u] += d_reset[u] * r[u];
        }
        FL_KERNEL(activation_backward)(z_r, dy, z_r, 1, units, recurrent_activation);
    }
}
