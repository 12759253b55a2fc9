/* The channel, as one process and as threads see it. Kills: see test_channel_kills.c. */
#include <pthread.h>
#include <string.h>

#include "../os/clock.h"
#include "traffic.h"

static const uint32_t sizes[] = {0, 1, 7, 8, 100, 2047, 2048, 2049, 5000, 70000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- order, bounds, memory */

TEST(messages_come_out_whole_and_in_order)
{
    family_found(UINT64_C(1) << 32);
    struct traffic traffic = traffic_open(0);
    for (unsigned i = 0; i < 3000; i++)
        traffic_put(traffic.channel, 1, i, sizes[i % SIZES]);
    CHECK_EQUAL(channel_size(traffic.channel), 3000);
    family_check();
    for (unsigned i = 0; i < 3000; i++)
        traffic_expect(traffic.channel, 1, i);

    struct message message;
    CHECK_EQUAL(traffic_try_get(traffic.channel, &message), STATUS_AGAIN);
    CHECK_EQUAL(channel_size(traffic.channel), 0);
    family_check();
}

TEST(a_queue_like_any_other_at_random)
{
    family_found(UINT64_C(1) << 32);
    struct traffic traffic = traffic_open(0);
    uint64_t random = 3, put = 0, got = 0;
    for (unsigned i = 0; i < 100000 / SLOWNESS; i++) {
        uint64_t dice = random_next(&random);
        bool fills = (i / 5000) % 2; /* so that segments come and go */
        if (dice % 8 < (fills ? 5 : 3))
            traffic_put(traffic.channel, 2, put++, (uint32_t)((dice >> 8) % 2200));
        else if (got < put)
            traffic_expect(traffic.channel, 2, got++);
        CHECK_EQUAL(channel_size(traffic.channel), put - got);
    }
    family_check();
    traffic_close(&traffic);
    family_check();
}

TEST(a_bounded_channel_is_full_at_its_bound)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(3);
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(traffic_try_put(traffic.channel, 1, i, sizes[i]), STATUS_OK);

    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, 3, 10), STATUS_AGAIN);
    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, 3, 10000), STATUS_AGAIN);
    deadline_t deadline = clock_now() + 20 * NS_PER_MS;
    CHECK_EQUAL(channel_wait_for_room(traffic.channel, &spin_wait, deadline), STATUS_TIMED_OUT);
    CHECK(clock_now() >= deadline);
    traffic_expect(traffic.channel, 1, 0);
    CHECK_EQUAL(channel_wait_for_room(traffic.channel, &spin_wait, deadline), STATUS_OK);
    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, 3, 10), STATUS_OK);
    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, 4, 10), STATUS_AGAIN);
    family_check();
}

TEST(a_wait_for_a_message_ends_at_its_deadline)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    struct message message;
    deadline_t deadline = clock_now() + 20 * NS_PER_MS;
    CHECK(!traffic_get(traffic.channel, &message, deadline));
    CHECK(clock_now() >= deadline);
    CHECK(!traffic_get(traffic.channel, &message, 1)); /* long ago */
}

TEST(all_is_done_when_each_message_was_said_to_be)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    CHECK(channel_is_done(traffic.channel));
    CHECK(!channel_task_done(traffic.channel));
    traffic_put(traffic.channel, 1, 0, 10);
    traffic_put(traffic.channel, 1, 1, 10);
    CHECK(channel_task_done(traffic.channel));
    CHECK(!channel_is_done(traffic.channel));
    CHECK_EQUAL(channel_wait_for_done(traffic.channel, &spin_wait, clock_now() + NS_PER_MS),
                STATUS_TIMED_OUT);
    CHECK(channel_task_done(traffic.channel));
    CHECK(channel_is_done(traffic.channel));
    CHECK(!channel_task_done(traffic.channel));
    CHECK_EQUAL(channel_wait_for_done(traffic.channel, &spin_wait, DEADLINE_NEVER), STATUS_OK);
}

TEST(a_steady_stream_takes_no_further_memory)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    for (unsigned i = 0; i < 500; i++)
        traffic_put(traffic.channel, 1, i, 300);
    uint64_t top = 0;
    for (unsigned i = 0; i < 30000; i++) {
        traffic_put(traffic.channel, 1, i + 500, i % 10 ? 300 : 3000);
        traffic_expect(traffic.channel, 1, i);
        if (i == 2000)
            top = word_get(&family.header->top);
    }
    CHECK_EQUAL(word_get(&family.header->top), top);
    family_check();
}

