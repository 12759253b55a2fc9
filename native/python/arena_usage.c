#include "arena_usage.h"

#include "../shm/waker.h"
#include "family.h"

/* arena_usage() -> dict: bytes and entries. */
static PyObject *arena_usage(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    struct arena_header *header = family.header;
    return Py_BuildValue(
        "{sKsKsKsKsIsI}", "used", (unsigned long long)word_get(&header->used_bytes), "committed",
        (unsigned long long)word_get(&header->committed), "warm",
        (unsigned long long)word_get(&header->warm_bytes), "slots",
        (unsigned long long)word_get(&header->slots_used), "references",
        (unsigned int)handle_list(&family, NULL, 0), "wakers", waker_count(&family));
}

static PyMethodDef functions[] = {
    {"arena_usage", arena_usage, METH_NOARGS, "Bytes and entries in use, as a dict."},
    {NULL, NULL, 0, NULL},
};

int add_arena_usage(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
