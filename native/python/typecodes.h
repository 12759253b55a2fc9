/* Numbers in memory and as Python objects, by the typecodes of ctypes.
 *
 * On the way between them they are *bits*: the number's bytes, in the low ones of 64 bits. */
#ifndef PROCESSION_PYTHON_TYPECODES_H
#define PROCESSION_PYTHON_TYPECODES_H

#include "binding.h"

bool code_is_integer(char code);
/* The size of the type *code*, a typecode of ctypes for a number, a truth value or a character. */
Py_ssize_t code_bytes(char code);

uint64_t read_bits(const void *address, Py_ssize_t bytes);
/* One store, so that no process ever sees half a number, and a kill leaves none. */
void write_bits(void *address, Py_ssize_t bytes, uint64_t bits);

PyObject *from_bits(uint64_t bits, char code, Py_ssize_t bytes);
/* The integer in the lowest *bytes* bytes. */
PyObject *integer_from_bits(uint64_t bits, char code, Py_ssize_t bytes);
/* 1: done; 0: ctypes has to convert *value*, or to refuse it; -1: exception set. */
int to_bits(PyObject *value, char code, uint64_t *bits);

#endif
