#include "pipe_end.h"

#include <errno.h>
#include <string.h>

#include "../channel/pipe_fastpath.h"
#include "family.h"
#include "handle.h"

enum {
    HEADER_BYTES = 4,          /* the length: signed, most significant byte first */
    ONE_READ = 32768,          /* a message up to here mostly comes with one read */
    ONE_WRITE_BYTES = 16384,   /* a message up to here mostly leaves with one write */
    MOST_AT_ONCE = 256 * 1024, /* that try_read() gives: more than a pipe or a socket holds */
};

typedef struct {
    HandleObject base; /* memory NULL: no hand-offs */
    struct spin_wait spin_wait;
    enum stream_kind kind;
    unsigned side; /* which end of the pipe this is, 0 or 1 */
} PipeEndObject;

static PyTypeObject *PipeEnd_Type;

/* ---- hand-offs */

/* The hand-off of the messages that end *side* sends; a pipe of one way has one. */
static struct handoff *handoff_from(PipeEndObject *self, unsigned side)
{
    if (self->base.memory == NULL || !family_is_joined())
        return NULL;
    uint64_t count = word_get(&block_of(self->base.memory)->size) / sizeof(struct handoff);
    return (struct handoff *)self->base.memory + (count > 1 ? side : 0);
}

static struct handoff *inbox(PipeEndObject *self)
{
    return handoff_from(self, 1 - self->side);
}

static bool is_idle(struct handoff *handoff)
{
    return handoff == NULL || handoff_state(handoff) == HANDOFF_IDLE;
}

static void fill(void *memory, uint64_t size, const void *Py_UNUSED(with))
{
    for (uint64_t i = 0; i < size / sizeof(struct handoff); i++) {
        struct handoff *handoff = (struct handoff *)memory + i;
        atomic_store_explicit(&handoff->word, 0, memory_order_relaxed);
        atomic_store_explicit(&handoff->until, 0, memory_order_relaxed);
        handoff->size = 0;
    }
}

/* ---- making */

static PyObject *PipeEnd_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                             PyObject *Py_UNUSED(kwargs))
{
    PipeEndObject *self = (PipeEndObject *)handle_new(type);
    if (self) {
        self->kind = STREAM_UNKNOWN;
        self->side = 0;
        spin_wait_init(&self->spin_wait);
    }
    return (PyObject *)self;
}

static PyObject *new_pipe_end(enum stream_kind kind, unsigned side)
{
    PipeEndObject *self = (PipeEndObject *)PipeEnd_new(PipeEnd_Type, NULL, NULL);
    if (self) {
        self->kind = kind;
        self->side = side;
    }
    return (PyObject *)self;
}

static void share(PipeEndObject *first, PipeEndObject *second, unsigned ways)
{
    /* A pipe works without a hand-off. The next call that needs the table or memory raises the
     * error. */
    if (handle_create(&family, ways * sizeof(struct handoff), BLOCK_PIPE, fill, NULL,
                      &first->base.handle) != STATUS_OK)
        return;
    first->base.memory = arena_at(&family, first->base.handle.offset);
    if (handle_attach(&family, first->base.handle.offset,
                      word_get(&block_of(first->base.memory)->serial),
                      &second->base.handle) == STATUS_OK)
        second->base.memory = first->base.memory;
}

