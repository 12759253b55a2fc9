#include "clean_exit.h"

#include "../sync/barrier.h"
#include "../sync/semaphore.h"
#include "family.h"
#include "lock_wait.h"

static PyObject *mark_clean_exit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    uint32_t entries[256], count = 0;
    if (family_is_joined())
        count = handle_list(&family, entries, sizeof entries / sizeof *entries);
    uint32_t *list = entries, *larger = NULL;
    if (count > sizeof entries / sizeof *entries) {
        larger = PyMem_Malloc(count * sizeof *larger);
        if (larger == NULL)
            return PyErr_NoMemory();
        uint32_t now = handle_list(&family, list = larger, count);
        count = now < count ? now : count;
    }
    for (uint32_t i = 0; i < count; i++) { /* the GIL is held: no handle is released meanwhile */
        void *contents = arena_at(&family, handle_at(&family, list[i]).offset);
        uint64_t kind = word_get(&block_of(contents)->kind);
        if (kind == BLOCK_SEMAPHORE)
            semaphore_forget(&family, contents);
        else if (kind == BLOCK_BARRIER)
            barrier_forget(&family, contents);
        else if (kind == BLOCK_LOCK)
            lock_mark_clean_exit(contents);
    }
    PyMem_Free(larger);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"mark_clean_exit", mark_clean_exit, METH_NOARGS,
     "mark_clean_exit(): an end in order; permits are kept, barriers do not wait for this "
     "process."},
    {NULL, NULL, 0, NULL},
};

int add_clean_exit(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