TEST(a_full_memory_loses_no_message)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    uint64_t count = 0;
    while (traffic_try_put(traffic.channel, 1, count, 2000) == STATUS_OK)
        count++;
    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, count, 2000), STATUS_NO_MEMORY);
    CHECK(count > 20000);
    family_check();
    for (uint64_t i = 0; i < count / 2; i++)
        traffic_expect(traffic.channel, 1, i);
    CHECK_EQUAL(traffic_try_put(traffic.channel, 1, count++, 2000), STATUS_OK);
    for (uint64_t i = (count - 1) / 2; i < count; i++)
        traffic_expect(traffic.channel, 1, i);
    family_check();
}

/* A get of a payload needs an entry in the list of what this process holds. */
TEST(a_payload_that_cannot_be_held_stays_in_the_channel)
{
    static struct handle handles[10000];
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    struct handle block = family_block(10);
    uint64_t serial = family_serial(block);
    for (unsigned i = 0; i < 100; i++)
        traffic_put(traffic.channel, 1, i, 3000);
    uint32_t count = 0;
    while (handle_create(&family, 30000, BLOCK_BYTES, NULL, NULL, &handles[count]) == STATUS_OK)
        count++;
    while (handle_attach(&family, block.offset, serial, &handles[count]) == STATUS_OK)
        count++;
    struct message message;
    word_t claim = 4711;
    CHECK_EQUAL(channel_try_get(&family, traffic.channel, &message, &claim), STATUS_NO_MEMORY);

    CHECK_EQUAL(claim, 4711); /* it has taken nothing */
    CHECK_EQUAL(channel_size(traffic.channel), 100);
    family_check();
    handle_release(&family, &handles[--count]);
    for (unsigned i = 0; i < 100; i++)
        traffic_expect(traffic.channel, 1, i);
    family_check();
}

TEST(a_payload_larger_than_any_memory_is_refused)
{
    static struct payload_span spans[1 << 16];
    struct handle handle;
    family_found(SMALL_RESERVE);
    spans[0].size = UINT64_MAX;
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, 0, spans, 1, &handle), STATUS_NO_MEMORY);
    for (unsigned i = 0; i < 1 << 16; i++)
        spans[i].size = ARENA_RESERVE;
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, 0, spans, 1 << 16, &handle),
                STATUS_NO_MEMORY);
    family_check();
}

/* ---- what messages own */

TEST(a_channel_released_with_messages_inside_releases_all)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    for (unsigned taken = 0; taken < 130; taken += 13) {
        uint64_t used = family_used();
        struct traffic traffic = traffic_open(0);
        for (unsigned i = 0; i < 130; i++) {
            traffic_put(traffic.channel, 1, i, sizes[i % SIZES]);
            traffic_put_references(traffic.channel, (struct handle[]){block, block}, 1 + i % 2);
        }
        struct message message;
        for (unsigned i = 0; i < taken; i++)
            CHECK_EQUAL(traffic_try_get(traffic.channel, &message), STATUS_OK);
        CHECK(family_references(block) > 60);
        family_check();
        traffic_close(&traffic);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(family_references(block), 1);
    }
    family_check();
}

TEST(a_channel_is_sent_through_a_channel)
{
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    struct traffic outer = traffic_open(0), inner = traffic_open(0);
    traffic_put(inner.channel, 7, 0, 100);
    traffic_put(inner.channel, 7, 1, 9000);
    uint64_t serial = family_serial(inner.handle);
    offset_t at = inner.handle.offset;
    traffic_put_references(outer.channel, &inner.handle, 1);
    traffic_close(&inner);
    CHECK(block_find(&family, at, serial) != NULL);
    family_check();
    struct message message;
    CHECK_EQUAL(channel_try_get(&family, outer.channel, &message, NULL), STATUS_OK);
    CHECK_EQUAL(handle_attach(&family, at, serial, &inner.handle), STATUS_OK);
    handle_release(&family, &message.payload);
    traffic_expect(inner.channel, 7, 0);
    traffic_close(&outer);
    traffic_close(&inner); /* one message is still inside */
    CHECK(block_find(&family, at, serial) == NULL);
    CHECK_EQUAL(family_used(), used);
    family_check();
}

