"""The worker threads of csrc/pool.c: an extension of its own, so that there is one pool in the process."""

cdef extern from "pool.h":
    int fl_pool_acquire(int parts, long patience) noexcept nogil
    void fl_pool_release() noexcept nogil
    void fl_pool_run(fl_task *task, void *context, int parts) noexcept nogil
    void fl_wait_for(const atomic_long *progress, long target) noexcept nogil
    void fl_advance(atomic_long *progress, long value) noexcept nogil
    void fl_barrier(atomic_long *arrived, int part, int parts, long count) noexcept nogil
    void fl_call_begin() noexcept nogil
    void fl_call_end() noexcept nogil

cdef enum:
    # Multiplications from which on a call does not keep the GIL while it waits for threads, half a millisecond at most.
    LONG_WORK = 100_000_000


cdef int acquire(int parts, double work) noexcept:
    """Borrows threads for `parts` parts; returns how many parts may run, 1 if there are none to be had.

    Where that takes little time the GIL is kept: who lets it go may have to wait for it far longer.

    Args:
        work: Multiplications of the call. It waits for threads that sleep for about an eighth of what it takes alone,
            at some 25 multiplications a nanosecond.
    """
    cdef long patience = <long> (work / 200)
    if work < LONG_WORK:
        return fl_pool_acquire(parts, patience)
    with nogil:
        parts = fl_pool_acquire(parts, patience)
    return parts


cdef void release() noexcept nogil:
    """Gives the threads back, after an `acquire` above 1."""
    fl_pool_release()


cdef void run(fl_task *task, void *context, int parts) noexcept nogil:
    """task(context, part) for every part at once, part 0 on this thread."""
    fl_pool_run(task, context, parts)


cdef void wait_for(const atomic_long *progress, long target) noexcept nogil:
    """Returns when another part has advanced `progress` to `target`."""
    fl_wait_for(progress, target)


cdef void advance(atomic_long *progress, long value) noexcept nogil:
    fl_advance(progress, value)


cdef void barrier(atomic_long *arrived, int part, int parts, long count) noexcept nogil:
    """Returns when all parts are at their `count`-th barrier; arrived has FL_LINE places a part."""
    fl_barrier(arrived, part, parts, count)


cdef void begin_call() noexcept nogil:
    """Before a call computes, if it does so for long enough for other calls to notice; not with the GIL."""
    fl_call_begin()


cdef void end_call() noexcept nogil:
    """After a `begin_call`."""
    fl_call_end()
