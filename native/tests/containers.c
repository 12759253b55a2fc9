#include "containers.h"

#include <stdlib.h>
#include <string.h>

#include "../channel/payload.h"
#include "../os/siphash.h"

struct fixture fixture_open(void)
{
    struct fixture fixture;
    CHECK_EQUAL(container_create(&family, &fixture.handle), STATUS_OK);
    fixture.container = arena_at(&family, fixture.handle.offset);
    return fixture;
}

void fixture_close(struct fixture *fixture)
{
    handle_release(&family, &fixture->handle);
}

/* ---- values */

struct message number_message(uint64_t number)
{
    struct message message = {.kind = RECORD_INT, .size = sizeof number};
    memcpy(message.buffer, &number, sizeof number);
    if (number < LARGE_NUMBER)
        return message; /* the caller sets `data`, since the struct is copied */
    struct payload_span span = {.size = 5000};
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, 0, &span, 1, &message.payload), STATUS_OK);
    memcpy((char *)arena_at(&family, message.payload.offset) + span.start, &number, sizeof number);
    message.kind = RECORD_PAYLOAD;
    return message;
}

uint64_t number_of(struct message *message)
{
    uint64_t number;
    if (message->kind == RECORD_PAYLOAD) {
        const struct payload *payload = arena_at(&family, message->payload.offset);
        const struct payload_span *span = payload_spans(payload, 6000);
        CHECK(span != NULL);
        memcpy(&number, (const char *)payload + span->start, sizeof number);
        handle_release(&family, &message->payload);
        return number;
    }
    CHECK_EQUAL(message->kind, RECORD_INT);
    CHECK_EQUAL(message->size, sizeof number);
    memcpy(&number, message->buffer, sizeof number);
    return number;
}

struct item_key number_key(struct container *container, const uint64_t *number)
{
    uint64_t hash = container ? siphash(container->seed, number, sizeof *number) : 0;
    return (struct item_key){(const char *)number, sizeof *number, 0, hash};
}

void fixture_set(struct container *container, uint64_t key, uint64_t number)
{
    struct message message = number_message(number);
    message.data = message.buffer;
    struct item_key item_key = number_key(container, &key);
    CHECK_EQUAL(dict_set(&family, container, &item_key, &message), STATUS_OK);
}

uint64_t fixture_get(struct container *container, uint64_t key)
{
    struct message message;
    struct item_key item_key = number_key(container, &key);
    enum status status = dict_get(&family, container, &item_key, &message);
    if (status == STATUS_MISSING)
        return UINT64_MAX;
    CHECK_EQUAL(status, STATUS_OK);
    return number_of(&message);
}

void fixture_append(struct container *container, uint64_t number)
{
    struct message message = number_message(number);
    message.data = message.buffer;
    CHECK_EQUAL(list_append(&family, container, &message), STATUS_OK);
}

struct handle fixture_batch(struct container *container, uint64_t first, uint64_t step,
                            uint64_t count, uint64_t add)
{
    struct handle batch;
    CHECK_EQUAL(write_batch_create(&family, count, &batch), STATUS_OK);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = first + i * step;
        struct message message = number_message(number + add);
        message.data = message.buffer;
        struct item_key key = number_key(container, &number);
        CHECK_EQUAL(write_batch_add(&family, arena_at(&family, batch.offset),
                                    container ? &key : NULL, &message),
                    STATUS_OK);
    }
    return batch;
}

bool fixture_is(struct container *container, const uint64_t *numbers, uint64_t count)
{
    if (container_count(&family, container, NULL) != count)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct message message;
        CHECK_EQUAL(list_get(&family, container, (int64_t)i, &message), STATUS_OK);
        if (number_of(&message) != numbers[i])
            return false;
    }
    return true;
}

void fixture_expect(struct container *container, const uint64_t *numbers, uint64_t count)
{
    CHECK(fixture_is(container, numbers, count));
}
