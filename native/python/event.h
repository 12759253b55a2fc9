/* Event: the binding of sync/event.h. */
#ifndef PROCESSION_PYTHON_EVENT_H
#define PROCESSION_PYTHON_EVENT_H

#include "binding.h"

int add_event(PyObject *module);

#endif
