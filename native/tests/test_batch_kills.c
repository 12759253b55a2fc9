/* Batches, and the end of a channel, when a process is killed in between. */
#include "batches.h"
#include "traffic.h"

struct scene {
    struct channel *channel;
};

static void put_forty(void *with)
{
    batch_put(((struct scene *)with)->channel, 1, 100, BATCH_MOST);
}

static void expect(struct channel *channel, uint64_t sender, uint64_t number)
{
    struct message message;
    CHECK_EQUAL(channel_try_get(&family, channel, &message, NULL), STATUS_OK);
    CHECK_EQUAL(message.label, sender);
    CHECK_EQUAL(message.extra, number);
    batch_check(&message);
}

/* After *filled* messages, which decide where the batch crosses into another segment. */
static unsigned kill_batches(uint32_t filled)
{
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct traffic traffic = traffic_open(0);
        struct scene scene = {traffic.channel};
        if (filled)
            batch_put(traffic.channel, 0, 0, filled);
        killed = family_killed_at("*", kills + 1, put_forty, &scene);
        family_check();
        batch_put(traffic.channel, 2, 0, 3);
        uint64_t batch = channel_size(traffic.channel) - filled - 3;
        for (uint64_t i = 0; i < filled; i++)
            expect(traffic.channel, 0, i);
        for (uint64_t i = 0; i < batch; i++)
            expect(traffic.channel, 1, 100 + i);
        for (uint64_t i = 0; i < 3; i++)
            expect(traffic.channel, 2, i);
        traffic_close(&traffic);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    return kills;
}

TEST_WITHIN(30, a_batch_killed_anywhere_is_a_beginning_of_it)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_batches(0) >= 6);
    CHECK(kill_batches(15) >= 6);
    CHECK(kill_batches(BATCH_MOST) >= 3);
}

static void get_ten(void *with)
{
    static char records[BATCH_BYTES];
    uint32_t done;
    CHECK_EQUAL(channel_try_get_batch(&family, ((struct scene *)with)->channel, records, 10, &done),
                STATUS_OK);
}

/* *again*: the successor that has to repair takes a batch, too. Lets go of the channel with
 * messages inside, so that its end is told from the lagging offset as well. */
TEST_WITHIN(30, a_killed_taker_of_a_batch_took_all_of_it_or_nothing)
{
    family_found(SMALL_RESERVE);
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct traffic traffic = traffic_open(0);
        struct scene scene = {traffic.channel};
        batch_put(traffic.channel, 1, 0, BATCH_MOST);
        traffic_put(traffic.channel, 9, 0, 5000); /* a payload behind them */
        killed = family_killed_at("*", kills + 1, get_ten, &scene);
        family_check();
        uint64_t taken = BATCH_MOST + 1 - channel_size(traffic.channel);
        CHECK(taken <= 10);
        if (kills % 2)
            expect(traffic.channel, 1, taken);
        family_check();
        traffic_close(&traffic);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    CHECK(kills >= 2);
}

/* ---- the end */

static void shut_down_at_once(void *with)
{
    channel_shut_down(&family, ((struct scene *)with)->channel, true);
}

TEST_WITHIN(30, a_shutdown_killed_anywhere_has_happened_or_not)
{
    family_found(SMALL_RESERVE);
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct traffic traffic = traffic_open(0);
        struct scene scene = {traffic.channel};
        for (uint64_t i = 0; i < 5; i++)
            traffic_put(traffic.channel, 1, i, i % 2 ? 100 : 5000);
        killed = family_killed_at("*", kills + 1, shut_down_at_once, &scene);
        family_check();
        struct message message;
        if (channel_end(traffic.channel) == CHANNEL_OPEN)
            traffic_expect(traffic.channel, 1, 0);
        else {
            CHECK_EQUAL(traffic_try_put(traffic.channel, 1, 0, 5000), STATUS_SHUT_DOWN);
            CHECK_EQUAL(channel_try_get(&family, traffic.channel, &message, NULL),
                        STATUS_SHUT_DOWN);
            CHECK(channel_is_done(traffic.channel));
            CHECK_EQUAL(word_get(&traffic.channel->got_count), 5); /* the rest was discarded */
        }
        traffic_close(&traffic);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    CHECK(kills >= 8);
}
