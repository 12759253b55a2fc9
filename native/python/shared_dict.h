/* SharedDict: the binding of container/dict.h. procession.shared.Dict is built on it. */
#ifndef PROCESSION_PYTHON_SHARED_DICT_H
#define PROCESSION_PYTHON_SHARED_DICT_H

#include "binding.h"

int add_shared_dict(PyObject *module);

#endif
