"""csrc/fastlstm.h, csrc/rows.h and csrc/training.h as Cython sees them."""

from libc.stdint cimport int32_t

cdef extern from "fastlstm.h":
    enum:
        FL_GROUP

    ctypedef struct fl_activation:
        int kind
        float parameters[3]
        void (*callback)(void *context, float *out, const float *x, size_t rows, size_t units) noexcept nogil
        void *context

    ctypedef struct fl_integers:
        const void *packed
        const float *scales
        const int32_t *offsets
        size_t features
        float limit
        int bits

    ctypedef struct fl_integer_kernels:
        void (*quantize_rows)(int32_t *q, float *row_scales, const float *x, size_t rows,
                              const fl_integers *matrix) noexcept nogil
        void (*gemm_integers_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                      const int32_t *q, const float *row_scales, const fl_integers *matrix,
                                      size_t rows, size_t first, size_t columns) noexcept nogil
        void (*lstm_step_integers_forward)(float *h, float *c, const float *z, const int32_t *q,
                                           const float *row_scales, const fl_integers *matrix, size_t rows,
                                           size_t first, size_t last, bint descending,
                                           const fl_activation *activation,
                                           const fl_activation *recurrent_activation) noexcept nogil

    ctypedef struct fl_kernels:
        void (*gemm_packed_forward)(float *out, size_t out_stride, const float *initial, size_t initial_stride,
                                    const float *x, size_t x_stride, const float *packed, size_t rows,
                                    size_t features, size_t columns) noexcept nogil
        void (*gemm_windows_forward)(float *out, const float *bias, const float *x, size_t x_stride, size_t line_stride,
                                     const size_t *offsets, size_t pieces, const float *packed, size_t lines,
                                     size_t rows, size_t features, size_t columns) noexcept nogil
        void (*depthwise_forward)(float *out, const float *bias, const float *x, size_t x_stride, size_t apart,
                                  const float *kernel, size_t rows, size_t size, size_t units) noexcept nogil
        void (*lstm_step_forward)(float *h, float *c, const float *z, const float *h_prev,
                                  const float *packed_recurrent, size_t rows, size_t units, size_t first, size_t last,
                                  bint descending, const fl_activation *activation,
                                  const fl_activation *recurrent_activation) noexcept nogil
        void (*gru_step_forward)(float *h, const float *x, const float *recurrent_bias, const float *h_prev,
                                 const float *packed_recurrent, size_t rows, size_t units, bint descending,
                                 const fl_activation *activation,
                                 const fl_activation *recurrent_activation) noexcept nogil
        void (*activation_forward)(float *out, const float *x, size_t rows, size_t units,
                                   const fl_activation *activation) noexcept nogil
        void (*lstm_cell_forward)(float *h, float *c, float *z, size_t rows, size_t units,
                                  const fl_activation *activation,
                                  const fl_activation *recurrent_activation) noexcept nogil
        void (*gru_cell_forward)(float *h, const float *x, float *products, const float *h_prev, size_t rows,
                                 size_t units, const fl_activation *activation,
                                 const fl_activation *recurrent_activation) noexcept nogil
        void (*gru_reset_forward)(float *reset, float *gates, const float *x, const float *h_prev, size_t rows,
                                  size_t units, const fl_activation *recurrent_activation) noexcept nogil
        void (*gru_candidate_forward)(float *h, const float *gates, float *candidate, const float *x,
                                      const float *h_prev, size_t rows, size_t units,
                                      const fl_activation *activation) noexcept nogil
        void (*affine_forward)(float *out, const float *x, const float *center, const float *scale,
                               const float *shift, size_t rows, size_t units) noexcept nogil
        void (*layer_norm_forward)(float *out, const float *x, const float *gamma, const float *beta, float epsilon,
                                   bint root_mean, size_t rows, size_t units) noexcept nogil
        void (*pool_forward)(float *out, const float *x, const unsigned char *mask, size_t steps, size_t units,
                             int kind) noexcept nogil
        void (*merge_forward)(float *out, const float *a, const float *b, size_t steps, size_t width, size_t a_step,
                              size_t a_apart, size_t b_step, size_t b_apart, int kind) noexcept nogil
        void (*gemm_packed_backward)(float *dpacked, const float *x, size_t x_stride, const float *dz, size_t dz_stride,
                                     size_t rows, size_t features, size_t columns, size_t first,
                                     size_t last) noexcept nogil
        void (*activation_backward)(float *dx, const float *dy, const float *x, size_t rows, size_t units,
                                    const fl_activation *activation) noexcept nogil
        void (*lstm_tape_forward)(float *h, float *c, float *gates, const float *c_prev, size_t rows, size_t units,
                                  size_t stride, size_t block, const fl_activation *activation,
                                  const fl_activation *recurrent_activation, float *scratch) noexcept nogil
        void (*lstm_tape_backward)(float *gates, float *dh, float *dc, const float *h, const float *c,
                                   const float *c_prev, const unsigned char *mask, size_t mask_stride, size_t rows,
                                   size_t units, size_t stride, size_t block, const fl_activation *activation,
                                   const fl_activation *recurrent_activation, float *scratch) noexcept nogil
        void (*gru_tape_gates_forward)(float *gates, const float *products, size_t products_stride,
                                       const float *h_prev, size_t rows, size_t units, size_t stride, bint reset_after,
                                       const fl_activation *recurrent_activation, float *scratch) noexcept nogil
        void (*gru_tape_output_forward)(float *h, const float *gates, const float *h_prev, size_t rows, size_t units,
                                        size_t stride, const fl_activation *activation,
                                        const fl_activation *recurrent_activation, float *scratch) noexcept nogil
        void (*gru_tape_output_backward)(float *gates, float *dh, const float *h_prev, const unsigned char *mask,
                                         size_t mask_stride, size_t rows, size_t units, size_t stride,
                                         bint reset_after, const fl_activation *activation,
                                         const fl_activation *recurrent_activation, float *scratch) noexcept nogil
        void (*gru_tape_reset_backward)(float *gates, float *dh, const float *d_reset, const float *h_prev,
                                        const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                                        size_t stride, const fl_activation *recurrent_activation,
                                        float *scratch) noexcept nogil
        void (*adam_step)(float *value, float *m, float *v, float *largest, const float *gradient, size_t n,
                          float part_m, float part_v, float alpha, float epsilon) noexcept nogil

    const fl_kernels *fl_kernels_find(const char *isa) noexcept nogil
    const fl_integer_kernels *fl_integer_kernels_find(const char *isa) noexcept nogil
    const char *fl_kernels_name(int i) noexcept nogil

    ctypedef struct fl_blas:
        void (*gemm_accumulate)(float *out, const float *a, const float *b, int rows, int units,
                                int features) noexcept nogil

