/* pool.c: worker threads that a call may borrow; see pool.h. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_WORKERS = FL_MAX_PARTS - 1,
    SPINS_BEFORE_SLEEP = 20000, /* of a pause each: some hundreds of microseconds */
    SPINS_BEFORE_YIELD = 2000,
    LOAD_LASTS = 1000000, /* nanoseconds for which calls that were seen still count */
};

/* The bits of pool.call_up, from the lowest: how many workers have reported, how many are wanted, whether it is open, and the
 * call-up's number. */
enum { REPORTED_MASK = 0xff, WANTED_SHIFT = 8, WANTED_MASK = 0x7f, OPEN = 1 << 15, CALL_UP_SHIFT = 16 };
/* The bits of pool.round: how many parts there is work for, 0 to dismiss; a count of rounds; the number of their call-up. */
enum { PARTS_MASK = 0xff, COUNT_SHIFT = 8, COUNT_MASK = 0xffffff, ROUND_SHIFT = 32 };
enum { MOST_CALL_UPS = 0x3fffffff }; /* then their numbers begin anew, as they share a word with others */
_Static_assert(sizeof(long) == 8, "a call-up's number and its fields lie in one long");
_Static_assert((int)MAX_WORKERS <= (int)WANTED_MASK, "workers fit their fields");
_Static_assert((int)FL_MAX_PARTS <= (int)PARTS_MASK, "parts fit their field");

static struct {
    pthread_mutex_t in_use; /* held from fl_pool_acquire to fl_pool_release */
    pthread_mutex_t lock;   /* guards sleepers and goes with `wake` */
    pthread_cond_t wake;
    int n_workers, sleepers;
    /* A call first calls workers up, so that it never waits for one that has no processor: a worker reports by adding 1 to
     * `call_up` while it is open. Those that did wait for the call's rounds until another call-up begins. Every word that
     * they look at carries the call-up's number, so that nobody takes one call's work for another's. */
    atomic_long call_up;
    atomic_long round;
    atomic_int running;
    fl_task *task;
    void *context;
} pool;

