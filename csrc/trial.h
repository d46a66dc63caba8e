/* trial.h: whether calls of one shape are faster on several threads or on one, learnt from what they take. What threads
 * cost each other depends on how near their cores are, on whether they still spin and on what else their cores do, which
 * nobody says, and where cores are virtual it changes. The results are the same bits either way.
 *
 * The first calls of a shape are made on several threads, the next on one, then all on those that were faster of late. The
 * trial is made anew after SOON calls, and as long as it ends as before after twice as many each time, RENEWED at most: in
 * the long run a hundredth of the calls are slower than they could be.
 */
#ifndef FL_TRIAL_H
#define FL_TRIAL_H

#include <limits.h>

enum {
    TRIED = 6,
    MOST_MISSED = 32, /* calls of a trial for which no threads were to be had, as those that sleep are late */
    SOON = 64,
    RENEWED = 1024,
    MOST_TRIALS = 4
};

typedef struct {
    long batch, timesteps;
    int masked, threads;              /* threads: 0 if it is of no shape yet */
    int by_rows, by_ops, by_units;    /* how such a call is cut: the caller's to set */
    int calls, missed;                /* since the trial began */
    int most_calls, shared;           /* until it begins anew, and whether the last one ended with calls on several threads */
    long fastest[2];                  /* nanoseconds of late, on one thread and on several */
} fl_trial;

typedef struct {
    fl_trial kept[MOST_TRIALS];
    int next; /* the one that goes when another comes */
} fl_trials;

static inline void fl_trial_begin(fl_trial *trial)
{
    trial->calls = trial->missed = 0;
    trial->fastest[0] = trial->fastest[1] = LONG_MAX;
}

/* The trial of calls of a shape; NULL if there is none yet. */
static inline fl_trial *fl_trial_of(fl_trials *trials, long batch, long timesteps, int masked, int threads)
{
    for (int i = 0; i < MOST_TRIALS; i++) {
        fl_trial *trial = &trials->kept[i];
        if (trial->batch == batch && trial->timesteps == timesteps && trial->masked == masked && trial->threads == threads)
            return trial;
    }
    return NULL;
}

/* A new one, in place of the oldest. */
static inline fl_trial *fl_trial_new(fl_trials *trials, long batch, long timesteps, int masked, int threads)
{
    fl_trial *trial = &trials->kept[trials->next];
    trials->next = (trials->next + 1) % MOST_TRIALS;
    trial->batch = batch, trial->timesteps = timesteps, trial->masked = masked, trial->threads = threads;
    trial->most_calls = SOON, trial->shared = 1;
    fl_trial_begin(trial);
    return trial;
}

/* Whether the next call is to be made on several threads. */
static inline int fl_trial_shares(const fl_trial *trial)
{
    return trial->calls < TRIED || (trial->calls >= 2 * TRIED && trial->fastest[1] <= trial->fastest[0]);
}

/* What a call took on so many threads that was made as fl_trial_shares had said when it began: `shared`. */
static inline void fl_trial_took(fl_trial *trial, int shared, int threads, long nanoseconds)
{
    long *fastest = &trial->fastest[shared];
    if (shared && threads == 1 && trial->calls < TRIED && ++trial->missed < MOST_MISSED) return;
    long of_late = *fastest < LONG_MAX ? *fastest + *fastest / 32 : LONG_MAX;
    *fastest = nanoseconds < of_late ? nanoseconds : of_late;
    if (++trial->calls < trial->most_calls) return;
    trial->most_calls = shared != trial->shared ? SOON : trial->most_calls < RENEWED ? 2 * trial->most_calls : RENEWED;
    trial->shared = shared;
    fl_trial_begin(trial);
}

#endif
