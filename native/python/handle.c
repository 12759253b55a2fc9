#include "handle.h"

#include <string.h>

#include "exception.h"
#include "family.h"
#include "hooks.h"
#include "type.h"

PyTypeObject *Handle_Type;

__thread PyObject *handle_collector;

static PyObject *attach_function; /* _core._attach, for __reduce__ */

bool handle_raise_not_ready(HandleObject *self)
{
    if (family.header != NULL && !family_is_joined())
        family_raise_not_joined();
    else
        PyErr_Format(PyExc_ValueError, "%R was not initialised; its __init__ must be called",
                     Py_TYPE((PyObject *)self));
    return false;
}

void handle_dealloc(PyObject *object)
{
    HandleObject *self = (HandleObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (family_is_joined())
        handle_release(&family, &self->handle);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

PyObject *handle_new(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return allocate(type, 0);
}

bool handle_begin_init(HandleObject *self, const char *type)
{
    if (self->memory == NULL)
        return family_ensure();
    PyErr_Format(PyExc_ValueError, "a %s is initialised once", type);
    return false;
}

int handle_finish_init(HandleObject *self, enum status status)
{
    if (!check_status(status))
        return -1;
    self->memory = arena_at(&family, self->handle.offset);
    return 0;
}

static PyObject *new_bytes_of_id(void)
{
    return PyBytes_FromStringAndSize((const char *)family.header->id, sizeof family.header->id);
}

static uint64_t serial_of(HandleObject *self)
{
    return word_get(&block_of(self->memory)->serial);
}

/* The handle goes to the message that is being made, else to the launch, if there is one. */
static bool give_to_collector(PyObject *self)
{
    if (handle_collector)
        return PyList_Append(handle_collector, self) == 0;
    PyObject *collect = hook_value(HOOK_COLLECT);
    PyObject *done = collect ? PyObject_CallFunctionObjArgs(collect, self, NULL) : NULL;
    Py_XDECREF(done);
    return done != NULL;
}

static PyObject *Handle_reduce(HandleObject *self, PyObject *Py_UNUSED(protocol))
{
    if (!handle_is_ready(self) || !give_to_collector((PyObject *)self))
        return NULL;
    return Py_BuildValue("O(ONKK)", attach_function, Py_TYPE((PyObject *)self), new_bytes_of_id(),
                         (unsigned long long)self->handle.offset,
                         (unsigned long long)serial_of(self));
}

PyObject *handle_reduce_with(HandleObject *self, PyObject *state)
{
    PyObject *reference = Handle_reduce(self, NULL);
    if (reference == NULL)
        return NULL;
    PyObject *result = PyTuple_Pack(3, PyTuple_GetItem(reference, 0), PyTuple_GetItem(reference, 1),
                                    state);
    Py_DECREF(reference);
    return result;
}

/* ---- the kinds of blocks */

enum { HANDLE_TYPES_MOST = 16 };

static struct {
    PyTypeObject *type;
    enum block_kind kind;
} handle_types[HANDLE_TYPES_MOST];

PyTypeObject *add_handle_type(PyObject *module, PyType_Spec *spec, enum block_kind kind)
{
    PyTypeObject *type = add_type(module, spec, Handle_Type);
    for (unsigned i = 0; type && i < HANDLE_TYPES_MOST; i++)
        if (handle_types[i].type == NULL) {
            handle_types[i].type = type;
            handle_types[i].kind = kind;
            return type;
        }
    if (type)
        PyErr_SetString(PyExc_SystemError, "the core has too many types of handles");
    return NULL;
}

/* Whether an object of *type* can stand for the block, to which a reference is held. A received
 * payload is plain memory, too. */
static bool is_of_kind(PyTypeObject *type, struct block *block)
{
    uint64_t kind = word_get(&block->kind);
    for (unsigned i = 0; i < HANDLE_TYPES_MOST && handle_types[i].type; i++)
        if (PyType_IsSubtype(type, handle_types[i].type))
            return kind == handle_types[i].kind ||
                   (kind == BLOCK_PAYLOAD && handle_types[i].kind == BLOCK_BYTES);
    return false;
}

/* ---- unpickling */

/* Attaches *self* to the block, if it can stand for it. False: exception set. */
static bool attach_to(HandleObject *self, uint64_t offset, uint64_t serial)
{
    if (!check_status(handle_attach(&family, offset, serial, &self->handle)))
        return false;
    if (is_of_kind(Py_TYPE((PyObject *)self), block_of(arena_at(&family, offset)))) {
        self->memory = arena_at(&family, offset);
        return true;
    }
    handle_release(&family, &self->handle);
    PyErr_Format(PyExc_TypeError,
                 "the reference says that it is to a %R, but what is there in shared memory is of "
                 "another kind: the pickle was changed or forged",
                 Py_TYPE((PyObject *)self));
    return false;
}

/* _attach(type, arena id, offset, serial): what a pickled handle calls. */
static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *type;
    const char *id;
    Py_ssize_t id_size;
    unsigned long long offset, serial;
    if (!PyArg_ParseTuple(args, "O!y#KK", &PyType_Type, &type, &id, &id_size, &offset, &serial))
        return NULL;
    if (!PyType_IsSubtype(type, Handle_Type))
        return PyErr_Format(PyExc_TypeError, "%R is no handle of shared memory", type);
    if (family.header != NULL && !family_is_joined()) {
        family_raise_not_joined();
        return NULL;
    }
    if (family.header == NULL || id_size != sizeof family.header->id ||
        memcmp(id, family.header->id, sizeof family.header->id) != 0)
        return PyErr_Format(PyExc_RuntimeError,
                            "this %R belongs to another family of processes; shared objects reach "
                            "only the descendants of the process that first used procession: pass "
                            "it to a Process, or share through a manager",
                            type);
    PyObject *empty = PyTuple_New(0);
    newfunc make = (newfunc)PyType_GetSlot(type, Py_tp_new);
    HandleObject *self = empty ? (HandleObject *)make(type, empty, NULL) : NULL;
    Py_XDECREF(empty);
    if (self == NULL)
        return NULL;
    /* A class may have a __new__ of its own: what it gives must be ours to fill in. */
    if (!PyObject_TypeCheck((PyObject *)self, Handle_Type) || self->memory) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_TypeError,
                            "%R.__new__() must give a new object of this class each time it is "
                            "called, so that a reference can be unpickled",
                            type);
    }
    if (!attach_to(self, offset, serial))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *Handle_offset(HandleObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->handle.offset);
}

static PyObject *Handle_serial(HandleObject *self, void *Py_UNUSED(closure))
{
    return handle_is_ready(self) ? PyLong_FromUnsignedLongLong(serial_of(self)) : NULL;
}

static PyMethodDef methods[] = {
    {"__reduce__", (PyCFunction)Handle_reduce, METH_NOARGS, "Pickle as a reference."},
    {"__reduce_ex__", (PyCFunction)Handle_reduce, METH_O, "Pickle as a reference."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"offset", (getter)Handle_offset, NULL, "Where the block is in the arena, in bytes.", NULL},
    {"serial", (getter)Handle_serial, NULL, "The block's number; no other ever has it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "A reference to a block of the family's arena."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Handle",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

static PyMethodDef functions[] = {
    {"_attach", attach, METH_VARARGS, "Make a handle to an existing block."},
    {NULL, NULL, 0, NULL},
};

int add_handle(PyObject *module)
{
    Handle_Type = add_type(module, &spec, NULL);
    if (Handle_Type == NULL || PyModule_AddFunctions(module, functions) != 0)
        return -1;
    attach_function = PyObject_GetAttrString(module, "_attach");
    return attach_function ? 0 : -1;
}
