/* The handoff buffer: a way around the kernel for a small message to a process that waits for it.
 *
 * Idea      Messages go through the descriptor of the pipe. Only while a receiver is inside of its
 *           call, and spins, may a sender hand it a message here. So nothing lies in the buffer
 *           that a look at the descriptor (select, asyncio, a reader without a buffer) would have
 *           to show.
 *
 *           word                  means                           next
 *           IDLE                  messages take the descriptor    receiver -> SPINNING
 *           SPINNING, receiver    it looks here until `until`     sender -> WRITING;
 *                                                                 receiver -> IDLE, goes to read
 *           WRITING, sender       it fills in the message         sender -> FULL [commit];
 *                                                                 receiver -> ABANDONED
 *           FULL, receiver        the message is there            receiver -> IDLE [taken]
 *           ABANDONED, sender     the receiver went to read       sender -> IDLE, and writes its
 *                                                                 message to the descriptor
 *
 *           Each SPINNING has a number of its own (the turn), so that a swap never mistakes one
 *           wait for another. No process ever waits for another: each of the two can leave by one
 *           swap.
 *
 * Order     Messages of one sender arrive in the order of its calls. So do those of several senders
 *           if one was told of the other's message first, as under a common lock:
 *           - A message that went through the descriptor before was read to its last byte when the
 *             sender comes here: it asks the kernel, after it has seen SPINNING, whether any bytes
 *             are unread. The process that read it is not the one that spins, or has returned it: a
 *             receiver reads nothing while it is SPINNING. It looks whether there is something to
 *             read, and leaves first; if it finds the buffer FULL then, that message was sent
 *             before what is in the descriptor, or beside it, and is returned first.
 *           - A message that went through here before is FULL until a receiver returns it, and a
 *             sender that finds FULL takes the descriptor, which no process reads before the
 *             receiver leaves.
 *           The look and the swap need not be one step: what comes into the descriptor in between
 *           was sent beside this message, not before it.
 * Missed    A sender that saw IDLE just before SPINNING writes to the descriptor; the spinning
 *           receiver looks there now and then as well.
 * Crash     The sender's store of FULL is the commit: if it is killed before, it has sent nothing.
 *           A receiver killed at FULL has not taken the message, which is then orphaned: the next
 *           process to receive at this end finds the mark of a dead process and recovers the
 *           message first. The marks SPINNING, WRITING and ABANDONED of dead processes are removed
 *           in the same way. A sender believes SPINNING only until the time that the receiver set,
 *           so a dead one draws no messages here for longer than the spin it died in.
 * Optional  A process that holds an end without the buffer (made from the bare descriptor, or from
 *           the pickle of a pipe that was gone) sends and receives through the descriptor; the
 *           order of the others stays.
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
_Static_assert(sizeof(struct handoff) == 2048, "the two of a pipe share no cache line");

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

/* Hands over the message if a receiver spins for it and all that was sent before has been read. */
bool handoff_put(struct arena *arena, struct handoff *handoff, enum stream_kind kind, int fd,
                 const void *data, size_t size);

/* ---- receiver; each returns the size of the message, or HANDOFF_NOTHING */

#define HANDOFF_NOTHING SIZE_MAX

/* Takes an orphaned message: its receiver died before it took it. To be called before any read. */
size_t handoff_recover(struct arena *arena, struct handoff *handoff, char *buffer);
/* Whether there is an orphaned message. */
bool handoff_has_orphan(struct arena *arena, struct handoff *handoff);

/* Spins as long as *spin_wait* says, or until *fd* can be read. If *handoff* is NULL it only looks
 * at the descriptor. */
size_t handoff_await(struct arena *arena, struct handoff *handoff, struct spin_wait *spin_wait,
                     int fd, char *buffer);

#endif
