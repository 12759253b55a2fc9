/* The handoff buffer when senders and receivers are killed at each of its points. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "../crash_point.h"
#include "pipe_ends.h"

enum { MESSAGES = 60 };

struct scene {
    struct pipe_pair pair;
    const char *point;
    unsigned passage;
    _Atomic uint32_t *seen; /* how many messages a receiver has, shared */
};

static struct scene scenery(void)
{
    family_found(SMALL_RESERVE);
    return (struct scene){.pair = pipe_pair_open(STREAM_SOCKET), .seen = shared_memory(4096)};
}

/* So long that a machine with much else to do comes round to both sides. */
#define SPIN (200 * NS_PER_MS)

/* Until a receiver spins. False: it seems to be dead. */
static bool let_it_spin(struct scene *scene)
{
    deadline_t end = clock_now() + SPIN;
    while (handoff_state(scene->pair.handoff) != HANDOFF_SPINNING)
        if (clock_now() > end)
            return false;
        else
            sched_yield();
    return true;
}

static void send_all(void *with)
{
    struct scene *scene = with;
    bool lives = true;
    close(scene->pair.reader);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (lives && i % 3)
            lives = let_it_spin(scene);
        pipe_pair_send(&scene->pair, i);
    }
}

/* In order, from 0 on, until the end of the stream. */
static void receive_all(void *with)
{
    struct scene *scene = with;
    uint32_t number;
    close(scene->pair.writer);
    while (pipe_pair_receive(&scene->pair, SPIN, &number)) {
        CHECK_EQUAL(number, atomic_load(scene->seen));
        atomic_fetch_add(scene->seen, 1);
    }
}

static void is_usable(struct scene *scene)
{
    family_check();
    CHECK_EQUAL(handoff_state(scene->pair.handoff), HANDOFF_IDLE);
}

/* ---- senders */

static bool sender_killed_at(const char *point, unsigned passage)
{
    struct scene scene = scenery();
    pid_t receiver = family_start(receive_all, &scene);
    close(scene.pair.reader);
    bool killed = family_killed_at(point, passage, send_all, &scene);
    close(scene.pair.writer);
    CHECK_EQUAL(family_end(receiver), 0);
    /* What was sent is a beginning of all: nothing torn, nothing twice, nothing left out. */
    CHECK(killed ? atomic_load(scene.seen) <= MESSAGES : atomic_load(scene.seen) == MESSAGES);
    scene.pair.reader = scene.pair.writer = -1;
    uint64_t word = word_get(&scene.pair.handoff->word);
    CHECK((word & 7) == HANDOFF_IDLE || (word & 7) == HANDOFF_ABANDONED);
    handle_release(&family, &scene.pair.handle);
    family_check();
    family_leave();
    return killed;
}

static void kill_senders_at(const char *point)
{
    unsigned kills = 0;
    for (unsigned passage = 1; passage <= 12 && sender_killed_at(point, passage); passage++)
        kills++;
    CHECK(kills > 0 || !spin_wait_allowed());
}

TEST_WITHIN(60, a_sender_killed_before_it_commits_has_sent_nothing)
{
    kill_senders_at("handoff.put.claimed");
    kill_senders_at("handoff.put.before_commit");
}

TEST_WITHIN(60, a_sender_killed_after_it_committed_has_sent_its_message)
{
    kill_senders_at("handoff.put.committed");
}

/* ---- receivers */

static void receive_until_killed(void *with)
{
    struct scene *scene = with;
    crash_point_arm(scene->point, scene->passage);
    receive_all(scene);
}

/* The next receiver has the same end. It misses no message that the dead one had not taken. */
static bool receiver_killed_at(const char *point, unsigned passage, unsigned *recovered)
{
    struct scene scene = scenery();
    scene.point = point;
    scene.passage = passage;
    pid_t receiver = family_start(receive_until_killed, &scene);
    pid_t sender = family_start(send_all, &scene);
    close(scene.pair.writer);
    bool killed = family_end(receiver) == -SIGKILL;
    uint32_t before = atomic_load(scene.seen), next = before, number;
    while (pipe_pair_receive(&scene.pair, SPIN, &number)) {
        if (next == before && number == before + 1)
            next++; /* it had taken one, and was killed before it could say so */
        CHECK_EQUAL(number, next);
        next++;
    }
    *recovered += next - before;
    CHECK_EQUAL(family_end(sender), 0);
    CHECK(next == MESSAGES || (next == before && next == MESSAGES - 1));
    is_usable(&scene);
    scene.pair.writer = -1;
    pipe_pair_close(&scene.pair);
    family_leave();
    return killed;
}

static void kill_receivers_at(const char *point)
{
    unsigned kills = 0, recovered = 0;
    for (unsigned passage = 1; passage <= 8; passage++)
        kills += receiver_killed_at(point, passage, &recovered);
    CHECK((kills > 0 && recovered > 0) || !spin_wait_allowed());
}

TEST_WITHIN(60, what_a_killed_receiver_had_not_taken_goes_to_the_next)
{
    kill_receivers_at("handoff.opened");
    kill_receivers_at("handoff.before_close");
    kill_receivers_at("handoff.take.before_commit");
}

