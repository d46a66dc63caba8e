/* pool_races.c: the pool under a thread sanitizer. Several callers at once, some of which count as calls under way; parts
 * that hand chunks on, and parts with barriers between them.
 *
 *   cc -std=c11 -g -O1 -fsanitize=thread -Icsrc tests/c/pool_races.c csrc/pool.c -lpthread -o pool_races && ./pool_races
 */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { CALLERS = 4, CALLS = 200, CHUNKS = 20, SLOTS = 4, MAX_PARTS = 3 };

struct call {
    int parts;
    int slots[MAX_PARTS][SLOTS]; /* written by one part, read by the next */
    int sums[MAX_PARTS];
    long total;
    atomic_long done[MAX_PARTS], arrived[MAX_PARTS * FL_LINE];
};

/* Part p adds 1 to what the part before hands over, CHUNKS times. */
static void pipeline(void *context, int part)
{
    struct call *call = context;
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        int value = chunk;
        if (part > 0) {
            fl_wait_for(&call->done[part - 1], chunk + 1);
            value = call->slots[part - 1][chunk % SLOTS];
        }
        if (part < call->parts - 1 && chunk >= SLOTS) fl_wait_for(&call->done[part + 1], chunk - SLOTS + 1);
        call->slots[part][chunk % SLOTS] = value + 1;
        call->sums[part] += value + 1;
        fl_advance(&call->done[part], chunk + 1);
    }
}

/* All parts write, wait for each other, and read what the others wrote. */
static void barriers(void *context, int part)
{
    struct call *call = context;
    for (int round = 0, count = 0; round < CHUNKS; round++) {
        call->sums[part] = round;
        fl_barrier(call->arrived, part, call->parts, ++count);
        if (part == 0)
            for (int p = 0; p < call->parts; p++) call->total += call->sums[p];
        fl_barrier(call->arrived, part, call->parts, ++count);
    }
}

static void *caller(void *wrong)
{
    for (int i = 0; i < CALLS; i++) {
        struct call call = {.parts = fl_pool_acquire(2 + i % 2, 1000000)};
        if (i % 8 < 2) {
            fl_call_begin();
            fl_call_end();
        }
        if (call.parts == 1) continue;
        fl_pool_run(pipeline, &call, call.parts);
        int expected = CHUNKS * (CHUNKS - 1) / 2 + CHUNKS * call.parts;
        if (call.sums[call.parts - 1] != expected) atomic_fetch_add((atomic_long *)wrong, 1);
        fl_pool_run(barriers, &call, call.parts);
        if (call.total != (long)call.parts * CHUNKS * (CHUNKS - 1) / 2) atomic_fetch_add((atomic_long *)wrong, 1);
        fl_pool_release();
    }
    return NULL;
}

/* What a call gets that asks for threads while as many others compute. */
static int parts_beside(long others)
{
    for (long i = 0; i < others; i++) fl_call_begin();
    int parts = fl_pool_acquire(MAX_PARTS, 1000000);
    if (parts > 1) fl_pool_release();
    for (long i = 0; i < others; i++) fl_call_end();
    return parts;
}

int main(void)
{
    pthread_t callers[CALLERS];
    atomic_long wrong = parts_beside(sysconf(_SC_NPROCESSORS_CONF)) != 1;
    for (int i = 0; i < CALLERS; i++) pthread_create(&callers[i], NULL, caller, &wrong);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
    printf("%ld wrong\n", (long)wrong);
    return wrong != 0;
}
