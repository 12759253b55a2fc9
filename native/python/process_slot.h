/* Slots of the family's process table: for this process when it has just been started, for the
 * processes that it starts, and for those that have ended. */
#ifndef PROCESSION_PYTHON_PROCESS_SLOT_H
#define PROCESSION_PYTHON_PROCESS_SLOT_H

#include "binding.h"

int add_process_slot(PyObject *module);

#endif
