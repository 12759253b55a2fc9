/* Putting, taking, allocating, killed between any two instructions: afterwards the survivors find
 * everything usable, and nothing is lost but what the dead process alone had.
 *
 * The limits of time are for `make stepping`, which tries every position. */
#include "../channel/batch.h"
#include "stepping.h"
#include "traffic.h"

/* ---- queues */

enum { BATCHED = 5 };

struct queue {
    uint32_t size, filled; /* of each message in bytes; how many are there before */
    struct traffic traffic;
    struct message message; /* in the child: what it puts, or got */
    char batch[BATCHED * 128];
};

static void open_queue(void *with)
{
    struct queue *queue = with;
    queue->traffic = traffic_open(0);
    for (uint32_t i = 0; i < queue->filled; i++)
        traffic_put(queue->traffic.channel, 1, i, queue->size);
}

/* The messages *first* .. filled - 1 are there, then perhaps what was cut short, then a new one. */
static void drain(struct queue *queue, uint64_t first)
{
    struct message message;
    traffic_put(queue->traffic.channel, 2, 0, 1800);
    uint64_t next = first;
    for (;;) {
        CHECK_EQUAL(traffic_try_get(queue->traffic.channel, &message), STATUS_OK);
        if (message.label == 2)
            break;
        CHECK_EQUAL(message.extra, next++);
    }
    CHECK(next >= queue->filled);
    CHECK_EQUAL(traffic_try_get(queue->traffic.channel, &message), STATUS_AGAIN);
    traffic_close(&queue->traffic);
}

static void compose(void *with)
{
    struct queue *queue = with;
    traffic_compose(&queue->message, 1, queue->filled, queue->size);
}

static void put_one(void *with)
{
    struct queue *queue = with;
    channel_try_put(&family, queue->traffic.channel, &queue->message);
}

static void check_put(void *with)
{
    drain(with, 0);
}

static void get_one(void *with)
{
    struct queue *queue = with;
    channel_try_get(&family, queue->traffic.channel, &queue->message, NULL);
    if (queue->message.kind == RECORD_PAYLOAD)
        handle_release(&family, &queue->message.payload);
}

static void check_get(void *with)
{
    struct queue *queue = with;
    uint64_t got = word_get(&queue->traffic.channel->got_count);
    CHECK(got <= 1);
    drain(queue, got);
}

TEST_WITHIN(1200, a_put_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct operation put = {"put", compose, put_one, open_queue, check_put};
    step_through(&put, &(struct queue){.size = 20, .filled = 3});
    put.name = "put, the first";
    step_through(&put, &(struct queue){.size = 20});
    put.name = "put, a further segment";
    step_through(&put, &(struct queue){.size = 1900, .filled = 2});
    put.name = "put, a payload";
    step_through(&put, &(struct queue){.size = 2100, .filled = 1});
}

TEST_WITHIN(1200, a_get_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct operation get = {"get", NULL, get_one, open_queue, check_get};
    step_through(&get, &(struct queue){.size = 20, .filled = 3});
    get.name = "get, a payload";
    step_through(&get, &(struct queue){.size = 2100, .filled = 2});
}

static void compose_batch(void *with)
{
    struct queue *queue = with;
    char *at = queue->batch;
    for (uint32_t i = 0; i < BATCHED; i++) {
        traffic_compose(&queue->message, 1, queue->filled + i, queue->size);
        at += batch_write(at, &queue->message);
    }
}

static void put_batch(void *with)
{
    struct queue *queue = with;
    struct batch_part part;
    channel_try_put_batch(&family, queue->traffic.channel, queue->batch, BATCHED, &part);
}

static void get_batch(void *with)
{
    struct queue *queue = with;
    uint32_t done;
    char records[BATCH_BYTES];
    channel_try_get_batch(&family, queue->traffic.channel, records, BATCHED, &done);
}

static void check_get_batch(void *with)
{
    struct queue *queue = with;
    uint64_t got = word_get(&queue->traffic.channel->got_count);
    CHECK(got == 0 || got == BATCHED);
    drain(queue, got);
}

static void get_to_the_next_segment(void *with)
{
    struct queue *queue = with;
    for (uint32_t i = 0; i + 1 < queue->filled; i++)
        get_one(queue);
}

static void check_get_last(void *with)
{
    struct queue *queue = with;
    uint64_t got = word_get(&queue->traffic.channel->got_count);
    CHECK(got + 1 >= queue->filled);
    drain(queue, got);
}

static void end_queue(void *with)
{
    struct queue *queue = with;
    channel_shut_down(&family, queue->traffic.channel, true);
}

static void check_end(void *with)
{
    struct queue *queue = with;
    struct message message;
    if (channel_end(queue->traffic.channel) == CHANNEL_OPEN) {
        drain(queue, 0);
        return;
    }
    CHECK_EQUAL(traffic_try_get(queue->traffic.channel, &message), STATUS_SHUT_DOWN);
    traffic_close(&queue->traffic);
}

TEST_WITHIN(1200, a_batch_or_an_end_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    step_through(&(struct operation){"put_batch", compose_batch, put_batch, open_queue, check_put},
                 &(struct queue){.size = 20, .filled = 1});
    step_through(&(struct operation){"get_batch", NULL, get_batch, open_queue, check_get_batch},
                 &(struct queue){.size = 20, .filled = BATCHED + 1});
    step_through(&(struct operation){"get, the next segment", get_to_the_next_segment, get_one,
                                     open_queue, check_get_last},
                 &(struct queue){.size = 1900, .filled = 3});
    step_through(&(struct operation){"shutdown", NULL, end_queue, open_queue, check_end},
                 &(struct queue){.size = 20, .filled = 2});
}

/* ---- memory */

struct memory {
    uint64_t size;
    struct handle ours, theirs;
};

static void nothing_before(void *with)
{
    struct memory *memory = with;
    memory->ours = family_block(memory->size);
}

static void allocate(void *with)
{
    struct memory *memory = with;
    memory->theirs = family_block(memory->size);
}

static void release(void *with)
{
    struct memory *memory = with;
    handle_release(&family, &memory->theirs);
}

/* What it had is free, what it shared is not. */
static void check_memory(void *with)
{
    struct memory *memory = with;
    CHECK(block_find(&family, memory->ours.offset, family_serial(memory->ours)) != NULL);
    uint64_t used = family_used();
    struct handle more = family_block(memory->size);
    handle_release(&family, &more);
    CHECK_EQUAL(family_used(), used);
    handle_release(&family, &memory->ours);
}

TEST_WITHIN(1200, an_allocation_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    step_through(&(struct operation){"allocate", NULL, allocate, nothing_before, check_memory},
                 &(struct memory){.size = 100});
    step_through(
        &(struct operation){"allocate, large", NULL, allocate, nothing_before, check_memory},
        &(struct memory){.size = 300000});
    step_through(&(struct operation){"free", allocate, release, nothing_before, check_memory},
                 &(struct memory){.size = 100});
}
