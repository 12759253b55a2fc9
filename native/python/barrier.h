/* Barrier: the binding of sync/barrier.h. */
#ifndef PROCESSION_PYTHON_BARRIER_H
#define PROCESSION_PYTHON_BARRIER_H

#include "binding.h"

int add_barrier(PyObject *module);

#endif
