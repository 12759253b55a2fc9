/* TaskChannel: a channel whose messages carry two labels, and go many at a time. For pools. */
#ifndef PROCESSION_PYTHON_TASK_CHANNEL_H
#define PROCESSION_PYTHON_TASK_CHANNEL_H

#include "binding.h"

int add_task_channel(PyObject *module);

#endif
