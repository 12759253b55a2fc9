/* procession._core: the module. */
#include "attribute.h"
#include "barrier.h"
#include "block.h"
#include "channel.h"
#include "clean_exit.h"
#include "condition.h"
#include "crash_report.h"
#include "diagnostics.h"
#include "dict_key.h"
#include "encode.h"
#include "event.h"
#include "family.h"
#include "fork.h"
#include "handle.h"
#include "hooks.h"
#include "lock.h"
#include "lock_site.h"
#include "method_cache.h"
#include "pipe_end.h"
#include "process_slot.h"
#include "process_start.h"
#include "semaphore.h"
#include "shared_dict.h"
#include "shared_list.h"
#include "task_channel.h"
#include "test_functions.h"
#include "value.h"
#include "waker.h"
#include "worker_status.h"

/* All that the module has, in an order in which each part finds those that it builds on. */
static const struct part {
    const char *name;
    int (*add)(PyObject *module); /* 0, or -1 with an exception set */
} parts[] = {
    {"hooks", add_hooks},
    {"family", add_family},
    {"process start", add_process_start},
    {"fork", add_fork},
    {"handle", add_handle},
    {"process slot", add_process_slot},
    {"block", add_block},
    {"crash report", add_crash_report},
    {"method cache", add_method_cache},
    {"lock", add_lock},
    {"lock site", add_lock_site},
    {"semaphore", add_semaphore},
    {"event", add_event},
    {"condition", add_condition},
    {"barrier", add_barrier},
    {"clean exit", add_clean_exit},
    {"value", add_value},
    {"locked attribute", add_locked_attribute},
    {"encode", add_encode},
    {"channel", add_channel},
    {"task channel", add_task_channel},
    {"waker", add_waker},
    {"pipe end", add_pipe_end},
    {"worker status", add_worker_status},
    {"diagnostics", add_diagnostics},
    {"dict key", add_dict_key},
    {"shared dict", add_shared_dict},
    {"shared list", add_shared_list},
#ifdef PROCESSION_CRASH_POINTS
    {"test functions", add_test_functions},
#endif
};

static int add_parts(PyObject *module)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].add(module) == 0)
            continue;
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_SystemError, "the core's %s could not be set up", parts[i].name);
        return -1;
    }
    return 0;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "procession._core",
    .m_doc = "The native core: shared memory, locks and channels that outlive a kill.",
    .m_size = -1, /* one arena for the process, so one module */
};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && add_parts(module) != 0)
        Py_CLEAR(module);
    return module;
}
