/* Segments: one transaction of the arena each time one is linked or dropped. And the end of a
 * channel, which gives back whatever messages it still has. */
#include "segments.h"

#include <string.h>

#include "../crash_point.h"
#include "sides.h"

/* ---- the tail */

static void make_empty(struct segment *segment, uint64_t bytes)
{
    atomic_init(&segment->next, 0);
    segment->bytes = bytes;
    record_at(segment, 0)->sequence = RECORD_NO_SEQUENCE;
}

/* Stages a segment that the channel will own; the spare one if there is one. */
static enum status stage_segment(struct arena *arena, struct channel *channel, uint64_t bytes,
                                 struct segment **segment)
{
    offset_t spare = word_get(&channel->spare);
    if (spare) {
        *segment = arena_at(arena, spare);
        bytes = (*segment)->bytes;
        arena_stage(arena, &channel->spare, 0);
    } else {
        struct block *block;
        enum status status = arena_stage_block(arena, sizeof(struct segment) + bytes, BLOCK_SEGMENT,
                                               &block);
        if (status != STATUS_OK)
            return status;
        *segment = block_payload(block);
    }
    make_empty(*segment, bytes); /* nobody sees it before the commit */
    return STATUS_OK;
}

static enum status add_segment(struct arena *arena, struct channel *channel)
{
    offset_t tail = word_get(&channel->tail_segment);
    struct segment *segment;
    enum status status = stage_segment(arena, channel, tail ? SEGMENT_LATER : SEGMENT_FIRST,
                                       &segment);
    if (status != STATUS_OK)
        return status;
    offset_t offset = arena_offset(arena, segment);
    if (tail) {
        struct segment *last = arena_at(arena, tail);
        struct record *end = record_at(last, word_get(&channel->tail_offset));
        /* Read only once a record behind it is committed. A killed sender may have begun a shorter
         * message here, with the number of the next. */
        end->sequence = RECORD_NO_SEQUENCE;
        end->kind = RECORD_END;
        arena_stage(arena, &last->next, offset);
    } else {
        arena_stage(arena, &channel->head_segment, offset);
        arena_stage(arena, &channel->head_offset, 0);
    }
    arena_stage(arena, &channel->tail_segment, offset);
    arena_stage(arena, &channel->tail_offset, 0);
    CRASH_POINT("segments.add.before_commit");
    arena_commit(arena);
    return STATUS_OK;
}

enum status segments_make_room(struct arena *arena, struct channel *channel, uint64_t bytes)
{
    offset_t tail = word_get(&channel->tail_segment);
    if (tail) {
        struct segment *segment = arena_at(arena, tail);
        if (word_get(&channel->tail_offset) + bytes + sizeof(struct record) <= segment->bytes)
            return STATUS_OK;
    }
    arena_lock(arena);
    arena_bury_dead(arena, BURY_STEPS);
    enum status status = add_segment(arena, channel);
    arena_unlock(arena);
    return status;
}

/* ---- the head */

/* Stages: the head goes on in the next segment. The old one is returned if it is to be released. */
static struct block *stage_next_segment(struct arena *arena, struct channel *channel,
                                        struct segment *old, bool keep_spare)
{
    arena_stage(arena, &channel->head_segment, word_get(&old->next));
    arena_stage(arena, &channel->head_offset, 0);
    if (keep_spare && word_get(&channel->spare) == 0 && old->bytes == SEGMENT_LATER) {
        arena_stage(arena, &channel->spare, arena_offset(arena, old));
        return NULL;
    }
    return block_of(old);
}

struct segment *segments_skip_end(struct arena *arena, struct channel *channel)
{
    struct segment *segment = arena_at(arena, word_get(&channel->head_segment));
    struct record *record = record_at(segment, word_get(&channel->head_offset));
    if (record->sequence != RECORD_NO_SEQUENCE || record->kind != RECORD_END)
        return segment;
    if (word_get(&segment->next) == 0)
        return NULL;
    arena_lock(arena);
    struct block *old = stage_next_segment(arena, channel, segment, true);
    if (old)
        arena_stage_release(arena, old);
    CRASH_POINT("segments.skip.before_commit");
    arena_commit(arena);
    arena_bury_dead(arena, BURY_STEPS);
    arena_unlock(arena);
    return arena_at(arena, word_get(&channel->head_segment));
}

/* ---- the end of a channel; nobody else can reach it any more */