cdef extern from "rows.h":
    void fl_gather_steps(float *out, const float *x, size_t batch, size_t timesteps, size_t width, size_t start,
                         size_t steps, bint time_major, bint backwards) noexcept nogil
    void fl_scatter_steps(float *out, const float *x, size_t batch, size_t timesteps, size_t width, size_t start,
                          size_t steps) noexcept nogil
    void fl_copy_steps(float *out, const float *x, size_t timesteps, size_t width, Py_ssize_t start, size_t stride,
                       size_t n, size_t first, size_t columns) noexcept nogil
    void fl_spread_steps(float *out, const float *x, size_t timesteps, size_t width, Py_ssize_t before, size_t size,
                         bint backwards, size_t n) noexcept nogil
    void fl_swap_axes(float *out, const float *x, size_t rows, size_t columns) noexcept nogil
    void fl_pack_matrix(float *packed, const float *x, size_t rows, size_t columns, size_t row_apart,
                        size_t column_apart) noexcept nogil
    void fl_place_columns(float *out, const float *x, size_t rows, size_t columns, size_t width) noexcept nogil
    size_t fl_first_bad_id(const float *ids, size_t n, long vocabulary) noexcept nogil
    void fl_gather_rows(float *out, const float *table, const float *ids, size_t rows, size_t columns,
                        size_t width, long vocabulary) noexcept nogil
    void fl_prefetch(const float *x, size_t n) noexcept nogil
    void fl_prefetch_to_write(float *x, size_t rows, size_t width, size_t first, size_t last) noexcept nogil
    void fl_fill_rows(float *out, const float *bias, size_t rows, size_t width) noexcept nogil
    void fl_select_rows(float *h, float *c, float *out, const float *h_next, const float *c_prev,
                        const unsigned char *mask, size_t mask_stride, size_t batch, size_t units,
                        bint zero_output) noexcept nogil

cdef extern from "training.h":
    void fl_pack(float *packed, const float *matrix, size_t stride, const int *order, size_t rows,
                 size_t columns) noexcept nogil
    void fl_pack_transposed(float *packed, const float *matrix, size_t stride, const int *order, size_t rows,
                            size_t n) noexcept nogil
    void fl_unpack(float *matrix, size_t stride, const float *packed, const int *order, size_t rows,
                   size_t columns) noexcept nogil
    void fl_record_mask(float *h, float *c, float *out, const float *h_prev, const float *c_prev,
                        const float *out_prev, const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                        bint zero_output) noexcept nogil
    void fl_output_backward(float *dh, float *d_repeated, const float *d_out, size_t d_stride,
                            const unsigned char *mask, size_t mask_stride, size_t rows, size_t units,
                            bint zero_output) noexcept nogil
    void fl_add_table_rows(float *d_table, const float *ids, const float *d_out, size_t rows, size_t columns,
                           size_t width, size_t d_stride, long vocabulary) noexcept nogil

cdef extern from "sizes.h":
    size_t fl_times(size_t a, size_t b) noexcept nogil
    size_t fl_plus(size_t a, size_t b) noexcept nogil
