/* A doorbell: a descriptor of one process that any other of the family can make readable.
 *
 * Idea   A datagram socket with a name in the abstract namespace. Who knows the name can ring; no
 *        descriptor has to be passed on, and the kernel removes the name with its last descriptor.
 *        Who rings makes a socket for the purpose: it happens only when somebody sleeps, and a
 *        program that closes all its descriptors (a daemon) loses nothing.
 * Trust  A stranger may ring too. All it can cause is one more look. */
#ifndef PROCESSION_OS_WAKE_SOCKET_H
#define PROCESSION_OS_WAKE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

enum { WAKE_SOCKET_NAME_BYTES = 80 }; /* bytes at most */

/* The descriptor, not blocking and not inherited through exec; -1: errno says why. */
int wake_socket_open(const char *name, size_t size);
/* False: nobody has a bell of that name. */
bool wake_socket_send(const char *name, size_t size);
/* Makes it quiet again. */
void wake_socket_drain(int fd);
void wake_socket_close(int fd);

#endif
