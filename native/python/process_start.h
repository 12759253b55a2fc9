/* ProcessStart: a start that is under way, until its caller has noted the child. */
#ifndef PROCESSION_PYTHON_PROCESS_START_H
#define PROCESSION_PYTHON_PROCESS_START_H

#include "binding.h"

typedef struct {
    PyObject_HEAD uint32_t tag; /* of the child's slot; 0: none, or the start is over */
    uint32_t parent;            /* tag of the process that starts it: a fork inherits the object */
    bool complete;
} ProcessStartObject;

extern PyTypeObject *ProcessStart_Type;

/* The slot *tag* was reserved for this start. */
void process_start_set(ProcessStartObject *self, uint32_t tag);

int add_process_start(PyObject *module);

#endif