/* A thousand channels, each inside the next: reclaiming them is no recursion. */
TEST(channels_within_channels_are_reclaimed_step_by_step)
{
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    struct traffic inner = traffic_open(0);
    for (unsigned i = 0; i < 1000; i++) {
        struct traffic outer = traffic_open(0);
        traffic_put_references(outer.channel, &inner.handle, 1);
        traffic_close(&inner);
        inner = outer;
    }
    family_check();
    traffic_close(&inner);
    family_check();
    CHECK_EQUAL(family_used(), used);
    family_check();
}

/* ---- the counters' low halves are what waiters watch */

TEST(counts_pass_two_to_the_32)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(2);
    uint64_t start = (UINT64_C(1) << 32) - 5;
    atomic_store(&traffic.channel->put_count, start);
    atomic_store(&traffic.channel->got_count, start);
    struct message message;
    for (unsigned i = 0; i < 10; i++) {
        traffic_put(traffic.channel, 1, i, sizes[i % SIZES]);
        CHECK_EQUAL(traffic_try_get(traffic.channel, &message), STATUS_OK);
        CHECK_EQUAL(message.sequence, start + i);
    }
    CHECK(!traffic_get(traffic.channel, &message, clock_now() + NS_PER_MS));
    family_check();
}

/* ---- threads */

enum { THREADS = 4 };

struct workload {
    struct channel *channel;
    uint64_t per_sender;
    uint32_t largest; /* bytes of a message */
    _Atomic uint64_t taken;
    _Atomic unsigned char *seen; /* [sender][number] */
};

struct member {
    struct workload *workload;
    uint64_t number;
};

static void *send_all(void *with)
{
    struct member *member = with;
    struct workload *workload = member->workload;
    for (uint64_t i = 0; i < workload->per_sender; i++)
        traffic_put(workload->channel, member->number, i,
                    (uint32_t)(i * 37 % (workload->largest + 1)));
    return NULL;
}

static void *receive_some(void *with)
{
    struct workload *workload = ((struct member *)with)->workload;
    uint64_t next[THREADS] = {0}, all = THREADS * workload->per_sender;
    static __thread struct message message;
    while (atomic_load(&workload->taken) < all) {
        if (!traffic_get(workload->channel, &message, clock_now() + 10 * NS_PER_MS))
            continue;
        atomic_fetch_add(&workload->taken, 1);
        CHECK(message.label < THREADS && message.extra < workload->per_sender);
        CHECK(message.extra >= next[message.label]); /* in the order of its sender */
        next[message.label] = message.extra + 1;
        CHECK_EQUAL(atomic_fetch_add(
                        &workload->seen[message.label * workload->per_sender + message.extra], 1),
                    0);
    }
    return NULL;
}

static void run_workload(uint64_t max_messages, uint64_t per_sender, uint32_t largest)
{
    family_found(UINT64_C(1) << 32);
    struct traffic traffic = traffic_open(max_messages);
    struct workload workload = {
        .channel = traffic.channel, .per_sender = per_sender, .largest = largest};
    workload.seen = shared_memory(THREADS * per_sender);
    struct member members[THREADS];
    pthread_t senders[THREADS], receivers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        members[i] = (struct member){&workload, i};
        CHECK_EQUAL(pthread_create(&senders[i], NULL, send_all, &members[i]), 0);
        CHECK_EQUAL(pthread_create(&receivers[i], NULL, receive_some, &members[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(senders[i], NULL);
        pthread_join(receivers[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&workload.taken), THREADS * per_sender);
    CHECK_EQUAL(channel_size(traffic.channel), 0);
    family_check();
}

TEST_WITHIN(30, threads_share_a_channel_each_message_once_and_in_order)
{
    run_workload(0, 20000 / SLOWNESS, 300);
}

TEST_WITHIN(30, threads_share_a_bounded_channel)
{
    run_workload(2, 5000 / SLOWNESS, 100);
}

TEST_WITHIN(30, threads_share_a_channel_of_large_messages)
{
    run_workload(20, 3000 / SLOWNESS, 20000);
}
