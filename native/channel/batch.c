#include "batch.h"

#include <string.h>

#include "../crash_point.h"
#include "segment.h"

uint64_t batch_write(char *records, const struct message *message)
{
    struct record *record = (struct record *)records;
    *record = (struct record){.size = message->size,
                              .kind = message->kind,
                              .sequence = RECORD_NO_SEQUENCE, /* see write_run() */
                              .label = message->label,
                              .extra = message->extra};
    memcpy(record + 1, message->data, message->size);
    return record_bytes(message->size);
}

uint64_t batch_read(const char *records, struct message *message)
{
    const struct record *record = (const struct record *)records;
    read_head(record, message);
    message->data = record + 1;
    return record_bytes(record->size);
}

/* ---- put */

struct run {
    uint32_t count;
    uint64_t bytes;
};

static void append(struct run *run, const struct record *record)
{
    run->count++;
    run->bytes += record_bytes(record->size);
}

/* The first records of the batch: as many as fit into *space* bytes, at most *limit*. */
static struct run measure(const char *records, uint64_t limit, uint64_t space)
{
    struct run run = {0, 0};
    while (run.count < limit) {
        const struct record *record = (const struct record *)(records + run.bytes);
        if (run.bytes + record_bytes(record->size) > space)
            break;
        append(&run, record);
    }
    return run;
}

/* A process that is killed before the commit must leave no number below put_count: that would look
 * like a record that tail_offset lags behind. So the records come without a number, and then get
 * their own. */
static void write_run(struct segment *segment, uint64_t offset, const char *records, struct run run,
                      uint64_t sequence)
{
    memcpy(segment->data + offset, records, run.bytes);
    for (uint32_t i = 0; i < run.count; i++) {
        struct record *record = record_at(segment, offset);
        record->sequence = sequence + i;
        offset += record_bytes(record->size);
    }
    /* What follows must not look like a record: see Crash in channel.h. */
    record_at(segment, offset)->sequence = RECORD_NO_SEQUENCE;
}

static enum status put_batch_locked(struct arena *arena, struct channel *channel,
                                    const char *records, uint32_t count, struct run *run)
{
    uint64_t put = word_get(&channel->put_count), limit = count;
    if (channel_end(channel) != CHANNEL_OPEN)
        return STATUS_SHUT_DOWN;
    if (!channel_has_room(channel))
        return STATUS_AGAIN;
    if (channel->max_messages && channel->max_messages - channel_size(channel) < limit)
        limit = channel->max_messages - channel_size(channel);
    uint64_t first = record_bytes(((const struct record *)records)->size);
    enum status status = segments_make_room(arena, channel, first);
    if (status != STATUS_OK)
        return status;
    struct segment *segment = segment_at(arena, &channel->tail_segment);
    uint64_t offset = word_get(&channel->tail_offset);
    uint64_t space = segment->bytes - offset - sizeof(struct record);
    *run = measure(records, limit, space < BATCH_BYTES ? space : BATCH_BYTES);
    CRASH_POINT("channel.put_batch.before_write");
    write_run(segment, offset, records, *run, put);
    CRASH_POINT("channel.put_batch.before_commit");
    atomic_store_explicit(&channel->put_count, put + run->count, memory_order_release);
    CRASH_POINT("channel.put_batch.committed");
    atomic_store_explicit(&channel->tail_offset, offset + run->bytes, memory_order_relaxed);
    return STATUS_OK;
}

enum status channel_try_put_batch(struct arena *arena, struct channel *channel, const char *records,
                                  uint32_t count, struct batch_part *part)
{
    struct run run = {0, 0};
    lock_put_side(arena, channel);
    part->sequence = word_get(&channel->put_count);
    enum status status = put_batch_locked(arena, channel, records, count, &run);
    mutex_unlock(&channel->put_mutex);
    part->count = run.count;
    part->bytes = run.bytes;
    if (run.count > 0)
        announce_messages(arena, channel, run.count);
    return status;
}

/* ---- get */

/* The next records, as far as a batch can have them. STATUS_CORRUPT: the first is none. */
static enum status find_run(struct segment *segment, uint64_t offset, uint64_t got, uint64_t limit,
                            struct run *run)
{
    while (run->count < limit) {
        const struct record *record = record_at(segment, offset + run->bytes);
        if (record->sequence == RECORD_NO_SEQUENCE && run->count > 0)
            return STATUS_OK; /* the segment's end */
        if (!is_plausible(segment, offset + run->bytes, record, got + run->count))
            return run->count ? STATUS_OK : STATUS_CORRUPT;
        if (record->kind == RECORD_PAYLOAD || run->bytes + record_bytes(record->size) > BATCH_BYTES)
            return STATUS_OK;
        append(run, record);
    }
    return STATUS_OK;
}

static enum status get_batch_locked(struct arena *arena, struct channel *channel, char *records,
                                    uint64_t limit, struct run *run)
{
    uint64_t got = word_get(&channel->got_count);
    if (channel_end(channel) == CHANNEL_SHUT_DOWN_AT_ONCE)
        return STATUS_SHUT_DOWN;
    /* Acquire, pairs with the commit of a put: what was written before the count is visible. */
    uint64_t there = atomic_load_explicit(&channel->put_count, memory_order_acquire) - got;
    if (there == 0)
        return STATUS_AGAIN;
    enum status status = segments_reach_head(arena, channel);
    if (status != STATUS_OK)
        return status;
    struct segment *segment = segments_skip_end(arena, channel);
    if (segment == NULL)
        return STATUS_CORRUPT;
    uint64_t offset = word_get(&channel->head_offset);
    status = find_run(segment, offset, got, there < limit ? there : limit, run);
    if (status != STATUS_OK || run->count == 0)
        return status;
    memcpy(records, segment->data + offset, run->bytes);
    CRASH_POINT("channel.get_batch.before_commit");
    atomic_store_explicit(&channel->got_count, got + run->count, memory_order_release);
    CRASH_POINT("channel.get_batch.committed");
    atomic_store_explicit(&channel->head_offset, offset + run->bytes, memory_order_relaxed);
    return STATUS_OK;
}

enum status channel_try_get_batch(struct arena *arena, struct channel *channel, char *records,
                                  uint32_t limit, uint32_t *done)
{
    struct run run = {0, 0};
    enum status status = channel_peek(arena, channel);
    *done = 0;
    if (status != STATUS_OK)
        return status;
    lock_get_side(arena, channel);
    status = get_batch_locked(arena, channel, records, limit, &run);
    mutex_unlock(&channel->get_mutex);
    *done = run.count;
    if (run.count > 0 && channel->max_messages)
        announce_room(arena, channel, run.count);
    return status == STATUS_AGAIN && channel_end(channel) ? STATUS_SHUT_DOWN : status;
}
