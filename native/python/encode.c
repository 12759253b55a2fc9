#include "encode.h"

#include <string.h>

#include "../channel/payload.h"
#include "compact_format.h"
#include "exception.h"
#include "family.h"
#include "handle.h"
#include "hooks.h"
#include "is_simple.h"

/* Whether the standard pickler may be tried first. What it accepts, it writes as the package's
 * own pickler would; that is over once a program has registered reducers of its own. */
static bool standard_pickler_allowed = true;

enum { PICKLE_PROTOCOL = 5 };

/* Buffers of at least so many bytes stay out of the stream; for smaller ones a part of their own
 * costs more than the copy. Python code reads it as _core.OUT_OF_BAND_BYTES. */
enum { OUT_OF_BAND_BYTES = 4096 };

/* A larger copy is made without the GIL. */
#define LARGE_COPY (256 * 1024)

/* ---- scalars */

static void inline_bytes(struct message *message, uint16_t kind, const void *data, size_t size)
{
    message->kind = kind;
    message->size = (uint32_t)size;
    message->data = data;
}

static void inline_word(struct message *message, uint16_t kind, const void *word)
{
    memcpy(message->buffer, word, 8);
    inline_bytes(message, kind, message->buffer, 8);
}

/* True when *object* was a scalar that fits a record. */
static bool encode_scalar(PyObject *object, struct message *message)
{
    PyTypeObject *type = Py_TYPE(object);
    if (object == Py_None)
        inline_bytes(message, RECORD_NONE, "", 0);
    else if (type == &PyLong_Type) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow)
            return false;
        inline_word(message, RECORD_INT, &value);
    } else if (type == &PyFloat_Type) {
        double value = PyFloat_AsDouble(object);
        inline_word(message, RECORD_FLOAT, &value);
    } else if (type == &PyBool_Type)
        inline_bytes(message, object == Py_True ? RECORD_BOOL_TRUE : RECORD_BOOL_FALSE, "", 0);
    else
        return false;
    return true;
}

/* The bytes of an exact str or bytes, else NULL. */
static const char *text_of(PyObject *object, Py_ssize_t *size, uint16_t *kind)
{
    if (Py_TYPE(object) == &PyBytes_Type) {
        *kind = RECORD_BYTES;
        *size = PyBytes_Size(object);
        return PyBytes_AsString(object);
    }
    if (Py_TYPE(object) != &PyUnicode_Type)
        return NULL;
    *kind = RECORD_STR;
    const char *text = PyUnicode_AsUTF8AndSize(object, size);
    if (text == NULL)
        PyErr_Clear(); /* lone surrogates, which pickle can write */
    return text;
}

/* ---- payloads */

struct parts {
    Py_buffer *views; /* the stream first */
    Py_ssize_t count;
};

static void release_parts(struct parts *parts)
{
    for (Py_ssize_t i = 0; i < parts->count; i++)
        PyBuffer_Release(&parts->views[i]);
    PyMem_Free(parts->views);
}

static bool view_parts(struct parts *parts, PyObject *stream, PyObject *buffers)
{
    Py_ssize_t extra = buffers ? PyList_Size(buffers) : 0;
    parts->count = 0;
    parts->views = PyMem_Calloc((size_t)extra + 1, sizeof(Py_buffer));
    if (parts->views == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i <= extra; i++) {
        PyObject *source = i == 0 ? stream : PyList_GetItem(buffers, i - 1);
        if (PyObject_GetBuffer(source, &parts->views[i], PyBUF_SIMPLE) != 0) {
            release_parts(parts);
            return false;
        }
        parts->count++;
    }
    return true;
}

static void copy_parts(char *base, const struct parts *parts, const struct payload_span *spans)
{
    for (Py_ssize_t i = 0; i < parts->count; i++)
        if (parts->views[i].len)
            memcpy(base + spans[i].start, parts->views[i].buf, (size_t)parts->views[i].len);
}

