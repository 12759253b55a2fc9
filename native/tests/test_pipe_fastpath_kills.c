/* The mailbox when senders and receivers are killed at each of its points. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "../crash_point.h"
#include "pipe_ends.h"

enum { MESSAGES = 60 };

struct scene {
    struct post post;
    const char *point;
    unsigned passage;
    _Atomic uint32_t *seen; /* how many messages a receiver has, shared */
};

static struct scene scenery(void)
{
    family_found(SMALL_RESERVE);
    return (struct scene){.post = post_open(STREAM_SOCKET), .seen = shared_memory(4096)};
}

/* So long that a machine with much else to do comes round to both sides. */
#define SPIN (200 * NS_PER_MS)

/* Until a receiver spins. False: it seems to be dead. */
static bool let_it_spin(struct scene *scene)
{
    deadline_t end = clock_now() + SPIN;
    while (mailbox_state(scene->post.mailbox) != MAILBOX_SPINNING)
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
    close(scene->post.reader);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (lives && i % 3)
            lives = let_it_spin(scene);
        post_send(&scene->post, i);
    }
}

/* In order, from 0 on, until the end of the stream. */
static void receive_all(void *with)
{
    struct scene *scene = with;
    uint32_t number;
    close(scene->post.writer);
    while (post_receive(&scene->post, SPIN, &number)) {
        CHECK_EQUAL(number, atomic_load(scene->seen));
        atomic_fetch_add(scene->seen, 1);
    }
}

static void is_usable(struct scene *scene)
{
    family_check();
    CHECK_EQUAL(mailbox_state(scene->post.mailbox), MAILBOX_IDLE);
}

/* ---- senders */

static bool sender_killed_at(const char *point, unsigned passage)
{
    struct scene scene = scenery();
    pid_t receiver = family_start(receive_all, &scene);
    close(scene.post.reader);
    bool killed = family_killed_at(point, passage, send_all, &scene);
    close(scene.post.writer);
    CHECK_EQUAL(family_end(receiver), 0);
    /* What was sent is a beginning of all: nothing torn, nothing twice, nothing left out. */
    CHECK(killed ? atomic_load(scene.seen) <= MESSAGES : atomic_load(scene.seen) == MESSAGES);
    scene.post.reader = scene.post.writer = -1;
    uint64_t word = word_get(&scene.post.mailbox->word);
    CHECK((word & 7) == MAILBOX_IDLE || (word & 7) == MAILBOX_ABANDONED);
    handle_drop(&family, &scene.post.handle);
    family_check();
    arena_close(&family);
    return killed;
}

static void kill_senders_at(const char *point)
{
    unsigned kills = 0;
    for (unsigned passage = 1; passage <= 12 && sender_killed_at(point, passage); passage++)
        kills++;
    CHECK(kills > 0 || !patience_allowed());
}

TEST_WITHIN(60, a_sender_killed_before_it_commits_has_sent_nothing)
{
    kill_senders_at("mailbox.put.claimed");
    kill_senders_at("mailbox.put.before_commit");
}

TEST_WITHIN(60, a_sender_killed_after_it_committed_has_sent_its_message)
{
    kill_senders_at("mailbox.put.committed");
}

/* ---- receivers */

static void receive_until_killed(void *with)
{
    struct scene *scene = with;
    crash_point_arm(scene->point, scene->passage);
    receive_all(scene);
}

/* The next receiver has the same end. It misses no message that the dead one had not taken. */
static bool receiver_killed_at(const char *point, unsigned passage, unsigned *inherited)
{
    struct scene scene = scenery();
    scene.point = point;
    scene.passage = passage;
    pid_t receiver = family_start(receive_until_killed, &scene);
    pid_t sender = family_start(send_all, &scene);
    close(scene.post.writer);
    bool killed = family_end(receiver) == -SIGKILL;
    uint32_t before = atomic_load(scene.seen), next = before, number;
    while (post_receive(&scene.post, SPIN, &number)) {
        if (next == before && number == before + 1)
            next++; /* it had taken one, and was killed before it could say so */
        CHECK_EQUAL(number, next);
        next++;
    }
    *inherited += next - before;
    CHECK_EQUAL(family_end(sender), 0);
    CHECK(next == MESSAGES || (next == before && next == MESSAGES - 1));
    is_usable(&scene);
    scene.post.writer = -1;
    post_close(&scene.post);
    arena_close(&family);
    return killed;
}

static void kill_receivers_at(const char *point)
{
    unsigned kills = 0, inherited = 0;
    for (unsigned passage = 1; passage <= 8; passage++)
        kills += receiver_killed_at(point, passage, &inherited);
    CHECK((kills > 0 && inherited > 0) || !patience_allowed());
}

TEST_WITHIN(60, what_a_killed_receiver_had_not_taken_goes_to_the_next)
{
    kill_receivers_at("mailbox.opened");
    kill_receivers_at("mailbox.before_close");
    kill_receivers_at("mailbox.take.before_commit");
}

