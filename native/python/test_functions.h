/* What only tests call. These functions, and what they call, are in the builds for tests alone. */
#ifndef PROCESSION_PYTHON_TEST_FUNCTIONS_H
#define PROCESSION_PYTHON_TEST_FUNCTIONS_H

#include "binding.h"

int add_test_functions(PyObject *module);

#endif
