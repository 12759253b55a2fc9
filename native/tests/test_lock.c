/* The user's lock between processes: one at a time, and what a holder's death does to the
 * others. */
#include <signal.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../sync/lock.h"
#include "family.h"

struct guarded {
    struct lock *lock;
    _Atomic uint64_t *one, *two; /* equal when the lock is not held */
    uint64_t turns;
};

static void fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    lock_init(memory, *(const enum lock_on_death *)with);
}

static struct guarded new_guarded(enum lock_on_death on_death)
{
    struct handle handle;
    CHECK_EQUAL(handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill, &on_death, &handle),
                STATUS_OK);
    struct guarded guarded = {.lock = arena_at(&family, handle.offset)};
    guarded.one = shared_memory(PAGE_BYTES);
    guarded.two = guarded.one + 1;
    return guarded;
}

/* STATUS_OK or STATUS_OWNER_DIED; *recovered*: it was that of a dead holder. */
static enum status acquire(struct lock *lock, bool *recovered)
{
    struct lock_waiter waiter = {0};
    enum status status = STATUS_OK;
    if (!lock_try(lock, family.tag))
        do
            status = lock_wait(&family, lock, &waiter, DEADLINE_NEVER);
        while (status == STATUS_INTERRUPTED);
    *recovered = waiter.recovered;
    return status;
}

static void add_one(struct guarded *guarded)
{
    bool recovered;
    CHECK_EQUAL(acquire(guarded->lock, &recovered), STATUS_OK);
    uint64_t value = atomic_load(guarded->one);
    if (recovered)
        atomic_store(guarded->two, value);
    CHECK_EQUAL(atomic_load(guarded->two), value); /* no other process is in here */
    atomic_store(guarded->one, value + 1);
    atomic_store(guarded->two, value + 1);
    CHECK_EQUAL(lock_release(guarded->lock), STATUS_OK);
}

static void add_turns(void *with)
{
    struct guarded *guarded = with;
    for (uint64_t i = 0; i < guarded->turns; i++)
        add_one(guarded);
}

TEST_WITHIN(30, one_process_at_a_time_holds_the_lock)
{
    enum { PROCESSES = 4 };
    family_found(SMALL_RESERVE);
    struct guarded guarded = new_guarded(LOCK_BREAKS);
    pid_t pids[PROCESSES];
    guarded.turns = 50000 / SLOWNESS;
    for (unsigned i = 0; i < PROCESSES; i++)
        pids[i] = family_start(add_turns, &guarded);
    for (unsigned i = 0; i < PROCESSES; i++)
        CHECK_EQUAL(family_end(pids[i]), 0);
    CHECK_EQUAL(atomic_load(guarded.one), PROCESSES * guarded.turns);
    CHECK(!lock_is_held(guarded.lock));
    CHECK_EQUAL(lock_release(guarded.lock), STATUS_NOT_HELD);
}

static void hold_it(void *with)
{
    struct guarded *guarded = with;
    bool recovered;
    CHECK_EQUAL(acquire(guarded->lock, &recovered), STATUS_OK);
    atomic_store(guarded->one, 1);
    for (;;)
        pause();
}

TEST_WITHIN(20, a_waiter_learns_within_a_second_that_the_holder_died)
{
    family_found(SMALL_RESERVE);
    for (unsigned reaped = 0; reaped < 2; reaped++) {
        struct guarded guarded = new_guarded(LOCK_BREAKS);
        pid_t pid = family_start(hold_it, &guarded);
        WAIT_UNTIL(atomic_load(guarded.one) == 1);
        kill(pid, SIGKILL);
        if (reaped)
            CHECK_EQUAL(family_end(pid), -SIGKILL);
        bool recovered;
        deadline_t begun = clock_now();
        CHECK_EQUAL(acquire(guarded.lock, &recovered), STATUS_OWNER_DIED);
        CHECK(clock_now() - begun < NS_PER_S * SLOWNESS);
        CHECK_EQUAL(lock_release(guarded.lock), STATUS_OWNER_DIED);
        CHECK(lock_reset(guarded.lock));
        CHECK(!lock_reset(guarded.lock));
        add_one(&(struct guarded){guarded.lock, guarded.one + 2, guarded.one + 3, 1});
        if (!reaped)
            CHECK_EQUAL(family_end(pid), -SIGKILL);
    }
    family_check();
}

/* Holders and waiters are killed at random: a lock that is passed on goes on. */
TEST_WITHIN(60, random_kills_never_stop_a_lock_that_is_passed_on)
{
    enum { PROCESSES = 4 };
    family_found(SMALL_RESERVE);
    struct guarded guarded = new_guarded(LOCK_PASSES_ON);
    pid_t pids[PROCESSES];
    uint64_t random = 31337;
    guarded.turns = UINT64_MAX;
    for (unsigned i = 0; i < PROCESSES; i++)
        pids[i] = family_start(add_turns, &guarded);
    for (unsigned kills = 0; kills < 200 / SLOWNESS; kills++) {
        uint64_t before = atomic_load(guarded.one);
        WAIT_UNTIL(atomic_load(guarded.one) > before);
        unsigned index = (unsigned)(random_next(&random) % PROCESSES);
        family_kill(pids[index]);
        pids[index] = family_start(add_turns, &guarded);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        family_kill(pids[i]);
    family_check();
}

static void take_and_release(void *with)
{
    struct guarded *guarded = with;
    guarded->turns = 3;
    add_turns(guarded);
}

TEST_WITHIN(30, a_kill_at_any_point_leaves_the_lock_free_or_passed_on)
{
    family_found(SMALL_RESERVE);
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        struct guarded guarded = new_guarded(LOCK_PASSES_ON);
        killed = family_killed_at("lock.*", kills + 1, take_and_release, &guarded);
        add_one(&guarded);
        add_one(&guarded);
        CHECK(!lock_is_held(guarded.lock));
        family_check();
    }
    CHECK(kills > 3);
}
