#include "shared_dict.h"

#include "../container/dict.h"
#include "container.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"

/* ---- errors */

/* Raises KeyError(key), also for a tuple. */
static PyObject *raise_missing(PyObject *key)
{
    PyObject *arguments = PyTuple_Pack(1, key);
    if (arguments)
        PyErr_SetObject(PyExc_KeyError, arguments);
    Py_XDECREF(arguments);
    return NULL;
}

static PyObject *raise_for(enum status status, PyObject *key)
{
    return status == STATUS_MISSING ? raise_missing(key) : raise_status(status);
}

static bool encode(HandleObject *self, PyObject *object, struct key *key)
{
    if (handle_is_ready(self)) {
        if (key_encode(object, key))
            return true;
        key_clear(key);
    }
    return false;
}

/* ---- one key */

/* Calls dict_get() or dict_pop(). STATUS_OK: *value* is the object, or NULL with an exception
 * set. */
static enum status look_up(HandleObject *self, PyObject *object,
                           enum status (*act)(struct arena *, struct container *,
                                              const struct item_key *, struct message *),
                           PyObject **value)
{
    struct message message;
    struct key key;
    *value = NULL;
    if (!encode(self, object, &key))
        return STATUS_OK;
    struct item_key item_key = item_key_of(self, &key);
    enum status status = act(&family, container_of(self), &item_key, &message);
    key_clear(&key);
    if (status == STATUS_OK)
        *value = message_decode_private(&message);
    return status;
}

static PyObject *Dict_subscript(HandleObject *self, PyObject *key)
{
    PyObject *value;
    enum status status = look_up(self, key, dict_get, &value);
    return status == STATUS_OK ? value : raise_for(status, key);
}

static bool check_count(const char *function, Py_ssize_t nargs, Py_ssize_t least)
{
    if (nargs >= least && nargs <= 2)
        return true;
    PyErr_Format(PyExc_TypeError, "%s() takes a key and a default, %zd arguments were given",
                 function, nargs);
    return false;
}

/* get(key, default=None) */
static PyObject *Dict_get(HandleObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *value;
    if (!check_count("get", nargs, 1))
        return NULL;
    enum status status = look_up(self, args[0], dict_get, &value);
    if (status == STATUS_MISSING)
        return Py_NewRef(nargs > 1 ? args[1] : Py_None);
    return status == STATUS_OK ? value : raise_status(status);
}

/* pop(key[, default]) */
static PyObject *Dict_pop(HandleObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *value;
    if (!check_count("pop", nargs, 1))
        return NULL;
    enum status status = look_up(self, args[0], dict_pop, &value);
    if (status == STATUS_MISSING && nargs > 1)
        return Py_NewRef(args[1]);
    return status == STATUS_OK ? value : raise_for(status, args[0]);
}

static int Dict_contains(HandleObject *self, PyObject *object)
{
    struct key key;
    if (!encode(self, object, &key))
        return -1;
    struct item_key item_key = item_key_of(self, &key);
    enum status status = dict_get(&family, container_of(self), &item_key, NULL);
    key_clear(&key);
    if (status != STATUS_OK && status != STATUS_MISSING) {
        raise_status(status);
        return -1;
    }
    return status == STATUS_OK;
}

static int delete(HandleObject *self, PyObject *object)
{
    struct key key;
    if (!encode(self, object, &key))
        return -1;
    struct item_key item_key = item_key_of(self, &key);
    enum status status = dict_pop(&family, container_of(self), &item_key, NULL);
    key_clear(&key);
    if (status == STATUS_OK)
        return 0;
    raise_for(status, object);
    return -1;
}

/* Sets the key. With *found*, only if the key is missing; else *found* is the object that is
 * there. False: exception set. */
static bool set(HandleObject *self, PyObject *object, PyObject *value, PyObject **found)
{
    struct message message, there;
    struct key key;
    if (!encode(self, object, &key))
        return false;
    PyObject *keep = message_encode(value, &message);
    if (keep == NULL) {
        key_clear(&key);
        return false;
    }
    struct item_key item_key = item_key_of(self, &key);
    enum status status = found ? dict_set_default(&family, container_of(self), &item_key, &message,
                                                  &there)
                               : dict_set(&family, container_of(self), &item_key, &message);
    key_clear(&key);
    bool is_set = status == (found ? STATUS_MISSING : STATUS_OK);
    if (!is_set)
        message_discard(&message);
    Py_DECREF(keep);
    if (found && status == STATUS_OK)
        *found = message_decode_private(&there);
    else if (!is_set)
        raise_status(status);
    return is_set || (found && *found);
}

static int Dict_ass_subscript(HandleObject *self, PyObject *key, PyObject *value)
{
    if (value == NULL)
        return delete (self, key);
    return set(self, key, value, NULL) ? 0 : -1;
}

