#include "batches.h"

#include <string.h>

#include "family.h"

static uint64_t write_batch(char *records, uint64_t sender, uint64_t first, uint32_t count)
{
    uint64_t bytes = 0;
    unsigned char text[400];
    for (uint32_t i = 0; i < count; i++) {
        struct message message = {.kind = RECORD_BYTES, .label = sender, .extra = first + i};
        message.size = (uint32_t)((first + i) * 37 % sizeof text);
        memset(text, (int)(sender * 31 + first + i), message.size);
        message.data = text;
        bytes += batch_write(records + bytes, &message);
    }
    return bytes;
}

void batch_check(const struct message *message)
{
    const unsigned char *text = message->data;
    CHECK_EQUAL(message->size, message->extra * 37 % 400);
    for (uint32_t i = 0; i < message->size; i++)
        CHECK(text[i] == (unsigned char)(message->label * 31 + message->extra));
}

void batch_put(struct channel *channel, uint64_t sender, uint64_t first, uint32_t count)
{
    char records[BATCH_MOST * 512];
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    write_batch(records, sender, first, count);
    for (uint64_t at = 0; count > 0;) {
        struct batch_part part;
        enum status status = channel_try_put_batch(&family, channel, records + at, count, &part);
        if (status == STATUS_AGAIN) {
            channel_wait_for_room(channel, &spin_wait, DEADLINE_NEVER);
            continue;
        }
        CHECK_EQUAL(status, STATUS_OK);
        CHECK(part.count > 0);
        count -= part.count;
        at += part.bytes;
    }
}
