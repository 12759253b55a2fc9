/* The crash build's half of crash_point.h. */
#include "crash_point.h"

#ifdef PROCESSION_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char armed_name[64];
static int armed_signal;
static atomic_uint passages_left; /* 0: nothing is armed */

static void arm(const char *name, unsigned passages, int number)
{
    atomic_store(&passages_left, 0);
    if (name == NULL)
        return;
    memset(armed_name, 0, sizeof armed_name);
    memcpy(armed_name, name, strnlen(name, sizeof armed_name - 1));
    armed_signal = number;
    atomic_store(&passages_left, passages);
}

void crash_point_arm(const char *name, unsigned passages)
{
    arm(name, passages, SIGKILL);
}

void crash_point_arm_stop(const char *name, unsigned passages)
{
    arm(name, passages, SIGSTOP);
}

/* "name" or "name:n" from the environment, so that a child can be armed before it starts. */
static __attribute__((constructor)) void arm_from_environment(void)
{
    const char *wish = getenv("PROCESSION_CRASH_POINT");
    if (wish == NULL || *wish == '\0')
        return;
    char name[sizeof armed_name] = {0};
    const char *colon = strchr(wish, ':');
    size_t length = colon ? (size_t)(colon - wish) : strlen(wish);
    if (length >= sizeof name)
        return;
    memcpy(name, wish, length);
    crash_point_arm(name, colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 1);
}

static bool is_armed(const char *name)
{
    size_t length = strlen(armed_name);
    if (length > 0 && armed_name[length - 1] == '*')
        return strncmp(name, armed_name, length - 1) == 0;
    return strcmp(name, armed_name) == 0;
}

void crash_point_reached(const char *name)
{
    if (atomic_load(&passages_left) == 0 || !is_armed(name))
        return;
    if (atomic_fetch_sub(&passages_left, 1) == 1)
        kill(getpid(), armed_signal);
}

#endif
