#include "traffic.h"

#include <string.h>

struct traffic traffic_open(uint64_t max_messages)
{
    struct traffic traffic;
    CHECK_EQUAL(channel_create(&family, max_messages, &traffic.handle), STATUS_OK);
    traffic.channel = arena_at(&family, traffic.handle.offset);
    return traffic;
}

void traffic_close(struct traffic *traffic)
{
    handle_release(&family, &traffic->handle);
}

/* ---- contents */

static unsigned char byte_of(uint64_t sender, uint64_t number, uint64_t i)
{
    return (unsigned char)((sender * 31 + number) * 131 + i * 7);
}

static void fill_in(unsigned char *bytes, uint64_t size, uint64_t sender, uint64_t number)
{
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = byte_of(sender, number, i);
}

static void check_bytes(const unsigned char *bytes, uint64_t size, const struct message *message)
{
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != byte_of(message->label, message->extra, i))
            FAIL("message %" PRIu64 " of sender %" PRIu64 " is torn at byte %" PRIu64
                 " of %" PRIu64,
                 message->extra, message->label, i, size);
}

/* ---- put */

static struct handle new_payload(struct message *message, uint32_t size, uint32_t references)
{
    struct payload_span span = {.size = size};
    struct handle handle;
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, references, &span, 1, &handle), STATUS_OK);
    fill_in((unsigned char *)arena_at(&family, handle.offset) + span.start, size, message->label,
            message->extra);
    message->kind = RECORD_PAYLOAD;
    message->payload = handle;
    return handle;
}

static enum status put(struct channel *channel, struct message *message)
{
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    enum status status = channel_try_put(&family, channel, message);
    while (status == STATUS_AGAIN) {
        channel_wait_for_room(channel, &spin_wait, DEADLINE_NEVER);
        status = channel_try_put(&family, channel, message);
    }
    return status;
}

void traffic_compose(struct message *message, uint64_t sender, uint64_t number, uint32_t size)
{
    message->kind = RECORD_BYTES;
    message->label = sender;
    message->extra = number;
    message->size = size;
    if (size > sizeof message->buffer)
        new_payload(message, size, 0);
    else
        fill_in((unsigned char *)message->buffer, size, sender, number);
    message->data = message->buffer;
}

static enum status send(struct channel *channel, uint64_t sender, uint64_t number, uint32_t size,
                        enum status (*how)(struct channel *channel, struct message *message))
{
    struct message message;
    traffic_compose(&message, sender, number, size);
    enum status status = how(channel, &message);
    if (status != STATUS_OK && message.kind == RECORD_PAYLOAD)
        handle_release(&family, &message.payload);
    return status;
}

void traffic_put(struct channel *channel, uint64_t sender, uint64_t number, uint32_t size)
{
    CHECK_EQUAL(send(channel, sender, number, size, put), STATUS_OK);
}

static enum status put_now(struct channel *channel, struct message *message)
{
    return channel_try_put(&family, channel, message);
}

enum status traffic_try_put(struct channel *channel, uint64_t sender, uint64_t number,
                            uint32_t size)
{
    return send(channel, sender, number, size, put_now);
}

void traffic_put_references(struct channel *channel, const struct handle *blocks, uint32_t count)
{
    struct message message = {.label = 0, .extra = 0};
    struct handle handle = new_payload(&message, 100, count);
    for (uint32_t i = 0; i < count; i++)
        payload_add_reference(&family, arena_at(&family, handle.offset), &blocks[i]);
    CHECK_EQUAL(put(channel, &message), STATUS_OK);
}

/* ---- get */

enum status traffic_try_get(struct channel *channel, struct message *message)
{
    enum status status = channel_try_get(&family, channel, message, NULL);
    if (status != STATUS_OK)
        return status;
    if (message->kind != RECORD_PAYLOAD) {
        check_bytes((const unsigned char *)message->buffer, message->size, message);
        return STATUS_OK;
    }
    char *base = arena_at(&family, message->payload.offset);
    uint64_t size = word_get(&block_of(base)->size);
    const struct payload_span *span = payload_spans((struct payload *)base, size);
    CHECK(span != NULL);
    check_bytes((unsigned char *)base + span->start, span->size, message);
    handle_release(&family, &message->payload);
    return STATUS_OK;
}

bool traffic_get(struct channel *channel, struct message *message, deadline_t deadline)
{
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    enum status status, waited = STATUS_OK;
    while ((status = traffic_try_get(channel, message)) == STATUS_AGAIN &&
           waited != STATUS_TIMED_OUT)
        waited = channel_wait_for_message(channel, &spin_wait, deadline);
    if (status != STATUS_OK && status != STATUS_AGAIN)
        FAIL("a message could not be taken: status %d", status);
    return status == STATUS_OK;
}

void traffic_expect(struct channel *channel, uint64_t sender, uint64_t number)
{
    struct message message;
    CHECK_EQUAL(traffic_try_get(channel, &message), STATUS_OK);
    CHECK_EQUAL(message.label, sender);
    CHECK_EQUAL(message.extra, number);
}
