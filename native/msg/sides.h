/* What putting and taking have in common: a side's mutex and its repair, records, waking. */
#ifndef PROCESSION_MSG_SIDES_H
#define PROCESSION_MSG_SIDES_H

#include "channel.h"

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

/* All of the message but its data. */
static inline void read_head(const struct record *record, struct message *message)
{
    message->kind = record->kind;
    message->size = record->size;
    message->sequence = record->sequence;
    message->tag = record->tag;
    message->extra = record->extra;
}

/* The block of a payload's record with so many bytes of data; NULL: there is no such. */
static inline struct block *payload_named(struct arena *arena,
                                          const struct payload_reference *reference, uint32_t size)
{
    struct block *block = size == sizeof *reference
                              ? arena_find(arena, reference->payload, reference->serial)
                              : NULL;
    return block && word_get(&block->kind) == BLOCK_PAYLOAD ? block : NULL;
}

/* Lock a side, and repair what a dead owner left. */
void lock_put_side(struct arena *arena, struct channel *channel);
void lock_get_side(struct arena *arena, struct channel *channel);

/* What a look without the mutex says of a get: STATUS_OK (try), STATUS_AGAIN, STATUS_SHUT_DOWN. */
enum status channel_glance(struct arena *arena, struct channel *channel);

/* After messages came, or went: wake up to *count* of those who wait for that. */
void announce_messages(struct arena *arena, struct channel *channel, unsigned count);
void announce_room(struct arena *arena, struct channel *channel, unsigned count);

#endif
