/* The channel between processes, and when they are killed: at each crash point, and at random. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash_point.h"
#include "traffic.h"

/* ---- at each crash point */

struct scene {
    struct channel *channel;
    uint32_t size;        /* of the message that is cut short */
    uint32_t next;        /* of the one that comes after */
    struct handle blocks; /* a block that the message refers to; offset 0: none */
    word_t *claim;
};

static void put_one(void *with)
{
    struct scene *scene = with;
    if (scene->blocks.offset)
        traffic_put_references(scene->channel, &scene->blocks, 1);
    else
        traffic_put(scene->channel, 1, 1000, scene->size);
}

/* The queue holds 0 .. filled-1, then perhaps the message cut short, then what comes after. */
static void check_after_put(struct scene *scene, uint64_t filled, uint64_t used_before)
{
    family_check();
    traffic_put(scene->channel, 2, 0, scene->next);
    traffic_put(scene->channel, 2, 1, 5000);
    family_check();
    for (uint64_t i = 0; i < filled; i++)
        traffic_expect(scene->channel, 1, i);
    struct message message;
    CHECK_EQUAL(traffic_try_get(scene->channel, &message), STATUS_OK);
    if (message.label != 2) {
        CHECK_EQUAL(message.extra, scene->blocks.offset ? 0 : 1000);
        CHECK_EQUAL(traffic_try_get(scene->channel, &message), STATUS_OK);
    }
    CHECK_EQUAL(message.label, 2);
    traffic_expect(scene->channel, 2, 1);
    CHECK_EQUAL(traffic_try_get(scene->channel, &message), STATUS_AGAIN);
    family_check();
    CHECK(family_used() <=
          used_before + 2 * (SEGMENT_LATER + 256)); /* a segment and the cached one */
}

/* *filled* decides where in its segment the message falls, and so whether it needs another. */
static unsigned kill_puts(uint64_t filled, struct scene scene, uint64_t max, bool with_block)
{
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct traffic traffic = traffic_open(max);
        scene.channel = traffic.channel;
        if (with_block)
            scene.blocks = family_block(10);
        for (uint64_t i = 0; i < filled; i++)
            traffic_put(traffic.channel, 1, i, 2000);
        killed = family_killed_at("*", kills + 1, put_one, &scene);
        check_after_put(&scene, filled, used);
        if (with_block)
            handle_release(&family, &scene.blocks);
        traffic_close(&traffic);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    return kills;
}

TEST_WITHIN(30, a_put_killed_anywhere_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    for (uint64_t filled = 0; filled < 4; filled++) { /* first segment, full segment, later ones */
        CHECK(kill_puts(filled, (struct scene){.size = 1900, .next = 50}, 0, false) >= 5);
        CHECK(kill_puts(filled, (struct scene){.size = 0, .next = 50}, 10, false) >= 5);
    }
}

/* What the killed process wrote, but did not commit, then lies where the segment's end is
 * marked. */
TEST_WITHIN(30, a_put_killed_where_the_next_needs_a_further_segment)
{
    family_found(SMALL_RESERVE);
    for (uint64_t filled = 0; filled < 4; filled++) {
        CHECK(kill_puts(filled, (struct scene){.size = 1900, .next = 2000}, 0, false) >= 5);
        CHECK(kill_puts(filled, (struct scene){.size = 4000, .next = 2000}, 0, false) > 20);
    }
}

TEST_WITHIN(30, a_put_of_a_payload_killed_anywhere_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    for (uint64_t filled = 0; filled < 3; filled++) {
        CHECK(kill_puts(filled, (struct scene){.size = 4000, .next = 50}, 0, false) > 20);
        CHECK(kill_puts(filled, (struct scene){.size = 200000, .next = 50}, 10, false) > 20);
    }
}

TEST_WITHIN(30, a_put_of_references_killed_anywhere_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    for (uint64_t filled = 0; filled < 3; filled++)
        CHECK(kill_puts(filled, (struct scene){.next = 50}, 0, true) > 25);
}

static void get_one(void *with)
{
    struct scene *scene = with;
    struct message message;
    CHECK_EQUAL(channel_try_get(&family, scene->channel, &message, scene->claim), STATUS_OK);
}

static void open_and_fill(struct scene *scene, struct traffic *traffic, uint64_t max, uint64_t skip)
{
    *traffic = traffic_open(max);
    scene->channel = traffic->channel;
    for (uint64_t i = 0; i < skip + 4; i++)
        traffic_put(traffic->channel, 1, i, i >= skip ? scene->size : 2000);
    for (uint64_t i = 0; i < skip; i++)
        traffic_expect(traffic->channel, 1, i);
    atomic_store(scene->claim, 0);
}