TEST_WITHIN(60, a_receiver_killed_with_its_message_took_it_along)
{
    kill_receivers_at("mailbox.take.committed");
    kill_receivers_at("mailbox.closed");
}

/* ---- states that the dead leave, one by one */

static void put_word(struct scene *scene, enum mailbox_state state, uint32_t tag)
{
    atomic_store(&scene->post.mailbox->word, (uint64_t)9 << 33 | (uint64_t)tag << 3 | state);
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
    enum mailbox_state states[] = {MAILBOX_SPINNING, MAILBOX_WRITING, MAILBOX_ABANDONED};
    for (unsigned i = 0; i < 3; i++) {
        put_word(&scene, states[i], dead);
        post_write(&scene.post, 5);
        CHECK(!mailbox_has_legacy(&family, scene.post.mailbox));
        CHECK_EQUAL(mailbox_state(scene.post.mailbox), MAILBOX_IDLE);
        put_word(&scene, states[i], dead);
        CHECK(post_receive(&scene.post, 0, &number));
        CHECK_EQUAL(number, 5);
        CHECK_EQUAL(mailbox_state(scene.post.mailbox), MAILBOX_IDLE);
    }
}

TEST(marks_of_the_living_stay_and_one_that_writes_is_not_waited_for)
{
    struct scene scene = scenery();
    uint32_t number;
    enum mailbox_state states[] = {MAILBOX_SPINNING, MAILBOX_WRITING, MAILBOX_ABANDONED,
                                   MAILBOX_FULL};
    enum mailbox_state later[] = {MAILBOX_SPINNING, MAILBOX_ABANDONED, MAILBOX_ABANDONED,
                                  MAILBOX_FULL};
    for (unsigned i = 0; i < 4; i++) {
        put_word(&scene, states[i], family.tag);
        post_write(&scene.post, 5);
        CHECK(!mailbox_has_legacy(&family, scene.post.mailbox));
        CHECK(post_receive(&scene.post, 0, &number));
        CHECK_EQUAL(number, 5);
        CHECK_EQUAL(mailbox_state(scene.post.mailbox), later[i]);
    }
}

/* ---- a successor that is killed as well */

static void inherit_one(void *with)
{
    struct scene *scene = with;
    uint32_t number;
    CHECK(post_receive(&scene->post, 0, &number));
    CHECK_EQUAL(number, 5);
}

TEST(a_legacy_is_passed_on_until_somebody_takes_it)
{
    struct scene scene = scenery();
    put_word(&scene, MAILBOX_SPINNING, tag_of_the_dead());
    atomic_store(&scene.post.mailbox->until, (uint64_t)DEADLINE_NEVER);
    CHECK(post_send(&scene.post, 5)); /* as if the receiver had died just now */
    CHECK(mailbox_has_legacy(&family, scene.post.mailbox));
    CHECK(family_killed_at("mailbox.inherit.before_claim", 1, inherit_one, &scene));
    CHECK(family_killed_at("mailbox.inherit.claimed", 1, inherit_one, &scene));
    CHECK(family_killed_at("mailbox.take.before_commit", 1, inherit_one, &scene));
    CHECK(mailbox_has_legacy(&family, scene.post.mailbox));
    post_write(&scene.post, 7);
    inherit_one(&scene); /* before what was sent later */
    CHECK(!mailbox_has_legacy(&family, scene.post.mailbox));
    is_usable(&scene);
}

/* ---- a sender that is left alone by its receiver in the middle of its message */

static void *abandon(void *with)
{
    struct scene *scene = with;
    uint64_t writing = (uint64_t)9 << 33 | (uint64_t)family.tag << 3 | MAILBOX_WRITING;
    uint64_t word;
    do
        word = writing;
    while (!atomic_compare_exchange_strong(&scene->post.mailbox->word, &word,
                                           writing - MAILBOX_WRITING + MAILBOX_ABANDONED));
    return NULL;
}

TEST_WITHIN(30, an_abandoned_sender_takes_the_descriptor)
{
    struct scene scene = scenery();
    pthread_t thread;
    uint32_t number;
    CHECK_EQUAL(pthread_create(&thread, NULL, abandon, &scene), 0);
    atomic_store(&scene.post.mailbox->until, (uint64_t)DEADLINE_NEVER);
    do /* until the other thread strikes between the two steps of a put */
        put_word(&scene, MAILBOX_SPINNING, family.tag);
    while (post_send(&scene.post, 5));
    pthread_join(thread, NULL);
    CHECK_EQUAL(mailbox_state(scene.post.mailbox), MAILBOX_IDLE);
    CHECK(post_receive(&scene.post, 0, &number));
    CHECK_EQUAL(number, 5);
    is_usable(&scene);
}
