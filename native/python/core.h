/* What the bindings share. The only header of the core that includes Python.h.
 *
 * Layer  Bindings: arguments in, one call of the core, result out. */
#ifndef PROCESSION_PYTHON_CORE_H
#define PROCESSION_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "../os/clock.h"
#include "../shm/process_table.h"

/* ---- the family (python/family.c) */

/* This process's arena; header is NULL until family_ensure() has run. A tag of 0: the process could not
 * be given a slot, and must not touch the arena. */
extern struct arena family;

/* Makes the arena if this process belongs to no family yet. False: exception set. */
bool family_ensure(void);

/* Has the core know what to do around forks and for the dead. Again is harmless. */
void family_register(void);

/* ---- around forks (python/fork.c) */

void fork_register(void); /* once */

/* Closes the bells that a forked child inherited (python/waker.c). */
void bells_after_fork_in_child(void);

/* ---- handles (python/handle.c) */

/* The base of every Python object that stands for a block. */
typedef struct {
    PyObject_HEAD struct handle handle;
    void *memory; /* the block's payload in this process; NULL: not initialised */
} HandleObject;

/* False, with ValueError set, when the object was never initialised. */
bool handle_is_ready(HandleObject *self);
PyObject *handle_new(PyTypeObject *type); /* without a block yet */
void handle_dealloc(PyObject *self);
/* What __reduce__ returns for an object that also has *state*, for its __setstate__. */
PyObject *handle_reduce_with(HandleObject *self, PyObject *state);
/* A list that takes the handles which this thread pickles for a message; NULL: none is in the making. */
extern __thread PyObject *handle_collector;
extern PyTypeObject *Handle_Type, *Block_Type, *Lock_Type, *Channel_Type;

/* ---- statuses (python/status.c) */

/* Sets the exception for *status*; always NULL. */
PyObject *raise_status(enum status status);
/* An attribute of a module, imported on first use and kept in *cache*. Borrowed; NULL: exception. */
PyObject *import_cached(PyObject **cache, const char *module, const char *name);

/* The exception that is set, taken off the thread. */
PyObject *take_exception(void);

/* ---- arguments (python/arguments.c) */

/* ([obj,] block=True, timeout=None), by position or by name: the deadline to wait until, 0 for "do not
 * wait". A negative timeout counts as zero. *object*: where to put obj; NULL: there is none. */
bool parse_wait(PyObject *const *args, Py_ssize_t nargs, PyObject *names, const char *function,
                PyObject **object, deadline_t *deadline);
bool parse_timeout(PyObject *timeout, deadline_t *deadline);

/* After STATUS_INTERRUPTED: runs Python's signal handlers. False: one raised. */
static inline bool go_on(enum status status)
{
    return status == STATUS_OK || (status == STATUS_INTERRUPTED && PyErr_CheckSignals() == 0);
}

/* ---- set-up, one per binding file; 0 or -1 with an exception set */

int add_family(PyObject *module);
int add_fork(PyObject *module);
int add_handle(PyObject *module);
int add_block(PyObject *module);
int add_lock(PyObject *module);
int add_channel(PyObject *module);
int add_task_channel(PyObject *module); /* after add_channel */
int add_codec(PyObject *module);
int add_bell(PyObject *module); /* after add_channel */
int add_line(PyObject *module);
int add_seat(PyObject *module);
int add_key(PyObject *module);
int add_dict(PyObject *module);
int add_list(PyObject *module);

/* Makes the type and adds it to the module; NULL: exception set. */
PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base);

/* A Block object that takes over *handle*. Its buffer is the whole payload. */
PyObject *block_from_handle(struct handle handle);

#endif
