/* Forking: what happens around each fork of a member of a family, and the forks by which it starts
 * processes.
 *
 * Fork   The child must have its own slot, with its own references, before it can release any. So
 *        the parent prepares both in the last moment before the fork, in a pthread_atfork handler:
 *        libc runs it for each fork(), wherever that is called, with no Python code in between. */
#ifndef PROCESSION_PYTHON_FORK_H
#define PROCESSION_PYTHON_FORK_H

#include "binding.h"

int add_fork(PyObject *module);

#endif
