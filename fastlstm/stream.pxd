"""A stream for Cython modules: `cdef fastlstm_stream *stream = stream_of(model.stream().capsule)`.

What it says is in fastlstm_stream.h, whose folder is `fastlstm.get_include()`.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "fastlstm_stream.h":
    const char *FASTLSTM_STREAM

    enum:
        FASTLSTM_BUSY
        FASTLSTM_BAD_ID
        FASTLSTM_NO_ARRAY

    ctypedef struct fastlstm_stream:
        size_t batch
        size_t features
        size_t units
        size_t vocabulary
        int (*step)(fastlstm_stream *stream, const float *x, float *out) noexcept nogil
        int (*reset)(fastlstm_stream *stream) noexcept nogil


cdef inline fastlstm_stream *stream_of(object capsule) except NULL:
    """The struct of a capsule, good for as long as the capsule is.

    Raises:
        ValueError: It is no capsule of a stream.
    """
    return <fastlstm_stream *> PyCapsule_GetPointer(capsule, FASTLSTM_STREAM)
