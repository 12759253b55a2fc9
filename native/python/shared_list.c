#include "shared_list.h"

#include "../container/list.h"
#include "container.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"

/* ---- positions */

/* False: exception set. */
static bool parse_range(PyObject *slice, struct list_range *range)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) != 0)
        return false;
    *range = (struct list_range){start, stop, step};
    return true;
}

static bool parse_position(PyObject *index, int64_t *position)
{
    if (!PyIndex_Check(index)) {
        PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %R",
                     Py_TYPE(index));
        return false;
    }
    *position = PyNumber_AsSsize_t(index, PyExc_IndexError);
    return !(*position == -1 && PyErr_Occurred());
}

/* ---- one item */

static PyObject *item(HandleObject *self, Py_ssize_t position)
{
    struct message message;
    if (!handle_is_ready(self))
        return NULL;
    enum status status = list_get(&family, container_of(self), position, &message);
    return status == STATUS_OK ? message_decode_private(&message) : raise_status(status);
}

static PyObject *List_subscript(HandleObject *self, PyObject *index)
{
    struct list_range range;
    int64_t position;
    if (!PySlice_Check(index))
        return parse_position(index, &position) ? item(self, position) : NULL;
    if (!handle_is_ready(self) || !parse_range(index, &range))
        return NULL;
    return container_object_snapshot(self, SNAPSHOT_VALUES, &range, NULL);
}

/* Encodes the value and puts it at *position*; NULL: at the end. 0, or -1 with an exception set. */
static int put(HandleObject *self, const int64_t *position, PyObject *value)
{
    struct message message;
    PyObject *keep = handle_is_ready(self) ? message_encode(value, &message) : NULL;
    if (keep == NULL)
        return -1;
    enum status status = position ? list_set(&family, container_of(self), *position, &message)
                                  : list_append(&family, container_of(self), &message);
    if (status != STATUS_OK) {
        message_discard(&message);
        raise_status(status);
    }
    Py_DECREF(keep);
    return status == STATUS_OK ? 0 : -1;
}

static PyObject *List_append(HandleObject *self, PyObject *value)
{
    return put(self, NULL, value) == 0 ? Py_NewRef(Py_None) : NULL;
}

/* pop(index=-1) */
static PyObject *List_pop(HandleObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct message message;
    int64_t position = -1;
    if (nargs > 1)
        return PyErr_Format(PyExc_TypeError, "pop() takes one argument, an index");
    if (!handle_is_ready(self) || (nargs && !parse_position(args[0], &position)))
        return NULL;
    enum status status = list_pop(&family, container_of(self), position, LIST_ANY_VERSION,
                                  &message);
    if (status == STATUS_OK)
        return message_decode_private(&message);
    if (status != STATUS_MISSING)
        return raise_status(status);
    PyErr_SetString(PyExc_IndexError, container_object_length(self) == 0
                                          ? "pop from empty list"
                                          : "pop index out of range");
    return NULL;
}

/* _remove_at(position, version) -> whether the list was still at that version; then the item is
 * gone. */
static PyObject *List_remove_at(HandleObject *self, PyObject *args)
{
    Py_ssize_t position;
    unsigned long long version;
    if (!PyArg_ParseTuple(args, "nK", &position, &version) || !handle_is_ready(self))
        return NULL;
    enum status status = list_pop(&family, container_of(self), position, version, NULL);
    if (status != STATUS_OK && status != STATUS_AGAIN)
        return raise_status(status);
    return PyBool_FromLong(status == STATUS_OK);
}

/* ---- many */

static HandleObject *pack_all(PyObject *values)
{
    Py_ssize_t count = PyList_Size(values);
    HandleObject *batch = new_write_batch(count);
    for (Py_ssize_t i = 0; batch && i < count && i < PyList_Size(values); i++)
        if (!pack_write_batch(batch, NULL, PyList_GetItem(values, i))) {
            Py_DECREF((PyObject *)batch);
            return NULL;
        }
    return batch;
}

/* Replaces the range by *values*, a list; NULL: deletes it. 0, or -1 with an exception set. */
static int splice(HandleObject *self, struct list_range range, PyObject *values)
{
    if (!handle_is_ready(self))
        return -1;
    HandleObject *batch = values && PyList_Size(values) ? pack_all(values) : NULL;
    if (batch == NULL && PyErr_Occurred())
        return -1;
    uint64_t selected = 0;
    enum status status = list_splice(&family, container_of(self), range,
                                     batch ? &batch->handle : NULL, values != NULL, &selected);
    Py_XDECREF((PyObject *)batch);
    if (status == STATUS_MISFIT)
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign sequence of size %zd to extended slice of size %llu",
                     PyList_Size(values), (unsigned long long)selected);
    else if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK ? 0 : -1;
}

static int set_slice(HandleObject *self, PyObject *slice, PyObject *values)
{
    struct list_range range;
    if (!parse_range(slice, &range))
        return -1;
    if (values == NULL)
        return splice(self, range, NULL);
    PyObject *list = PySequence_List(values);
    int result = list ? splice(self, range, list) : -1;
    Py_XDECREF(list);
    return result;
}

