#include "value.h"

#include "../crash_point.h"
#include "method_cache.h"
#include "type.h"
#include "typecodes.h"

PyTypeObject *Locked_Type;

bool locked_is_ready(LockedObject *self)
{
    if (self->object == NULL)
        PyErr_SetString(PyExc_ValueError, "the value was not initialised");
    return self->object != NULL;
}

/* ---- making */

/* Locked(object, lock, code): *code* is "" for what is not simple. */
static int Locked_init(LockedObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"object", "lock", "code", NULL};
    PyObject *object, *lock;
    const char *code;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOs", names, &object, &lock, &code))
        return -1;
    if (self->object) {
        PyErr_SetString(PyExc_ValueError, "a value is initialised once");
        return -1;
    }
    if (!lock_reference_init(&self->lock, lock))
        return -1;
    if (PyObject_GetBuffer(object, &self->view, PyBUF_WRITABLE) != 0) {
        lock_reference_clear(&self->lock);
        return -1;
    }
    self->code = *code;
    self->item_bytes = code_bytes(*code);
    self->object = Py_NewRef(object);
    return 0;
}

static void Locked_dealloc(LockedObject *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->object)
        PyBuffer_Release(&self->view);
    Py_CLEAR(self->object);
    lock_reference_clear(&self->lock);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- the lock */

static PyObject *Locked_enter(PyObject *self, PyObject *const *Py_UNUSED(args),
                              Py_ssize_t Py_UNUSED(nargs))
{
    return lock_reference_enter(&((LockedObject *)self)->lock);
}

static PyObject *Locked_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return lock_reference_exit(&((LockedObject *)self)->lock, args, nargs);
}

static PyObject *Locked_lock_method(LockedObject *self, void *name)
{
    return lock_reference_method(&self->lock, name);
}

static PyObject *Locked_get_obj(LockedObject *self, void *Py_UNUSED(unused))
{
    return locked_is_ready(self) ? Py_NewRef(self->object) : NULL;
}

static PyObject *Locked_get_lock(LockedObject *self, void *Py_UNUSED(unused))
{
    return locked_is_ready(self) ? Py_NewRef(self->lock.object) : NULL;
}

/* ---- access to one item */

static char *address_of(LockedObject *self, Py_ssize_t index)
{
    return (char *)self->view.buf + index * self->item_bytes;
}

static PyObject *get_item(LockedObject *self, Py_ssize_t index)
{
    if (!lock_reference_acquire(&self->lock))
        return NULL;
    uint64_t bits = read_bits(address_of(self, index), self->item_bytes);
    if (!lock_reference_release(&self->lock))
        return NULL;
    return from_bits(bits, self->code, self->item_bytes);
}

/* With the lock held. One store: a process killed beside it has changed the item or has not. */
static void commit(LockedObject *self, Py_ssize_t index, uint64_t bits)
{
    CRASH_POINT("value.before_commit");
    write_bits(address_of(self, index), self->item_bytes, bits);
    CRASH_POINT("value.committed");
}

static int set_item(LockedObject *self, Py_ssize_t index, uint64_t bits)
{
    if (!lock_reference_acquire(&self->lock))
        return -1;
    commit(self, index, bits);
    return lock_reference_release(&self->lock) ? 0 : -1;
}

/* ---- access by way of ctypes */

bool locked_begin(LockedObject *self)
{
    if (!lock_reference_acquire(&self->lock))
        return false;
    CRASH_POINT("value.locked");
    return true;
}

bool locked_end(LockedObject *self, bool operation_failed)
{
    PyObject *type, *value, *traceback;
    if (!operation_failed)
        return lock_reference_release(&self->lock);
    PyErr_Fetch(&type, &value, &traceback);
    if (!lock_reference_release(&self->lock))
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return false;
}

/* ---- a value */

static PyObject *Value_get(LockedObject *self, void *Py_UNUSED(closure))
{
    if (!locked_is_ready(self))
        return NULL;
    if (self->code)
        return get_item(self, 0);
    if (!locked_begin(self))
        return NULL;
    PyObject *value = PyObject_GetAttrString(self->object, "value");
    if (!locked_end(self, value == NULL))
        Py_CLEAR(value);
    return value;
}

static int Value_set(LockedObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    uint64_t bits;
    if (!locked_is_ready(self))
        return -1;
    int simple = value && self->code ? to_bits(value, self->code, &bits) : 0;
    if (simple != 0)
        return simple < 0 ? -1 : set_item(self, 0, bits);
    if (!locked_begin(self))
        return -1;
    int failed = PyObject_SetAttrString(self->object, "value", value);
    return locked_end(self, failed != 0) ? 0 : -1;
}

/* False: exception set. */
static bool integer_argument(LockedObject *self, PyObject *argument, uint64_t *bits)
{
    if (!locked_is_ready(self))
        return false;
    PyObject *number = PyIndex_Check(argument) ? PyNumber_Index(argument) : Py_NewRef(argument);
    bool fits = number && code_is_integer(self->code) && to_bits(number, self->code, bits) == 1;
    Py_XDECREF(number);
    if (!fits && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "atomic operations are for integers: %R, %R", self->object,
                     argument);
    return fits;
}

/* Value.add(n) -> the new value */
static PyObject *Value_add(LockedObject *self, PyObject *argument)
{
    uint64_t more;
    if (!integer_argument(self, argument, &more) || !lock_reference_acquire(&self->lock))
        return NULL;
    uint64_t sum = read_bits(self->view.buf, self->item_bytes) + more;
    commit(self, 0, sum);
    if (!lock_reference_release(&self->lock))
        return NULL;
    return integer_from_bits(sum, self->code, self->item_bytes);
}

