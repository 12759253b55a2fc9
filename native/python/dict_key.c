#include "dict_key.h"

#include <math.h>
#include <string.h>

#include "exception.h"
#include "handle.h"
#include "hooks.h"

enum letter {
    NONE = 'N',
    INT = 'i',     /* eight bytes */
    BIG_INT = 'I', /* hexadecimal */
    FLOAT = 'f',   /* eight bytes */
    STR = 's',
    BYTES = 'b',
    TUPLE = '(',
    SET = '{',    /* the elements, each with its size, in the order of their bytes */
    OBJECT = 'P', /* the size of its type's name, the name, a pickle */
};

typedef uint32_t length_t;

/* ---- writing: false with an exception set */

static bool reserve(struct key *key, size_t more)
{
    if (more <= key->capacity - key->size)
        return true;
    size_t capacity = 2 * (key->size + more);
    char *bytes = PyMem_Malloc(capacity);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(bytes, key->bytes, key->size);
    if (key->bytes != key->local)
        PyMem_Free(key->bytes);
    key->bytes = bytes;
    key->capacity = capacity;
    return true;
}

static bool write_bytes(struct key *key, const void *data, size_t size)
{
    if (!reserve(key, size))
        return false;
    memcpy(key->bytes + key->size, data, size);
    key->size += size;
    return true;
}

static bool write_lettered(struct key *key, enum letter letter, const void *data, size_t size)
{
    char first = (char)letter;
    return write_bytes(key, &first, 1) && write_bytes(key, data, size);
}

static bool write_str(struct key *key, PyObject *object)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text)
        return write_lettered(key, STR, text, (size_t)size);
    PyErr_Clear(); /* lone surrogates have bytes of their own */
    PyObject *bytes = PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass");
    bool done = bytes &&
                write_lettered(key, STR, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    Py_XDECREF(bytes);
    return done;
}

static bool write_int(struct key *key, PyObject *object)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (!overflow)
        return write_lettered(key, INT, &value, sizeof value);
    PyObject *text = PyNumber_ToBase(object, 16);
    Py_ssize_t size;
    const char *digits = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    bool done = digits && write_lettered(key, BIG_INT, digits, (size_t)size);
    Py_XDECREF(text);
    return done;
}

static bool write_float(struct key *key, PyObject *object)
{
    double value = PyFloat_AsDouble(object);
    if (isfinite(value) && floor(value) == value) {
        PyObject *integer = PyLong_FromDouble(value);
        bool done = integer && write_int(key, integer);
        Py_XDECREF(integer);
        key->exact = false;
        return done;
    }
    if (isnan(value))
        value = Py_NAN; /* every NaN is the same key */
    return write_lettered(key, FLOAT, &value, sizeof value);
}

static bool write_key(struct key *key, PyObject *object);

static bool write_sized(struct key *key, PyObject *object)
{
    length_t length = 0;
    size_t at = key->size;
    if (!write_bytes(key, &length, sizeof length) || !write_key(key, object))
        return false;
    size_t size = key->size - at - sizeof length;
    length = (length_t)size;
    if (length != size) {
        PyErr_SetString(PyExc_OverflowError, "a key must have less than 4 GiB");
        return false;
    }
    memcpy(key->bytes + at, &length, sizeof length);
    return true;
}

static bool write_tuple(struct key *key, PyObject *tuple)
{
    bool done = write_lettered(key, TUPLE, "", 0) && Py_EnterRecursiveCall(" in a key") == 0;
    if (!done)
        return false;
    for (Py_ssize_t i = 0; done && i < PyTuple_Size(tuple); i++)
        done = write_sized(key, PyTuple_GetItem(tuple, i));
    Py_LeaveRecursiveCall();
    return done;
}

/* A shared object has no bytes but its address, and the mapping would have to keep it alive. */
static bool has_no_handles(PyObject *handles)
{
    if (PyList_Size(handles) == 0)
        return true;
    PyErr_Format(PyExc_TypeError, "a shared object cannot be (in) a key of a shared mapping: %R",
                 PyList_GetItem(handles, 0));
    return false;
}

/* Calls the hook, a pickler, with the object; bytes, or NULL. */
static PyObject *pickled_by(enum hook hook, PyObject *object)
{
    PyObject *function = hook_value(hook);
    if (function == NULL)
        return NULL;
    PyObject *outer = handle_collector, *handles = PyList_New(0);
    if (handles == NULL)
        return NULL;
    handle_collector = handles;
    PyObject *bytes = PyObject_CallFunctionObjArgs(function, object, NULL);
    handle_collector = outer;
    if (bytes && (!has_no_handles(handles) || PyBytes_AsString(bytes) == NULL))
        Py_CLEAR(bytes);
    Py_DECREF(handles);
    return bytes;
}

static bool write_other(struct key *key, PyObject *object)
{
    if (PyObject_Hash(object) == -1)
        return false;
    PyObject *bytes = pickled_by(HOOK_ENCODE_KEY, object);
    bool done = bytes && write_bytes(key, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    if (Py_TYPE(object) == &PyFrozenSet_Type)
        key->exact = false;
    Py_XDECREF(bytes);
    return done;
}

static bool write_key(struct key *key, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyUnicode_Type)
        return write_str(key, object);
    if (type == &PyLong_Type)
        return write_int(key, object);
    if (type == &PyBytes_Type)
        return write_lettered(key, BYTES, PyBytes_AsString(object), (size_t)PyBytes_Size(object));
    if (type == &PyFloat_Type)
        return write_float(key, object);
    if (type == &PyTuple_Type)
        return write_tuple(key, object);
    if (object == Py_None)
        return write_lettered(key, NONE, "", 0);
    if (type == &PyBool_Type) {
        key->exact = false;
        return write_int(key, object);
    }
    return write_other(key, object);
}

