#include "compact_format.h"

#include <string.h>

#include "exception.h"

/* Tuples that are nested deeper are pickled. */
enum { DEPTH = 6 };

enum letter {
    NONE = 'N',
    TRUE_ = 'T',
    FALSE_ = 'F',
    INT = 'i',
    FLOAT = 'f',
    STR = 's',
    BYTES = 'b',
    TUPLE = '(',
    LIST = '[',
    DICT = '{',
};

/* ---- writing: each function is false when the value cannot be written; no exception is set */

struct writer {
    char *at, *end;
};

static bool write_value(struct writer *writer, PyObject *object, int depth);

/* A letter, and a size or count behind it. */
static bool write_head(struct writer *writer, enum letter letter, Py_ssize_t size)
{
    if (size > UINT16_MAX || writer->end - writer->at < 3)
        return false;
    uint16_t size16 = (uint16_t)size;
    *writer->at = (char)letter;
    memcpy(writer->at + 1, &size16, 2);
    writer->at += 3;
    return true;
}

static bool write_bytes(struct writer *writer, enum letter letter, const char *data,
                        Py_ssize_t size)
{
    if (size > writer->end - writer->at || !write_head(writer, letter, size) ||
        size > writer->end - writer->at)
        return false;
    memcpy(writer->at, data, (size_t)size);
    writer->at += size;
    return true;
}

static bool write_str(struct writer *writer, PyObject *object)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == NULL) {
        PyErr_Clear(); /* lone surrogates, or no memory: pickling decides which */
        return false;
    }
    return write_bytes(writer, STR, text, size);
}

/* A letter and eight bytes. */
static bool write_word(struct writer *writer, enum letter letter, const void *word)
{
    if (writer->end - writer->at < 9)
        return false;
    *writer->at = (char)letter;
    memcpy(writer->at + 1, word, 8);
    writer->at += 9;
    return true;
}

static bool write_int(struct writer *writer, PyObject *object)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    return !overflow && write_word(writer, INT, &value);
}

static bool write_letter(struct writer *writer, enum letter letter)
{
    if (writer->at == writer->end)
        return false;
    *writer->at++ = (char)letter;
    return true;
}

static bool write_tuple(struct writer *writer, PyObject *tuple, int depth)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    bool done = depth < DEPTH && write_head(writer, TUPLE, count);
    for (Py_ssize_t i = 0; done && i < count; i++)
        done = write_value(writer, PyTuple_GetItem(tuple, i), depth + 1);
    return done;
}

static bool write_list(struct writer *writer, PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    bool done = write_head(writer, LIST, count);
    for (Py_ssize_t i = 0; done && i < count; i++)
        done = write_value(writer, PyList_GetItem(list, i), 1);
    return done;
}

static bool write_dict(struct writer *writer, PyObject *dict)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    bool done = write_head(writer, DICT, PyDict_Size(dict));
    while (done && PyDict_Next(dict, &position, &key, &value))
        done = write_value(writer, key, 1) && write_value(writer, value, 1);
    return done;
}

static bool write_value(struct writer *writer, PyObject *object, int depth)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyUnicode_Type)
        return write_str(writer, object);
    if (type == &PyLong_Type)
        return write_int(writer, object);
    if (type == &PyFloat_Type) {
        double value = PyFloat_AsDouble(object);
        return write_word(writer, FLOAT, &value);
    }
    if (object == Py_None || type == &PyBool_Type)
        return write_letter(writer, object == Py_None ? NONE : object == Py_True ? TRUE_ : FALSE_);
    if (type == &PyBytes_Type)
        return write_bytes(writer, BYTES, PyBytes_AsString(object), PyBytes_Size(object));
    if (type == &PyTuple_Type)
        return write_tuple(writer, object, depth);
    return false;
}

bool compact_encode(PyObject *object, struct message *message)
{
    struct writer writer = {message->buffer, message->buffer + sizeof message->buffer};
    PyTypeObject *type = Py_TYPE(object);
    bool done = false;
    if (type == &PyTuple_Type)
        done = write_tuple(&writer, object, 0);
    else if (type == &PyDict_Type)
        done = write_dict(&writer, object);
    else if (type == &PyList_Type)
        done = write_list(&writer, object);
    message->kind = RECORD_COMPACT;
    message->size = (uint32_t)(writer.at - message->buffer);
    message->data = message->buffer;
    return done;
}

