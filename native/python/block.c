#include "block.h"

#include <string.h>

#include "exception.h"
#include "family.h"

PyTypeObject *Block_Type;

/* Block(size): zeroed. */
static int Block_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"size", NULL};
    Py_ssize_t size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n", names, &size))
        return -1;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size must not be negative");
        return -1;
    }
    if (!handle_begin_init(self, "Block") ||
        handle_finish_init(self, handle_create(&family, (uint64_t)size, BLOCK_BYTES, NULL, NULL,
                                               &self->handle)) != 0)
        return -1;
    memset(self->memory, 0, (size_t)size); /* outside of the arena's mutex, as it may take long */
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
    self->memory = arena_at(&family, handle.offset);
    return (PyObject *)self;
}

word_t *block_words(PyObject *block, Py_ssize_t index, unsigned count)
{
    if (!PyObject_TypeCheck(block, Block_Type)) {
        PyErr_Format(PyExc_TypeError, "%R is no Block", block);
        return NULL;
    }
    HandleObject *self = (HandleObject *)block;
    if (!handle_is_ready(self))
        return NULL;
    uint64_t words = word_get(&block_of(self->memory)->size) / sizeof(word_t);
    if (index >= 0 && (uint64_t)index + count <= words)
        return (word_t *)self->memory + index;
    PyErr_SetString(PyExc_IndexError, "the block has no such words");
    return NULL;
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

int add_block(PyObject *module)
{
    Block_Type = add_handle_type(module, &spec, BLOCK_BYTES);
    return Block_Type ? 0 : -1;
}
