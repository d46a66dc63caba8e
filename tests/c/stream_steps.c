/* stream_steps.c: what code in C does with a stream. tests/engine/test_stream_c.py builds it into a shared library.
 *
 *   cc -std=c11 -shared -fPIC -I"$(python -c 'import fastlstm; print(fastlstm.get_include())')" \
 *       tests/c/stream_steps.c -o stream_steps.so
 */
#include "fastlstm_stream.h"

#include <stdatomic.h>

/* out (timesteps, batch, units) from x (timesteps, batch, features), or ids (timesteps, batch); what the first step that
 * fails returns. */
int run(fastlstm_stream *stream, const float *x, float *out, size_t timesteps)
{
    size_t features = stream->batch * stream->features, units = stream->batch * stream->units;
    for (size_t t = 0; t < timesteps; t++) {
        int failed = stream->step(stream, x + t * features, out + t * units);
        if (failed) return failed;
    }
    return 0;
}

/* Steps on one x, for `most` steps or until `over`, which a stream in use sets if `gives_up`; how many steps it made. */
size_t run_until(fastlstm_stream *stream, const float *x, float *out, atomic_int *over, int gives_up, size_t most)
{
    size_t done = 0;
    while (done < most && !*over) {
        int failed = stream->step(stream, x, out);
        if (failed == FASTLSTM_BUSY && gives_up) *over = 1;
        done += !failed;
    }
    return done;
}
