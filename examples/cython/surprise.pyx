"""Watches a signal without the GIL: the output of every step forecasts the next sample, and a bad forecast ends it."""

import numpy as np

from libc.math cimport fabsf

from fastlstm.stream cimport FASTLSTM_BUSY, fastlstm_stream, stream_of


def first_surprise(stream, const float[:, ::1] samples, float tolerance):
    """Returns the index of the first sample that differs from its forecast by more than `tolerance`, or -1.

    The stream has then read the samples before that one.

    Args:
        stream: A stream of one sequence, of a model with as many outputs as features.
        samples: float32 `(timesteps, features)`. The first one has no forecast.
        tolerance: Largest difference of a feature.

    Raises:
        ValueError: The stream does not fit the samples.
        RuntimeError: Another thread is using the stream.
    """
    capsule = stream.capsule  # what `running` points to lives as long as this
    cdef fastlstm_stream *running = stream_of(capsule)
    cdef Py_ssize_t t, features = samples.shape[1], surprise = -1
    cdef int failed = 0
    if running.batch != 1 or running.vocabulary or running.features != features or running.units != features:
        raise ValueError(f"expected a stream of one sequence that forecasts {features} features")
    cdef float[::1] forecast = np.empty(features, np.float32)
    with nogil:
        for t in range(samples.shape[0]):
            if t > 0 and not is_near(&samples[t, 0], &forecast[0], features, tolerance):
                surprise = t
                break
            failed = running.step(running, &samples[t, 0], &forecast[0])
            if failed:
                break
    if failed == FASTLSTM_BUSY:
        raise RuntimeError("the stream is in use on another thread")
    return surprise


cdef bint is_near(const float *sample, const float *forecast, Py_ssize_t features, float tolerance) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(features):
        if not fabsf(sample[k] - forecast[k]) <= tolerance:
            return False
    return True