/* Value.compare_and_set(old, new) -> bool */
static PyObject *Value_compare_and_set(LockedObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t old, new;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "compare_and_set() takes 2 arguments: old, new");
    if (!integer_argument(self, args[0], &old) || !integer_argument(self, args[1], &new) ||
        !lock_reference_acquire(&self->lock))
        return NULL;
    unsigned unused = 64 - 8 * (unsigned)self->item_bytes;
    uint64_t now = read_bits(self->view.buf, self->item_bytes);
    bool equal = now << unused == old << unused;
    if (equal)
        commit(self, 0, new);
    return lock_reference_release(&self->lock) ? PyBool_FromLong(equal) : NULL;
}

/* ---- an array */

static Py_ssize_t Array_length(LockedObject *self)
{
    return locked_is_ready(self) ? PyObject_Size(self->object) : -1;
}

/* The index of the item *key*; -1: ctypes has to find it, or the error for it. */
static Py_ssize_t index_for(LockedObject *self, PyObject *key)
{
    if (!self->code || !PyLong_CheckExact(key))
        return -1;
    Py_ssize_t index = PyLong_AsSsize_t(key), length = self->view.len / self->item_bytes;
    if (index == -1 && PyErr_Occurred()) {
        PyErr_Clear(); /* ctypes raises the error for it */
        return -1;
    }
    index += index < 0 ? length : 0;
    return index < length ? index : -1;
}

static PyObject *Array_subscript(LockedObject *self, PyObject *key)
{
    if (!locked_is_ready(self))
        return NULL;
    Py_ssize_t index = index_for(self, key);
    if (index >= 0)
        return get_item(self, index);
    if (!locked_begin(self))
        return NULL;
    PyObject *value = PyObject_GetItem(self->object, key);
    if (!locked_end(self, value == NULL))
        Py_CLEAR(value);
    return value;
}

static int Array_assign(LockedObject *self, PyObject *key, PyObject *value)
{
    if (!locked_is_ready(self))
        return -1;
    Py_ssize_t index = value ? index_for(self, key) : -1;
    uint64_t bits;
    int simple = index >= 0 ? to_bits(value, self->code, &bits) : 0;
    if (simple != 0)
        return simple < 0 ? -1 : set_item(self, index, bits);
    if (!locked_begin(self))
        return -1;
    int failed = value ? PyObject_SetItem(self->object, key, value)
                       : PyObject_DelItem(self->object, key);
    return locked_end(self, failed != 0) ? 0 : -1;
}

/* The item at *index*, for iteration. */
static PyObject *Array_item(LockedObject *self, Py_ssize_t index)
{
    PyObject *key = PyLong_FromSsize_t(index);
    PyObject *value = key ? Array_subscript(self, key) : NULL;
    Py_XDECREF(key);
    return value;
}

/* ---- types */

static PyGetSetDef locked_getters[] = {
    {"acquire", (getter)Locked_lock_method, NULL, "The lock's method.", "acquire"},
    {"release", (getter)Locked_lock_method, NULL, "The lock's method.", "release"},
    {"_obj", (getter)Locked_get_obj, NULL, "The ctypes object.", NULL},
    {"_lock", (getter)Locked_get_lock, NULL, "The lock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef locked_methods[] = {
    {"get_obj", (PyCFunction)Locked_get_obj, METH_NOARGS,
     "get_obj($self, /)\n--\n\nThe ctypes object, to be used with the lock held."},
    {"get_lock", (PyCFunction)Locked_get_lock, METH_NOARGS, "get_lock($self, /)\n--\n\nThe lock."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef value_methods[] = {
    {"add", (PyCFunction)Value_add, METH_O,
     "add($self, n, /)\n--\n\nAdd the integer *n*, as one step under the lock; the new value."},
    {"compare_and_set", METHOD(Value_compare_and_set), METH_FASTCALL,
     "compare_and_set($self, old, new, /)\n--\n\nIf the value is *old*, make it *new*, as one step "
     "under the lock; "
     "whether it was."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef value_getters[] = {
    {"value", (getter)Value_get, (setter)Value_set, "The value, read or written under the lock.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot locked_slots[] = {
    {Py_tp_init, Locked_init},
    {Py_tp_dealloc, Locked_dealloc},
    {Py_tp_methods, locked_methods},
    {Py_tp_getset, locked_getters},
    {Py_tp_doc, "Locked(object, lock, code): a ctypes object and the lock around it."},
    {0, NULL},
};

static PyType_Slot value_slots[] = {
    {Py_tp_methods, value_methods},
    {Py_tp_getset, value_getters},
    {Py_tp_doc, "A ctypes object with a value."},
    {0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_mp_length, Array_length},
    {Py_mp_subscript, Array_subscript},
    {Py_mp_ass_subscript, Array_assign},
    {Py_sq_length, Array_length},
    {Py_sq_item, Array_item},
    {Py_tp_doc, "A ctypes array."},
    {0, NULL},
};

#define SPEC(text, its_slots)                                                                      \
    {                                                                                              \
        .name = "procession._core." text,                                                          \
        .basicsize = sizeof(LockedObject),                                                         \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,                                         \
        .slots = its_slots,                                                                        \
    }

static PyType_Spec locked_spec = SPEC("Locked", locked_slots);
static PyType_Spec value_spec = SPEC("LockedValue", value_slots);
static PyType_Spec array_spec = SPEC("LockedArray", array_slots);

int add_value(PyObject *module)
{
    Locked_Type = add_type(module, &locked_spec, NULL);
    if (Locked_Type == NULL || add_context_manager(Locked_Type, Locked_enter, Locked_exit) != 0 ||
        add_type(module, &value_spec, Locked_Type) == NULL ||
        add_type(module, &array_spec, Locked_Type) == NULL)
        return -1;
    return 0;
}
