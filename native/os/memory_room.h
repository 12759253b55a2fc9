/* How much more memory there is: in the machine, and in the control groups of this process.
 *
 * Idea      Where a control group (a container's limit) or the machine is full, the kernel does not
 *           refuse memory: it kills. So a process that is about to commit much looks first. What
 *           the kernel can take back (files in its cache) and swap count as room.
 * Promise   No more than holds: others may take the memory between the look and the use, and small
 *           amounts are not looked at.
 * Source    cgroups(7), proc_pid_mountinfo(5); the kernel's admin-guide/cgroup-v2.rst and
 *           cgroup-v1/memory.rst. What is missing or not understood sets no limit. */
#ifndef PROCESSION_OS_MEMORY_ROOM_H
#define PROCESSION_OS_MEMORY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#define NO_MEMORY_LIMIT UINT64_MAX

struct memory_room {
    uint64_t bytes;       /* so much more can be had */
    uint64_t limit, used; /* of the control group that sets this limit; NO_MEMORY_LIMIT: none */
};

/* Looks; *root* is that of the file system, "" but in tests. About 0.1 ms. */
struct memory_room memory_room_below(const char *root);

/* Whether *bytes* more can be had, and a little beside them for the program itself. */
bool memory_has_room(uint64_t bytes);

#endif