/* The block that the record owns; NULL: it owns none, or is spoiled. */
static struct block *payload_of_record(struct arena *arena, const struct record *record)
{
    struct payload_reference reference;
    if (record->kind != RECORD_PAYLOAD)
        return NULL;
    memcpy(&reference, record + 1, sizeof reference);
    return payload_named(arena, &reference, record->size);
}

/* Walks over messages that own nothing; the next block that the channel owns, or NULL. */
static struct block *surrender(struct arena *arena, struct block *block)
{
    struct channel *channel = block_payload(block);
    for (unsigned side = 0; side < 2; side++) {
        offset_t lock = word_get(&channel->companions[side]);
        if (lock) {
            arena_stage(arena, &channel->companions[side], 0);
            return block_of(arena_at(arena, lock));
        }
    }
    for (;;) {
        offset_t head = word_get(&channel->head_segment), spare = word_get(&channel->spare);
        uint64_t got = word_get(&channel->got_count);
        if (head == 0 && spare) {
            arena_stage(arena, &channel->spare, 0);
            return block_of(arena_at(arena, spare));
        }
        if (head == 0)
            return NULL;
        struct segment *segment = arena_at(arena, head);
        uint64_t offset = word_get(&channel->head_offset);
        struct record *record = record_at(segment, offset);
        bool lagging = record->sequence < got; /* its taker was killed */
        if (got == word_get(&channel->put_count) || (record->sequence == RECORD_NO_SEQUENCE))
            return stage_next_segment(arena, channel, segment, false);
        offset += record_bytes(record->size);
        struct block *payload = lagging ? NULL : payload_of_record(arena, record);
        if (payload) {
            arena_stage(arena, &channel->got_count, got + 1);
            arena_stage(arena, &channel->head_offset, offset);
            return payload;
        }
        if (!lagging)
            atomic_store_explicit(&channel->got_count, got + 1, memory_order_relaxed);
        IN_PROGRAM_ORDER(); /* killed in between, the record is the lagging one */
        atomic_store_explicit(&channel->head_offset, offset, memory_order_relaxed);
    }
}

/* The payloads of the messages that are there, in the order of the records. */
static void each_payload(struct arena *arena, struct channel *channel, owned_visitor visit,
                         void *with)
{
    uint64_t next = word_get(&channel->got_count), end = word_get(&channel->put_count);
    offset_t at = word_get(&channel->head_segment), offset = word_get(&channel->head_offset);
    while (next < end && at) {
        struct segment *segment = arena_at(arena, at);
        struct record *record = record_at(segment, offset);
        if (record->sequence == RECORD_NO_SEQUENCE) {
            at = word_get(&segment->next);
            offset = 0;
            continue;
        }
        offset += record_bytes(record->size);
        if (record->sequence < next) /* its taker was killed before it moved on */
            continue;
        struct block *payload = payload_of_record(arena, record);
        if (payload)
            visit(with, arena_offset(arena, block_payload(payload)));
        else if (record->kind == RECORD_PAYLOAD || record->sequence != next)
            visit(with, 0); /* which names no block, as the record is wrong */
        next++;
    }
}

static void each_owned(struct arena *arena, struct block *block, owned_visitor visit, void *with)
{
    struct channel *channel = block_payload(block);
    if (word_get(&channel->spare))
        visit(with, word_get(&channel->spare));
    for (unsigned side = 0; side < 2; side++)
        if (word_get(&channel->companions[side]))
            visit(with, word_get(&channel->companions[side]));
    for (offset_t at = word_get(&channel->head_segment); at;
         at = word_get(&((struct segment *)arena_at(arena, at))->next))
        visit(with, at);
    each_payload(arena, channel, visit, with);
}

static void fill(void *memory, uint64_t size, const void *with)
{
    memset(memory, 0, size);
    struct channel *channel = memory;
    channel->max_messages = *(const uint64_t *)with;
    mutex_init(&channel->put_mutex);
    mutex_init(&channel->get_mutex);
}

enum status channel_create(struct arena *arena, uint64_t max_messages, struct handle *handle)
{
    return handle_create(arena, sizeof(struct channel), BLOCK_CHANNEL, fill, &max_messages, handle);
}

void channel_register(void)
{
    arena_set_manners(BLOCK_CHANNEL,
                      (struct block_manners){.surrender = surrender, .each_owned = each_owned});
}
