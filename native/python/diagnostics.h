/* What a person or a tool asks about the family's arena, and no other code needs.
 *
 * Why  Whether a program leaks shared memory is seen in the arena of the release build: the tests
 *      look there after each case, and so will the command that explains a running program. */
#ifndef PROCESSION_PYTHON_DIAGNOSTICS_H
#define PROCESSION_PYTHON_DIAGNOSTICS_H

#include "binding.h"

int add_diagnostics(PyObject *module);

#endif
