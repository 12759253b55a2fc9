#include "channel.h"

#include <string.h>

#include "../crash_point.h"
#include "../sync/owned_lock.h"
#include "segment.h"

/* ---- the sides */

/* Repairs what a dead owner left: first the journal, which may hold a count; then the lagging
 * offset. */
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

static void announce(struct arena *arena, struct channel *channel, struct wait_point *point,
                     enum channel_side side, unsigned count)
{
    event_count_advance(&point->sleepers, count); /* its fence serves the watchers as well */
    if (is_watched(&point->watchers))
        waker_wake(arena, &point->watchers, channel_key(arena, channel, side));
}

void announce_messages(struct arena *arena, struct channel *channel, unsigned count)
{
    announce(arena, channel, &channel->for_message, CHANNEL_MESSAGES, count);
}

void announce_room(struct arena *arena, struct channel *channel, unsigned count)
{
    announce(arena, channel, &channel->for_room, CHANNEL_ROOM, count);
}

/* ---- put */

static void write_record(struct arena *arena, struct segment *segment, uint64_t offset,
                         const struct message *message)
{
    struct record *record = record_at(segment, offset);
    record->size = message->size;
    record->kind = message->kind;
    record->sequence = message->sequence;
    record->label = message->label;
    record->extra = message->extra;
    if (message->kind == RECORD_PAYLOAD) {
        struct block *block = block_of(arena_at(arena, message->payload.offset));
        struct payload_reference reference = {message->payload.offset, word_get(&block->serial)};
        memcpy(record + 1, &reference, sizeof reference);
    } else
        memcpy(record + 1, message->data, message->size);
    /* What follows must not look like a record: see Crash in channel.h. */
    record_at(segment, offset + record_bytes(message->size))->sequence = RECORD_NO_SEQUENCE;
}

/* One store commits the message. If it has a payload, the journal does that store. */
static void commit_put(struct arena *arena, struct channel *channel, const struct message *message)
{
    uint64_t count = message->sequence + 1;
    CRASH_POINT("channel.put.before_commit");
    if (message->kind != RECORD_PAYLOAD) {
        atomic_store_explicit(&channel->put_count, count, memory_order_release);
        return;
    }
    struct block *block = block_of(arena_at(arena, message->payload.offset));
    arena_lock(arena);
    /* The count of references stays: the reference passes to the channel. */
    reference_stage_no_entry(arena, arena->self, message->payload.entry);
    journal_stage(arena, &block->unsent, 0);
    journal_stage(arena, &channel->put_count, count);
    journal_commit(arena);
    arena_unlock(arena);
}

static enum status put_locked(struct arena *arena, struct channel *channel, struct message *message)
{
    uint64_t count = word_get(&channel->put_count);
    if (channel_end(channel) != CHANNEL_OPEN)
        return STATUS_SHUT_DOWN;
    if (!channel_has_room(channel))
        return STATUS_AGAIN;
    enum status status = segments_make_room(arena, channel, record_bytes(message->size));
    if (status != STATUS_OK)
        return status;
    uint64_t offset = word_get(&channel->tail_offset);
    message->sequence = count;
    CRASH_POINT("channel.put.before_write");
    write_record(arena, segment_at(arena, &channel->tail_segment), offset, message);
    commit_put(arena, channel, message);
    CRASH_POINT("channel.put.committed");
    atomic_store_explicit(&channel->tail_offset, offset + record_bytes(message->size),
                          memory_order_relaxed);
    return STATUS_OK;
}

enum status channel_try_put(struct arena *arena, struct channel *channel, struct message *message)
{
    if (message->kind == RECORD_PAYLOAD)
        message->size = sizeof(struct payload_reference);
    if (message->size > RECORD_DATA_LIMIT)
        return STATUS_CORRUPT;
    lock_put_side(arena, channel);
    enum status status = put_locked(arena, channel, message);
    CRASH_POINT("channel.put.before_unlock");
    mutex_unlock(&channel->put_mutex);
    if (status == STATUS_OK) {
        CRASH_POINT("channel.put.before_wake");
        announce_messages(arena, channel, 1);
    }
    return status;
}

/* ---- get */

static void read_record(const struct record *record, struct message *message)
{
    read_head(record, message);
    memcpy(message->buffer, record + 1, record->size);
    message->data = message->buffer;
}

