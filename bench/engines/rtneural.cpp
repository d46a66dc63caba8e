/* One case on RTNeural: y is the output of the last frame of x through a stack of LSTM layers.

   rtneural.py compiles this once per case, with MODEL, a RTNeural::ModelT, LAYERS and TIMESTEPS defined.
   x and y are the library's own memory, which the caller writes and reads; it is one model, for one thread. */

#include <RTNeural/RTNeural.h>

#include <algorithm>
#include <vector>

using Model = MODEL;

/* RTNeural reads a frame from memory aligned to RTNEURAL_DEFAULT_ALIGNMENT bytes. */
constexpr int ALIGNED = RTNEURAL_DEFAULT_ALIGNMENT / sizeof(float);
constexpr int FRAME = (Model::input_size + ALIGNED - 1) / ALIGNED * ALIGNED;

static Model model;

extern "C" {
alignas(RTNEURAL_DEFAULT_ALIGNMENT) float rtneural_x[TIMESTEPS][FRAME];
float rtneural_y[Model::output_size];
extern const int rtneural_frame = FRAME;
}

static std::vector<std::vector<float>> matrix(const float *values, int rows, int columns)
{
    std::vector<std::vector<float>> made;
    for (int row = 0; row < rows; ++row)
        made.emplace_back(values + row * columns, values + (row + 1) * columns);
    return made;
}

/* kernel (features, 4*units), recurrent_kernel (units, 4*units), bias (4*units,): Keras' order of gates is RTNeural's. */
template <int n = 0>
static void set_weights(int layer, const float *kernel, const float *recurrent_kernel, const float *bias)
{
    if constexpr (n < LAYERS) {
        if (layer != n)
            return set_weights<n + 1>(layer, kernel, recurrent_kernel, bias);
        auto &lstm = model.get<n>();
        lstm.setWVals(matrix(kernel, lstm.in_size, 4 * lstm.out_size));
        lstm.setUVals(matrix(recurrent_kernel, lstm.out_size, 4 * lstm.out_size));
        lstm.setBVals(std::vector<float>(bias, bias + 4 * lstm.out_size));
    }
}

extern "C" void rtneural_set_weights(int layer, const float *kernel, const float *recurrent_kernel, const float *bias)
{
    set_weights(layer, kernel, recurrent_kernel, bias);
}

extern "C" void rtneural_run(void)
{
    model.reset();
    for (const auto &frame : rtneural_x)
        model.forward(frame);
    std::copy_n(model.getOutputs(), Model::output_size, rtneural_y);
}
