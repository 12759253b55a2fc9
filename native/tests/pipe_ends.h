/* A pipe of one way with a mailbox, as the bindings use it: for the tests of the mailbox.
 *
 * A message is its number, told by its size and its bytes; so a torn one, or another in its place, is seen. */
#ifndef PROCESSION_TESTS_PIPE_ENDS_H
#define PROCESSION_TESTS_PIPE_ENDS_H

#include "../channel/pipe_fastpath.h"
#include "family.h"

struct post {
    int reader, writer;
    enum stream_kind kind;
    struct mailbox *mailbox;
    struct handle handle;
};

enum { POST_LIMIT = 6000 }; /* of a message, in bytes */

/* STREAM_SOCKET or STREAM_PIPE. */
struct post post_open(enum stream_kind kind);
void post_close(struct post *post);

/* Sizes alternate; some do not fit the mailbox. True: it went through the mailbox. */
bool post_send(struct post *post, uint32_t number);
/* Past the mailbox, as somebody who knows the descriptor alone. */
void post_write(struct post *post, uint32_t number);

/* Spins for up to *spin* each time. False: the end of the stream. */
bool post_receive(struct post *post, nanoseconds spin, uint32_t *number);

#endif
