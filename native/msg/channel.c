#include "channel.h"

#include <string.h>

#include "../crash_point.h"
#include "segments.h"

/* ---- both sides */

static struct record *record_at(struct segment *segment, uint64_t offset)
{
    return (struct record *)(segment->data + offset);
}

static struct segment *segment_at(struct arena *arena, word_t *where)
{
    return arena_at(arena, word_get(where));
}

/* After a dead owner: first the arena's journal, which may hold a count; then the lagging offset. */
static void repair_side(struct arena *arena, word_t *count, word_t *segment_word, word_t *offset)
{
    arena_lock(arena);
    arena_unlock(arena);
    if (word_get(segment_word) == 0 || word_get(count) == 0)
        return;
    struct record *record = record_at(segment_at(arena, segment_word), word_get(offset));
    if (record->sequence == word_get(count) - 1)
        atomic_store_explicit(offset, word_get(offset) + record_bytes(record->size),
                              memory_order_relaxed);
}

static void lock_put_side(struct arena *arena, struct channel *channel)
{
    if (mutex_lock(&channel->put_mutex) == MUTEX_ABANDONED) {
        repair_side(arena, &channel->put_count, &channel->tail_segment, &channel->tail_offset);
        CRASH_POINT("channel.put.repaired");
        mutex_repaired(&channel->put_mutex);
    }
}

static void lock_get_side(struct arena *arena, struct channel *channel)
{
    if (mutex_lock(&channel->get_mutex) == MUTEX_ABANDONED) {
        repair_side(arena, &channel->got_count, &channel->head_segment, &channel->head_offset);
        CRASH_POINT("channel.get.repaired");
        mutex_repaired(&channel->get_mutex);
    }
}

