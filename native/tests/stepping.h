/* Kills between any two instructions: a child is single-stepped by ptrace(2) through one operation.
 *
 * Idea      Crash points are where the author thought of a kill; this reaches the rest. The child
 *           stops at the operation's begin and at its end; in between it is let go one instruction
 *           at a time, and killed after as many as the trial says.
 * Positions All, if the operation is short; of a longer one a sample, whose seed is printed. By the
 *           environment: PROCESSION_STEPS, how many positions of an operation are tried at most
 *           (default 60, fewer under sanitizers); PROCESSION_TEST_SEED.
 */
#ifndef PROCESSION_TESTS_STEPPING_H
#define PROCESSION_TESTS_STEPPING_H

#include "family.h"

struct operation {
    const char *name;
    void (*enter)(void *stage); /* in the child, before the operation; NULL: nothing */
    void (*run)(void *stage);   /* in the child: the operation */
    /* In the test's process: before the child is started, and after it was killed and reaped. */
    void (*set_up)(void *stage);
    void (*check)(void *stage);
};

/* ---- a child that is led to one instruction, which shared memory tells */

void step_be_traced(void);  /* in the child: stops there */
void step_await(pid_t pid); /* until it has stopped */
/* Lets the child do one instruction. False: it has stopped by its own will. */
bool step_one(pid_t pid);
/* SIGKILL, and waited for; what it held is not released. */
void step_kill(pid_t pid);

/* Tries the operation's positions, each with a stage of its own: *stage* is what set_up() fills. */
void step_through(const struct operation *operation, void *stage);

#endif
