#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../os/crash_report.h"
#include "../os/liveness.h"
#include "../os/parent_death.h"
#include "../os/root_end.h"
#include "exception.h"
#include "family.h"
#include "process_start.h"
#include "waker.h"

/* One for each thread: code without the GIL may fork in two threads at the same time. */
static __thread uint32_t pending; /* tag of the slot reserved for the child of this fork */
static __thread bool is_ours;     /* the fork is made by fork_process(), which has reserved it */

static unsigned forks; /* how many lie between this process and the one that loaded the core */

/* ---- around fork */

/* Reserves a slot that lists what this process holds. */
static enum status reserve_for_fork(uint32_t *tag)
{
    enum status status = table_reserve(&family, tag);
    if (status != STATUS_OK)
        return status;
    status = table_copy_references(&family, *tag);
    if (status != STATUS_OK)
        table_abandon(&family, *tag);
    return status;
}

static void before_fork(void)
{
    parent_death_before_fork();
    if (is_ours)
        return;
    uint32_t tag;
    pending = 0;
    /* A child that gets none will find that it has no place. */
    if (family.header != NULL && family_is_joined() && reserve_for_fork(&tag) == STATUS_OK)
        pending = tag;
}

/* Whether the fork succeeded is not known here. */
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
    wakers_after_fork_in_child();
    uint32_t tag = pending;
    pending = 0;
    enum status status = tag == 0 ? STATUS_FULL_TABLE : table_adopt(&family, tag);
    if (status != STATUS_OK)
        family_left(status);
}

/* ---- the death pipe */

static PyObject *death_pipe_fd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    int end = parent_death_read_end();
    return end < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(end);
}

/* root_pipe_fd() -> descriptor */
static PyObject *root_pipe_fd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    int end = parent_death_root_end();
    return end < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(end);
}

static PyObject *root_pidfd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(root_end_known_pidfd());
}

/* set_root_pidfd(fd) */
static PyObject *set_root_pidfd(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    root_end_watch(0, (int)fd);
    Py_RETURN_NONE;
}

static PyObject *fork_count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(forks);
}

/* open_death_link(fd) -> descriptor */
static PyObject *open_death_link(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    int link = death_link_open((int)fd);
    return link < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(link);
}

/* die_with(link) */
static PyObject *die_with(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long link = PyLong_AsLong(argument);
    if (link == -1 && PyErr_Occurred())
        return NULL;
    death_link_arm((int)link);
    Py_RETURN_NONE;
}

/* ---- forking */

/* is_dev_null(fd): whether that is /dev/null, and not closed or another file meanwhile. */
static PyObject *is_dev_null(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct stat file;
    return PyBool_FromLong(fstat((int)fd, &file) == 0 && S_ISCHR(file.st_mode) &&
                           file.st_rdev == makedev(1, 3)); /* see null(4) */
}

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

/* fork_process() after the fork, in the parent. The pid is noted first: what runs after a fork may
 * run Python code, and so handlers of signals. */
static PyObject *forked(pid_t pid, uint32_t tag, PyObject *start)
{
    int error = errno;
    if (pid > 0)
        table_launched(&family, tag, pid, START_UNKNOWN);
    else
        table_abandon(&family, tag);
    if (pid > 0 && start != NULL)
        process_start_set((ProcessStartObject *)start, tag);
    PyOS_AfterFork_Parent();
    errno = error;
    return pid < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(pid);
}

/* Has a crash of a child that is now forked show where it was, by means of the module faulthandler,
 * if crashes are not handled here anyhow. The module's state and its handlers are inherited, and
 * set here sooner than in a process that has to copy each page it writes to. Between this and the
 * fork, and between the fork and disable(), no Python code runs, so a program's own enable() does
 * not come between. */
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

/* fork(read_ends=(), faulthandler=None, start=None) -> pid. os.fork() also works. It warns of
 * threads from 3.12 on. The pid of its child reaches the table only when the child runs. If the
 * table is full, its child has no slot. */
static PyObject *fork_process(PyObject *Py_UNUSED(module), PyObject *args)
{
    int ends[DEATH_LINKS_MOST], count;
    PyObject *read_ends = NULL, *faulthandler = Py_None, *start = NULL;
    uint32_t tag;
    if (!PyArg_ParseTuple(args, "|O!OO!", &PyTuple_Type, &read_ends, &faulthandler,
                          ProcessStart_Type, &start) ||
        (count = descriptors(read_ends, ends)) < 0 || !family_ensure())
        return NULL;
    PyOS_BeforeFork();
    enum status status = reserve_for_fork(&tag); /* after the program's own hooks */
    if (status != STATUS_OK) {
        PyOS_AfterFork_Parent();
        return raise_status(status);
    }
    if (!parent_death_prepare_fork(ends, count))
        return forked(-1, tag, NULL);
    bool enabled = enable_for_child(faulthandler);
    is_ours = true;
    pending = tag;
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
    return forked(pid, tag, start);
}

static PyMethodDef functions[] = {
    {"fork", fork_process, METH_VARARGS,
     "fork(read_ends=(), faulthandler=None, start=None): like os.fork(). The child dies with the "
     "processes of these death pipes, and has that module's handlers, if it is given. The "
     "ProcessStart start is of this child."},
    {"is_dev_null", is_dev_null, METH_O, "Whether the descriptor is open, and of /dev/null."},
    {"root_pipe_fd", root_pipe_fd, METH_NOARGS,
     "The read end of this process's death pipe, opened again and marked as the root's."},
    {"root_pidfd", root_pidfd, METH_NOARGS, "The pidfd of the family's root, or -1."},
    {"set_root_pidfd", set_root_pidfd, METH_O, "Tell the pidfd of the family's root."},
    {"death_pipe_fd", death_pipe_fd, METH_NOARGS,
     "The read end of the pipe that this process's end closes."},
    {"fork_count", fork_count, METH_NOARGS, "How many forks lie behind this process."},
    {"open_death_link", open_death_link, METH_O,
     "open_death_link(fd): a link by which one process dies when that pipe is closed."},
    {"die_with", die_with, METH_O,
     "die_with(link): be killed when the write end of its pipe is closed."},
    {NULL, NULL, 0, NULL},
};

int add_fork(PyObject *module)
{
    int error = mapping_register_fork();
    if (error == 0)
        error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (error == 0)
        return PyModule_AddFunctions(module, functions);
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}
