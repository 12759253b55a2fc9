#include "attribute.h"

#include <stddef.h>
#include <structmember.h>

#include "type.h"
#include "value.h"

typedef struct {
    PyObject_HEAD PyObject *name; /* owned; NULL: not initialised */
} AttributeObject;

static int Attribute_init(AttributeObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", NULL};
    PyObject *name;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U", names, &name))
        return -1;
    Py_XDECREF(self->name);
    self->name = Py_NewRef(name);
    return 0;
}

static void Attribute_dealloc(AttributeObject *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_CLEAR(self->name);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* The object to which the attribute belongs; NULL: exception set. */
static LockedObject *target(AttributeObject *self, PyObject *object)
{
    if (self->name && PyObject_TypeCheck(object, Locked_Type))
        return locked_is_ready((LockedObject *)object) ? (LockedObject *)object : NULL;
    PyErr_Format(PyExc_TypeError, "a locked_attribute is for %R objects, not %R", Locked_Type,
                 Py_TYPE(object));
    return NULL;
}

static PyObject *Attribute_get(AttributeObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    if (object == NULL)
        return Py_NewRef((PyObject *)self);
    LockedObject *locked = target(self, object);
    if (locked == NULL || !locked_begin(locked))
        return NULL;
    PyObject *value = PyObject_GetAttr(locked->object, self->name);
    if (!locked_end(locked, value == NULL))
        Py_CLEAR(value);
    return value;
}

static int Attribute_set(AttributeObject *self, PyObject *object, PyObject *value)
{
    LockedObject *locked = target(self, object);
    if (locked == NULL || !locked_begin(locked))
        return -1;
    int failed = PyObject_SetAttr(locked->object, self->name, value);
    return locked_end(locked, failed != 0) ? 0 : -1;
}

static PyMemberDef members[] = {
    {"__name__", T_OBJECT, offsetof(AttributeObject, name), READONLY, "The attribute's name."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, Attribute_init},
    {Py_tp_dealloc, Attribute_dealloc},
    {Py_tp_descr_get, Attribute_get},
    {Py_tp_descr_set, Attribute_set},
    {Py_tp_members, members},
    {Py_tp_doc, "locked_attribute(name): an attribute of the ctypes object, under the lock."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.locked_attribute",
    .basicsize = sizeof(AttributeObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_locked_attribute(PyObject *module)
{
    return add_type(module, &spec, NULL) ? 0 : -1;
}