/* pipe_ends(duplex) -> (PipeEnd, PipeEnd): for a new pipe; in a pipe of one way the first reads. */
static PyObject *pipe_ends(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int duplex = PyObject_IsTrue(argument);
    if (duplex < 0)
        return NULL;
    enum stream_kind kind = duplex ? STREAM_SOCKET : STREAM_PIPE;
    PyObject *first = new_pipe_end(kind, 0), *second = first ? new_pipe_end(kind, 1) : NULL;
    PyObject *pair = second ? PyTuple_Pack(2, first, second) : NULL;
    if (pair) {
        if (spin_wait_allowed() && family_ensure())
            share((PipeEndObject *)first, (PipeEndObject *)second, duplex ? 2 : 1);
        PyErr_Clear(); /* as in share() */
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    return pair;
}

/* ---- send */

static bool descriptor_of(PyObject *handle, int *fd)
{
    if (handle == Py_None) {
        PyErr_SetString(PyExc_OSError, "handle is closed");
        return false;
    }
    long number = PyLong_AsLong(handle);
    *fd = number > INT_MAX ? INT_MAX : (int)number;
    return !(number == -1 && PyErr_Occurred());
}

static ssize_t write_parts(PipeEndObject *self, int fd, const struct iovec *parts, int count)
{
    if (stream_can_try(self->kind)) {
        ssize_t done = stream_try_write(&self->kind, fd, parts, count);
        if (done >= 0 || stream_can_try(self->kind))
            return done;
    }
    ssize_t done;
    int error;
    Py_BEGIN_ALLOW_THREADS
    done = stream_write(fd, parts, count);
    error = errno;
    Py_END_ALLOW_THREADS
    errno = error;
    return done;
}

/* Writes what it can of one message without waiting. None: all of it; else how many bytes of its
 * frame. */
static PyObject *send_frame(PipeEndObject *self, int fd, const Py_buffer *view)
{
    struct handoff *outbox = handoff_from(self, self->side);
    if (outbox && handoff_put(&family, outbox, self->kind, fd, view->buf, (size_t)view->len))
        Py_RETURN_NONE;
    if (view->len > ONE_WRITE_BYTES)
        return PyLong_FromLong(0);
    unsigned char header[HEADER_BYTES] = {0, 0, (unsigned char)(view->len >> 8),
                                          (unsigned char)view->len};
    struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof header},
                             {.iov_base = view->buf, .iov_len = (size_t)view->len}};
    ssize_t done = write_parts(self, fd, parts, 2);
    if (done == view->len + HEADER_BYTES)
        Py_RETURN_NONE;
    if (done >= 0)
        return PyLong_FromSsize_t(done);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return PyLong_FromLong(0);
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* PipeEnd.send(fd, data) -> None | int */
static PyObject *PipeEnd_send(PipeEndObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "send() takes 2 arguments (%zd given)", nargs);
    Py_buffer view;
    if (!descriptor_of(args[0], &fd) || PyObject_GetBuffer(args[1], &view, PyBUF_SIMPLE) != 0)
        return NULL;
    PyObject *result = send_frame(self, fd, &view);
    PyBuffer_Release(&view);
    return result;
}

/* ---- receive */

/* Waits for the start of a message. How many bytes of its header were read; 0: the end of the
 * stream, or, if *came says so, the size of a message that came by the hand-off. -1: errno is
 * set, or it is 0 and an exception is set. */
static ssize_t await_header(PipeEndObject *self, int fd, char *header, char *buffer, size_t *came)
{
    ssize_t count;
    int error;
    deadline_t begun = 0;
    Py_BEGIN_ALLOW_THREADS
    *came = handoff_await(&family, inbox(self), &self->spin_wait, fd, buffer);
    Py_END_ALLOW_THREADS
    while (*came == HANDOFF_NOTHING) {
        /* A signal that came during the spin has interrupted no system call. */
        if (PyErr_CheckSignals() != 0) {
            errno = 0;
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        begun = clock_now();
        count = stream_read(fd, header, HEADER_BYTES);
        error = errno;
        spin_wait_slept(&self->spin_wait, clock_now() - begun);
        Py_END_ALLOW_THREADS
        errno = error;
        if (count >= 0 || error != EINTR)
            return count;
    }
    return 0;
}

static ssize_t read_body(PipeEndObject *self, int fd, char *body, size_t size)
{
    if (stream_can_try(self->kind))
        return stream_try_read(&self->kind, fd, body, size);
    ssize_t count;
    Py_BEGIN_ALLOW_THREADS
    count = stream_read(fd, body, size);
    Py_END_ALLOW_THREADS
    return count;
}

/* After the header: the message; or its size, if it is large or impossible; or the part that was
 * there. */
static PyObject *receive_body(PipeEndObject *self, int fd, const char *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    uint32_t length = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                      (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
    if (length > ONE_READ)
        return PyLong_FromLong((int32_t)length);
    PyObject *body = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (body == NULL) {
        PyErr_Clear(); /* the Connection meets it again, and knows that a message has begun */
        return PyLong_FromLong((int32_t)length);
    }
    ssize_t count = length ? read_body(self, fd, PyBytes_AsString(body), length) : 0;
    if (count == (ssize_t)length)
        return body;
    PyObject *part = PyBytes_FromStringAndSize(PyBytes_AsString(body), count > 0 ? count : 0);
    Py_DECREF(body);
    return part ? Py_BuildValue("iN", (int)length, part) : NULL;
}

static PyObject *bytes_of(const char *buffer, size_t size)
{
    return PyBytes_FromStringAndSize(buffer, (Py_ssize_t)size);
}

/* PipeEnd.receive(fd) -> bytes, a message; int, what its header says, and its body is to be read;
 *                     (int, bytes), the same, with what of the body was read; (None, bytes), the
 *                     start of a header. EOFError at the end of the stream. */
static PyObject *PipeEnd_receive(PipeEndObject *self, PyObject *handle)
{
    int fd;
    char header[HEADER_BYTES], buffer[HANDOFF_LIMIT];
    if (!descriptor_of(handle, &fd))
        return NULL;
    size_t came = HANDOFF_NOTHING;
    if (!is_idle(inbox(self)))
        came = handoff_recover(&family, inbox(self), buffer);
    if (came != HANDOFF_NOTHING)
        return bytes_of(buffer, came);
    ssize_t count = stream_try_read(&self->kind, fd, header, sizeof header);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        count = await_header(self, fd, header, buffer, &came);
        if (came != HANDOFF_NOTHING)
            return bytes_of(buffer, came);
    }
    if (count == HEADER_BYTES)
        return receive_body(self, fd, header);
    if (count > 0)
        return Py_BuildValue("Oy#", Py_None, header, (Py_ssize_t)count);
    if (count == 0)
        PyErr_SetNone(PyExc_EOFError);
    else if (errno != 0)
        PyErr_SetFromErrno(PyExc_OSError);
    return NULL;
}

/* PipeEnd.recover_message() -> bytes | None: the message that a receiver which has died left. */
static PyObject *PipeEnd_recover_message(PipeEndObject *self, PyObject *Py_UNUSED(unused))
{
    char buffer[HANDOFF_LIMIT];
    if (is_idle(inbox(self)))
        Py_RETURN_NONE;
    size_t size = handoff_recover(&family, inbox(self), buffer);
    if (size == HANDOFF_NOTHING)
        Py_RETURN_NONE;
    return bytes_of(buffer, size);
}

/* PipeEnd.has_orphaned_message() -> bool: whether there is such a message. */
static PyObject *PipeEnd_has_orphaned_message(PipeEndObject *self, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(!is_idle(inbox(self)) && handoff_has_orphan(&family, inbox(self)));
}

/* PipeEnd.try_read(fd, size) -> bytes | None: what is there; None: nothing yet; b"": the end. */
static PyObject *PipeEnd_try_read(PipeEndObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "try_read() takes 2 arguments (%zd given)", nargs);
    Py_ssize_t size = PyLong_AsSsize_t(args[1]);
    if ((size < 0 && PyErr_Occurred()) || !descriptor_of(args[0], &fd))
        return NULL;
    size = size < 0 ? 0 : size > MOST_AT_ONCE ? MOST_AT_ONCE : size;
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL)
        return NULL;
    ssize_t count = stream_try_read(&self->kind, fd, PyBytes_AsString(data), (size_t)size);
    if (count < 0 && !stream_can_try(self->kind) && stream_is_readable(fd))
        count = stream_read(fd, PyBytes_AsString(data), (size_t)size);
    PyObject *result = data;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        Py_INCREF(result = Py_None);
    else if (count < 0)
        result = PyErr_SetFromErrno(PyExc_OSError);
    else if (count < size)
        result = PyBytes_FromStringAndSize(PyBytes_AsString(data), count);
    if (result != data)
        Py_DECREF(data);
    return result;
}

