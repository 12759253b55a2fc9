/* Handle: the base of every Python object that stands for a block of the arena.
 *
 * Idea   Each such object owns one entry of its process's slot, and so one reference to the block.
 *        Pickled, it is the arena's id, an offset and a serial number; unpickled in any process of
 *        the family it is a new handle to the same block.
 * Life   A pickle holds no reference by itself. Whatever transports it (a channel, the start of a
 *        process) collects the handles that were pickled and holds them until the receiver has its
 *        own. */
#ifndef PROCESSION_PYTHON_HANDLE_H
#define PROCESSION_PYTHON_HANDLE_H

#include "family.h"

typedef struct {
    PyObject_HEAD struct handle handle;
    void *memory; /* the block's contents in this process; NULL: not initialised */
} HandleObject;

extern PyTypeObject *Handle_Type;

/* Sets the error of an object that cannot be used; always false. */
bool handle_raise_not_ready(HandleObject *self);

/* The list of handles that this thread pickles for a message; NULL: no message is being made. */
extern __thread PyObject *handle_collector;

/* False, with ValueError set: the object was not initialised, or this process has no slot. */
static inline bool handle_is_ready(HandleObject *self)
{
    return (self->memory != NULL && family_is_joined()) || handle_raise_not_ready(self);
}

/* Adds a type whose objects, and those of types derived from it, stand for blocks of *kind*. A
 * pickle that says otherwise is refused. NULL: exception set. */
PyTypeObject *add_handle_type(PyObject *module, PyType_Spec *spec, enum block_kind kind);

PyObject *handle_new(PyTypeObject *type); /* without a block yet */
void handle_dealloc(PyObject *self);

/* Refuses a second __init__ of a *type*, its name, and makes the family. False: exception set. */
bool handle_begin_init(HandleObject *self, const char *type);
/* *status*: what the creation of the block behind self->handle came to. 0, or -1 with an exception
 * set. */
int handle_finish_init(HandleObject *self, enum status status);

/* What __reduce__ returns for an object that also has *state*, for its __setstate__. */
PyObject *handle_reduce_with(HandleObject *self, PyObject *state);

int add_handle(PyObject *module);

#endif
