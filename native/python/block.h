/* Block: plain shared memory with the buffer protocol. It also keeps a large message alive while
 * buffers of it are in use. */
#ifndef PROCESSION_PYTHON_BLOCK_H
#define PROCESSION_PYTHON_BLOCK_H

#include "handle.h"

extern PyTypeObject *Block_Type;

/* A Block object that takes over *handle*. Its buffer is the contents. NULL: exception set. */
PyObject *block_from_handle(struct handle handle);

/* The *count* 64-bit words of a Block from the index-th on; NULL: exception set. */
word_t *block_words(PyObject *block, Py_ssize_t index, unsigned count);

int add_block(PyObject *module);

#endif
