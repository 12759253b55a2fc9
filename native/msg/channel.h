/* The channel: a queue of messages in shared memory, for any number of processes at both ends.
 *
 * Idea      Records lie one behind the other in a chain of segments. `put_count` says how many were
 *           ever put, `got_count` how many were ever taken; what is between them is in the queue.
 * Commit    A message is there with the store of put_count, and gone with that of got_count.
 *           A message that carries a payload changes hands in the same transaction of the arena's
 *           journal in which the count changes: at each instant exactly one of sender, channel
 *           and receiver owns it.
 * Mutexes   put_mutex guards the put side (tail_*, put_count), get_mutex the get side (head_*,
 *           got_count); the arena's comes after either. Who adds or drops a segment has the arena's.
 * Crash     A dead owner of put_mutex may have left: a transaction of the arena that is valid but not
 *           carried out (the arena's own repair, forced first); bytes behind the last record
 *           (nobody looks there); or tail_offset one record behind put_count. Only the last needs a
 *           hand: the record at tail_offset then has the number put_count - 1, which no other
 *           can have, since each put first marks the place behind its record. Likewise the get side.
 * Waiting   on the low half of put_count (for a message) or of got_count (for room).
 */
#ifndef PROCESSION_MSG_CHANNEL_H
#define PROCESSION_MSG_CHANNEL_H

#include "../shm/table.h"
#include "../sync/gate.h"
#include "../sync/patience.h"
#include "record.h"

/* The first segment is small, so that ten thousand idle queues cost little. */
enum {
    SEGMENT_OVERHEAD = 80, /* of the block's header and the segment's: so that pages are filled */
    SEGMENT_FIRST = 4 * 1024 - SEGMENT_OVERHEAD,
    SEGMENT_LATER = 64 * 1024 - SEGMENT_OVERHEAD,
};

struct channel {
    uint64_t max_messages; /* 0: no bound */
    /* [put side] */
    _Alignas(CACHE_LINE) struct mutex put_mutex;
    word_t put_count;
    word_t tail_segment; /* offset of a struct segment; 0: none yet */
    word_t tail_offset;  /* in its data */
    struct gate for_message;
    /* [get side] */
    _Alignas(CACHE_LINE) struct mutex get_mutex;
    word_t got_count;
    word_t head_segment;
    word_t head_offset;
    struct gate for_room;
    /* [done] how many of the messages taken were said to be done with; see channel_task_done */
    word_t done_count;
    struct gate for_done;
    word_t spare; /* an empty segment for the next need; guarded by the arena's mutex */
};

struct segment {
    word_t next;    /* offset; 0: none yet */
    uint64_t bytes; /* of data */
    char data[];
};

/* A message on its way in or out, as a process sees it. */
struct message {
    uint16_t kind;
    uint32_t size;
    uint64_t sequence; /* set by put and by get */
    uint64_t tag, extra;
    struct handle payload; /* RECORD_PAYLOAD: held by this process before a put, after a get */
    const void *data;      /* put: the bytes */
    char buffer[RECORD_DATA_LIMIT]; /* get: the bytes */
};

void channel_register(void);

enum status channel_create(struct arena *arena, uint64_t max_messages, struct handle *handle);

/* Puts without waiting. STATUS_AGAIN: full. After STATUS_OK a payload belongs to the channel. */
enum status channel_try_put(struct arena *arena, struct channel *channel, struct message *message);

/* Takes without waiting. STATUS_AGAIN: empty. *claim*, when not NULL, is set to sequence + 1 before the
 * message counts as taken: who finds this process dead knows what it had. */
enum status channel_try_get(struct arena *arena, struct channel *channel, struct message *message,
                            word_t *claim);

/* Waits until a try may succeed. STATUS_INTERRUPTED: look around, then go on. */
enum status channel_wait_for_message(struct channel *channel, struct patience *patience,
                                     deadline_t deadline);
enum status channel_wait_for_room(struct channel *channel, struct patience *patience,
                                  deadline_t deadline);

/* One message more is done with: one compare-and-swap. False: more than were ever put. */
bool channel_task_done(struct channel *channel);
/* Whether each message put so far is done with. */
bool channel_is_done(struct channel *channel);
/* Waits until that may be so. */
enum status channel_wait_for_done(struct channel *channel, struct patience *patience,
                                  deadline_t deadline);

static inline uint64_t channel_size(struct channel *channel)
{
    /* This order: a message taken in between makes the answer too large, never negative. */
    uint64_t got = atomic_load_explicit(&channel->got_count, memory_order_acquire);
    uint64_t put = atomic_load_explicit(&channel->put_count, memory_order_acquire);
    return put - got;
}

#endif
