/* A one-way pipe with a handoff buffer, as the bindings use it, for its tests.
 *
 * A message is a number, told by its size and its bytes; so a torn one, or another one, is seen. */
#ifndef PROCESSION_TESTS_PIPE_ENDS_H
#define PROCESSION_TESTS_PIPE_ENDS_H

#include "../channel/pipe_fastpath.h"
#include "family.h"

struct pipe_pair {
    int reader, writer;
    enum stream_kind kind;
    struct handoff *handoff;
    struct handle handle;
};

enum { PIPE_PAIR_LIMIT = 6000 }; /* of a message, in bytes */

/* STREAM_SOCKET or STREAM_PIPE. */
struct pipe_pair pipe_pair_open(enum stream_kind kind);
void pipe_pair_close(struct pipe_pair *pair);

/* Sizes vary; some do not fit the buffer. True: the message went through the buffer. */
bool pipe_pair_send(struct pipe_pair *pair, uint32_t number);
/* Not through the buffer, like a process that has the descriptor alone. */
void pipe_pair_write(struct pipe_pair *pair, uint32_t number);

/* Spins for up to *spin* each time. False: the end of the stream. */
bool pipe_pair_receive(struct pipe_pair *pair, nanoseconds spin, uint32_t *number);

#endif
