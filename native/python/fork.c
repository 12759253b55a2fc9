/* Forking: what happens around each fork of a member of a family, and the forks by which it starts
 * processes.
 *
 * Fork   The child must have its own slot, with its own references, before it can drop any. So the
 *        parent prepares both in the last moment before the fork, in a pthread_atfork handler:
 *        libc runs it for each fork(), whoever calls it, with no Python code in between. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "../os/crash_report.h"
#include "../os/liveness.h"
#include "../os/parent_death.h"
#include "core.h"

/* Of each thread, since code without the GIL may fork in two of them at once. */
static __thread uint32_t pending; /* tag of the embryo made for the fork that is under way */
static __thread bool is_ours;     /* the fork is made by fork_process(), which learns the pid */

static unsigned forks; /* how many lie between this process and the one that loaded the library */

/* ---- around fork */

static void before_fork(void)
{
    parent_death_before_fork();
    pending = 0;
    if (family.header == NULL || family.tag == 0)
        return;
    uint32_t tag;
    if (table_reserve(&family, &tag) != STATUS_OK)
        return; /* the child will find that it has no place */
    if (table_copy_references(&family, tag) != STATUS_OK) {
        table_abandon(&family, tag);
        return;
    }
    pending = tag;
}

/* Here nobody tells us whether the fork went well. */
static void after_fork_in_parent(void)
{
    parent_death_after_fork_in_parent();
    if (pending != 0 && !is_ours)
        table_forked(&family, pending);
}

static void after_fork_in_child(void)
{
    forks++;
    parent_death_after_fork_in_child();
    if (family.header == NULL)
        return;
    bells_after_fork_in_child();
    uint32_t tag = pending;
    pending = 0;
    if (tag == 0 || table_adopt(&family, tag) != STATUS_OK)
        family.tag = 0;
}

void fork_register(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- the lifeline */

static PyObject *lifeline(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    family_register();
    int end = parent_death_read_end();
    return end < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(end);
}

static PyObject *count_forks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(forks);
}

/* open_bond(fd) -> descriptor */
static PyObject *open_bond(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    int bond = death_link_open((int)fd);
    return bond < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(bond);
}

/* tie(bond) */
static PyObject *tie(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long bond = PyLong_AsLong(argument);
    if (bond == -1 && PyErr_Occurred())
        return NULL;
    death_link_arm((int)bond);
    Py_RETURN_NONE;
}

/* ---- forking */

/* The descriptors in a tuple, at most DEATH_LINKS_MOST; how many, or -1 with an exception. */
static int descriptors(PyObject *tuple, int *fds)
{
    Py_ssize_t count = tuple == NULL ? 0 : PyTuple_Size(tuple);
    if (count > DEATH_LINKS_MOST) {
        PyErr_Format(PyExc_ValueError, "at most %d descriptors", DEATH_LINKS_MOST);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        fds[i] = (int)PyLong_AsLong(PyTuple_GetItem(tuple, i));
        if (PyErr_Occurred())
            return -1;
    }
    return (int)count;
}

/* fork_process() after the fork, in the parent. */
static PyObject *forked(pid_t pid, uint32_t tag)
{
    int error = errno;
    PyOS_AfterFork_Parent();
    if (pid > 0 && tag != 0)
        table_launched(&family, tag, pid, START_UNKNOWN);
    else if (tag != 0)
        table_abandon(&family, tag);
    errno = error;
    return pid < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(pid);
}

/* Has a crash of a child that is now forked show where it was, by means of the module faulthandler, if
 * crashes are not handled here anyhow. The module's state and its handlers are inherited, and set here
 * sooner than in a process that has to copy each page it writes to. Between this and the fork, and
 * between the fork and disable(), no Python code runs, so a program's own enable() does not come
 * between. */
static bool enable_for_child(PyObject *faulthandler)
{
    if (faulthandler == Py_None || !crash_report_signals_unhandled())
        return false;
    PyObject *result = PyObject_CallMethod(faulthandler, "enable", "iO", STDERR_FILENO, Py_False);
    if (result == NULL)
        PyErr_Clear(); /* the child will enable it itself, and tell of the error */
    Py_XDECREF(result);
    return result != NULL;
}

static void disable(PyObject *faulthandler)
{
    PyObject *result = PyObject_CallMethod(faulthandler, "disable", NULL);
    if (result == NULL)
        PyErr_WriteUnraisable(faulthandler);
    Py_XDECREF(result);
}

/* fork(read_ends=(), faulthandler=None) -> pid. os.fork() also works; it warns of threads from 3.12 on,
 * and its child's pid reaches the table only when the child runs. */
static PyObject *fork_process(PyObject *Py_UNUSED(module), PyObject *args)
{
    int ends[DEATH_LINKS_MOST], count;
    PyObject *read_ends = NULL, *faulthandler = Py_None;
    if (!PyArg_ParseTuple(args, "|O!O", &PyTuple_Type, &read_ends, &faulthandler) ||
        (count = descriptors(read_ends, ends)) < 0 || !family_ensure())
        return NULL;
    PyOS_BeforeFork();
    if (!parent_death_prepare_fork(ends, count))
        return forked(-1, 0);
    bool enabled = enable_for_child(faulthandler);
    is_ours = true;
    pid_t pid = fork();
    is_ours = false;
    if (pid == 0) {
        PyOS_AfterFork_Child();
        return PyLong_FromLong(0);
    }
    int error = errno;
    if (enabled)
        disable(faulthandler);
    errno = error;
    return forked(pid, pending);
}

static PyMethodDef functions[] = {
    {"fork", fork_process, METH_VARARGS,
     "fork(read_ends=(), faulthandler=None): like os.fork(). The child dies with the processes of "
     "these lifelines, and has that module's handlers, if it is given."},
    {"lifeline", lifeline, METH_NOARGS, "The read end of the pipe that this process's end closes."},
    {"forks", count_forks, METH_NOARGS, "How many forks lie behind this process."},
    {"open_bond", open_bond, METH_O,
     "open_bond(fd): what one process can be tied by to that pipe."},
    {"tie", tie, METH_O, "tie(bond): be killed when the write end of its pipe is closed."},
    {NULL, NULL, 0, NULL},
};

int add_fork(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
