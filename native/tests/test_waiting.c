/* Event and barrier: no waiter sleeps through what it waits for. */
#include <pthread.h>

#include "../sync/barrier.h"
#include "../sync/event.h"
#include "family.h"

enum { WORKERS = 4, ROUNDS = 4000 / SLOWNESS };

/* ---- event */

struct pair {
    struct event there, back;
};

static void event_await(struct event *event)
{
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    uint32_t seen = event_look(event);
    while (!event_came(event_look(event), seen))
        event_wait(event, &spin_wait, seen, DEADLINE_NEVER);
}

static void *answer_events(void *with)
{
    struct pair *pair = with;
    for (unsigned i = 0; i < ROUNDS; i++) {
        event_await(&pair->there);
        event_clear(&pair->there);
        event_set(&pair->back);
    }
    return NULL;
}

TEST_WITHIN(30, two_events_go_to_and_fro)
{
    static struct pair pair;
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, answer_events, &pair), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        event_set(&pair.there);
        event_await(&pair.back);
        event_clear(&pair.back);
    }
    pthread_join(thread, NULL);
}

TEST(a_waiter_is_told_of_an_event_that_was_cleared_at_once)
{
    struct event event = {0};
    uint32_t seen = event_look(&event);
    CHECK(!event_came(seen, seen));
    event_set(&event);
    event_clear(&event);
    CHECK(event_came(event_look(&event), seen));
    CHECK(!event_came(event_look(&event), event_look(&event)));
}

/* ---- barrier */

struct meeting {
    struct barrier *barrier;
    _Atomic uint32_t come, last;
};

static struct barrier *new_barrier(uint32_t parties)
{
    struct handle handle;
    CHECK_EQUAL(barrier_create(&family, parties, &handle), STATUS_OK);
    return arena_at(&family, handle.offset);
}

static enum barrier_result meet(struct barrier *barrier, uint32_t *index)
{
    struct barrier_wait wait = {0};
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    enum barrier_result result = barrier_arrive(&family, barrier, false, &wait);
    while (result == BARRIER_WAIT) {
        barrier_sleep(&family, barrier, &wait, &spin_wait, DEADLINE_NEVER);
        result = barrier_look(barrier, &wait);
    }
    *index = wait.index;
    return result;
}

static void *meet_often(void *with)
{
    struct meeting *meeting = with;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t index;
        atomic_fetch_add(&meeting->come, 1);
        CHECK_EQUAL(meet(meeting->barrier, &index), BARRIER_PASSED);
        CHECK(atomic_load(&meeting->come) >= (i + 1) * WORKERS);
        atomic_fetch_add(&meeting->last, index == WORKERS - 1);
    }
    return NULL;
}

TEST_WITHIN(60, no_party_passes_before_all_have_arrived)
{
    family_found(SMALL_RESERVE);
    struct meeting meeting = {.barrier = new_barrier(WORKERS)};
    run_threads(meet_often, &meeting, WORKERS);
    CHECK_EQUAL(meeting.last, ROUNDS);
}

TEST(how_a_round_ended_is_known_long_after)
{
    family_found(SMALL_RESERVE);
    struct barrier *barrier = new_barrier(2);
    struct barrier_wait slow = {0}, other = {0}, passed = {0};
    CHECK_EQUAL(barrier_arrive(&family, barrier, false, &slow), BARRIER_WAIT);
    barrier_reset(barrier);
    CHECK_EQUAL(barrier_arrive(&family, barrier, false, &passed), BARRIER_WAIT);
    CHECK_EQUAL(barrier_arrive(&family, barrier, false, &other), BARRIER_PASSED);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQUAL(barrier_arrive(&family, barrier, false, &other), BARRIER_WAIT);
        barrier_reset(barrier);
    }
    CHECK_EQUAL(barrier_look(barrier, &slow), BARRIER_FAILED);
    CHECK_EQUAL(barrier_look(barrier, &passed), BARRIER_PASSED);
}

TEST(a_party_that_leaves_is_not_counted)
{
    family_found(SMALL_RESERVE);
    struct barrier *barrier = new_barrier(2);
    struct barrier_wait wait = {0};
    CHECK_EQUAL(barrier_arrive(&family, barrier, false, &wait), BARRIER_WAIT);
    barrier_leave(&family, barrier, &wait);
    CHECK_EQUAL(barrier_waiting(barrier), 0);
    CHECK_EQUAL(barrier_arrive(&family, barrier, false, &wait), BARRIER_WAIT);
}

TEST(a_party_that_arrives_during_an_action_belongs_to_the_next_round)
{
    family_found(SMALL_RESERVE);
    struct barrier *barrier = new_barrier(1);
    struct barrier_wait acting = {0}, early = {0};
    CHECK_EQUAL(barrier_arrive(&family, barrier, true, &acting), BARRIER_LAST);
    CHECK_EQUAL(barrier_arrive(&family, barrier, true, &early), BARRIER_BUSY);
    CHECK_EQUAL(barrier_finish(barrier, &acting), BARRIER_PASSED);
    CHECK_EQUAL(barrier_arrive(&family, barrier, true, &early), BARRIER_LAST);
    barrier_abort(barrier);
    CHECK_EQUAL(barrier_finish(barrier, &early), BARRIER_FAILED);
}

static void come_and_die(void *with)
{
    uint32_t index;
    meet(with, &index);
}

TEST_WITHIN(20, killed_at_any_step_a_party_leaves_a_barrier_that_fails_or_passes)
{
    family_found(SMALL_RESERVE);
    for (unsigned passage = 1; passage < 20; passage++) {
        struct barrier *barrier = new_barrier(2);
        struct barrier_wait wait = {0};
        CHECK_EQUAL(barrier_arrive(&family, barrier, false, &wait), BARRIER_WAIT);
        if (!family_killed_at("barrier.*", passage, come_and_die, barrier))
            break;
        CHECK(barrier_look(barrier, &wait) != BARRIER_WAIT);
        barrier_reset(barrier);
        CHECK_EQUAL(barrier_arrive(&family, barrier, false, &wait), BARRIER_WAIT);
        CHECK_EQUAL(barrier_arrive(&family, barrier, false, &wait), BARRIER_PASSED);
    }
}