/* *skip* messages were there before, so that the head is just before an end of a segment, say. */
static unsigned kill_gets(uint64_t skip, uint32_t size, uint64_t max)
{
    unsigned kills = 0;
    struct scene scene = {.size = size, .claim = shared_memory(PAGE_BYTES)};
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct traffic traffic;
        open_and_fill(&scene, &traffic, max, skip);
        killed = family_killed_at("*", kills + 1, get_one, &scene);
        family_check();
        uint64_t got = word_get(&traffic.channel->got_count), claim = word_get(scene.claim);
        CHECK(got == skip || got == skip + 1);
        CHECK(claim == skip + 1 || (claim == 0 && got == skip)); /* written before it is taken */
        for (uint64_t i = got; i < skip + 4; i++)
            traffic_expect(traffic.channel, 1, i);
        traffic_put(traffic.channel, 3, 0, 10);
        traffic_expect(traffic.channel, 3, 0);
        traffic_close(&traffic);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    return kills;
}

TEST_WITHIN(30, a_get_killed_anywhere_has_taken_the_message_or_not)
{
    family_found(SMALL_RESERVE);
    for (uint64_t skip = 0; skip < 4; skip++) {
        CHECK(kill_gets(skip, 1900, 0) >= 4);
        CHECK(kill_gets(skip, 3, 10) >= 4);
        CHECK(kill_gets(skip, 4000, 0) > 8);
    }
    CHECK(kill_gets(33, 2000, 0) >= 4); /* where the spare segment comes into use */
    CHECK(kill_gets(65, 2000, 0) >= 4);
}

/* ---- forks */

static void check_and_take(void *with)
{
    family_check();
    struct handle own = family_block(50); /* the entry that was left out is used again */
    family_check();
    handle_release(&family, &own);
    (void)with;
}

TEST(a_fork_does_not_inherit_a_message_that_is_yet_to_be_sent)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = traffic_open(0);
    struct payload_span span = {.size = 5000};
    struct message unsent = {.kind = RECORD_PAYLOAD}, taken;
    traffic_put(traffic.channel, 1, 0, 5000);
    CHECK_EQUAL(channel_try_get(&family, traffic.channel, &taken, NULL), STATUS_OK);
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, 0, &span, 1, &unsent.payload), STATUS_OK);
    struct block *block = block_of(arena_at(&family, unsent.payload.offset));
    struct block *received = block_of(arena_at(&family, taken.payload.offset));
    pid_t pid = family_start(check_and_take, NULL);
    CHECK_EQUAL(word_get(&block->references), 1);
    CHECK_EQUAL(child_end(pid), 0);
    CHECK_EQUAL(word_get(&received->references), 2); /* not reaped yet */
    CHECK_EQUAL(channel_try_put(&family, traffic.channel, &unsent), STATUS_OK);
    table_reap_pid(&family, pid);
    CHECK_EQUAL(channel_try_get(&family, traffic.channel, &unsent, NULL), STATUS_OK);
    pid = family_start(check_and_take, NULL);
    CHECK_EQUAL(word_get(&block->references), 2); /* as any other */
    CHECK_EQUAL(family_end(pid), 0);
    handle_release(&family, &unsent.payload);
    handle_release(&family, &taken.payload);
    family_check();
}

/* ---- the channel's end */

static void close_it(void *with)
{
    struct traffic *traffic = with;
    family.own_tag = &family.tag; /* acts for its parent, which a child else must not */
    traffic_close(traffic);
    arena_lock(&family);
    arena_reclaim(&family, 10000);
    arena_unlock(&family);
}

static bool is_listed(struct handle handle)
{
    return handle_at(&family, handle.entry).offset == handle.offset;
}

/* The child holds the last reference, and is killed while it takes the channel apart. */
TEST_WITHIN(30, a_kill_while_a_channel_is_taken_apart_leaves_the_rest_to_others)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    uint64_t used = family_used();
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        struct traffic traffic = traffic_open(0);
        for (unsigned i = 0; i < 6; i++) {
            traffic_put(traffic.channel, 1, i, 1500);
            traffic_put_references(traffic.channel, (struct handle[]){block, block}, 2);
        }
        /* A fork that shares our slot: what it gives back is ours, and we do not look again. */
        killed = child_killed_at("*", kills + 1, close_it, &traffic);
        if (killed && is_listed(traffic.handle))
            traffic_close(&traffic);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(word_get(&block_of(arena_at(&family, block.offset))->references), 1);
        family_check();
    }
    CHECK(kills > 100);
}

/* ---- waiting */

static void echo(void *with)
{
    struct traffic *both = with;
    struct message message;
    while (traffic_get(both[0].channel, &message, DEADLINE_NEVER))
        traffic_put(both[1].channel, message.label, message.extra, 20);
}

/* A wake-up that is lost is made up for at the end of a slice: so waits that long betray one. */
TEST_WITHIN(30, no_wake_up_is_lost)
{
    family_found(SMALL_RESERVE);
    struct traffic both[2] = {traffic_open(1), traffic_open(1)};
    pid_t pid = family_start(echo, both);
    struct message message;
    unsigned slow = 0;
    for (unsigned i = 0; i < 20000 / SLOWNESS; i++) {
        deadline_t begun = clock_now();
        traffic_put(both[0].channel, 1, i, 20);
        CHECK(traffic_get(both[1].channel, &message, DEADLINE_NEVER));
        CHECK_EQUAL(message.extra, i);
        slow += clock_now() - begun > SLICE_NS / 2;
    }
    CHECK(slow < 4); /* a busy machine has its moments */
    family_kill(pid);
    family_check();
}

