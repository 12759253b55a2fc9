#include "diagnostics.h"

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

/* reclaim_dead() -> int. The core does so by itself, but later: when a slot is needed, or when a
 * process waits for something that a dead one had. */
static PyObject *reclaim_dead(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(family_is_joined() ? table_reap_dead(&family) : 0);
}

static PyMethodDef functions[] = {
    {"reclaim_dead", reclaim_dead, METH_NOARGS,
     "Release what dead processes held; how many there were."},
    {"arena_usage", arena_usage, METH_NOARGS, "Bytes and entries in use, as a dict."},
    {NULL, NULL, 0, NULL},
};

int add_diagnostics(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
