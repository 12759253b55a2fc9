/* Python.h as every binding includes it.
 *
 * Layer  Bindings: arguments in, one call of the core, result out. */
#ifndef PROCESSION_PYTHON_BINDING_H
#define PROCESSION_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* A method that takes other arguments than a PyCFunction does, for a table of methods. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

#endif