static int List_ass_subscript(HandleObject *self, PyObject *index, PyObject *value)
{
    int64_t position;
    if (PySlice_Check(index))
        return set_slice(self, index, value);
    if (!parse_position(index, &position) || !handle_is_ready(self))
        return -1;
    if (value)
        return put(self, &position, value);
    enum status status = list_pop(&family, container_of(self), position, LIST_ANY_VERSION, NULL);
    if (status == STATUS_OK)
        return 0;
    raise_status(status);
    return -1;
}

/* extend(values) */
static PyObject *List_extend(HandleObject *self, PyObject *values)
{
    PyObject *list = PySequence_List(values);
    int failed = list ? splice(self, (struct list_range){INT64_MAX, INT64_MAX, 1}, list) : -1;
    Py_XDECREF(list);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* insert(index, value) */
static PyObject *List_insert(HandleObject *self, PyObject *args)
{
    Py_ssize_t index;
    PyObject *value;
    if (!PyArg_ParseTuple(args, "nO", &index, &value))
        return NULL;
    PyObject *list = PyList_New(0);
    int failed = list ? PyList_Append(list, value) : -1;
    failed = failed ? -1 : splice(self, (struct list_range){index, index, 1}, list);
    Py_XDECREF(list);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* ---- with a version */

/* _snapshot() -> (list, version) */
static PyObject *List_snapshot(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    uint64_t version;
    PyObject *list = handle_is_ready(self)
                         ? container_object_snapshot(self, SNAPSHOT_VALUES, NULL, &version)
                         : NULL;
    return list ? Py_BuildValue("NK", list, (unsigned long long)version) : NULL;
}

/* _version() -> (length, version) */
static PyObject *List_version(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    uint64_t version;
    if (!handle_is_ready(self))
        return NULL;
    uint64_t count = container_count(&family, container_of(self), &version);
    return Py_BuildValue("KK", (unsigned long long)count, (unsigned long long)version);
}

/* The numbers of *list*, which must be those from 0 to *count* - 1, each once; NULL: exception
 * set. */
static uint64_t *parse_order(PyObject *list, Py_ssize_t count)
{
    uint64_t *order = PyMem_Calloc((size_t)count + 1, sizeof *order);
    char *seen = PyMem_Calloc((size_t)count + 1, 1);
    bool right = order && seen;
    if (!right)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; right && i < count; i++) {
        order[i] = PyLong_AsUnsignedLongLong(PyList_GetItem(list, i));
        right = order[i] < (uint64_t)count && !seen[order[i]];
        if (right)
            seen[order[i]] = 1;
        else if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "that is no order of the positions");
    }
    PyMem_Free(seen);
    if (!right) {
        PyMem_Free(order);
        return NULL;
    }
    return order;
}

/* _permute(order, version) -> whether the list was still at that version */
static PyObject *List_permute(HandleObject *self, PyObject *args)
{
    PyObject *list;
    unsigned long long version;
    if (!PyArg_ParseTuple(args, "O!K", &PyList_Type, &list, &version) || !handle_is_ready(self))
        return NULL;
    Py_ssize_t count = PyList_Size(list);
    uint64_t *order = parse_order(list, count);
    if (order == NULL)
        return NULL;
    enum status status = list_permute(&family, container_of(self), order, (uint64_t)count, version);
    PyMem_Free(order);
    if (status != STATUS_OK && status != STATUS_AGAIN)
        return raise_status(status);
    return PyBool_FromLong(status == STATUS_OK);
}

/* ---- the type */

static int List_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    return container_object_init(self, args, kwargs, "list");
}

static PyObject *List_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                          PyObject *Py_UNUSED(kwargs))
{
    return encode_prepare() && decode_prepare() ? handle_new(type) : NULL;
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)List_append, METH_O, "append(value, /): put it at the end."},
    {"pop", METHOD(List_pop), METH_FASTCALL,
     "pop(index=-1, /): take out that item; IndexError when there is none."},
    {"insert", (PyCFunction)List_insert, METH_VARARGS,
     "insert(index, value, /): before that item."},
    {"extend", (PyCFunction)List_extend, METH_O, "extend(values, /): put all at the end, or none."},
    {"clear", (PyCFunction)Container_clear, METH_NOARGS, "Take out all items."},
    {"_snapshot", (PyCFunction)List_snapshot, METH_NOARGS, "The items, and the list's version."},
    {"_version", (PyCFunction)List_version, METH_NOARGS, "Its length and its version."},
    {"_permute", (PyCFunction)List_permute, METH_VARARGS, "Order it anew, if still at a version."},
    {"_remove_at", (PyCFunction)List_remove_at, METH_VARARGS,
     "Take one out, if still at a version."},
    {"_owned_lock", (PyCFunction)Container_owned_lock, METH_NOARGS, "Where its lock is."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, List_new},
    {Py_tp_init, List_init},
    {Py_tp_methods, methods},
    {Py_mp_length, container_object_length},
    {Py_sq_length, container_object_length},
    {Py_sq_item, item},
    {Py_mp_subscript, List_subscript},
    {Py_mp_ass_subscript, List_ass_subscript},
    {Py_tp_doc, "SharedList()\n--\n\nA list in shared memory."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.SharedList",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_shared_list(PyObject *module)
{
    return add_handle_type(module, &spec, BLOCK_CONTAINER) ? 0 : -1;
}
