/* call_races.c: many calls at once over shared weights, under a thread sanitizer, as fastlstm/engine runs them.
 *
 * A call is two LSTM layers over some steps. It takes the present weights, which nobody writes to, and computes in memory
 * of its own, alone or on threads that it borrows from the pool, each of which computes some of the units. Meanwhile another
 * thread builds new weights, publishes them and lets the old ones go; the last call that uses them frees them. A call's
 * output must be, to the bit, that of one thread with the weights that it took.
 *
 *   cc -std=c11 -g -O1 -ffp-contract=off -fsanitize=thread -Icsrc tests/c/call_races.c $SOURCES -lm -lpthread -o call_races
 *   with all of csrc/ as SOURCES
 */
#define _GNU_SOURCE
#include "fastlstm.h"
#include "pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALLERS = 5,
    CALLS = 30,
    CHANGES = 40,
    LAYERS = 2,
    ROWS = 3,
    STEPS = 7,
    UNITS = 35, /* features too */
    PANELS = (UNITS + FL_GROUP - 1) / FL_GROUP,
    Z_WIDTH = (4 * UNITS + FL_GROUP - 1) / FL_GROUP * FL_GROUP,
    MAX_PARTS = 3,
};

struct weights {
    atomic_int users;
    float kernel[LAYERS][UNITS * Z_WIDTH];
    float recurrent_kernel[LAYERS][UNITS * Z_WIDTH];
    float bias[LAYERS][Z_WIDTH];
    float expected[ROWS * UNITS];
};

struct call {
    const struct weights *weights;
    int parts;
    atomic_long arrived[MAX_PARTS * FL_LINE];
    float z[STEPS * ROWS * Z_WIDTH];
    float sequences[LAYERS][STEPS * ROWS * UNITS];
    float zeros[ROWS * UNITS];
    float c[ROWS * UNITS];
};

static const fl_kernels *kernels;
static const fl_activation TANH = {.kind = FL_TANH}, SIGMOID = {.kind = FL_SIGMOID};
static float x[STEPS * ROWS * UNITS]; /* (steps, rows, units), as all sequences here */
static struct weights *present;
static pthread_mutex_t present_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_long wrong, shared;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void draw(float *out, size_t n, unsigned *seed)
{
    for (size_t i = 0; i < n; i++) out[i] = (float)rand_r(seed) / (float)RAND_MAX * 0.4f - 0.2f;
}

/* One part's units of every layer, in step with the other parts. */
static void part_forward(void *context, int part)
{
    struct call *call = context;
    const struct weights *weights = call->weights;
    const size_t first = (size_t)(PANELS * part / call->parts * FL_GROUP);
    const size_t last = smaller(UNITS, (size_t)(PANELS * (part + 1) / call->parts * FL_GROUP));
    const size_t columns = (last == UNITS ? (size_t)Z_WIDTH : 4 * last) - 4 * first;
    long barriers = 0;
    for (int layer = 0; layer < LAYERS; layer++) {
        const float *input = layer ? call->sequences[layer - 1] : x;
        kernels->gemm_packed_forward(call->z + 4 * first, Z_WIDTH, weights->bias[layer] + 4 * first, 0, input, UNITS,
                                     weights->kernel[layer] + 4 * first * UNITS, STEPS * ROWS, UNITS, columns);
        for (size_t row = 0; row < ROWS; row++)
            memset(call->c + row * UNITS + first, 0, (last - first) * sizeof(float));
        for (int t = 0; t < STEPS; t++) {
            float *h = call->sequences[layer] + (size_t)t * ROWS * UNITS;
            kernels->lstm_step_forward(h, call->c, call->z + (size_t)t * ROWS * Z_WIDTH,
                                       t ? h - ROWS * UNITS : call->zeros, weights->recurrent_kernel[layer], ROWS, UNITS,
                                       first, last, t % 2, &TANH, &SIGMOID);
            fl_barrier(call->arrived, part, call->parts, ++barriers);
        }
    }
}

static const float *output(const struct call *call) { return call->sequences[LAYERS - 1] + (STEPS - 1) * ROWS * UNITS; }

static struct weights *new_weights(unsigned seed)
{
    struct weights *weights = calloc(1, sizeof *weights);
    struct call *call = calloc(1, sizeof *call);
    if (!weights || !call) abort();
    draw(weights->kernel[0], sizeof weights->kernel / sizeof(float), &seed);
    draw(weights->recurrent_kernel[0], sizeof weights->recurrent_kernel / sizeof(float), &seed);
    draw(weights->bias[0], sizeof weights->bias / sizeof(float), &seed);
    call->weights = weights;
    call->parts = 1;
    part_forward(call, 0);
    memcpy(weights->expected, output(call), sizeof weights->expected);
    free(call);
    atomic_store(&weights->users, 1);
    return weights;
}

static void let_go(struct weights *weights)
{
    if (atomic_fetch_sub(&weights->users, 1) == 1) free(weights);
}

/* As a thread reads an attribute of a Python object: the reference and its count in one. */
static struct weights *take_present(void)
{
    pthread_mutex_lock(&present_lock);
    struct weights *weights = present;
    atomic_fetch_add(&weights->users, 1);
    pthread_mutex_unlock(&present_lock);
    return weights;
}

static void publish(struct weights *weights)
{
    pthread_mutex_lock(&present_lock);
    struct weights *old = present;
    present = weights;
    pthread_mutex_unlock(&present_lock);
    if (old) let_go(old);
}

static void *caller(void *number)
{
    for (int i = 0; i < CALLS; i++) {
        struct weights *weights = take_present();
        struct call *call = calloc(1, sizeof *call);
        if (!call) abort();
        call->weights = weights;
        /* Odd callers run alone. */
        call->parts = *(int *)number % 2 ? 1 : fl_pool_acquire(2 + i % 2, 1000000);
        /* Where calls are counted they leave each other the processors: the first half of them are not. */
        if (i >= CALLS / 2) fl_call_begin();
        if (call->parts > 1) {
            fl_pool_run(part_forward, call, call->parts);
            fl_pool_release();
            atomic_fetch_add(&shared, 1);
        } else {
            part_forward(call, 0);
        }
        if (i >= CALLS / 2) fl_call_end();
        if (memcmp(output(call), weights->expected, sizeof weights->expected)) atomic_fetch_add(&wrong, 1);
        free(call);
        let_go(weights);
    }
    return NULL;
}

static void *change(void *unused)
{
    for (unsigned i = 0; i < CHANGES; i++) publish(new_weights(i + 2));
    return unused;
}

int main(void)
{
    unsigned seed = 1;
    draw(x, sizeof x / sizeof *x, &seed);
    for (int isa = 0; fl_kernels_name(isa); isa++) {
        kernels = fl_kernels_find(fl_kernels_name(isa));
        publish(new_weights(1));
        pthread_t callers[CALLERS], changer;
        int numbers[CALLERS];
        for (int i = 0; i < CALLERS; i++) {
            numbers[i] = i;
            pthread_create(&callers[i], NULL, caller, &numbers[i]);
        }
        pthread_create(&changer, NULL, change, NULL);
        for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
        pthread_join(changer, NULL);
    }
    let_go(present);
    printf("%ld on several threads, %ld wrong\n", (long)shared, (long)wrong);
    return wrong != 0;
}
