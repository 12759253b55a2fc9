/* Block: plain shared memory with the buffer protocol. Also what keeps a large message alive while
 * buffers of it are in use. */
#include <string.h>

#include "../os/crash_report.h"
#include "core.h"

PyTypeObject *Block_Type;

/* Block(size): zeroed. */
static int Block_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"size", NULL};
    Py_ssize_t size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n", names, &size))
        return -1;
    if (size < 0 || self->memory) {
        PyErr_SetString(PyExc_ValueError,
                        size < 0 ? "size must not be negative" : "a Block is initialised once");
        return -1;
    }
    if (!family_ensure())
        return -1;
    enum status status = handle_create(&family, (uint64_t)size, BLOCK_BYTES, NULL, NULL,
                                       &self->handle);
    if (status != STATUS_OK) {
        raise_status(status);
        return -1;
    }
    self->memory = arena_at(&family, self->handle.payload);
    memset(self->memory, 0, (size_t)size); /* not under the arena's mutex: it may take long */
    return 0;
}

PyObject *block_from_handle(struct handle handle)
{
    HandleObject *self = (HandleObject *)handle_new(Block_Type);
    if (self == NULL) {
        handle_release(&family, &handle);
        return NULL;
    }
    self->handle = handle;
    self->memory = arena_at(&family, handle.payload);
    return (PyObject *)self;
}

static Py_ssize_t Block_length(HandleObject *self)
{
    return self->memory ? (Py_ssize_t)word_get(&block_of(self->memory)->size) : 0;
}

static int Block_getbuffer(HandleObject *self, Py_buffer *view, int flags)
{
    if (!handle_is_ready(self)) {
        view->obj = NULL;
        return -1;
    }
    return PyBuffer_FillInfo(view, (PyObject *)self, self->memory, Block_length(self), 0, flags);
}

static PyType_Slot slots[] = {
    {Py_tp_init, Block_init},
    {Py_sq_length, Block_length},
    {Py_bf_getbuffer, Block_getbuffer},
    {Py_tp_doc, "Block(size): *size* bytes of zeroed shared memory; a writable buffer."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Block",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

/* keep_last_words(block) */
static PyObject *keep_last_words(PyObject *Py_UNUSED(module), PyObject *block)
{
    static PyObject *kept; /* the handler of the signals writes into it */
    if (!PyObject_TypeCheck(block, Block_Type) || Block_length((HandleObject *)block) == 0)
        return PyErr_Format(PyExc_TypeError, "%R is no Block with room", block);
    Py_INCREF(block);
    crash_report_keep(((HandleObject *)block)->memory, (size_t)Block_length((HandleObject *)block));
    PyObject *before = kept;
    kept = block;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *fatal_signals_unhandled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(crash_report_signals_unhandled());
}

static PyMethodDef functions[] = {
    {"keep_last_words", keep_last_words, METH_O,
     "keep_last_words(block): what faulthandler writes when this process crashes goes there too."},
    {"fatal_signals_unhandled", fatal_signals_unhandled, METH_NOARGS,
     "Whether all signals of crashes have the system's action."},
    {NULL, NULL, 0, NULL},
};

int add_block(PyObject *module)
{
    Block_Type = add_type(module, &spec, Handle_Type);
    return Block_Type ? PyModule_AddFunctions(module, functions) : -1;
}
