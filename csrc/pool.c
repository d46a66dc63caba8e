/* pool.c: worker threads that a call may borrow; see pool.h. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

enum {
    MAX_WORKERS = 63,
    SPINS_BEFORE_SLEEP = 20000, /* of a pause each: some tens of microseconds */
    SPINS_BEFORE_YIELD = 2000,
    PARTS_BITS = 8,
};

static struct {
    pthread_mutex_t in_use; /* held from fl_pool_acquire to fl_pool_release */
    pthread_mutex_t lock;   /* guards sleepers and goes with `wake` */
    pthread_cond_t wake;
    int n_workers, sleepers;
    /* One call's work. `round` counts the calls above its low PARTS_BITS, which hold the call's parts: a worker looks at
     * nothing else before it knows that the call waits for it. */
    fl_task *task;
    void *context;
    atomic_long round;
    atomic_int running;
} pool;

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
    atomic_store(&pool.round, 0);
    atomic_store(&pool.running, 0);
}

static void prepare(void)
{
    reset();
    pthread_atfork(NULL, NULL, reset);
}

/* Waits for a round after `seen`: spinning, then asleep. */
static long next_round(long seen)
{
    for (int spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
        long round = atomic_load_explicit(&pool.round, memory_order_acquire);
        if (round != seen) return round;
        pause_cpu();
    }
    pthread_mutex_lock(&pool.lock);
    pool.sleepers++;
    while (atomic_load_explicit(&pool.round, memory_order_acquire) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    pool.sleepers--;
    pthread_mutex_unlock(&pool.lock);
    return atomic_load_explicit(&pool.round, memory_order_acquire);
}

static void *work(void *argument)
{
    int number = (int)(intptr_t)argument; /* 1 is the first: part 0 is the caller's */
    long seen = 0;
    for (;;) {
        seen = next_round(seen);
        if (number < (seen & ((1 << PARTS_BITS) - 1))) {
            pool.task(pool.context, number);
            atomic_fetch_sub_explicit(&pool.running, 1, memory_order_release);
        }
    }
    return NULL;
}

static int start_worker(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, work, (void *)(intptr_t)(pool.n_workers + 1));
    pthread_attr_destroy(&attributes);
    if (!failed) pool.n_workers++;
    return !failed;
}

int fl_pool_acquire(int parts)
{
    pthread_once(&prepared, prepare);
    if (parts > MAX_WORKERS + 1) parts = MAX_WORKERS + 1;
    if (parts <= 1 || pthread_mutex_trylock(&pool.in_use)) return 1;
    while (pool.n_workers < parts - 1 && start_worker()) continue;
    if (pool.n_workers < parts - 1) parts = pool.n_workers + 1;
    if (parts == 1) pthread_mutex_unlock(&pool.in_use);
    return parts;
}

void fl_pool_run(fl_task *task, void *context, int parts)
{
    pool.task = task;
    pool.context = context;
    atomic_store_explicit(&pool.running, parts - 1, memory_order_relaxed);
    long calls = atomic_load_explicit(&pool.round, memory_order_relaxed) >> PARTS_BITS;
    pthread_mutex_lock(&pool.lock);
    atomic_store_explicit(&pool.round, ((calls + 1) << PARTS_BITS) + parts, memory_order_release);
    if (pool.sleepers) pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    task(context, 0);
    for (int spin = 0; atomic_load_explicit(&pool.running, memory_order_acquire); spin++)
        spin < SPINS_BEFORE_YIELD ? pause_cpu() : (void)sched_yield();
}

void fl_pool_release(void) { pthread_mutex_unlock(&pool.in_use); }

void fl_wait_for(const atomic_long *progress, long target)
{
    for (int spin = 0; atomic_load_explicit(progress, memory_order_acquire) < target; spin++)
        spin < SPINS_BEFORE_YIELD ? pause_cpu() : (void)sched_yield();
}

void fl_advance(atomic_long *progress, long value) { atomic_store_explicit(progress, value, memory_order_release); }

void fl_meet(atomic_long *arrived, long target)
{
    atomic_fetch_add_explicit(arrived, 1, memory_order_acq_rel);
    fl_wait_for(arrived, target);
}
