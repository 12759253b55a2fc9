/* PipeEnd: what a Connection has beside its descriptor: the way of small messages, and the
 * hand-offs of a pipe (channel/pipe_fastpath.h). The descriptor itself stays with the Connection,
 * and is given with each call.
 *
 * Idea   A call here does what can be done without waiting, and waits for the start of a message at
 *        most. All else (large messages, short reads and writes, full pipes) is reported in the
 *        result, and the Connection goes on from there. The GIL is given up only to wait. */
#ifndef PROCESSION_PYTHON_PIPE_END_H
#define PROCESSION_PYTHON_PIPE_END_H

#include "binding.h"

int add_pipe_end(PyObject *module);

#endif