static enum status make_payload(struct message *message, uint16_t kind, const struct parts *parts,
                                PyObject *handles, struct payload_span *spans)
{
    Py_ssize_t references = handles ? PyList_Size(handles) : 0;
    uint64_t total = 0;
    for (Py_ssize_t i = 0; i < parts->count; i++) {
        spans[i].size = (uint64_t)parts->views[i].len;
        spans[i].readonly = (uint64_t)parts->views[i].readonly;
        total += spans[i].size;
    }
    enum status status;
    /* A large block may need fresh pages, which take as long as the copy. */
    PyThreadState *save = total > LARGE_COPY ? PyEval_SaveThread() : NULL;
    status = payload_create(&family, kind, (uint32_t)references, spans, (uint32_t)parts->count,
                            &message->payload);
    if (status == STATUS_OK)
        copy_parts(arena_at(&family, message->payload.offset), parts, spans);
    if (save)
        PyEval_RestoreThread(save);
    if (status != STATUS_OK)
        return status;
    struct payload *payload = arena_at(&family, message->payload.offset);
    for (Py_ssize_t i = 0; i < references; i++)
        payload_add_reference(&family, payload,
                              &((HandleObject *)PyList_GetItem(handles, i))->handle);
    message->kind = RECORD_PAYLOAD;
    message->size = sizeof(struct payload_reference);
    return STATUS_OK;
}

static bool encode_payload(struct message *message, uint16_t kind, PyObject *stream,
                           PyObject *buffers, PyObject *handles)
{
    struct parts parts;
    if (!view_parts(&parts, stream, buffers))
        return false;
    struct payload_span *spans = PyMem_Calloc((size_t)parts.count, sizeof *spans);
    enum status status = STATUS_NO_MEMORY;
    if (spans)
        status = make_payload(message, kind, &parts, handles, spans);
    PyMem_Free(spans);
    release_parts(&parts);
    if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK;
}

static bool encode_text(struct message *message, PyObject *object, const char *text,
                        Py_ssize_t size, uint16_t kind)
{
    if (size <= RECORD_DATA_LIMIT) {
        inline_bytes(message, kind, text, (size_t)size);
        return true;
    }
    if (kind == RECORD_BYTES)
        return encode_payload(message, kind, object, NULL, NULL);
    PyObject *view = PyMemoryView_FromMemory((char *)text, size, PyBUF_READ);
    bool done = view && encode_payload(message, kind, view, NULL, NULL);
    Py_XDECREF(view);
    return done;
}

/* ---- everything else */

/* The pickler's buffer_callback, bound to the list *buffers*. True: the pickler keeps it in the
 * stream. */
static PyObject *take_buffer(PyObject *buffers, PyObject *buffer)
{
    PyObject *raw = PyObject_CallMethod(buffer, "raw", NULL);
    if (raw == NULL)
        return NULL;
    Py_ssize_t size = PyObject_Size(raw); /* raw views are of single bytes */
    int failed = size < OUT_OF_BAND_BYTES ? 0 : PyList_Append(buffers, raw);
    Py_DECREF(raw);
    return size < 0 || failed ? NULL : PyBool_FromLong(size < OUT_OF_BAND_BYTES);
}

static PyMethodDef take_buffer_method = {"take_buffer", take_buffer, METH_O, NULL};

bool encode_prepare(void)
{
    return hook_value(HOOK_DUMPS) && hook_value(HOOK_PICKLING_ERROR);
}

/* pickle.dumps(object, 5, buffer_callback=...) */
static PyObject *pickle_by_standard(PyObject *object, PyObject *buffers)
{
    PyObject *dumps = hook_value(HOOK_DUMPS);
    if (dumps == NULL)
        return NULL;
    PyObject *callback = PyCFunction_New(&take_buffer_method, buffers);
    PyObject *arguments = Py_BuildValue("(Oi)", object, PICKLE_PROTOCOL);
    PyObject *keywords = callback ? Py_BuildValue("{sO}", "buffer_callback", callback) : NULL;
    PyObject *stream = NULL;
    if (arguments && keywords)
        stream = PyObject_Call(dumps, arguments, keywords);
    Py_XDECREF(callback);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return stream;
}

