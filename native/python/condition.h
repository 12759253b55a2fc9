/* Condition: the binding of sync/condition.h, around a lock. */
#ifndef PROCESSION_PYTHON_CONDITION_H
#define PROCESSION_PYTHON_CONDITION_H

#include "binding.h"

int add_condition(PyObject *module);

#endif
