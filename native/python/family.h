/* The family of this process: the arena, and the slot of this process in it. */
#ifndef PROCESSION_PYTHON_FAMILY_H
#define PROCESSION_PYTHON_FAMILY_H

#include "../shm/process_table.h"
#include "binding.h"

/* This process's arena; header is NULL until family_ensure() has run. A tag of 0: the process could
 * not be given a slot, and must not touch the arena. */
extern struct arena family;

/* Makes the arena if this process belongs to no family yet. False: exception set. */
bool family_ensure(void);

int add_family(PyObject *module);

#endif