/* The half that a futex can watch. */
static _Atomic uint32_t *low_half(word_t *word)
{
    return (_Atomic uint32_t *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* ---- put */

static void write_record(struct segment *segment, uint64_t offset, const struct message *message)
{
    struct record *record = record_at(segment, offset);
    record->size = message->size;
    record->kind = message->kind;
    record->sequence = message->sequence;
    record->tag = message->tag;
    record->extra = message->extra;
    if (message->kind == RECORD_PAYLOAD)
        memcpy(record + 1, &message->payload.payload, sizeof(offset_t));
    else
        memcpy(record + 1, message->data, message->size);
    /* The place behind must not look like a record: see Crash in channel.h. */
    record_at(segment, offset + record_bytes(message->size))->sequence = RECORD_NO_SEQUENCE;
}

/* One store makes the message be there; with a payload that store is the journal's. */
static void commit_put(struct arena *arena, struct channel *channel, const struct message *message)
{
    uint64_t count = message->sequence + 1;
    CRASH_POINT("channel.put.before_commit");
    if (message->kind != RECORD_PAYLOAD) {
        atomic_store_explicit(&channel->put_count, count, memory_order_release);
        return;
    }
    struct block *block = block_of(arena_at(arena, message->payload.payload));
    arena_lock(arena);
    /* The reference itself stays: it changes hands. */
    table_stage_no_entry(arena, arena->self, message->payload.entry);
    arena_stage(arena, &block->unsent, 0);
    arena_stage(arena, &channel->put_count, count);
    arena_commit(arena);
    arena_unlock(arena);
}

static enum status put_locked(struct arena *arena, struct channel *channel, struct message *message)
{
    uint64_t count = word_get(&channel->put_count);
    if (channel->max_messages &&
        count - atomic_load_explicit(&channel->got_count, memory_order_acquire) >=
            channel->max_messages)
        return STATUS_AGAIN;
    enum status status = segments_make_room(arena, channel, record_bytes(message->size));
    if (status != STATUS_OK)
        return status;
    uint64_t offset = word_get(&channel->tail_offset);
    message->sequence = count;
    CRASH_POINT("channel.put.before_write");
    write_record(segment_at(arena, &channel->tail_segment), offset, message);
    commit_put(arena, channel, message);
    CRASH_POINT("channel.put.committed");
    atomic_store_explicit(&channel->tail_offset, offset + record_bytes(message->size),
                          memory_order_relaxed);
    return STATUS_OK;
}

enum status channel_try_put(struct arena *arena, struct channel *channel, struct message *message)
{
    if (message->kind == RECORD_PAYLOAD)
        message->size = sizeof(offset_t);
    if (message->size > RECORD_DATA_LIMIT)
        return STATUS_CORRUPT;
    lock_put_side(arena, channel);
    enum status status = put_locked(arena, channel, message);
    CRASH_POINT("channel.put.before_unlock");
    mutex_unlock(&channel->put_mutex);
    if (status == STATUS_OK) {
        CRASH_POINT("channel.put.before_wake");
        gate_open(&channel->for_message, low_half(&channel->put_count), 1);
    }
    return status;
}

/* ---- get */

static bool is_plausible(struct segment *segment, uint64_t offset, const struct record *record,
                         uint64_t sequence)
{
    return record->sequence == sequence && record->size <= RECORD_DATA_LIMIT &&
           record->kind < RECORD_KINDS && offset + record_bytes(record->size) <= segment->bytes;
}

static void read_record(const struct record *record, struct message *message)
{
    message->kind = record->kind;
    message->size = record->size;
    message->sequence = record->sequence;
    message->tag = record->tag;
    message->extra = record->extra;
    memcpy(message->buffer, record + 1, record->size);
    message->data = message->buffer;
}

/* The payload's reference passes from the channel to this process with the count. */
static enum status commit_get_payload(struct arena *arena, struct channel *channel,
                                      struct message *message)
{
    offset_t payload;
    memcpy(&payload, message->buffer, sizeof payload);
    message->payload.payload = payload;
    arena_lock(arena);
    enum status status = table_ensure_entry(arena, arena->self);
    if (status == STATUS_OK) {
        struct block *block = block_of(arena_at(arena, payload));
        message->payload.entry = table_stage_entry(arena, arena->self, block);
        arena_stage(arena, &channel->got_count, message->sequence + 1);
        arena_commit(arena);
    }
    arena_unlock(arena);
    return status;
}

static enum status get_locked(struct arena *arena, struct channel *channel, struct message *message,
                              word_t *claim)
{
    uint64_t count = word_get(&channel->got_count);
    /* Acquire, pairs with commit_put: what was written before the count is visible. */
    if (atomic_load_explicit(&channel->put_count, memory_order_acquire) == count)
        return STATUS_AGAIN;
    struct segment *segment = segments_skip_end(arena, channel);
    uint64_t offset = word_get(&channel->head_offset);
    struct record *record = record_at(segment, offset);
    if (!is_plausible(segment, offset, record, count))
        return STATUS_CORRUPT;
    read_record(record, message);
    CRASH_POINT("channel.get.before_claim");
    uint64_t claimed_before = claim ? word_get(claim) : 0;
    if (claim)
        atomic_store_explicit(claim, count + 1, memory_order_release);
    CRASH_POINT("channel.get.before_commit");
    if (message->kind == RECORD_PAYLOAD) {
        enum status status = commit_get_payload(arena, channel, message);
        if (status != STATUS_OK) {
            if (claim)
                atomic_store_explicit(claim, claimed_before, memory_order_release);
            return status;
        }
    } else
        atomic_store_explicit(&channel->got_count, count + 1, memory_order_release);
    CRASH_POINT("channel.get.committed");
    atomic_store_explicit(&channel->head_offset, offset + record_bytes(message->size),
                          memory_order_relaxed);
    return STATUS_OK;
}

enum status channel_try_get(struct arena *arena, struct channel *channel, struct message *message,
                            word_t *claim)
{
    if (channel_size(channel) == 0) /* spares the mutex; decided again under it */
        return STATUS_AGAIN;
    lock_get_side(arena, channel);
    enum status status = get_locked(arena, channel, message, claim);
    CRASH_POINT("channel.get.before_unlock");
    mutex_unlock(&channel->get_mutex);
    if (status == STATUS_OK && channel->max_messages)
        gate_open(&channel->for_room, low_half(&channel->got_count), 1);
    return status;
}

/* ---- waiting */

/* Sleeps while the queue is as it was when *seen* was read, unless *ready* by then. */
static enum status wait_on(struct gate *gate, word_t *count, uint32_t seen,
                           struct patience *patience, deadline_t deadline)
{
    _Atomic uint32_t *word = low_half(count);
    if (patience_spin(patience, word, seen))
        return STATUS_OK;
    gate_take_ticket(gate);
    if (atomic_load(word) != seen)
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = gate_sleep(word, seen, deadline);
    patience_slept(patience, clock_now() - begun);
    return status;
}

enum status channel_wait_for_message(struct channel *channel, struct patience *patience,
                                     deadline_t deadline)
{
    uint64_t put = atomic_load_explicit(&channel->put_count, memory_order_acquire);
    if (put != atomic_load_explicit(&channel->got_count, memory_order_acquire))
        return STATUS_OK;
    return wait_on(&channel->for_message, &channel->put_count, (uint32_t)put, patience, deadline);
}

enum status channel_wait_for_room(struct channel *channel, struct patience *patience,
                                  deadline_t deadline)
{
    uint64_t got = atomic_load_explicit(&channel->got_count, memory_order_acquire);
    if (atomic_load_explicit(&channel->put_count, memory_order_acquire) - got <
        channel->max_messages)
        return STATUS_OK;
    return wait_on(&channel->for_room, &channel->got_count, (uint32_t)got, patience, deadline);
}

/* ---- done with */

bool channel_task_done(struct channel *channel)
{
    uint64_t done = atomic_load_explicit(&channel->done_count, memory_order_relaxed);
    do {
        if (done == atomic_load_explicit(&channel->put_count, memory_order_acquire))
            return false;
    } while (!atomic_compare_exchange_weak(&channel->done_count, &done, done + 1));
    gate_open(&channel->for_done, low_half(&channel->done_count), FUTEX_EVERYBODY);
    return true;
}

bool channel_is_done(struct channel *channel)
{
    uint64_t done = atomic_load_explicit(&channel->done_count, memory_order_acquire);
    return done == atomic_load_explicit(&channel->put_count, memory_order_acquire);
}

enum status channel_wait_for_done(struct channel *channel, struct patience *patience,
                                  deadline_t deadline)
{
    uint64_t done = atomic_load_explicit(&channel->done_count, memory_order_acquire);
    if (channel_is_done(channel))
        return STATUS_OK;
    return wait_on(&channel->for_done, &channel->done_count, (uint32_t)done, patience, deadline);
}
