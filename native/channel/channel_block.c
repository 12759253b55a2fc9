#include "channel_block.h"

#include <string.h>

#include "../crash_point.h"
#include "segment.h"

/* ---- what a channel owns; no process can reach the channel any more when it gives that up */

/* The block that the record owns; NULL: it owns none, or is damaged. */
static struct block *payload_of_record(struct arena *arena, const struct record *record)
{
    struct payload_reference reference;
    if (record->kind != RECORD_PAYLOAD)
        return NULL;
    memcpy(&reference, record + 1, sizeof reference);
    return payload_named(arena, &reference, record->size);
}

/* Skips messages that own nothing. Returns the next block that the channel owned, or NULL. */
static struct block *pop_child(struct arena *arena, struct block *block)
{
    struct channel *channel = block_contents(block);
    for (unsigned side = 0; side < 2; side++) {
        offset_t lock = word_get(&channel->owned_locks[side]);
        if (lock) {
            journal_stage(arena, &channel->owned_locks[side], 0);
            return block_of(arena_at(arena, lock));
        }
    }
    for (;;) {
        offset_t head = word_get(&channel->head_segment),
                 cached = word_get(&channel->cached_segment);
        uint64_t got = word_get(&channel->got_count);
        if (head == 0 && cached) {
            journal_stage(arena, &channel->cached_segment, 0);
            return block_of(arena_at(arena, cached));
        }
        if (head == 0)
            return NULL;
        struct segment *segment = arena_at(arena, head);
        uint64_t offset = word_get(&channel->head_offset);
        struct record *record = record_at(segment, offset);
        bool lagging = record->sequence < got; /* its receiver was killed */
        if (got == word_get(&channel->put_count) || (record->sequence == RECORD_NO_SEQUENCE))
            return segments_stage_next(arena, channel, segment, false);
        offset += record_bytes(record->size);
        struct block *payload = lagging ? NULL : payload_of_record(arena, record);
        if (payload) {
            journal_stage(arena, &channel->got_count, got + 1);
            journal_stage(arena, &channel->head_offset, offset);
            return payload;
        }
        if (!lagging)
            atomic_store_explicit(&channel->got_count, got + 1, memory_order_relaxed);
        IN_PROGRAM_ORDER(); /* after a kill in between, the record is the lagging one */
        atomic_store_explicit(&channel->head_offset, offset, memory_order_relaxed);
    }
}

/* The payloads of the messages that are there, in the order of the records. */
static void each_payload(struct arena *arena, struct channel *channel, child_visitor visit,
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
        if (record->sequence < next) /* its receiver was killed before it moved on */
            continue;
        struct block *payload = payload_of_record(arena, record);
        if (payload)
            visit(with, arena_offset(arena, block_contents(payload)));
        else if (record->kind == RECORD_PAYLOAD || record->sequence != next)
            visit(with, 0); /* this names no block: the record is wrong */
        next++;
    }
}

static void visit_children(struct arena *arena, struct block *block, child_visitor visit,
                           void *with)
{
    struct channel *channel = block_contents(block);
    if (word_get(&channel->cached_segment))
        visit(with, word_get(&channel->cached_segment));
    for (unsigned side = 0; side < 2; side++)
        if (word_get(&channel->owned_locks[side]))
            visit(with, word_get(&channel->owned_locks[side]));
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
    block_set_ops(BLOCK_CHANNEL,
                  (struct block_ops){.pop_child = pop_child, .visit_children = visit_children});
}