static bool write_form(struct key *key, PyObject *object)
{
    PyObject *bytes = pickled_by(HOOK_DUMPS, object);
    bool done = bytes && write_bytes(key, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    Py_XDECREF(bytes);
    return done;
}

bool key_encode(PyObject *object, struct key *key)
{
    key->bytes = key->local;
    key->capacity = sizeof key->local;
    key->size = 0;
    key->exact = true;
    if (!write_key(key, object))
        return false;
    key->form = key->size;
    if (!key->exact && !write_form(key, object))
        return false;
    if (key->size <= UINT32_MAX)
        return true;
    PyErr_SetString(PyExc_OverflowError, "a key must have less than 4 GiB");
    return false;
}

void key_clear(struct key *key)
{
    if (key->bytes != key->local)
        PyMem_Free(key->bytes);
}

/* ---- reading */

static PyObject *read_key(const char *bytes, size_t size);

static PyObject *load(const char *bytes, size_t size)
{
    PyObject *loads = hook_value(HOOK_LOADS);
    if (loads == NULL)
        return NULL;
    PyObject *stream = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    PyObject *object = stream ? PyObject_CallFunctionObjArgs(loads, stream, NULL) : NULL;
    Py_XDECREF(stream);
    return object;
}

/* The length at *at*, if so many bytes are behind it; else false. */
static bool read_length(const char *at, size_t left, length_t *length)
{
    if (left < sizeof *length)
        return false;
    memcpy(length, at, sizeof *length);
    return *length <= left - sizeof *length;
}

static PyObject *read_elements(const char *bytes, size_t size)
{
    PyObject *list = PyList_New(0);
    length_t length = 0;
    for (size_t at = 0; list && at < size; at += sizeof length + length) {
        PyObject *element = read_length(bytes + at, size - at, &length)
                                ? read_key(bytes + at + sizeof length, length)
                                : raise_status(STATUS_CORRUPT);
        if (element == NULL || PyList_Append(list, element) != 0)
            Py_CLEAR(list);
        Py_XDECREF(element);
    }
    return list;
}

static PyObject *read_tuple(const char *bytes, size_t size)
{
    if (Py_EnterRecursiveCall(" in a key") != 0)
        return NULL;
    PyObject *list = read_elements(bytes, size);
    Py_LeaveRecursiveCall();
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *read_big_int(const char *bytes, size_t size)
{
    PyObject *text = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size); /* ends with a zero */
    PyObject *number = text ? PyLong_FromString(PyBytes_AsString(text), NULL, 16) : NULL;
    Py_XDECREF(text);
    return number;
}

static PyObject *read_object(const char *bytes, size_t size)
{
    length_t name;
    if (!read_length(bytes, size, &name))
        return raise_status(STATUS_CORRUPT);
    return load(bytes + sizeof name + name, size - sizeof name - name);
}

static PyObject *read_number(enum letter letter, const char *bytes, size_t size)
{
    if (size != 8)
        return raise_status(STATUS_CORRUPT);
    long long integer;
    double number;
    memcpy(&integer, bytes, 8);
    memcpy(&number, bytes, 8);
    return letter == INT ? PyLong_FromLongLong(integer) : PyFloat_FromDouble(number);
}

static PyObject *read_key(const char *bytes, size_t size)
{
    if (size == 0)
        return raise_status(STATUS_CORRUPT);
    enum letter letter = (enum letter) * bytes++;
    switch (size--, letter) {
    case STR:
        return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)size, "surrogatepass");
    case INT:
    case FLOAT:
        return read_number(letter, bytes, size);
    case BYTES:
        return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    case NONE:
        return Py_NewRef(Py_None);
    case TUPLE:
        return read_tuple(bytes, size);
    case BIG_INT:
        return read_big_int(bytes, size);
    case OBJECT:
        return read_object(bytes, size);
    default:
        return raise_status(STATUS_CORRUPT);
    }
}

PyObject *key_decode(const char *bytes, size_t size, size_t form_bytes)
{
    return form_bytes ? load(bytes + size, form_bytes) : read_key(bytes, size);
}

/* ---- for procession.shared._keys */

/* dict_key_bytes(key) -> bytes that are the same for equal keys */
static PyObject *dict_key_bytes(PyObject *Py_UNUSED(module), PyObject *object)
{
    struct key key = {.bytes = key.local, .capacity = sizeof key.local, .exact = true};
    PyObject *bytes = NULL;
    if (write_key(&key, object))
        bytes = PyBytes_FromStringAndSize(key.bytes, (Py_ssize_t)key.size);
    key_clear(&key);
    return bytes;
}

static PyMethodDef functions[] = {
    {"dict_key_bytes", dict_key_bytes, METH_O,
     "dict_key_bytes(key): bytes that are the same for equal keys."},
    {NULL, NULL, 0, NULL},
};

int add_dict_key(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
