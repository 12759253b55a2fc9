#include "decode.h"

#include <string.h>

#include "../channel/payload.h"
#include "block.h"
#include "compact_format.h"
#include "exception.h"
#include "family.h"
#include "hooks.h"

bool decode_prepare(void)
{
    return hook_value(HOOK_LOADS) != NULL;
}

/* Adds to the exception that is set what kind of object it was that could not be rebuilt. */
static void explain(PyObject *stream)
{
    PyObject *error = take_exception();
    PyObject *name_culprit = hook_value(HOOK_NAME_CULPRIT);
    if (name_culprit)
        Py_XDECREF(PyObject_CallFunctionObjArgs(name_culprit, error, stream, NULL));
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(error); /* the object's own error matters more */
    raise_object(error);
}

/* memoryview(block)[start:start + size], read-only if the buffer of the sender was. */
static PyObject *view_of_span(PyObject *whole, const struct payload_span *span)
{
    PyObject *slice = NULL, *view = NULL;
    PyObject *start = PyLong_FromUnsignedLongLong(span->start);
    PyObject *stop = PyLong_FromUnsignedLongLong(span->start + span->size);
    if (start && stop)
        slice = PySlice_New(start, stop, NULL);
    if (slice)
        view = PyObject_GetItem(whole, slice);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    Py_XDECREF(slice);
    if (view == NULL || !span->readonly)
        return view;
    PyObject *readonly = PyObject_CallMethod(view, "toreadonly", NULL);
    Py_DECREF(view);
    return readonly;
}

/* A copy, which the receiver may change: other receivers share what lies in the block. */
static PyObject *copy_of_span(PyObject *whole, const struct payload_span *span)
{
    PyObject *view = view_of_span(whole, span);
    PyObject *copy = NULL;
    if (view)
        copy = span->readonly ? PyBytes_FromObject(view) : PyByteArray_FromObject(view);
    Py_XDECREF(view);
    return copy;
}

/* A list: a view of the stream, and views or copies of the buffers. */
static PyObject *views_of_spans(PyObject *block, const struct payload_span *spans, uint32_t count,
                                bool is_private)
{
    PyObject *whole = PyMemoryView_FromObject(block);
    PyObject *views = whole ? PyList_New(0) : NULL;
    for (uint32_t i = 0; views && i < count; i++) {
        PyObject *view = i > 0 && is_private ? copy_of_span(whole, &spans[i])
                                             : view_of_span(whole, &spans[i]);
        if (view == NULL || PyList_Append(views, view) != 0)
            Py_CLEAR(views);
        Py_XDECREF(view);
    }
    Py_XDECREF(whole);
    return views;
}

/* pickle.loads(stream, buffers=...), where the views keep the block alive. */
static PyObject *load_with_buffers(PyObject *views)
{
    PyObject *stream = PyList_GetItem(views, 0);
    PyObject *buffers = PyList_GetSlice(views, 1, PyList_Size(views));
    PyObject *arguments = PyTuple_Pack(1, stream);
    PyObject *keywords = buffers ? Py_BuildValue("{sO}", "buffers", buffers) : NULL;
    PyObject *loads = hook_value(HOOK_LOADS), *object = NULL;
    if (loads && arguments && keywords)
        object = PyObject_Call(loads, arguments, keywords);
    if (object == NULL)
        explain(stream);
    Py_XDECREF(buffers);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return object;
}

static PyObject *decode_pickle(PyObject *block, const struct payload_span *spans, uint32_t count,
                               bool is_private)
{
    PyObject *views = views_of_spans(block, spans, count, is_private);
    PyObject *object = views ? load_with_buffers(views) : NULL;
    Py_XDECREF(views);
    return object;
}

static PyObject *decode_payload(struct message *message, bool is_private)
{
    struct payload *payload = arena_at(&family, message->payload.offset);
    uint64_t size = word_get(&block_of(payload)->size);
    PyObject *block = block_from_handle(message->payload);
    if (block == NULL)
        return NULL;
    const struct payload_span *spans = payload_spans(payload, size);
    PyObject *object = NULL;
    if (spans == NULL)
        raise_status(STATUS_CORRUPT);
    else if (payload->kind == RECORD_BYTES)
        object = PyBytes_FromStringAndSize((char *)payload + spans[0].start,
                                           (Py_ssize_t)spans[0].size);
    else if (payload->kind == RECORD_STR)
        object = PyUnicode_DecodeUTF8((char *)payload + spans[0].start, (Py_ssize_t)spans[0].size,
                                      NULL);
    else
        object = decode_pickle(block, spans, payload->span_count, is_private);
    Py_DECREF(block);
    return object;
}

static PyObject *decode_inline_pickle(struct message *message)
{
    PyObject *loads = hook_value(HOOK_LOADS);
    if (loads == NULL)
        return NULL;
    PyObject *stream = PyBytes_FromStringAndSize(message->data, message->size);
    PyObject *object = stream ? PyObject_CallFunctionObjArgs(loads, stream, NULL) : NULL;
    if (stream && object == NULL)
        explain(stream);
    Py_XDECREF(stream);
    return object;
}

static PyObject *decode_number(struct message *message)
{
    if (message->size != 8)
        return raise_status(STATUS_CORRUPT);
    long long integer;
    double number;
    memcpy(&integer, message->data, 8);
    memcpy(&number, message->data, 8);
    return message->kind == RECORD_INT ? PyLong_FromLongLong(integer) : PyFloat_FromDouble(number);
}

PyObject *message_decode(struct message *message)
{
    switch (message->kind) {
    case RECORD_NONE:
        return Py_NewRef(Py_None);
    case RECORD_BOOL_FALSE:
    case RECORD_BOOL_TRUE:
        return PyBool_FromLong(message->kind == RECORD_BOOL_TRUE);
    case RECORD_INT:
    case RECORD_FLOAT:
        return decode_number(message);
    case RECORD_STR:
        return PyUnicode_DecodeUTF8(message->data, message->size, NULL);
    case RECORD_BYTES:
        return PyBytes_FromStringAndSize(message->data, message->size);
    case RECORD_PICKLE:
        return decode_inline_pickle(message);
    case RECORD_COMPACT:
        return compact_decode(message);
    case RECORD_PAYLOAD:
        return decode_payload(message, false);
    default:
        return raise_status(STATUS_CORRUPT);
    }
}

PyObject *message_decode_private(struct message *message)
{
    return message->kind == RECORD_PAYLOAD ? decode_payload(message, true)
                                           : message_decode(message);
}

PyObject *message_decode_with_tags(struct message *message)
{
    PyObject *object = message_decode(message), *error = NULL;
    if (object == NULL) {
        error = take_exception();
        object = Py_NewRef(Py_None);
    }
    return Py_BuildValue("(KKKNN)", (unsigned long long)message->sequence,
                         (unsigned long long)message->label, (unsigned long long)message->extra,
                         object, error ? error : Py_NewRef(Py_None));
}