TEST_WITHIN(60, a_receiver_killed_with_its_message_took_it_along)
{
    kill_receivers_at("handoff.take.committed");
    kill_receivers_at("handoff.closed");
}

/* ---- states that dead processes leave, one by one */

static void put_word(struct scene *scene, enum handoff_state state, uint32_t tag)
{
    atomic_store(&scene->pair.handoff->word, (uint64_t)9 << 33 | (uint64_t)tag << 3 | state);
}

static uint32_t tag_of_the_dead(void)
{
    uint32_t tag;
    CHECK_EQUAL(table_reserve(&family, &tag), STATUS_OK);
    table_abandon(&family, tag);
    CHECK(!table_is_alive(&family, tag));
    return tag;
}

TEST(marks_of_the_dead_are_removed)
{
    struct scene scene = scenery();
    uint32_t dead = tag_of_the_dead(), number;
    enum handoff_state states[] = {HANDOFF_SPINNING, HANDOFF_WRITING, HANDOFF_ABANDONED};
    for (unsigned i = 0; i < 3; i++) {
        put_word(&scene, states[i], dead);
        pipe_pair_write(&scene.pair, 5);
        CHECK(!handoff_has_orphan(&family, scene.pair.handoff));
        CHECK_EQUAL(handoff_state(scene.pair.handoff), HANDOFF_IDLE);
        put_word(&scene, states[i], dead);
        CHECK(pipe_pair_receive(&scene.pair, 0, &number));
        CHECK_EQUAL(number, 5);
        CHECK_EQUAL(handoff_state(scene.pair.handoff), HANDOFF_IDLE);
    }
}

TEST(marks_of_the_living_stay_and_one_that_writes_is_not_waited_for)
{
    struct scene scene = scenery();
    uint32_t number;
    enum handoff_state states[] = {HANDOFF_SPINNING, HANDOFF_WRITING, HANDOFF_ABANDONED,
                                   HANDOFF_FULL};
    enum handoff_state later[] = {HANDOFF_SPINNING, HANDOFF_ABANDONED, HANDOFF_ABANDONED,
                                  HANDOFF_FULL};
    for (unsigned i = 0; i < 4; i++) {
        put_word(&scene, states[i], family.tag);
        pipe_pair_write(&scene.pair, 5);
        CHECK(!handoff_has_orphan(&family, scene.pair.handoff));
        CHECK(pipe_pair_receive(&scene.pair, 0, &number));
        CHECK_EQUAL(number, 5);
        CHECK_EQUAL(handoff_state(scene.pair.handoff), later[i]);
    }
}

/* ---- a successor that is killed as well */

static void recover_one(void *with)
{
    struct scene *scene = with;
    uint32_t number;
    CHECK(pipe_pair_receive(&scene->pair, 0, &number));
    CHECK_EQUAL(number, 5);
}

TEST(an_orphaned_message_stays_until_it_is_recovered)
{
    struct scene scene = scenery();
    put_word(&scene, HANDOFF_SPINNING, tag_of_the_dead());
    atomic_store(&scene.pair.handoff->until, (uint64_t)DEADLINE_NEVER);
    CHECK(pipe_pair_send(&scene.pair, 5)); /* as if the receiver had died just now */
    CHECK(handoff_has_orphan(&family, scene.pair.handoff));
    CHECK(family_killed_at("handoff.recover.before_claim", 1, recover_one, &scene));
    CHECK(family_killed_at("handoff.recover.claimed", 1, recover_one, &scene));
    CHECK(family_killed_at("handoff.take.before_commit", 1, recover_one, &scene));
    CHECK(handoff_has_orphan(&family, scene.pair.handoff));
    pipe_pair_write(&scene.pair, 7);
    recover_one(&scene); /* before what was sent later */
    CHECK(!handoff_has_orphan(&family, scene.pair.handoff));
    is_usable(&scene);
}

/* ---- a sender that is left alone by its receiver in the middle of its message */

static void *abandon(void *with)
{
    struct scene *scene = with;
    uint64_t writing = (uint64_t)9 << 33 | (uint64_t)family.tag << 3 | HANDOFF_WRITING;
    uint64_t word;
    do
        word = writing;
    while (!atomic_compare_exchange_strong(&scene->pair.handoff->word, &word,
                                           writing - HANDOFF_WRITING + HANDOFF_ABANDONED));
    return NULL;
}

TEST_WITHIN(30, an_abandoned_sender_takes_the_descriptor)
{
    struct scene scene = scenery();
    pthread_t thread;
    uint32_t number;
    CHECK_EQUAL(pthread_create(&thread, NULL, abandon, &scene), 0);
    atomic_store(&scene.pair.handoff->until, (uint64_t)DEADLINE_NEVER);
    do /* until the other thread comes between the two steps of a put */
        put_word(&scene, HANDOFF_SPINNING, family.tag);
    while (pipe_pair_send(&scene.pair, 5));
    pthread_join(thread, NULL);
    CHECK_EQUAL(handoff_state(scene.pair.handoff), HANDOFF_IDLE);
    CHECK(pipe_pair_receive(&scene.pair, 0, &number));
    CHECK_EQUAL(number, 5);
    is_usable(&scene);
}
