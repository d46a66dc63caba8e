"""csrc/pool.h, for the modules that share its one pool."""

cdef extern from "<stdatomic.h>":
    ctypedef struct atomic_long:
        pass

cdef extern from "pool.h":
    enum:
        FL_LINE
        FL_MAX_PARTS

    ctypedef void fl_task(void *context, int part) noexcept nogil

cdef int acquire(int parts, double work) noexcept
cdef void release() noexcept nogil
cdef void run(fl_task *task, void *context, int parts) noexcept nogil
cdef void wait_for(const atomic_long *progress, long target) noexcept nogil
cdef void advance(atomic_long *progress, long value) noexcept nogil
cdef void barrier(atomic_long *arrived, int part, int parts, long count) noexcept nogil
cdef void begin_call() noexcept nogil
cdef void end_call() noexcept nogil
