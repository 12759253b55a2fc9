/* Semaphore: the binding of sync/semaphore.h. */
#ifndef PROCESSION_PYTHON_SEMAPHORE_H
#define PROCESSION_PYTHON_SEMAPHORE_H

#include "binding.h"

int add_semaphore(PyObject *module);

#endif
