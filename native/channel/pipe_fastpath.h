/* The mailbox: one way of a pipe past the kernel, for a small message to somebody who waits for it.
 *
 * Idea      Messages go through the pipe's descriptor. Only while a receiver is inside of its call, and
 *           spins, may a sender hand it a message here. So nothing lies in the mailbox that a look
 *           at the descriptor (select, asyncio, a reader without a mailbox) would have to show.
 *
 *           word                      means                           next
 *           IDLE                      messages take the descriptor    receiver -> SPINNING
 *           SPINNING, receiver        it looks here until `until`     sender -> WRITING;
 *                                                                     receiver -> IDLE, goes to read
 *           WRITING, sender           it fills in the message         sender -> FULL [commit];
 *                                                                     receiver -> ABANDONED
 *           FULL, receiver            the message is there            receiver -> IDLE [taken]
 *           ABANDONED, sender         the receiver went to read       sender -> IDLE, and writes its
 *                                                                     message to the descriptor
 *
 *           Each SPINNING has a number of its own (the turn), so that a swap never mistakes one wait for
 *           another. Nobody ever waits for another process: each of the two can leave by one swap.
 *
 * Order     Messages of one sender arrive in the order of its calls, and so do those of several of which
 *           one was told of another's, as under a common lock:
 *           - A message that went through the descriptor before was read to its last byte when the
 *             sender comes here: it asks the kernel, after it has seen SPINNING, whether anything it
 *             or others wrote is unread. Who read it is not the one who spins, or has returned it:
 *             a receiver reads nothing while it is SPINNING. It looks whether there is something to
 *             read, and leaves first; if it finds the mailbox FULL then, that message was sent
 *             before what is in the descriptor, or beside it, and is returned first.
 *           - A message that went through here before is FULL until a receiver returns it, and a sender
 *             that finds FULL takes the descriptor, which nobody reads before the receiver leaves.
 *           The look and the swap need not be one step: what comes into the descriptor in between was
 *           sent beside this message, not before it.
 * Missed    A sender that saw IDLE just before SPINNING writes to the descriptor; the spinning
 *           receiver looks there now and then as well.
 * Crash     The sender's store of FULL is the commit: killed before, it has sent nothing. A receiver
 *           killed at FULL has not taken the message: who receives next, as another process with
 *           the same end, finds the mark of a dead process and takes it first. The marks
 *           SPINNING, WRITING and ABANDONED of the dead are removed in the same way. A sender believes
 *           SPINNING only until the time that the receiver set, so a dead one draws no messages here for
 *           longer than the spin it died in.
 * Optional  Who holds an end without the mailbox (made from the bare descriptor, or from the pickle of a
 *           pipe that was gone) sends and receives through the descriptor; the others' order stays.
 */
#ifndef PROCESSION_CHANNEL_PIPE_FASTPATH_H
#define PROCESSION_CHANNEL_PIPE_FASTPATH_H

#include "../os/stream.h"
#include "../shm/arena.h"
#include "../sync/spin_wait.h"

enum { HANDOFF_LIMIT = 2048 - 24 }; /* of a message, in bytes */

struct handoff {
    word_t word;  /* turn, tag, enum handoff_state */
    word_t until; /* deadline_t: the end of the spin */
    uint64_t size;
    char data[HANDOFF_LIMIT];
};
_Static_assert(sizeof(struct handoff) == 2048, "a pipe's two share no cache line");

enum handoff_state {
    HANDOFF_IDLE = 0,
    HANDOFF_SPINNING,
    HANDOFF_WRITING,
    HANDOFF_FULL,
    HANDOFF_ABANDONED,
};

static inline enum handoff_state handoff_state(struct handoff *handoff)
{
    return (enum handoff_state)(word_get(&handoff->word) & 7);
}

/* ---- sender */

/* Hands the message over if a receiver spins for it, and all that was sent before has been read. */
bool handoff_put(struct arena *arena, struct handoff *handoff, enum stream_kind kind, int fd,
                 const void *data, size_t size);

/* ---- receiver; each gives the message's size, or HANDOFF_NOTHING */

#define HANDOFF_NOTHING SIZE_MAX

/* The message of a receiver that died before it took it. To be asked before anything is read. */
size_t handoff_recover(struct arena *arena, struct handoff *handoff, char *buffer);
/* Whether there is such a message. */
bool handoff_has_orphan(struct arena *arena, struct handoff *handoff);

/* Spins as long as *patience* says, or until *fd* can be read. *mailbox* may be NULL: then it only looks at
 * the descriptor. */
size_t handoff_await(struct arena *arena, struct handoff *handoff, struct spin_wait *spin_wait,
                     int fd, char *buffer);

#endif
