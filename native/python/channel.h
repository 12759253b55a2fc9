/* Channel: the binding of channel/channel.h. Queues and the pool's traffic are built on it. */
#ifndef PROCESSION_PYTHON_CHANNEL_H
#define PROCESSION_PYTHON_CHANNEL_H

#include "binding.h"

int add_channel(PyObject *module);

#endif
