/* depthwise.h: the sums of windows over time, of every column alone, for the ISA whose vocabulary stands.
 *
 *   out (rows, units) = bias + sum over j of x[row * x_stride + j * apart] * kernel[j]
 *
 * Every element is one chain of fused multiply-adds over j in ascending order.
 */
static void FL_KERNEL(depthwise_forward)(float *out, const float *bias, const float *x, size_t x_stride, size_t apart,
                                         const float *kernel, size_t rows, size_t size, size_t units)
{
    for (size_t row = 0; row < rows; row++, out += units, x += x_stride)
        for (size_t i = 0; i < units; i += VEC_WIDTH) {
            const size_t left = units - i;
            vec sum = load_units(bias + i, left);
            for (size_t j = 0; j < size; j++)
                sum = vec_fma(load_units(x + j * apart + i, left), load_units(kernel + j * units + i, left), sum);
            store_units(out + i, sum, left);
        }
}
