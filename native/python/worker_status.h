/* The status of a pool's worker: a row of 64-bit words in shared memory, which the pool reads.
 *
 * Words  TASK         number of the latest task, + 1; 0: none yet
 *        STARTED_NS   when it was taken
 *        DEADLINE_NS  when this process will be killed for what it runs; 0: there is no limit
 *        LIMIT_NS     the limit that the deadline came from; written before it
 *        CANCEL_TASK  the worker ends if TASK has this value when CANCEL_SIGNAL comes
 *
 *        TaskChannel.receive writes the first two, the pool the last. Python code has the indices
 *        as the constants WORKER_TASK and so on: see src/procession/pool/_worker_status.py.
 */
#ifndef PROCESSION_PYTHON_WORKER_STATUS_H
#define PROCESSION_PYTHON_WORKER_STATUS_H

#include "binding.h"

int add_worker_status(PyObject *module);

#endif
