/* The channel: a queue of messages in shared memory, for any number of processes at both ends.
 *
 * Idea      Records lie one behind the other in a chain of segments. `put_count` says how many were
 *           ever put, `got_count` how many were ever taken; what is between them is in the queue.
 * Commit    A message is there with the store of put_count, and gone with that of got_count. A
 *           message that carries a payload changes hands in the same transaction of the arena's
 *           journal in which the count changes: at each instant exactly one of sender, channel and
 *           receiver owns it.
 * Mutexes   put_mutex guards the put side (tail_*, put_count, end), get_mutex the get side (head_*,
 *           got_count). Order: put, get, arena. The arena's is held while a segment is added or
 *           removed.
 * Crash     A dead owner of put_mutex may have left: a transaction of the arena that is valid but
 *           not carried out (the arena's own repair, forced first); bytes behind the last record,
 *           even a whole one that was not committed (the next record, or the segment's end, is
 *           written over it); or tail_offset behind put_count, by one record or by those of one
 *           batch. Only the last needs a repair: the records from tail_offset on then have numbers
 *           below put_count, which no others can have, since each put first marks what follows the
 *           bytes that it writes. The same holds for the get side.
 * End       A queue may be shut down: nothing more is put. `end` says so with one store, and where
 *           the messages end that will ever be taken: all of them or, if it was shut down at once,
 *           those taken so far. The rest is then discarded, by any process that comes by, and is
 *           not counted.
 * Waiting   Each side has an event count for processes that sleep, and a watch count for those that
 *           watch it from poll(2) (waker.h).
 */
#ifndef PROCESSION_CHANNEL_CHANNEL_H
#define PROCESSION_CHANNEL_CHANNEL_H

#include "../shm/reference.h"
#include "../shm/waker.h"
#include "../sync/event_count.h"
#include "../sync/spin_wait.h"
#include "record.h"

/* The first segment is small, so that ten thousand idle queues cost little. */
enum {
    SEGMENT_OVERHEAD = 80, /* the headers of block and segment: so that a block fills whole pages */
    SEGMENT_FIRST = 4 * 1024 - SEGMENT_OVERHEAD,
    SEGMENT_LATER = 64 * 1024 - SEGMENT_OVERHEAD,
};

/* Where processes wait for one thing. */
struct wait_point {
    struct event_count sleepers;
    watch_count watchers;
};

enum channel_side { CHANNEL_MESSAGES, CHANNEL_ROOM };

/* The word `end`: below the end's number, how the channel was shut down. */
enum channel_end { CHANNEL_OPEN, CHANNEL_SHUT_DOWN, CHANNEL_SHUT_DOWN_AT_ONCE };
enum { END_BITS = 2 };

struct channel {
    uint64_t max_messages; /* 0: no bound */
    /* [put side] */
    _Alignas(CACHE_LINE) struct mutex put_mutex;
    word_t put_count;
    word_t tail_segment; /* offset of a struct segment; 0: none yet */
    word_t tail_offset;  /* in its data */
    word_t end; /* number of the first message never to be taken, << END_BITS | enum channel_end */
    struct wait_point for_message;
    /* [get side] */
    _Alignas(CACHE_LINE) struct mutex get_mutex;
    word_t got_count;
    word_t head_segment;
    word_t head_offset;
    struct wait_point for_room;
    /* [done] how many of the messages taken were said to be done; see channel_task_done */
    word_t done_count;
    struct wait_point for_done; /* no process watches it */
    word_t owned_locks[2];      /* by enum channel_side; 0: not made yet (owned_lock.h) */
    word_t cached_segment;      /* an empty one for the next need; guarded by the arena's mutex */
};

struct segment {
    word_t next;    /* offset; 0: none yet */
    uint64_t bytes; /* of data */
    char data[];
};

/* A message that a process puts or has got. */
struct message {
    uint16_t kind;
    uint32_t size;
    uint64_t sequence; /* set by put and by get */
    uint64_t label, extra;
    struct handle payload; /* RECORD_PAYLOAD: held by this process before a put, after a get */
    const void *data;      /* put: the bytes */
    char buffer[RECORD_DATA_LIMIT]; /* get: the bytes */
};

