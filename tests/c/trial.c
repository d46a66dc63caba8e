/* trial.c: which calls fl_trial makes on several threads (s) or alone (a), for some that take what they are said to.
 * Prints a line a case; tests/engine/test_trial.py knows what it is. */
#include <stdio.h>

#include "trial.h"

/* Makes `calls` calls and prints how they were made, as runs. got: whether threads are to be had. */
static void make_calls(fl_trial *trial, int calls, long alone, long shared, int got)
{
    int run = 0, before = -1;
    for (int i = 0; i < calls; i++) {
        int shares = fl_trial_shares(trial);
        if (shares != before && run) printf("%d%c ", run, before ? 's' : 'a'), run = 0;
        before = shares, run++;
        fl_trial_took(trial, shares, shares && got ? 2 : 1, shares && got ? shared : shares ? alone + alone / 5 : alone);
    }
    printf("%d%c\n", run, before ? 's' : 'a');
}

int main(void)
{
    static fl_trials trials, others;
    fl_trial *faster = fl_trial_new(&trials, 1, 20, 0, 2), *slower = fl_trial_new(&trials, 1, 30, 0, 2);
    fl_trial *without = fl_trial_new(&trials, 1, 40, 0, 2), *later = fl_trial_new(&trials, 1, 50, 0, 2);
    make_calls(faster, 100, 1000, 600, 1);
    make_calls(faster, 1, 1000, 600, 1);
    make_calls(slower, 1024 + 20, 1000, 1300, 1);
    make_calls(without, 100, 1000, 0, 0);
    make_calls(later, 20, 1000, 900, 1);
    make_calls(later, 200, 1000, 1500, 1); /* what was near is far */
    /* Many calls at once that were all begun on several threads: none of them counts as one alone. */
    fl_trial_begin(later);
    for (int i = 0; i < 3 * 6; i++) fl_trial_took(later, 1, 2, 600);
    printf("%d %d\n", later->fastest[0] == LONG_MAX, later->fastest[1] == 600);
    printf("%d %d %d\n", fl_trial_of(&trials, 1, 30, 0, 2) == slower, fl_trial_of(&trials, 1, 30, 1, 2) == NULL,
           fl_trial_of(&others, 1, 30, 0, 2) == NULL);
    fl_trial *fifth = fl_trial_new(&trials, 2, 20, 1, 3);
    printf("%d %d %d\n", fl_trial_of(&trials, 1, 20, 0, 2) == NULL, fl_trial_of(&trials, 1, 30, 0, 2) == slower,
           fl_trial_of(&trials, 2, 20, 1, 3) == fifth && fl_trial_shares(fifth));
    return 0;
}
