/* gru_cell.h: one GRU step after its products, for the ISA whose vocabulary stands. Gate blocks z, r, h as in Keras.
 *
 *   z, r = ract(x_zr + h_zr)        h = z h_prev + (1 - z) act(candidate)
 *   candidate = x_h + r h_h                 with reset_after:  h_h = h_prev @ recurrent_kernel_h + recurrent_bias_h
 *   candidate = x_h + (r h_prev) @ recurrent_kernel_h          without
 *
 * x_* is a row of x @ kernel + bias (3*units), h_* what the previous h gives.
 */

/* gates (2*units) = z, r from their pre-activations h_zr, which it holds */
static void gru_gates_row(float *gates, const float *x, size_t units, const fl_activation *recurrent_activation)
{
    for (size_t u = 0; u < 2 * units; u++) gates[u] += x[u];
    FL_KERNEL(activation_forward)(gates, gates, 2, units, recurrent_activation);
}

/* h from the gates and the candidate's pre-activation, which is overwritten */
static void gru_output_row(float *h, const float *gates, float *candidate, const float *h_prev, size_t units,
                           const fl_activation *activation)
{
    FL_KERNEL(activation_forward)(candidate, candidate, 1, units, activation);
    for (size_t u = 0; u < units; u++) h[u] = gates[u] * h_prev[u] + (1.0f - gates[u]) * candidate[u];
}

static void FL_KERNEL(gru_cell_forward)(float *h, const float *x, float *products, const float *h_prev, size_t rows,
                                        size_t units, const fl_activation *activation,
                                        const fl_activation *recurrent_activation)
{
    for (size_t row = 0; row < rows; row++, h += units, x += 3 * units, products += 3 * units, h_prev += units) {
        float *r = products + units, *candidate = products + 2 * units;
        gru_gates_row(products, x, units, recurrent_activation);
        for (size_t u = 0; u < units; u++) candidate[u] = x[2 * units + u] + r[u] * candidate[u];
        gru_output_row(h, products, candidate, h_prev, units, activation);
    }
}

static void FL_KERNEL(gru_reset_forward)(float *reset, float *gates, const float *x, const float *h_prev, size_t rows,
                                         size_t units, const fl_activation *recurrent_activation)
{
    for (size_t row = 0; row < rows; row++, reset += units, gates += 2 * units, x += 3 * units, h_prev += units) {
        gru_gates_row(gates, x, units, recurrent_activation);
        for (size_t u = 0; u < units; u++) reset[u] = gates[units + u] * h_prev[u];
    }
}

static void FL_KERNEL(gru_candidate_forward)(float *h, const float *gates, float *candidate, const float *x,
                                             const float *h_prev, size_t rows, size_t units,
                                             const fl_activation *activation)
{
    for (size_t row = 0; row < rows;
         row++, h += units, gates += 2 * units, candidate += units, x += 3 * units, h_prev += units) {
        for (size_t u = 0; u < units; u++) candidate[u] += x[2 * units + u];
        gru_output_row(h, gates, candidate, h_prev, units, activation);
    }
}
