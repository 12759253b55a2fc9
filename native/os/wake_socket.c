#include "wake_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address_of(struct sockaddr_un *address, const char *name, size_t size)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, size); /* a first byte of 0: no file */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

int wake_socket_open(const char *name, size_t size)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, name, size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool wake_socket_send(const char *name, size_t size)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, name, size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* no descriptor is left: the sleeper looks again at the end of its slice */
    ssize_t sent = sendto(fd, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    bool refused = sent < 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused; /* a full socket is readable already */
}

void wake_socket_drain(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) >= 0 || errno == EINTR)
        ;
}

void wake_socket_close(int fd)
{
    close(fd);
}
