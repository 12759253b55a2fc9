#include "kill_timer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- at a time */

static timer_t timer;
static pid_t timer_owner; /* timers are not inherited: a forked child makes its own */

static bool have_timer(void)
{
    if (timer_owner == getpid())
        return true;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return false;
    timer_owner = getpid();
    return true;
}

bool kill_timer_set(deadline_t deadline)
{
    struct itimerspec when;
    memset(&when, 0, sizeof when);
    when.it_value.tv_sec = (time_t)(deadline / NS_PER_S);
    when.it_value.tv_nsec = (long)(deadline % NS_PER_S);
    return have_timer() && timer_settime(timer, TIMER_ABSTIME, &when, NULL) == 0;
}

void kill_timer_cancel(void)
{
    struct itimerspec never;
    memset(&never, 0, sizeof never);
    if (timer_owner == getpid())
        timer_settime(timer, 0, &never, NULL);
}

/* ---- for a task */

static const _Atomic uint64_t *current_word, *cancelled_word;

static void on_signal(int number)
{
    (void)number;
    uint64_t current = atomic_load(current_word);
    if (current != 0 && current == atomic_load(cancelled_word))
        kill(getpid(), SIGKILL);
}

/* One of the real-time signals, far from the first ones, which programs use most. */
int kill_signal_number(void)
{
    return SIGRTMAX - 3;
}

bool kill_signal_install(const _Atomic uint64_t *current, const _Atomic uint64_t *cancelled)
{
    current_word = current;
    cancelled_word = cancelled;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* a signal without effect is not seen by the program */
    return sigaction(kill_signal_number(), &action, NULL) == 0;
}
