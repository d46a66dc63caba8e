"""Signals in long calls, for the modules that run them."""

from libc.stdint cimport int64_t

cdef extern from "<stdatomic.h>":
    ctypedef int atomic_int
    ctypedef enum memory_order:
        memory_order_relaxed
    int load "atomic_load_explicit" (const atomic_int *flag, memory_order order) nogil

cdef extern from *:
    """
    static inline void fl_pend(PyObject *error)
    {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    """
    void pend "fl_pend" (object error)  # leaves an exception on this thread

cdef enum:
    # A row's cost (OpList.cost) times rows and steps: some milliseconds of any network. Shorter calls never look.
    LONG_CALL = 50_000_000

cdef struct Interrupt:                # of a long call
    atomic_int stopped                # an exception is pending on the caller's thread
    long every, left                  # looks at the clock once in so many times
    int64_t due                       # nanoseconds of the clock

cdef Interrupt *watch(Interrupt *interrupt, double each, double whole) noexcept

cdef int64_t clock() noexcept nogil

cdef void look(Interrupt *interrupt) noexcept nogil


cdef inline bint stops(Interrupt *interrupt, bint on_caller) noexcept nogil:
    """Whether the call is to end; interrupt may be NULL. Threads but the caller's only see what that one has found."""
    if interrupt == NULL:
        return False
    if on_caller:
        interrupt.left -= 1
        if interrupt.left < 0:
            look(interrupt)
    return load(&interrupt.stopped, memory_order_relaxed) != 0
