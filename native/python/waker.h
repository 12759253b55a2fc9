/* Waker: a descriptor that becomes readable when one of several channels may be ready.
 *
 * Idea   poll(2) cannot wait for a futex. So code that waits for channels beside descriptors takes
 *        an entry of the arena's table of wakers (shm/waker.h) and polls its socket. A call of
 *        wait(), or an event loop, arms the waker for several channels, and asks them all when the
 *        socket is readable.
 * Fork   The entry is its process's. In a forked child every inherited waker is closed at once. */
#ifndef PROCESSION_PYTHON_WAKER_H
#define PROCESSION_PYTHON_WAKER_H

#include "../shm/waker.h"
#include "binding.h"

typedef struct WakerObject {
    PyObject_HEAD struct waker waker;
    struct WakerObject *next, **link; /* of the list of open wakers; link NULL: closed */
} WakerObject;

extern PyTypeObject *Waker_Type;

/* Closes the wakers that a forked child inherited. */
void wakers_after_fork_in_child(void);

int add_waker(PyObject *module);

#endif