/* Whether the exception is one by which pickle refuses an object, which the package's pickler
 * may accept. Then the exception is taken off the thread. */
static bool was_refused(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *pickling_error = hook_value(HOOK_PICKLING_ERROR);
    bool refused = pickling_error && (PyErr_GivenExceptionMatches(type, PyExc_TypeError) ||
                                      PyErr_GivenExceptionMatches(type, PyExc_AttributeError) ||
                                      PyErr_GivenExceptionMatches(type, pickling_error));
    if (!refused) {
        PyErr_Restore(type, value, traceback);
        return false;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return true;
}

/* The stream as bytes; *handles* and *buffers* are filled on the way. */
static PyObject *pickle_object(PyObject *object, PyObject *handles, PyObject *buffers)
{
    PyObject *outer = handle_collector, *stream = NULL;
    handle_collector = handles;
    if (standard_pickler_allowed) {
        stream = pickle_by_standard(object, buffers);
        if (stream || !was_refused())
            goto done;
        PyList_SetSlice(handles, 0, PyList_Size(handles), NULL);
        PyList_SetSlice(buffers, 0, PyList_Size(buffers), NULL);
    }
    PyObject *encode = hook_value(HOOK_ENCODE);
    if (encode)
        stream = PyObject_CallFunctionObjArgs(encode, object, buffers, NULL);
done:
    handle_collector = outer;
    return stream;
}

static bool encode_stream(struct message *message, PyObject *stream, PyObject *buffers,
                          PyObject *handles)
{
    if (!PyBytes_Check(stream)) {
        PyErr_SetString(PyExc_TypeError, "a pickle stream must be bytes");
        return false;
    }
    Py_ssize_t size = PyBytes_Size(stream);
    if (size > RECORD_DATA_LIMIT || PyList_Size(buffers) || PyList_Size(handles))
        return encode_payload(message, RECORD_PICKLE, stream, buffers, handles);
    inline_bytes(message, RECORD_PICKLE, PyBytes_AsString(stream), (size_t)size);
    return true;
}

static PyObject *encode_pickle(PyObject *object, struct message *message)
{
    PyObject *handles = PyList_New(0), *buffers = PyList_New(0), *stream = NULL;
    if (handles && buffers)
        stream = pickle_object(object, handles, buffers);
    if (stream && !encode_stream(message, stream, buffers, handles)) {
        Py_DECREF(stream);
        stream = NULL;
    }
    Py_XDECREF(handles);
    Py_XDECREF(buffers);
    return stream;
}

/* What travels without pickle. False: it does not, or an exception is set. */
static bool encode_without_pickle(PyObject *object, struct message *message)
{
    message->payload.offset = 0;
    Py_ssize_t size;
    uint16_t kind;
    if (encode_scalar(object, message))
        return true;
    const char *text = text_of(object, &size, &kind);
    if (text)
        return encode_text(message, object, text, size, kind);
    return compact_encode(object, message);
}

PyObject *message_encode(PyObject *object, struct message *message)
{
    if (encode_without_pickle(object, message))
        return Py_NewRef(object);
    return PyErr_Occurred() ? NULL : encode_pickle(object, message);
}

PyObject *message_encode_simple(PyObject *object, struct message *message)
{
    if (encode_without_pickle(object, message))
        return Py_NewRef(object);
    return PyErr_Occurred() || !is_simple(object) ? NULL : encode_pickle(object, message);
}

void message_discard(struct message *message)
{
    if (message->kind == RECORD_PAYLOAD)
        handle_release(&family, &message->payload);
}

/* allow_standard_pickler(flag) */
static PyObject *allow_standard_pickler(PyObject *Py_UNUSED(module), PyObject *flag)
{
    int truth = PyObject_IsTrue(flag);
    if (truth < 0)
        return NULL;
    standard_pickler_allowed = truth;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"allow_standard_pickler", allow_standard_pickler, METH_O,
     "Whether pickle.dumps may be tried before the package's own pickler."},
    {NULL, NULL, 0, NULL},
};

int add_encode(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "OUT_OF_BAND_BYTES", OUT_OF_BAND_BYTES) != 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
