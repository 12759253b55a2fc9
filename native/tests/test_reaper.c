/* Living processes are never reaped, and their slots never given up: whatever comes between a look
 * at a process and what is done about it. A process is stopped at a named point there. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../os/liveness.h"
#include "stage.h"

/* ---- a child comes just when it is given up */

static void reserve_and_die(void *with)
{
    *(_Atomic uint32_t *)with = family_reserve_slot();
}

static void a_child_adopts_meanwhile(void (*act)(struct stage *stage))
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    CHECK_EQUAL(family_end(family_start(reserve_and_die, &stage->tag)), 0);
    pid_t child = child_start(stage_adopt, stage);
    atomic_store(&family_slot(stage->tag)->reserved_at, 0); /* late */
    pid_t other = stage_stop("table.reap.looked", act, stage);
    CHECK_EQUAL(stage_state(stage->tag), SLOT_STARTING);
    stage->go = 1;
    WAIT_UNTIL(stage->adopted);
    CHECK_EQUAL(stage->adopted, 1 + STATUS_OK);
    stage_let_go_on(other);

    CHECK(table_is_alive(&family, stage->tag));
    CHECK(stage_has_block(stage));
    family_check();
    child_kill(child);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK(!stage_has_block(stage));
    family_check();
}

TEST(a_late_child_that_adopts_after_the_look_keeps_its_slot)
{
    a_child_adopts_meanwhile(stage_reap_dead);
}

TEST(a_start_given_up_while_its_child_adopts_is_not)
{
    a_child_adopts_meanwhile(stage_abandon);
}

TEST(a_child_that_comes_after_it_was_given_up_is_told)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->tag = family_reserve_slot();
    pid_t child = child_start(stage_adopt, stage);
    CHECK(table_abandon(&family, stage->tag));
    stage->go = 1;
    WAIT_UNTIL(stage->adopted);
    CHECK_EQUAL(stage->adopted, 1 + STATUS_STALE);
    child_kill(child);
    family_check();
}

TEST(the_slot_of_a_living_process_is_not_given_up)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->tag = family_reserve_slot();
    stage->go = 1;
    pid_t child = child_start(stage_adopt, stage);
    WAIT_UNTIL(stage->adopted);
    CHECK(!table_abandon(&family, stage->tag));
    table_reap_pid(&family, child); /* a mistake of the caller's */
    CHECK(table_is_alive(&family, stage->tag) && stage_has_block(stage));
    child_kill(child);
    CHECK(table_abandon(&family, stage->tag));
    CHECK(!stage_has_block(stage));
}

/* ---- a start that is cancelled */

static void a_start_is_cancelled(bool adopts, bool known)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    uint64_t used = family_used();
    stage->tag = family_reserve_slot();
    stage->go = adopts;
    pid_t child = child_start(stage_adopt, stage);
    if (adopts)
        WAIT_UNTIL(stage->adopted);
    if (known)
        table_launched(&family, stage->tag, child, process_start_time(child));
    table_cancel_start(&family, stage->tag);

    CHECK_EQUAL(stage_state(stage->tag), SLOT_FREE);
    CHECK_EQUAL(family_used(), used);
    CHECK(kill(child, 0) != 0); /* and waited for */
    family_check();
}

TEST(a_cancelled_start_ends_the_child_that_has_not_come)
{
    a_start_is_cancelled(false, true);
}

TEST(a_cancelled_start_ends_the_child_that_has_come)
{
    a_start_is_cancelled(true, true);
}

TEST(a_cancelled_start_ends_the_child_that_only_the_slot_knows)
{
    a_start_is_cancelled(true, false);
}

static void cancel_a_start(void *with)
{
    struct stage *stage = with;
    stage->tag = family_reserve_slot();
    stage->go = 1;
    child_start(stage_adopt, stage);
    WAIT_UNTIL(stage->adopted);
    table_cancel_start(&family, stage->tag);
}

TEST_WITHIN(60, a_kill_while_a_start_is_cancelled)
{
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    const char *points[] = {"table.cancel_start.*", "table.reap.*", "references.*"};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned passage = 1; passage < 100; passage++) {
            struct stage *stage = shared_memory(sizeof *stage);
            bool killed = family_killed_at(points[i], passage, cancel_a_start, stage);
            WAIT_UNTIL(kill(stage->pid, 0) != 0 || process_has_ended(stage->pid, 0));
            table_reap_dead(&family); /* the child dies with its parent */
            CHECK(stage_state(stage->tag) == SLOT_FREE);
            CHECK_EQUAL(family_used(), used);
            family_check();
            if (!killed)
                break;
        }
}

/* ---- os.fork() beside an orphan */

static void be_orphan(void *with)
{
    struct stage *stage = with;
    prctl(PR_SET_PDEATHSIG, 0);
    stage->pid = getpid();
    sleep_on(NULL);
}

static void leave_an_orphan(void *with)
{
    child_start(be_orphan, with);
    sleep_on(NULL);
}

/* *young*: the orphan, which has no slot, was made after the slot was reserved. */
static void fork_beside_an_orphan(bool young, bool adopts_first)
{
    family_found(SMALL_RESERVE);
    CHECK_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* as the first process of a container */
    struct stage *orphan = shared_memory(sizeof *orphan), *stage = shared_memory(sizeof *stage);
    pid_t between = 0, pids[4] = {0};
    if (young)
        stage->tag = family_reserve_slot();
    between = child_start(leave_an_orphan, orphan);
    WAIT_UNTIL(orphan->pid);
    if (!young) {
        usleep(30000); /* a start time has a unit of 10 ms: no wait for an event, but an age */
        stage->tag = family_reserve_slot();
    }
    stage->go = adopts_first;
    pid_t child = child_start(stage_adopt, stage);
    if (adopts_first)
        WAIT_UNTIL(stage->adopted);
    child_kill(between);
    WAIT_UNTIL(process_children(pids, 4) == 2 && pids[0] != child);
    table_forked(&family, stage->tag);
    stage->go = 1;
    WAIT_UNTIL(stage->adopted);

    CHECK_EQUAL(stage->adopted, 1 + STATUS_OK);
    CHECK_EQUAL(word_get(&family_slot(stage->tag)->pid), child);
    CHECK(table_is_alive(&family, stage->tag) && stage_has_block(stage));
    child_kill(orphan->pid);
    CHECK_EQUAL(table_reap_dead(&family), 0);
    child_kill(child);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    family_check();
}

TEST(a_fork_beside_an_orphan_that_is_older)
{
    fork_beside_an_orphan(false, false);
}

TEST(a_fork_beside_an_orphan_of_the_same_age)
{
    fork_beside_an_orphan(true, false);
}

TEST(a_fork_that_has_its_slot_beside_an_orphan)
{
    fork_beside_an_orphan(true, true);
}
