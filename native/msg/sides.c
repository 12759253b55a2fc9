#include "sides.h"

#include "../crash_point.h"

/* After a dead owner: first the arena's journal, which may hold a count; then the lagging offset. */
static void repair_side(struct arena *arena, word_t *count, word_t *segment_word, word_t *offset)
{
    arena_lock(arena);
    arena_unlock(arena);
    if (word_get(segment_word) == 0)
        return;
    struct segment *segment = segment_at(arena, segment_word);
    while (word_get(offset) + sizeof(struct record) <= segment->bytes) {
        struct record *record = record_at(segment, word_get(offset));
        if (record->sequence >= word_get(count)) /* RECORD_NO_SEQUENCE too */
            return;
        atomic_store_explicit(offset, word_get(offset) + record_bytes(record->size),
                              memory_order_relaxed);
    }
}

void lock_put_side(struct arena *arena, struct channel *channel)
{
    if (mutex_lock(&channel->put_mutex) == MUTEX_ABANDONED) {
        repair_side(arena, &channel->put_count, &channel->tail_segment, &channel->tail_offset);
        CRASH_POINT("channel.put.repaired");
        mutex_repaired(&channel->put_mutex);
    }
}

void lock_get_side(struct arena *arena, struct channel *channel)
{
    if (mutex_lock(&channel->get_mutex) == MUTEX_ABANDONED) {
        repair_side(arena, &channel->got_count, &channel->head_segment, &channel->head_offset);
        CRASH_POINT("channel.get.repaired");
        mutex_repaired(&channel->get_mutex);
    }
}

/* ---- waking */

static void announce(struct arena *arena, struct channel *channel, struct doorway *doorway,
                     enum channel_side side, unsigned count)
{
    eventcount_advance(&doorway->sleepers, count); /* its fence is for the watchers as well */
    if (is_watched(&doorway->watchers))
        bells_ring(arena, &doorway->watchers, channel_key(arena, channel, side));
}

void announce_messages(struct arena *arena, struct channel *channel, unsigned count)
{
    announce(arena, channel, &channel->for_message, CHANNEL_MESSAGES, count);
}

void announce_room(struct arena *arena, struct channel *channel, unsigned count)
{
    announce(arena, channel, &channel->for_room, CHANNEL_ROOM, count);
}