/* ---- travel */

static PyObject *PipeEnd_has_fast_path(PipeEndObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->base.memory != NULL);
}

static PyObject *PipeEnd_side(PipeEndObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(self->side);
}

static int PipeEnd_set_side(PipeEndObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    long side = value ? PyLong_AsLong(value) : -1;
    if (side != 0 && side != 1) {
        PyErr_SetString(PyExc_ValueError, "a pipe has the sides 0 and 1");
        return -1;
    }
    self->side = (unsigned)side;
    return 0;
}

static PyMethodDef methods[] = {
    {"send", METHOD(PipeEnd_send), METH_FASTCALL,
     "send(fd, data): None, or how many bytes of the message's frame were written at once."},
    {"receive", (PyCFunction)PipeEnd_receive, METH_O,
     "receive(fd): a small message; of another, what its header says."},
    {"recover_message", (PyCFunction)PipeEnd_recover_message, METH_NOARGS,
     "The message that a receiver which has died did not take, or None."},
    {"has_orphaned_message", (PyCFunction)PipeEnd_has_orphaned_message, METH_NOARGS,
     "Whether there is a message that a receiver which has died did not take."},
    {"try_read", METHOD(PipeEnd_try_read), METH_FASTCALL,
     "try_read(fd, size): up to *size* bytes that are there; None: it would have to wait."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"has_fast_path", (getter)PipeEnd_has_fast_path, NULL, "Whether there are hand-offs.", NULL},
    {"side", (getter)PipeEnd_side, (setter)PipeEnd_set_side, "Which end of the pipe: 0 or 1.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PipeEnd_new},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "PipeEnd(): the way of small messages at a descriptor, without hand-offs."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.PipeEnd",
    .basicsize = sizeof(PipeEndObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static PyMethodDef functions[] = {
    {"pipe_ends", pipe_ends, METH_O, "pipe_ends(duplex): the two ends of a new pipe."},
    {NULL, NULL, 0, NULL},
};

int add_pipe_end(PyObject *module)
{
    PipeEnd_Type = add_handle_type(module, &spec, BLOCK_PIPE);
    bool done = PipeEnd_Type && !PyModule_AddFunctions(module, functions);
    return done ? PyModule_AddIntConstant(module, "ONE_WRITE_BYTES", ONE_WRITE_BYTES) : -1;
}
