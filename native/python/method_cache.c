#include "method_cache.h"

#include <stddef.h>
#include <structmember.h>

/* The stable ABI of 3.11 has the slot, but not yet the names: they came with 3.12, unchanged.
 * Source: PEP 590, and Include/cpython/object.h of 3.11. */
#ifndef Py_TPFLAGS_HAVE_VECTORCALL
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
#define NARGS_MASK (~((size_t)1 << (8 * sizeof(size_t) - 1)))
typedef PyObject *(*vectorcall)(PyObject *callable, PyObject *const *args, size_t nargsf,
                                PyObject *names);

typedef struct {
    /* *owner* is borrowed: the type that has the method lives as long as the module. */
    PyObject_HEAD PyTypeObject *owner;
    cached_method function;
    const char *name, *doc;
} MethodObject;

typedef struct {
    PyObject_HEAD vectorcall call;
    MethodObject *method; /* owned */
    PyObject *self;       /* owned */
} BoundObject;

static PyTypeObject *method_type, *bound_type;

enum { UNUSED_MOST = 16 };
static BoundObject *unused[UNUSED_MOST]; /* kept to be used again; guarded by the GIL */
static int unused_count;

static PyObject *call_bound(PyObject *callable, PyObject *const *args, size_t nargsf,
                            PyObject *names)
{
    BoundObject *bound = (BoundObject *)callable;
    if (names && PyTuple_Size(names) > 0)
        return PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments",
                            bound->method->name);
    return bound->method->function(bound->self, args, (Py_ssize_t)(nargsf & NARGS_MASK));
}

/* ---- bound methods */

static PyObject *bind(MethodObject *method, PyObject *self)
{
    BoundObject *bound = unused_count > 0 ? unused[--unused_count] : NULL;
    if (bound)
        Py_SET_REFCNT((PyObject *)bound, 1);
    else {
        allocfunc allocate = (allocfunc)PyType_GetSlot(bound_type, Py_tp_alloc);
        bound = (BoundObject *)allocate(bound_type, 0);
        if (bound == NULL)
            return NULL;
        bound->call = call_bound;
    }
    bound->method = (MethodObject *)Py_NewRef((PyObject *)method);
    bound->self = Py_NewRef(self);
    return (PyObject *)bound;
}

/* An unused object keeps its reference to its type. */
static void bound_dealloc(BoundObject *bound)
{
    Py_CLEAR(bound->method);
    Py_CLEAR(bound->self);
    if (unused_count < UNUSED_MOST) {
        unused[unused_count++] = bound;
        return;
    }
    freefunc release = (freefunc)PyType_GetSlot(bound_type, Py_tp_free);
    release(bound);
    Py_DECREF((PyObject *)bound_type);
}

/* ---- calls by tuple, which few make */

/* *args*, from *first* on, for *self*. */
static PyObject *call_with_tuple(MethodObject *method, PyObject *self, PyObject *args,
                                 Py_ssize_t first, PyObject *kwargs)
{
    enum { MOST = 3 };
    PyObject *items[MOST];
    Py_ssize_t count = PyTuple_Size(args) - first;
    if (count > MOST || (kwargs && PyDict_Size(kwargs) > 0))
        return PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments", method->name,
                            (int)MOST);
    for (Py_ssize_t i = 0; i < count; i++)
        items[i] = PyTuple_GetItem(args, first + i);
    return method->function(self, items, count);
}

static PyObject *bound_call(BoundObject *bound, PyObject *args, PyObject *kwargs)
{
    return call_with_tuple(bound->method, bound->self, args, 0, kwargs);
}

static PyObject *method_call(MethodObject *method, PyObject *args, PyObject *kwargs)
{
    PyObject *self = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    if (PyObject_TypeCheck(self, method->owner))
        return call_with_tuple(method, self, args, 1, kwargs);
    return PyErr_Format(PyExc_TypeError, "%s() is for %R objects, not %R", method->name,
                        method->owner, Py_TYPE(self));
}

/* ---- the descriptor */

static PyObject *method_get(PyObject *method, PyObject *self, PyObject *Py_UNUSED(type))
{
    return self ? bind((MethodObject *)method, self) : Py_NewRef(method);
}

static PyObject *method_name(MethodObject *method, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(method->name);
}

static PyObject *method_doc(MethodObject *method, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(method->doc);
}

static int add_method(PyTypeObject *type, const char *name, cached_method function, const char *doc)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(method_type, Py_tp_alloc);
    MethodObject *method = (MethodObject *)allocate(method_type, 0);
    if (method == NULL)
        return -1;
    *method = (MethodObject){
        .ob_base = method->ob_base, .owner = type, .function = function, .name = name, .doc = doc};
    int failed = PyObject_SetAttrString((PyObject *)type, name, (PyObject *)method);
    Py_DECREF((PyObject *)method);
    return failed;
}

int add_context_manager(PyTypeObject *type, cached_method enter, cached_method exit)
{
    if (add_method(type, "__enter__", enter, "Acquire.") != 0)
        return -1;
    return add_method(type, "__exit__", exit, "Release.");
}

PyObject *exit_result(PyObject *result, PyObject *const *args, Py_ssize_t nargs)
{
    if (result || nargs == 0 || args[0] == Py_None)
        return result;
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* ---- types */

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(BoundObject, call), READONLY, NULL},
    {"__self__", T_OBJECT, offsetof(BoundObject, self), READONLY, "What it is bound to."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef method_getters[] = {
    {"__name__", (getter)method_name, NULL, NULL, NULL},
    {"__doc__", (getter)method_doc, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_call, bound_call},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_call, method_call},
    {Py_tp_descr_get, method_get},
    {Py_tp_getset, method_getters},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "procession._core.bound_method",
    .basicsize = sizeof(BoundObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

static PyType_Spec method_spec = {
    .name = "procession._core.method",
    .basicsize = sizeof(MethodObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = method_slots,
};

int add_method_cache(PyObject *module)
{
    bound_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    method_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &method_spec, NULL);
    return bound_type && method_type ? 0 : -1;
}
