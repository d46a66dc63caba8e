/* fastlstm_stream.h: a stream of fastlstm, for code that steps it without Python.
 *
 *     fastlstm_stream *stream = PyCapsule_GetPointer(capsule, FASTLSTM_STREAM);    the capsule is `stream.capsule`
 *     int failed = stream->step(stream, x, out);
 *
 * The struct belongs to the capsule, which keeps the stream alive: hold a reference to it for as long as the pointer is
 * in use. Python sees the steps that are made here, and the other way round. The functions take any thread, with or
 * without the GIL; they neither allocate nor wait. What they return is 0, or why nothing has been done.
 */
#ifndef FASTLSTM_STREAM_H
#define FASTLSTM_STREAM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Name of the capsule. A version of fastlstm with another struct would give it another name. */
#define FASTLSTM_STREAM "fastlstm.stream"

enum {
    FASTLSTM_BUSY = 1,  /* another thread is using the stream */
    FASTLSTM_BAD_ID,    /* an id is none of the vocabulary's */
    FASTLSTM_NO_ARRAY   /* x or out is NULL */
};

typedef struct fastlstm_stream fastlstm_stream;

/* To be read only. */
struct fastlstm_stream {
    size_t batch;      /* sequences, all of which advance with every step */
    size_t features;   /* floats of a row of x */
    size_t units;      /* floats of a row of out */
    size_t vocabulary; /* number of ids if the model takes ids, else 0; a row of x is then one id, a whole number */

    /* Advances every sequence by one step: out (batch, units) from x (batch, features), both row-major, dense and apart
     * from each other. */
    int (*step)(fastlstm_stream *stream, const float *x, float *out);

    /* Begins new sequences. */
    int (*reset)(fastlstm_stream *stream);
};

#ifdef __cplusplus
}
#endif

#endif
