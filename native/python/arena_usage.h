/* What of the family's arena is in use: for diagnostics. */
#ifndef PROCESSION_PYTHON_ARENA_USAGE_H
#define PROCESSION_PYTHON_ARENA_USAGE_H

#include "binding.h"

int add_arena_usage(PyObject *module);

#endif
