/* locked_attribute(name): an attribute of the ctypes object in a Locked one, under the lock.
 *
 * Idea  A wrapper's class has one for each field of its structure. It is to the wrapper what the
 *       field is to the structure, and no Python code runs for it. */
#ifndef PROCESSION_PYTHON_ATTRIBUTE_H
#define PROCESSION_PYTHON_ATTRIBUTE_H

#include "binding.h"

int add_locked_attribute(PyObject *module);

#endif
