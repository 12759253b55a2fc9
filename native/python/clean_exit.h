/* The end of this process in order, after which nothing is to be concluded from it. It keeps the
 * permits it took, its locks may be released by others, and its barriers do not expect it any
 * more. */
#ifndef PROCESSION_PYTHON_CLEAN_EXIT_H
#define PROCESSION_PYTHON_CLEAN_EXIT_H

#include "binding.h"

int add_clean_exit(PyObject *module);

#endif