static void wait_for_ever(void *with)
{
    struct message message;
    traffic_get(with, &message, DEADLINE_NEVER);
    FAIL("there was no message");
}

TEST_WITHIN(30, killed_sleepers_keep_no_message_from_the_others)
{
    family_found(SMALL_RESERVE);
    struct traffic there = traffic_open(0), back = traffic_open(0);
    struct traffic both[2] = {there, back};
    for (unsigned round = 0; round < 20; round++) {
        pid_t sleepers[4];
        for (unsigned i = 0; i < 4; i++)
            sleepers[i] = family_start(wait_for_ever, there.channel);
        for (unsigned i = 0; i < 4; i++)
            WAIT_UNTIL(child_sleeps(sleepers[i]));
        CHECK(atomic_load(&there.channel->for_message.sleepers.word) & 1);
        for (unsigned i = 0; i < 4; i++)
            kill(sleepers[i], SIGKILL); /* not waited for: zombies hold their slots */
        pid_t receiver = family_start(echo, both);
        deadline_t begun = clock_now();
        traffic_put(there.channel, 1, round, 30);
        struct message message;
        CHECK(traffic_get(back.channel, &message, begun + NS_PER_S * SLOWNESS));
        for (unsigned i = 0; i < 4; i++)
            family_end(sleepers[i]);
        family_kill(receiver);
    }
    family_check();
}

/* ---- at random */

enum { SENDERS = 3, RECEIVERS = 3 };

struct storm {
    struct channel *channel;
    uint64_t sender;
    _Atomic uint64_t *next;     /* of the sender: the message to be sent; outlives it */
    _Atomic unsigned char *got; /* [sequence]: how often it was received */
};

enum { SEQUENCES = 1 << 24 };

static void send_for_ever(void *with)
{
    struct storm *storm = with;
    uint64_t random = (uint64_t)getpid() * 77777;
    for (;;) {
        uint64_t number = atomic_load(storm->next);
        uint64_t dice = random_next(&random);
        traffic_put(storm->channel, storm->sender, number,
                    (uint32_t)(dice % 8 ? dice % 500 : dice % 20000));
        atomic_store(storm->next, number + 1);
    }
}

/* Each life of a sender may send its last message twice (it does not know whether it was sent), but
 * never an older one, and none is left out. */
static void receive_for_ever(void *with)
{
    struct storm *storm = with;
    struct message message;
    uint64_t next[SENDERS] = {0};
    for (;;) {
        if (!traffic_get(storm->channel, &message, DEADLINE_NEVER))
            FAIL("there was no message");
        CHECK(message.sequence < SEQUENCES && message.label < SENDERS);
        CHECK_EQUAL(atomic_fetch_add(&storm->got[message.sequence], 1), 0);
        CHECK(message.extra + 1 >= next[message.label]);
        next[message.label] = message.extra + 1;
    }
}

TEST_WITHIN(60, random_kills_lose_what_the_killed_had_and_nothing_else)
{
    family_found(UINT64_C(1) << 32);
    uint64_t used = family_used(), random = 424242;
    struct traffic traffic = traffic_open(50);
    _Atomic uint64_t *next = shared_memory(PAGE_BYTES);
    _Atomic unsigned char *got = shared_memory(SEQUENCES);
    struct storm storms[SENDERS + RECEIVERS];
    pid_t pids[SENDERS + RECEIVERS];
    unsigned kills = 0, receivers_killed = 0;
    for (unsigned i = 0; i < SENDERS + RECEIVERS; i++) {
        storms[i] = (struct storm){traffic.channel, i, &next[i], got};
        pids[i] = family_start(i < SENDERS ? send_for_ever : receive_for_ever, &storms[i]);
    }
    while (kills < 1000 / (SLOWNESS * SLOWNESS)) {
        uint64_t before = word_get(&traffic.channel->got_count);
        WAIT_UNTIL(word_get(&traffic.channel->got_count) > before + random_next(&random) % 100);
        unsigned i = (unsigned)(random_next(&random) % (SENDERS + RECEIVERS));
        family_kill(pids[i]);
        kills++;
        receivers_killed += i >= SENDERS;
        pids[i] = family_start(i < SENDERS ? send_for_ever : receive_for_ever, &storms[i]);
    }
    for (unsigned i = 0; i < SENDERS + RECEIVERS; i++)
        family_kill(pids[i]);
    family_check();
    struct message message;
    while (traffic_try_get(traffic.channel, &message) == STATUS_OK)
        CHECK_EQUAL(atomic_fetch_add(&got[message.sequence], 1), 0);
    uint64_t lost = 0, all = word_get(&traffic.channel->put_count);
    for (uint64_t i = 0; i < all; i++)
        lost += got[i] == 0;
    CHECK(lost <= receivers_killed + RECEIVERS);
    traffic_close(&traffic);
    CHECK_EQUAL(family_used(), used);
    family_check();
}
