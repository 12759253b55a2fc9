#include "segment.h"

#include "../crash_point.h"

/* ---- the tail */

static void make_empty(struct segment *segment, uint64_t bytes)
{
    atomic_init(&segment->next, 0);
    segment->bytes = bytes;
    record_at(segment, 0)->sequence = RECORD_NO_SEQUENCE;
}

/* Stages a segment that the channel will own: the cached one, if there is one. */
static enum status stage_segment(struct arena *arena, struct channel *channel, uint64_t bytes,
                                 struct segment **segment)
{
    offset_t cached = word_get(&channel->cached_segment);
    if (cached) {
        *segment = arena_at(arena, cached);
        bytes = (*segment)->bytes;
        journal_stage(arena, &channel->cached_segment, 0);
    } else {
        struct block *block;
        enum status status = reference_stage_new(arena, sizeof(struct segment) + bytes,
                                                 BLOCK_SEGMENT, &block);
        if (status != STATUS_OK)
            return status;
        *segment = block_contents(block);
    }
    make_empty(*segment, bytes); /* no other process sees it before the commit */
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
        journal_stage(arena, &last->next, offset);
    } else {
        journal_stage(arena, &channel->head_segment, offset);
        journal_stage(arena, &channel->head_offset, 0);
    }
    journal_stage(arena, &channel->tail_segment, offset);
    journal_stage(arena, &channel->tail_offset, 0);
    CRASH_POINT("segments.add.before_commit");
    journal_commit(arena);
    return STATUS_OK;
}

enum status segments_make_room(struct arena *arena, struct channel *channel, uint64_t bytes)
{
    offset_t tail = word_get(&channel->tail_segment);
    if (tail) {
        enum status status = arena_reach(arena, tail, sizeof(struct segment));
        if (status != STATUS_OK)
            return status;
        struct segment *segment = arena_at(arena, tail);
        if (word_get(&channel->tail_offset) + bytes + sizeof(struct record) <= segment->bytes)
            return STATUS_OK;
    }
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    enum status status = add_segment(arena, channel);
    arena_unlock(arena);
    return status;
}

/* ---- the head */

struct block *segments_stage_next(struct arena *arena, struct channel *channel, struct segment *old,
                                  bool may_cache)
{
    journal_stage(arena, &channel->head_segment, word_get(&old->next));
    journal_stage(arena, &channel->head_offset, 0);
    if (may_cache && word_get(&channel->cached_segment) == 0 && old->bytes == SEGMENT_LATER) {
        journal_stage(arena, &channel->cached_segment, arena_offset(arena, old));
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
    struct block *old = segments_stage_next(arena, channel, segment, true);
    if (old)
        reference_stage_release(arena, old);
    CRASH_POINT("segments.skip.before_commit");
    journal_commit(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    arena_unlock(arena);
    return arena_at(arena, word_get(&channel->head_segment));
}