/* Puts without waiting. STATUS_AGAIN: the channel is full. STATUS_SHUT_DOWN. After STATUS_OK a
 * payload belongs to the channel. */
enum status channel_try_put(struct arena *arena, struct channel *channel, struct message *message);

/* Takes without waiting. STATUS_AGAIN: the channel is empty; STATUS_SHUT_DOWN: for good. *claim*,
 * if not NULL, is set to sequence + 1 before the message counts as taken: so a process that finds
 * this one dead knows which message it had. */
enum status channel_try_get(struct arena *arena, struct channel *channel, struct message *message,
                            word_t *claim);

/* Waits until a try may succeed. STATUS_INTERRUPTED: look, then go on. */
enum status channel_wait_for_message(struct channel *channel, struct spin_wait *spin_wait,
                                     deadline_t deadline);
enum status channel_wait_for_room(struct channel *channel, struct spin_wait *spin_wait,
                                  deadline_t deadline);

/* One more message is done, by one compare-and-swap. False: more than were ever put. */
bool channel_task_done(struct channel *channel);
/* Whether each message put so far is done (or will never be taken). */
bool channel_is_done(struct channel *channel);
/* Waits until that may be so. */
enum status channel_wait_for_done(struct channel *channel, struct spin_wait *spin_wait,
                                  deadline_t deadline);

/* Nothing can be put any more; what is there can be taken or, *at_once*, is discarded. Wakes
 * all. */
void channel_shut_down(struct arena *arena, struct channel *channel, bool at_once);

/* Where the lock of a side is, and its serial number. It exists as long as the channel. */
enum status channel_owned_lock(struct arena *arena, struct channel *channel, enum channel_side side,
                               offset_t *offset, uint64_t *serial);

/* ---- what putting and taking of one message and of many have in common */

/* Lock a side, and repair what a dead owner left. */
void lock_put_side(struct arena *arena, struct channel *channel);
void lock_get_side(struct arena *arena, struct channel *channel);

/* What a get may find, without the mutex: STATUS_OK (try it), STATUS_AGAIN, STATUS_SHUT_DOWN. */
enum status channel_peek(struct arena *arena, struct channel *channel);

/* After messages were put, or taken: wake up to *count* of the processes that wait for that. */
void announce_messages(struct arena *arena, struct channel *channel, unsigned count);
void announce_room(struct arena *arena, struct channel *channel, unsigned count);

static inline enum channel_end channel_end(struct channel *channel)
{
    uint64_t end = atomic_load_explicit(&channel->end, memory_order_acquire);
    return (enum channel_end)(end & ((1 << END_BITS) - 1));
}

/* The key of a side in the waker table. */
static inline uint64_t channel_key(struct arena *arena, struct channel *channel,
                                   enum channel_side side)
{
    return waker_key(arena_offset(arena, channel), side);
}

static inline uint64_t channel_size(struct channel *channel)
{
    if (channel_end(channel) == CHANNEL_SHUT_DOWN_AT_ONCE)
        return 0;
    /* This order: a message taken in between makes the answer too large, never negative. */
    uint64_t got = atomic_load_explicit(&channel->got_count, memory_order_acquire);
    uint64_t put = atomic_load_explicit(&channel->put_count, memory_order_acquire);
    return put - got;
}

/* Without the mutexes these are a look at one moment. */
static inline bool channel_has_room(struct channel *channel)
{
    return channel->max_messages == 0 || channel_size(channel) < channel->max_messages;
}

/* Whether a try gets an answer now; STATUS_SHUT_DOWN is one, too. */
static inline bool channel_can_get(struct channel *channel)
{
    return channel_size(channel) > 0 || channel_end(channel) != CHANNEL_OPEN;
}

static inline bool channel_can_put(struct channel *channel)
{
    return channel_has_room(channel) || channel_end(channel) != CHANNEL_OPEN;
}

#endif
