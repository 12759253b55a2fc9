/* The family of this process: the arena, and the slot of this process in it. */
#ifndef PROCESSION_PYTHON_FAMILY_H
#define PROCESSION_PYTHON_FAMILY_H

#include "../shm/process_table.h"
#include "binding.h"

/* This process's arena; header is NULL until family_ensure() has run. */
extern struct arena family;

/* Whether this process has a slot of its own. Else it must not touch the arena. */
static inline bool family_is_joined(void)
{
    return arena_is_own(&family);
}

/* This process was forked from a member, and could not adopt its slot, which *status* says why. */
void family_left(enum status status);
/* For a process with an arena and without a slot: sets the exception that says why. */
void family_raise_not_joined(void);

/* Makes the arena if this process belongs to no family yet. False: exception set. */
bool family_ensure(void);

int add_family(PyObject *module);

#endif
