/* pool.h: worker threads that a call may borrow, and the calls that are under way.
 *
 * There is one pool in the process. Its threads start when they are first asked for and live on; between calls they spin for
 * some microseconds and then sleep. A call that finds the pool in use, or its threads asleep or without a processor for
 * longer than it is worth waiting, or that meets other calls on the processors, runs on its own thread. After a fork the
 * child starts with an empty pool.
 */
#ifndef FL_POOL_H
#define FL_POOL_H

#include <stdatomic.h>

/* Parts that one call may have, and so threads of the pool, the caller's included. */
enum { FL_MAX_PARTS = 64 };

/* task(context, i): the i-th part of a call's work; part 0 runs on the calling thread. Parts may wait for one another, so
 * they all run at once or not at all. */
typedef void fl_task(void *context, int part);

/* Borrows workers for at most `parts` parts, the caller's own included; returns how many parts may run, 1 if the pool is in
 * use, other calls use the processors, or no worker reports within `patience` nanoseconds. After anything above 1 comes
 * fl_pool_release. */
int fl_pool_acquire(int parts, long patience);
void fl_pool_release(void);

/* Runs task(context, 0 … parts - 1) on the borrowed workers, at most as many as were acquired, and waits for all. */
void fl_pool_run(fl_task *task, void *context, int parts);

/* For parts that wait for each other: fl_wait_for returns when another has advanced *progress to `target` or beyond, and
 * sees all that it wrote before. */
void fl_wait_for(const atomic_long *progress, long target);
void fl_advance(atomic_long *progress, long value);

/* Says that this part is at its `count`-th barrier, and returns when all are. Every part has a place of its own in arrived
 * (parts * FL_LINE), all zeros before the first barrier, so that saying it waits for nobody. */
enum { FL_LINE = 8 }; /* atomic_longs in a cache line */
void fl_barrier(atomic_long *arrived, int part, int parts, long count);

/* Around what a call computes, if it is long enough for others to notice. Where more calls are under way than there are
 * processors, the one that begins lets the kernel run the others first. Left to itself the kernel gives a thread some
 * milliseconds, dozens of calls, while those of the others wait for all of that (`python -m bench service`). */
void fl_call_begin(void);
void fl_call_end(void);

#endif
