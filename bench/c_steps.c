/* c_steps.c: a loop in C around the step of a stream; bench/c_steps.py compiles it. */
#include "fastlstm_stream.h"

/* Steps on one x (features); what the first step that fails returns, else 0. */
int c_steps(fastlstm_stream *stream, const float *x, float *out, size_t steps)
{
    int failed = 0;
    for (size_t t = 0; t < steps && !failed; t++) failed = stream->step(stream, x, out);
    return failed;
}