/* ---- reading: NULL with an exception set */

struct reader {
    const char *at, *end;
};

static PyObject *read_value(struct reader *reader, int depth);

/* The address of the next *size* bytes, which it passes; NULL: exception set. */
static const char *read_bytes(struct reader *reader, size_t size)
{
    const char *start = reader->at;
    if ((size_t)(reader->end - start) < size) {
        raise_status(STATUS_CORRUPT);
        return NULL;
    }
    reader->at += size;
    return start;
}

static bool read_size(struct reader *reader, uint16_t *size)
{
    const char *start = read_bytes(reader, sizeof *size);
    if (start)
        memcpy(size, start, sizeof *size);
    return start != NULL;
}

static PyObject *read_number(struct reader *reader, enum letter letter)
{
    const char *start = read_bytes(reader, 8);
    if (start == NULL)
        return NULL;
    long long integer;
    double number;
    memcpy(&integer, start, 8);
    memcpy(&number, start, 8);
    return letter == INT ? PyLong_FromLongLong(integer) : PyFloat_FromDouble(number);
}

static PyObject *read_text(struct reader *reader, enum letter letter)
{
    uint16_t size;
    if (!read_size(reader, &size))
        return NULL;
    const char *start = read_bytes(reader, size);
    if (start == NULL)
        return NULL;
    return letter == STR ? PyUnicode_DecodeUTF8(start, size, NULL)
                         : PyBytes_FromStringAndSize(start, size);
}

static PyObject *read_sequence(struct reader *reader, enum letter letter, int depth)
{
    uint16_t count;
    if (!read_size(reader, &count))
        return NULL;
    if (depth >= DEPTH || count > reader->end - reader->at) /* each value has a letter */
        return raise_status(STATUS_CORRUPT);
    PyObject *sequence = letter == TUPLE ? PyTuple_New(count) : PyList_New(count);
    for (uint16_t i = 0; sequence && i < count; i++) {
        PyObject *item = read_value(reader, depth + 1);
        if (item == NULL)
            Py_CLEAR(sequence);
        else if (letter == TUPLE)
            PyTuple_SetItem(sequence, i, item);
        else
            PyList_SetItem(sequence, i, item);
    }
    return sequence;
}

static PyObject *read_dict(struct reader *reader)
{
    uint16_t count;
    if (!read_size(reader, &count))
        return NULL;
    PyObject *dict = PyDict_New();
    for (uint16_t i = 0; dict && i < count; i++) {
        PyObject *key = read_value(reader, 1);
        PyObject *value = key ? read_value(reader, 1) : NULL;
        if (value == NULL || PyDict_SetItem(dict, key, value) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *read_value(struct reader *reader, int depth)
{
    const char *start = read_bytes(reader, 1);
    if (start == NULL)
        return NULL;
    enum letter letter = (enum letter)(unsigned char)*start;
    switch (letter) {
    case NONE:
        return Py_NewRef(Py_None);
    case TRUE_:
    case FALSE_:
        return PyBool_FromLong(letter == TRUE_);
    case INT:
    case FLOAT:
        return read_number(reader, letter);
    case STR:
    case BYTES:
        return read_text(reader, letter);
    case TUPLE:
        return read_sequence(reader, letter, depth);
    case LIST:
    case DICT:
        if (depth == 0)
            return letter == LIST ? read_sequence(reader, letter, 0) : read_dict(reader);
    }
    return raise_status(STATUS_CORRUPT);
}

PyObject *compact_decode(const struct message *message)
{
    const char *data = message->data;
    struct reader reader = {data, data + message->size};
    PyObject *object = read_value(&reader, 0);
    if (object && reader.at != reader.end) {
        Py_DECREF(object);
        return raise_status(STATUS_CORRUPT);
    }
    return object;
}