/* setdefault(key, default=None) */
static PyObject *Dict_setdefault(HandleObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_count("setdefault", nargs, 1))
        return NULL;
    PyObject *value = nargs > 1 ? args[1] : Py_None, *found = NULL;
    if (!set(self, args[0], value, &found))
        return NULL;
    return found ? found : Py_NewRef(value);
}

/* ---- many */

/* popitem() -> (key, value) */
static PyObject *Dict_popitem(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    struct snapshot snapshot = {.bytes = NULL};
    enum status status;
    if (!handle_is_ready(self))
        return NULL;
    while ((status = dict_pop_last(&family, container_of(self), &snapshot)) == STATUS_AGAIN)
        if (!snapshot_grow(&snapshot)) {
            PyMem_Free(snapshot.bytes);
            return NULL;
        }
    if (status == STATUS_OK) {
        PyObject *list = snapshot_objects(&snapshot, SNAPSHOT_KEYS | SNAPSHOT_VALUES);
        PyObject *pair = list ? Py_NewRef(PyList_GetItem(list, 0)) : NULL;
        Py_XDECREF(list);
        return pair;
    }
    PyMem_Free(snapshot.bytes);
    if (status != STATUS_MISSING)
        return raise_status(status);
    PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
    return NULL;
}

static bool pack_pair(HandleObject *self, HandleObject *batch, PyObject *pair)
{
    PyObject *object, *value;
    struct key key;
    if (!PyArg_ParseTuple(pair, "OO", &object, &value) || !encode(self, object, &key))
        return false;
    struct item_key item_key = item_key_of(self, &key);
    bool done = pack_write_batch(batch, &item_key, value);
    key_clear(&key);
    return done;
}

/* _update(pairs): a list of tuples of a key and a value. All are set, or none. */
static PyObject *Dict_update(HandleObject *self, PyObject *pairs)
{
    if (!handle_is_ready(self))
        return NULL;
    Py_ssize_t count = PyList_Size(pairs);
    HandleObject *batch = count < 0 ? NULL : new_write_batch(count);
    bool done = batch != NULL;
    for (Py_ssize_t i = 0; done && i < count && i < PyList_Size(pairs); i++)
        done = pack_pair(self, batch, PyList_GetItem(pairs, i));
    if (done) {
        enum status status = dict_update(&family, container_of(self), &batch->handle);
        done = status == STATUS_OK;
        if (!done)
            raise_status(status);
    }
    Py_XDECREF((PyObject *)batch);
    return done ? Py_NewRef(Py_None) : NULL;
}

/* _snapshot(parts) -> list; 1: of keys, 2: of values, 3: of both */
static PyObject *Dict_snapshot(HandleObject *self, PyObject *parts)
{
    unsigned long which = PyLong_AsUnsignedLong(parts);
    if (PyErr_Occurred() || !handle_is_ready(self))
        return NULL;
    return container_object_snapshot(self, (unsigned)which & 3, NULL, NULL);
}

/* ---- the type */

static int Dict_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    return container_object_init(self, args, kwargs, "mapping");
}

static PyObject *Dict_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                          PyObject *Py_UNUSED(kwargs))
{
    return encode_prepare() && decode_prepare() ? handle_new(type) : NULL;
}

static PyMethodDef methods[] = {
    {"get", METHOD(Dict_get), METH_FASTCALL,
     "get(key, default=None, /): the key's value, or the default."},
    {"pop", METHOD(Dict_pop), METH_FASTCALL,
     "pop(key[, default], /): take the key out; its value, or the default, or KeyError."},
    {"setdefault", METHOD(Dict_setdefault), METH_FASTCALL,
     "setdefault(key, default=None, /): the key's value, which is now the default if there was "
     "none."},
    {"popitem", (PyCFunction)Dict_popitem, METH_NOARGS,
     "Take out the key that came last: (key, value); KeyError when there is none."},
    {"clear", (PyCFunction)Container_clear, METH_NOARGS, "Take out all keys."},
    {"_update", (PyCFunction)Dict_update, METH_O, "Set all of a list of pairs, or none of them."},
    {"_snapshot", (PyCFunction)Dict_snapshot, METH_O, "Keys (1), values (2) or pairs (3), a list."},
    {"_owned_lock", (PyCFunction)Container_owned_lock, METH_NOARGS, "Where its lock is."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, Dict_new},
    {Py_tp_init, Dict_init},
    {Py_tp_methods, methods},
    {Py_mp_length, container_object_length},
    {Py_mp_subscript, Dict_subscript},
    {Py_mp_ass_subscript, Dict_ass_subscript},
    {Py_sq_contains, Dict_contains},
    {Py_tp_doc, "SharedDict()\n--\n\nA mapping in shared memory."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.SharedDict",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_shared_dict(PyObject *module)
{
    return add_handle_type(module, &spec, BLOCK_CONTAINER) ? 0 : -1;
}