/* The calls that compute, counted by fl_call_begin and fl_call_end. */
static struct {
    atomic_int calls;
    int processors;
    /* How many others a call last saw, and when. Threads that call again and again are now and then all between two calls;
     * their processors are no less taken then. */
    atomic_int seen;
    atomic_long seen_at;
} load;

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void reset(void)
{
    pthread_mutex_init(&pool.in_use, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.n_workers = pool.sleepers = 0;
    atomic_store(&pool.running, 0);
    atomic_store(&load.calls, 0); /* after a fork the threads that were in a call are not there */
}

static int count_processors(void)
{
#if defined(__linux__)
    cpu_set_t usable;
    if (!sched_getaffinity(0, sizeof usable, &usable)) return CPU_COUNT(&usable);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static void prepare(void)
{
    reset();
    load.processors = count_processors();
    pthread_atfork(NULL, NULL, reset);
}

static long number_of(long call_up) { return call_up >> CALL_UP_SHIFT; }

static int reported(long call_up) { return (int)(call_up & REPORTED_MASK); }

static int wanted(long call_up) { return (int)(call_up >> WANTED_SHIFT & WANTED_MASK); }

/* Reports to the open call-up; returns the worker's number in it from 1 on, 0 if it is closed or full. */
static int report(long *number)
{
    long call_up = atomic_load_explicit(&pool.call_up, memory_order_acquire);
    while ((call_up & OPEN) && reported(call_up) < wanted(call_up))
        if (atomic_compare_exchange_weak_explicit(&pool.call_up, &call_up, call_up + 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            *number = number_of(call_up);
            return reported(call_up) + 1;
        }
    return 0;
}

/* Waits until a call-up is open, and reports: spinning, then asleep. Returns the worker's number in it. A worker that was
 * woken too late spins again: the next call may be near, and would not wait as long either. */
static int next_call_up(long *number)
{
    for (int spin = 0;; spin++) {
        int mine = report(number);
        if (mine) return mine;
        if (spin < SPINS_BEFORE_SLEEP) {
            pause_cpu();
            continue;
        }
        pthread_mutex_lock(&pool.lock);
        pool.sleepers++;
        if (!(atomic_load_explicit(&pool.call_up, memory_order_acquire) & OPEN))
            pthread_cond_wait(&pool.wake, &pool.lock);
        pool.sleepers--;
        pthread_mutex_unlock(&pool.lock);
        spin = 0;
    }
}

/* Takes part in the rounds of a call-up until it is over. */
static void serve(int mine, long number)
{
    long seen = -1;
    for (int spin = 0;; spin++) {
        long call_up = atomic_load_explicit(&pool.call_up, memory_order_acquire);
        long round = atomic_load_explicit(&pool.round, memory_order_acquire);
        if (round != seen && round >> ROUND_SHIFT == number) {
            int parts = (int)(round & PARTS_MASK);
            if (!parts) return;
            if (mine < parts) {
                pool.task(pool.context, mine);
                atomic_fetch_sub_explicit(&pool.running, 1, memory_order_release);
            }
            seen = round;
            spin = 0;
        } else if (number_of(call_up) != number) {
            return; /* dismissed while it was not looking */
        }
        spin < SPINS_BEFORE_YIELD ? pause_cpu() : (void)sched_yield();
    }
}

static void *work(void *unused)
{
    (void)unused;
    for (;;) {
        long number;
        int mine = next_call_up(&number);
        serve(mine, number);
    }
    return NULL;
}

static int start_worker(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, work, NULL);
    pthread_attr_destroy(&attributes);
    if (!failed) pool.n_workers++;
    return !failed;
}

static long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Opens a call-up for some workers; returns how many reported within `patience` nanoseconds. */
static int call_up_workers(int workers, long patience)
{
    long number = (number_of(atomic_load_explicit(&pool.call_up, memory_order_relaxed)) + 1) & MOST_CALL_UPS;
    pthread_mutex_lock(&pool.lock);
    atomic_store_explicit(&pool.call_up, number << CALL_UP_SHIFT | OPEN | (long)workers << WANTED_SHIFT,
                          memory_order_release);
    if (pool.sleepers) pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    long deadline = nanoseconds() + patience;
    while (reported(atomic_load_explicit(&pool.call_up, memory_order_relaxed)) < workers && nanoseconds() < deadline)
        pause_cpu();
    return reported(atomic_fetch_and_explicit(&pool.call_up, ~(long)OPEN, memory_order_acq_rel));
}

/* How many of the parts may run at once: each other call has a processor. */
static int parts_left(int parts)
{
    int others = atomic_load_explicit(&load.calls, memory_order_relaxed);
    long now = nanoseconds();
    if (others) {
        atomic_store_explicit(&load.seen, others, memory_order_relaxed);
        atomic_store_explicit(&load.seen_at, now, memory_order_relaxed);
    } else if (now - atomic_load_explicit(&load.seen_at, memory_order_relaxed) < LOAD_LASTS) {
        others = atomic_load_explicit(&load.seen, memory_order_relaxed);
    }
    if (!others || parts <= load.processors - others) return parts;
    return others < load.processors ? load.processors - others : 1;
}

int fl_pool_acquire(int parts, long patience)
{
    pthread_once(&prepared, prepare);
    if (parts > MAX_WORKERS + 1) parts = MAX_WORKERS + 1;
    if (parts > 1) parts = parts_left(parts);
    if (parts <= 1 || pthread_mutex_trylock(&pool.in_use)) return 1;
    while (pool.n_workers < parts - 1 && start_worker()) continue;
    if (pool.n_workers < parts - 1) parts = pool.n_workers + 1;
    if (parts > 1) parts = 1 + call_up_workers(parts - 1, patience);
    if (parts == 1) pthread_mutex_unlock(&pool.in_use);
    return parts;
}

/* Says to those of the present call-up that there is work for `parts` parts, or with 0 that it is over. */
static void begin_round(int parts)
{
    long number = number_of(atomic_load_explicit(&pool.call_up, memory_order_relaxed));
    long count = (atomic_load_explicit(&pool.round, memory_order_relaxed) >> COUNT_SHIFT) + 1;
    atomic_store_explicit(&pool.round, number << ROUND_SHIFT | (count & COUNT_MASK) << COUNT_SHIFT | parts,
                          memory_order_release);
}

void fl_pool_run(fl_task *task, void *context, int parts)
{
    pool.task = task;
    pool.context = context;
    atomic_store_explicit(&pool.running, parts - 1, memory_order_relaxed);
    begin_round(parts);
    task(context, 0);
    for (int spin = 0; atomic_load_explicit(&pool.running, memory_order_acquire); spin++)
        spin < SPINS_BEFORE_YIELD ? pause_cpu() : (void)sched_yield();
}

void fl_pool_release(void)
{
    begin_round(0);
    pthread_mutex_unlock(&pool.in_use);
}

void fl_wait_for(const atomic_long *progress, long target)
{
    for (int spin = 0; atomic_load_explicit(progress, memory_order_acquire) < target; spin++)
        spin < SPINS_BEFORE_YIELD ? pause_cpu() : (void)sched_yield();
}

void fl_advance(atomic_long *progress, long value) { atomic_store_explicit(progress, value, memory_order_release); }

void fl_barrier(atomic_long *arrived, int part, int parts, long count)
{
    fl_advance(&arrived[part * FL_LINE], count);
    for (int other = 0; other < parts; other++)
        if (other != part) fl_wait_for(&arrived[other * FL_LINE], count);
}

void fl_call_begin(void)
{
    pthread_once(&prepared, prepare);
    int others = atomic_fetch_add_explicit(&load.calls, 1, memory_order_relaxed);
    if (others >= load.processors) sched_yield();
}

void fl_call_end(void) { atomic_fetch_sub_explicit(&load.calls, 1, memory_order_relaxed); }
