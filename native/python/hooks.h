/* Hooks: the functions and exceptions of Python modules that the core uses.
 *
 * Idea   The core lies below all Python modules, and imports none. A module above it gives it, by
 *        set_hooks(), for each hook a function without arguments that returns what the core wants.
 *        The core calls that function when it needs the hook for the first time, and keeps what it
 *        returned. So what is slow to import is imported by the programs alone that need it.
 * Rule   A module that makes objects of a type has given the hooks of that type before. A hook that
 *        was not given is a RuntimeError. */
#ifndef PROCESSION_PYTHON_HOOKS_H
#define PROCESSION_PYTHON_HOOKS_H

#include "binding.h"

enum hook {
    /* pickling: given by src/procession/_pickling/core_hooks.py */
    HOOK_DUMPS,          /* the standard pickler */
    HOOK_LOADS,          /* and its unpickler */
    HOOK_PICKLING_ERROR, /* one of the exceptions by which it refuses an object */
    HOOK_ENCODE,         /* (object, buffers) -> stream: the package's pickler */
    HOOK_NAME_CULPRIT,   /* (error, stream): explains what could not be rebuilt */
    HOOK_COLLECT, /* (handle): has a launch keep a handle that is pickled outside a message */
    /* what channels raise; likewise */
    HOOK_QUEUE_EMPTY,
    HOOK_QUEUE_FULL,
    HOOK_QUEUE_SHUT_DOWN,
    /* locks: given by src/procession/synchronize.py */
    HOOK_BROKEN_LOCK,    /* (pid, name, site) -> the exception for a lock whose holder died */
    HOOK_LOCK_RECOVERED, /* (pid, name, site): logs that such a lock was passed on */
    HOOK_BROKEN_BARRIER,
    /* keys of shared mappings: given by src/procession/shared/_dict.py */
    HOOK_ENCODE_KEY, /* (key) -> bytes */
    HOOK_COUNT
};

/* What the hook stands for. Borrowed; NULL: exception set. */
PyObject *hook_value(enum hook hook);

int add_hooks(PyObject *module);

#endif
