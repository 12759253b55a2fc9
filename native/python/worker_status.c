#include "worker_status.h"

#include "../os/clock.h"
#include "../os/kill_timer.h"
#include "block.h"

enum {
    WORKER_TASK,
    WORKER_STARTED_NS,
    WORKER_DEADLINE_NS,
    WORKER_LIMIT_NS,
    WORKER_CANCEL_TASK,
    WORKER_STATUS_WORDS
};

static word_t *status_words; /* of this process; NULL: it is no worker */

/* use_worker_status(block, index): from now on this process is the worker whose status begins at
 * the block's index-th 64-bit word. */
static PyObject *use_worker_status(PyObject *Py_UNUSED(module), PyObject *args)
{
    static PyObject *kept;
    PyObject *block;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "On", &block, &index))
        return NULL;
    word_t *words = block_words(block, index, WORKER_STATUS_WORDS);
    if (words == NULL)
        return NULL;
    PyObject *before = kept; /* a nested pool's worker has that of its parent */
    kept = Py_NewRef(block);
    status_words = words;
    bool watching = kill_signal_install(&status_words[WORKER_TASK],
                                        &status_words[WORKER_CANCEL_TASK]);
    Py_XDECREF(before);
    if (!watching)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* begin_time_limit(seconds): unless end_time_limit() comes first, this process is killed then. */
static PyObject *begin_time_limit(PyObject *Py_UNUSED(module), PyObject *seconds)
{
    double limit = PyFloat_AsDouble(seconds);
    if (PyErr_Occurred())
        return NULL;
    if (status_words == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "only a pool's worker can be given a limit of time");
        return NULL;
    }
    const double longest = 100.0 * 365 * 24 * 3600; /* a century; a longer limit is none */
    nanoseconds length = (nanoseconds)((limit < longest ? limit : longest) * (double)NS_PER_S);
    deadline_t deadline = clock_now() + length;
    atomic_store(&status_words[WORKER_LIMIT_NS], (uint64_t)length);
    atomic_store(&status_words[WORKER_DEADLINE_NS], (uint64_t)deadline);
    if (!kill_timer_set(deadline))
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* end_time_limit() */
static PyObject *end_time_limit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    kill_timer_cancel();
    if (status_words != NULL)
        atomic_store(&status_words[WORKER_DEADLINE_NS], 0);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"use_worker_status", use_worker_status, METH_VARARGS,
     "use_worker_status(block, index): be the worker whose status is there."},
    {"begin_time_limit", begin_time_limit, METH_O,
     "begin_time_limit(seconds): have this process killed then, unless end_time_limit() is "
     "called."},
    {"end_time_limit", end_time_limit, METH_NOARGS, "What was to be done in time is done."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long index;
} indices[] = {
    {"WORKER_TASK", WORKER_TASK},
    {"WORKER_STARTED_NS", WORKER_STARTED_NS},
    {"WORKER_DEADLINE_NS", WORKER_DEADLINE_NS},
    {"WORKER_LIMIT_NS", WORKER_LIMIT_NS},
    {"WORKER_CANCEL_TASK", WORKER_CANCEL_TASK},
    {"WORKER_STATUS_WORDS", WORKER_STATUS_WORDS},
};

int add_worker_status(PyObject *module)
{
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++)
        if (PyModule_AddIntConstant(module, indices[i].name, indices[i].index) != 0)
            return -1;
    if (PyModule_AddIntConstant(module, "CANCEL_SIGNAL", kill_signal_number()) != 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
