/* Where the report of this process's crash goes: the binding of os/crash_report.h. */
#ifndef PROCESSION_PYTHON_CRASH_REPORT_H
#define PROCESSION_PYTHON_CRASH_REPORT_H

#include "binding.h"

int add_crash_report(PyObject *module);

#endif
