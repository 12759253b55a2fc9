/* What a pool's worker does with its seat: see src/procession/pool/seats.py.
 *
 * Words  of the seat, from its first: what is taken, since when, until when it may last, the limit that
 *        this comes from, and what the worker is to be ended for. The first two are written by
 *        TaskChannel.get_tagged.
 */
#include "../os/kill_timer.h"
#include "core.h"

enum { SEAT_CLAIM, SEAT_SINCE, SEAT_DEADLINE, SEAT_LIMIT, SEAT_VICTIM, SEAT_WORDS };

static word_t *seat; /* of this process; NULL: it is no worker */

/* take_seat(block, index): from now on this process is the worker whose seat begins at the block's index-th
 * 64-bit word. */
static PyObject *take_seat(PyObject *Py_UNUSED(module), PyObject *args)
{
    static PyObject *kept;
    HandleObject *block;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "O!n", Block_Type, &block, &index) || !handle_is_ready(block))
        return NULL;
    uint64_t words = word_get(&block_of(block->memory)->size) / sizeof(word_t);
    if (index < 0 || (uint64_t)index + SEAT_WORDS > words) {
        PyErr_SetString(PyExc_IndexError, "the block has no such seat");
        return NULL;
    }
    PyObject *before = kept; /* of the pool that a forked worker's parent was a worker of */
    kept = Py_NewRef((PyObject *)block);
    seat = (word_t *)block->memory + index;
    bool watching = kill_signal_install(&seat[SEAT_CLAIM], &seat[SEAT_VICTIM]);
    Py_XDECREF(before);
    if (!watching)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* begin_limit(seconds): unless end_limit() comes first, this process is killed then. */
static PyObject *begin_limit(PyObject *Py_UNUSED(module), PyObject *seconds)
{
    double limit = PyFloat_AsDouble(seconds);
    if (PyErr_Occurred())
        return NULL;
    if (seat == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "only a pool's worker can be given a limit of time");
        return NULL;
    }
    const double longest = 100.0 * 365 * 24 * 3600; /* a century; what is longer is no limit */
    nanoseconds length = (nanoseconds)((limit < longest ? limit : longest) * (double)NS_PER_S);
    deadline_t deadline = clock_now() + length;
    atomic_store(&seat[SEAT_LIMIT], (uint64_t)length);
    atomic_store(&seat[SEAT_DEADLINE], (uint64_t)deadline);
    if (!kill_timer_set(deadline))
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* end_limit() */
static PyObject *end_limit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    kill_timer_cancel();
    if (seat != NULL)
        atomic_store(&seat[SEAT_DEADLINE], 0);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"take_seat", take_seat, METH_VARARGS, "take_seat(block, index): be the worker of that seat."},
    {"begin_limit", begin_limit, METH_O,
     "begin_limit(seconds): have this process killed then, unless end_limit() is called."},
    {"end_limit", end_limit, METH_NOARGS, "What was to be done in time is done."},
    {NULL, NULL, 0, NULL},
};

int add_seat(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "END_SIGNAL", kill_signal_number()) != 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