/* The payload's reference passes from the channel to this process together with the count. */
static enum status commit_get_payload(struct arena *arena, struct channel *channel,
                                      struct message *message)
{
    struct payload_reference reference;
    memcpy(&reference, message->buffer, sizeof reference);
    message->payload.offset = reference.payload;
    arena_lock(arena);
    enum status status = block_reach(arena, reference.payload);
    if (status == STATUS_OK)
        status = reference_ensure_entry(arena, arena->self);
    struct block *block = NULL;
    if (status == STATUS_OK && (block = payload_named(arena, &reference, message->size)) == NULL)
        status = STATUS_CORRUPT;
    if (status == STATUS_OK) {
        message->payload.entry = reference_stage_entry(arena, arena->self, block);
        journal_stage(arena, &channel->got_count, message->sequence + 1);
        journal_commit(arena);
    }
    arena_unlock(arena);
    return status;
}

/* Takes the next message, whether or not the channel was shut down. */
static enum status take_locked(struct arena *arena, struct channel *channel,
                               struct message *message, word_t *claim)
{
    uint64_t count = word_get(&channel->got_count);
    /* Acquire, pairs with commit_put: what was written before the count is visible. */
    if (atomic_load_explicit(&channel->put_count, memory_order_acquire) == count)
        return STATUS_AGAIN;
    enum status reached = segments_reach_head(arena, channel);
    if (reached != STATUS_OK)
        return reached;
    struct segment *segment = segments_skip_end(arena, channel);
    if (segment == NULL)
        return STATUS_CORRUPT;
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

/* Discards what is left in a channel that was shut down at once. Every process that comes by does
 * so, since the one that shut the channel down may have been killed. */
static void discard_rest(struct arena *arena, struct channel *channel)
{
    struct message message;
    enum status status;
    do {
        lock_get_side(arena, channel);
        status = take_locked(arena, channel, &message, NULL);
        mutex_unlock(&channel->get_mutex);
        CRASH_POINT("channel.discard_rest.taken");
        if (status == STATUS_OK && message.kind == RECORD_PAYLOAD)
            handle_release(arena, &message.payload);
    } while (status == STATUS_OK);
}

static enum status get_locked(struct arena *arena, struct channel *channel, struct message *message,
                              word_t *claim)
{
    if (channel_end(channel) == CHANNEL_SHUT_DOWN_AT_ONCE)
        return STATUS_SHUT_DOWN;
    enum status status = take_locked(arena, channel, message, claim);
    return status == STATUS_AGAIN && channel_end(channel) ? STATUS_SHUT_DOWN : status;
}

/* Nothing is put after the end, so the end is read first. */
enum status channel_peek(struct arena *arena, struct channel *channel)
{
    enum channel_end end = channel_end(channel);
    if (end == CHANNEL_SHUT_DOWN_AT_ONCE)
        discard_rest(arena, channel);
    else if (channel_size(channel) > 0)
        return STATUS_OK;
    return end == CHANNEL_OPEN ? STATUS_AGAIN : STATUS_SHUT_DOWN;
}

enum status channel_try_get(struct arena *arena, struct channel *channel, struct message *message,
                            word_t *claim)
{
    /* Avoids the mutex; decided again under it. */
    enum status status = channel_peek(arena, channel);
    if (status != STATUS_OK)
        return status;
    lock_get_side(arena, channel);
    status = get_locked(arena, channel, message, claim);
    CRASH_POINT("channel.get.before_unlock");
    mutex_unlock(&channel->get_mutex);
    if (status == STATUS_OK && channel->max_messages)
        announce_room(arena, channel, 1);
    return status;
}

/* ---- waiting */

static enum status sleep_at(struct wait_point *point, uint32_t seen, struct spin_wait *spin_wait,
                            deadline_t deadline)
{
    deadline_t begun = clock_now();
    enum status status = event_count_sleep(&point->sleepers, seen, deadline);
    spin_wait_slept(spin_wait, clock_now() - begun);
    return status;
}

/* The half of a count that a spinning process watches. */
static _Atomic uint32_t *low_half(word_t *word)
{
    return (_Atomic uint32_t *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

enum status channel_wait_for_message(struct channel *channel, struct spin_wait *spin_wait,
                                     deadline_t deadline)
{
    uint32_t put = (uint32_t)atomic_load_explicit(&channel->put_count, memory_order_acquire);
    if (channel_can_get(channel) || spin_wait_while(spin_wait, low_half(&channel->put_count), put))
        return STATUS_OK;
    uint32_t seen = event_count_prepare(&channel->for_message.sleepers);
    if (channel_can_get(channel))
        return STATUS_OK;
    return sleep_at(&channel->for_message, seen, spin_wait, deadline);
}

enum status channel_wait_for_room(struct channel *channel, struct spin_wait *spin_wait,
                                  deadline_t deadline)
{
    uint32_t got = (uint32_t)atomic_load_explicit(&channel->got_count, memory_order_acquire);
    if (channel_can_put(channel) || spin_wait_while(spin_wait, low_half(&channel->got_count), got))
        return STATUS_OK;
    uint32_t seen = event_count_prepare(&channel->for_room.sleepers);
    if (channel_can_put(channel))
        return STATUS_OK;
    return sleep_at(&channel->for_room, seen, spin_wait, deadline);
}

/* ---- tasks done */

/* How many messages must be done before the channel is. */
static uint64_t due(struct channel *channel)
{
    uint64_t end = atomic_load_explicit(&channel->end, memory_order_acquire);
    if (channel_end(channel) == CHANNEL_SHUT_DOWN_AT_ONCE)
        return end >> END_BITS;
    return atomic_load_explicit(&channel->put_count, memory_order_acquire);
}

bool channel_task_done(struct channel *channel)
{
    uint64_t done = atomic_load_explicit(&channel->done_count, memory_order_relaxed);
    do {
        if (done >= due(channel))
            return false;
    } while (!atomic_compare_exchange_weak(&channel->done_count, &done, done + 1));
    event_count_advance(&channel->for_done.sleepers, FUTEX_EVERYBODY);
    return true;
}

bool channel_is_done(struct channel *channel)
{
    uint64_t done = atomic_load_explicit(&channel->done_count, memory_order_acquire);
    return done >= due(channel);
}

enum status channel_wait_for_done(struct channel *channel, struct spin_wait *spin_wait,
                                  deadline_t deadline)
{
    uint32_t done = (uint32_t)atomic_load_explicit(&channel->done_count, memory_order_acquire);
    if (channel_is_done(channel) ||
        spin_wait_while(spin_wait, low_half(&channel->done_count), done))
        return STATUS_OK;
    uint32_t seen = event_count_prepare(&channel->for_done.sleepers);
    if (channel_is_done(channel))
        return STATUS_OK;
    return sleep_at(&channel->for_done, seen, spin_wait, deadline);
}

/* ---- the end */

/* One store, with the side(s) locked whose counts it uses. A shutdown at once is final. */
static void write_end(struct channel *channel, bool at_once)
{
    uint64_t number = word_get(at_once ? &channel->got_count : &channel->put_count);
    uint64_t end = number << END_BITS | (at_once ? CHANNEL_SHUT_DOWN_AT_ONCE : CHANNEL_SHUT_DOWN);
    CRASH_POINT("channel.shut_down.before_commit");
    if (channel_end(channel) < (at_once ? CHANNEL_SHUT_DOWN_AT_ONCE : CHANNEL_SHUT_DOWN))
        atomic_store_explicit(&channel->end, end, memory_order_release);
    CRASH_POINT("channel.shut_down.committed");
}

void channel_shut_down(struct arena *arena, struct channel *channel, bool at_once)
{
    lock_put_side(arena, channel);
    if (at_once)
        lock_get_side(arena, channel);
    write_end(channel, at_once);
    if (at_once)
        mutex_unlock(&channel->get_mutex);
    mutex_unlock(&channel->put_mutex);
    announce_messages(arena, channel, FUTEX_EVERYBODY);
    announce_room(arena, channel, FUTEX_EVERYBODY);
    if (!at_once)
        return;
    event_count_advance(&channel->for_done.sleepers, FUTEX_EVERYBODY);
    discard_rest(arena, channel);
}

/* ---- its locks */

enum status channel_owned_lock(struct arena *arena, struct channel *channel, enum channel_side side,
                               offset_t *offset, uint64_t *serial)
{
    return owned_lock_at(arena, &channel->owned_locks[side], offset, serial);
}
