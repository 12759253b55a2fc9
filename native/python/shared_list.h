/* SharedList: the binding of container/list.h. procession.shared.List is built on it. */
#ifndef PROCESSION_PYTHON_SHARED_LIST_H
#define PROCESSION_PYTHON_SHARED_LIST_H

#include "binding.h"

int add_shared_list(PyObject *module);

#endif
