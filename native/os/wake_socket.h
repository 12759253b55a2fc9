/* A wake socket: a descriptor of one process that any other process of the family can make
 * readable.
 *
 * Idea   A datagram socket with a name in the abstract namespace. A process that knows the name can
 *        send; no descriptor has to be passed on, and the kernel removes the name with its last
 *        descriptor. A sender makes a socket for each message: it sends only when another process
 *        sleeps, and a program that closes all its descriptors (a daemon) loses nothing.
 * Trust  A stranger may send too. All it can cause is one more look. */
#ifndef PROCESSION_OS_WAKE_SOCKET_H
#define PROCESSION_OS_WAKE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

enum { WAKE_SOCKET_NAME_BYTES = 80 }; /* bytes at most */

/* The descriptor, nonblocking and closed on exec; -1: errno says why. */
int wake_socket_open(const char *name, size_t size);
/* Makes the socket of that name readable. False: there is no such socket. */
bool wake_socket_send(const char *name, size_t size);
/* Reads all, so that the socket is not readable any more. */
void wake_socket_drain(int fd);
void wake_socket_close(int fd);

#endif
