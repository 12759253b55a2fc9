/* The chain of segments under a channel: growing at the tail, shrinking at the head.
 *
 * Each time a segment is linked or removed, that is one transaction of the arena. */
#ifndef PROCESSION_CHANNEL_SEGMENT_H
#define PROCESSION_CHANNEL_SEGMENT_H

#include "channel.h"
#include "payload.h"

static inline struct record *record_at(struct segment *segment, uint64_t offset)
{
    return (struct record *)(segment->data + offset);
}

static inline struct segment *segment_at(struct arena *arena, word_t *where)
{
    return arena_at(arena, word_get(where));
}

static inline bool is_plausible(struct segment *segment, uint64_t offset,
                                const struct record *record, uint64_t sequence)
{
    return record->sequence == sequence && record->size <= RECORD_DATA_LIMIT &&
           record->kind < RECORD_KINDS && offset + record_bytes(record->size) <= segment->bytes;
}

/* Copies all of the message but its data. */
static inline void read_head(const struct record *record, struct message *message)
{
    message->kind = record->kind;
    message->size = record->size;
    message->sequence = record->sequence;
    message->label = record->label;
    message->extra = record->extra;
}

/* Room for *bytes* and an end mark at the tail, in a further segment if need be. Put side
 *      locked. */
enum status segments_make_room(struct arena *arena, struct channel *channel, uint64_t bytes);

/* Maps the segments that segments_skip_end() may look at. Get side locked, and there is a next
 * record. STATUS_NO_MEMORY: this process has no room for one. */
static inline enum status segments_reach_head(struct arena *arena, struct channel *channel)
{
    enum status status = arena_reach(arena, word_get(&channel->head_segment),
                                     sizeof(struct segment));
    if (status != STATUS_OK)
        return status;
    offset_t next = word_get(&segment_at(arena, &channel->head_segment)->next);
    return arena_reach(arena, next, sizeof(struct segment));
}

/* The segment of the next record, after removing one that has been read to its end. Get side
 * locked, and there is a next record. NULL: the chain ends here, so memory is damaged. */
struct segment *segments_skip_end(struct arena *arena, struct channel *channel);

/* Stages that the head goes on in the next segment. Returns the old one if it must be released;
 * *may_cache*: the channel may keep it as its cached segment instead. */
struct block *segments_stage_next(struct arena *arena, struct channel *channel, struct segment *old,
                                  bool may_cache);

#endif
