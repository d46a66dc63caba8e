"""Ctrl-C, and any other signal with a handler, in calls that last long.

Python runs handlers on its main thread alone, with the GIL, which a call does without. A long call therefore asks for
the GIL every tenth of a second, between two chunks of time, and has Python handle what has come. A handler's exception
stays pending on the thread, as one of a Python activation does, until the executor has the GIL again; meanwhile all
threads of the call skip what is left. A call on another thread than the main one asks once, and not again.
"""

from cpython.exc cimport PyErr_Occurred
from libc.stdint cimport INT64_MAX
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from threading import get_ident, main_thread

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef enum:
    # What is computed between two looks at the clock.
    BETWEEN_LOOKS = 500_000
    PATIENCE = 100_000_000            # nanoseconds between two requests for the GIL


cdef Interrupt *watch(Interrupt *interrupt, double each, double whole) noexcept:
    """Readies an interrupt for a call of cost `whole` that asks `stops` after every `each`; NULL if it is short."""
    if whole < <double> LONG_CALL:
        return NULL
    interrupt.stopped, interrupt.left = 0, 0
    interrupt.every = <long> (<double> BETWEEN_LOOKS / max(each, 1.0))
    interrupt.due = clock() + PATIENCE
    return interrupt


cdef void look(Interrupt *interrupt) noexcept nogil:
    """Has Python handle signals, if it is time."""
    interrupt.left = interrupt.every
    if clock() < interrupt.due:
        return
    with gil:
        if PyErr_Occurred() == NULL:
            try:
                interrupt.due = clock() + PATIENCE if get_ident() == main_thread().ident else INT64_MAX
                PyErr_CheckSignals()
            except BaseException as error:  # of a handler, which any line of Python here may have run
                pend(error)
        if PyErr_Occurred() != NULL:
            interrupt.stopped = 1


cdef int64_t clock() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec
