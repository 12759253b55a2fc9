#include "snapshot.h"

#include <string.h>

#include "../crash_point.h"

static void begin(struct snapshot *out)
{
    out->needed = out->records = 0;
}

static void copy_item(const struct item *item, unsigned parts, struct snapshot *out)
{
    uint64_t key_bytes = (uint64_t)item->key_bytes + item->form_bytes;
    struct snapshot_record record = {.kind = item->kind, .serial = item->serial};
    if (parts & SNAPSHOT_KEYS)
        record.key_bytes = item->key_bytes, record.form_bytes = item->form_bytes;
    if (parts & SNAPSHOT_VALUES)
        record.value_bytes = item->value_bytes;
    if (parts & SNAPSHOT_VALUES && item->kind == RECORD_PAYLOAD)
        record.payload.offset = word_get((word_t *)&item->payload);
    uint64_t at = out->needed;
    out->needed += snapshot_record_bytes(&record);
    out->records++;
    if (out->needed > out->size)
        return;
    char *to = out->bytes + at;
    memcpy(to, &record, sizeof record);
    to += sizeof record;
    if (parts & SNAPSHOT_KEYS) {
        memcpy(to, item->bytes, key_bytes);
        to += key_bytes;
    }
    if (parts & SNAPSHOT_VALUES)
        memcpy(to, item->bytes + key_bytes, item->value_bytes);
}

/* Until here the records name blocks. After this the process holds them or, on a failure, none of
 * them. */
static enum status hold_payloads(struct arena *arena, struct snapshot *out)
{
    enum status status = STATUS_OK;
    uint64_t held = 0, at = 0;
    for (; held < out->records && status == STATUS_OK; held++) {
        struct snapshot_record *record = (struct snapshot_record *)(out->bytes + at);
        if (record->payload.offset)
            status = handle_attach(arena, record->payload.offset, record->serial, &record->payload);
        at += snapshot_record_bytes(record);
    }
    if (status == STATUS_OK)
        return STATUS_OK;
    at = 0;
    for (uint64_t i = 0; i + 1 < held; i++) {
        struct snapshot_record *record = (struct snapshot_record *)(out->bytes + at);
        handle_release(arena, &record->payload);
        at += snapshot_record_bytes(record);
    }
    return status == STATUS_STALE ? STATUS_CORRUPT : status;
}

static enum status finish(struct arena *arena, struct snapshot *out)
{
    return out->needed > out->size ? STATUS_AGAIN : hold_payloads(arena, out);
}

static enum status copy_entry(struct arena *arena, struct entry_table *table, uint64_t number,
                              unsigned parts, struct snapshot *out)
{
    offset_t offset = word_get(&table->entries[number].item);
    if (offset == 0)
        return STATUS_OK;
    struct item *item = item_at(arena, offset);
    if (item == NULL ||
        (parts & SNAPSHOT_VALUES && item->kind == RECORD_PAYLOAD && !item_payload(arena, item)))
        return STATUS_CORRUPT;
    copy_item(item, parts, out);
    return STATUS_OK;
}

static enum status take_locked(struct arena *arena, struct container *container, unsigned parts,
                               const struct list_range *range, struct snapshot *out)
{
    struct entry_table *table;
    begin(out);
    out->version = word_get(&container->version);
    enum status status = container_table(arena, container, &table);
    uint64_t used = table ? word_get(&table->used) : 0;
    struct list_range all = range ? *range : (struct list_range){0, (int64_t)used, 1};
    uint64_t count = list_range_adjust(&all, used);
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++)
        status = copy_entry(arena, table, (uint64_t)(all.start + (int64_t)i * all.step), parts,
                            out);
    return status == STATUS_OK ? finish(arena, out) : status;
}

enum status snapshot_take(struct arena *arena, struct container *container, unsigned parts,
                          const struct list_range *range, struct snapshot *out)
{
    container_lock(arena, container);
    enum status status = take_locked(arena, container, parts, range, out);
    CRASH_POINT("snapshot.taken");
    container_unlock(container);
    return status;
}

enum status snapshot_take_one(struct arena *arena, const struct item *item, struct snapshot *out)
{
    begin(out);
    if (item->kind == RECORD_PAYLOAD && !item_payload(arena, item))
        return STATUS_CORRUPT;
    copy_item(item, SNAPSHOT_KEYS | SNAPSHOT_VALUES, out);
    return finish(arena, out);
}

/* ---- ranges */

static int64_t clip(int64_t position, int64_t length, int64_t step)
{
    if (position < 0) {
        position += length;
        return position < 0 ? (step < 0 ? -1 : 0) : position;
    }
    return position < length ? position : (step < 0 ? length - 1 : length);
}

uint64_t list_range_adjust(struct list_range *range, uint64_t length)
{
    range->start = clip(range->start, (int64_t)length, range->step);
    range->stop = clip(range->stop, (int64_t)length, range->step);
    if (range->step > 0)
        return range->start < range->stop
                   ? ((uint64_t)(range->stop - range->start) - 1) / (uint64_t)range->step + 1
                   : 0;
    return range->stop < range->start
               ? ((uint64_t)(range->start - range->stop) - 1) / (uint64_t)-range->step + 1
               : 0;
}
