/* Living processes are never reaped, and their slots never given up: whatever comes between a look
 * at a process and what is done about it. A process is stopped at a named point there. */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../os/liveness.h"
#include "family.h"

struct stage {
    _Atomic uint32_t tag;
    _Atomic int pid, go, adopted; /* adopted: 1 + the status */
    struct handle block;          /* of the process of the test */
    _Atomic uint64_t payload, serial;
    const char *point;
    void (*act)(struct stage *stage);
};

static bool has_its_block(struct stage *stage)
{
    return block_find(&family, stage->payload, stage->serial) != NULL;
}

static enum slot_state state_of(uint32_t tag)
{
    struct peek seen = peek_at(&family, tag_index(tag));
    return seen.tag == tag ? seen.state : SLOT_FREE;
}

static void own_a_block(struct stage *stage)
{
    struct handle handle = family_block(100);
    stage->payload = handle.payload;
    stage->serial = family_serial(handle);
}

static void adopt_and_live(void *with)
{
    struct stage *stage = with;
    while (!stage->go)
        wait_a_little();
    stage->pid = getpid();
    enum status status = table_adopt(&family, stage->tag);
    if (status == STATUS_OK)
        own_a_block(stage);
    stage->adopted = 1 + (int)status;
    sleep_on(NULL);
}

static void act_and_stop(void *with)
{
    struct stage *stage = with;
    crash_point_arm_stop(stage->point, 1);
    stage->act(stage);
}

/* Starts a process that does *act* up to *point*. It has no slot: to reserve one reaps a little. */
static pid_t stop_at(const char *point, void (*act)(struct stage *stage), struct stage *stage)
{
    stage->point = point;
    stage->act = act;
    pid_t pid = child_start(act_and_stop, stage);
    int status;
    CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    return pid;
}

static void let_go_on(pid_t pid)
{
    kill(pid, SIGCONT);
    CHECK_EQUAL(child_end(pid), 0);
}

static void reap_dead(struct stage *stage)
{
    (void)stage;
    table_reap_dead(&family);
}

static void abandon(struct stage *stage)
{
    table_abandon(&family, stage->tag);
}

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
    pid_t child = child_start(adopt_and_live, stage);
    atomic_store(&family_slot(stage->tag)->reserved_at, 0); /* late */
    pid_t other = stop_at("table.reap.looked", act, stage);
    CHECK_EQUAL(state_of(stage->tag), SLOT_STARTING);
    stage->go = 1;
    WAIT_UNTIL(stage->adopted);
    CHECK_EQUAL(stage->adopted, 1 + STATUS_OK);
    let_go_on(other);

    CHECK(table_is_alive(&family, stage->tag));
    CHECK(has_its_block(stage));
    family_check();
    child_kill(child);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK(!has_its_block(stage));
    family_check();
}

TEST(a_late_child_that_adopts_after_the_look_keeps_its_slot)
{
    a_child_adopts_meanwhile(reap_dead);
}

TEST(a_start_given_up_while_its_child_adopts_is_not)
{
    a_child_adopts_meanwhile(abandon);
}

TEST(a_child_that_comes_after_it_was_given_up_is_told)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->tag = family_reserve_slot();
    pid_t child = child_start(adopt_and_live, stage);
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
    pid_t child = child_start(adopt_and_live, stage);
    WAIT_UNTIL(stage->adopted);
    CHECK(!table_abandon(&family, stage->tag));
    table_reap_pid(&family, child); /* a mistake of the caller's */
    CHECK(table_is_alive(&family, stage->tag) && has_its_block(stage));
    child_kill(child);
    CHECK(table_abandon(&family, stage->tag));
    CHECK(!has_its_block(stage));
}

/* ---- a start that is cancelled */

static void a_start_is_cancelled(bool adopts, bool known)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    uint64_t used = family_used();
    stage->tag = family_reserve_slot();
    stage->go = adopts;
    pid_t child = child_start(adopt_and_live, stage);
    if (adopts)
        WAIT_UNTIL(stage->adopted);
    if (known)
        table_launched(&family, stage->tag, child, process_start_time(child));
    table_cancel_start(&family, stage->tag);

    CHECK_EQUAL(state_of(stage->tag), SLOT_FREE);
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
    child_start(adopt_and_live, stage);
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
            CHECK(state_of(stage->tag) == SLOT_FREE);
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
    pid_t child = child_start(adopt_and_live, stage);
    if (adopts_first)
        WAIT_UNTIL(stage->adopted);
    child_kill(between);
    WAIT_UNTIL(process_children(pids, 4) == 2 && pids[0] != child);
    table_forked(&family, stage->tag);
    stage->go = 1;
    WAIT_UNTIL(stage->adopted);

    CHECK_EQUAL(stage->adopted, 1 + STATUS_OK);
    CHECK_EQUAL(word_get(&family_slot(stage->tag)->pid), child);
    CHECK(table_is_alive(&family, stage->tag) && has_its_block(stage));
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

/* ---- deaths that the kernel does not tell */

static void forget_robust_list(void)
{
    struct { /* robust_list_head of linux/futex.h */
        void *next;
        long offset;
        void *pending;
    } *none = NULL;
    syscall(SYS_set_robust_list, none, sizeof *none);
}

static void live_untold(void *with)
{
    forget_robust_list();
    own_a_block(with);
    ((struct stage *)with)->adopted = 1;
    sleep_on(NULL);
}

TEST(a_process_whose_death_the_kernel_did_not_tell_is_reaped)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    pid_t child = family_start(live_untold, stage);
    WAIT_UNTIL(stage->adopted);
    uint32_t tag = table_find(&family, child);
    CHECK_EQUAL(table_reap_dead(&family), 0);
    child_kill(child);
    CHECK_EQUAL(mutex_owner(&family_slot(tag)->liveness), OWNER_HOLDS);

    CHECK(!table_is_alive(&family, tag));
    table_reap_pid(&family, child);
    CHECK_EQUAL(state_of(tag), SLOT_FREE);
    CHECK(!has_its_block(stage));
    /* The next process of the slot has the mutex for itself. */
    pid_t next = family_start(sleep_on, NULL);
    WAIT_UNTIL(table_find(&family, next) != 0 && state_of(table_find(&family, next)) == SLOT_LIVE);
    CHECK_EQUAL(tag_index(table_find(&family, next)), tag_index(tag));
    CHECK_EQUAL(word_get(&family_slot(tag)->start), START_UNKNOWN);
    family_kill(next);
    family_check();
}

static void hold_the_arena(void *with)
{
    struct stage *stage = with;
    forget_robust_list();
    while (!stage->pid) /* its parent is done with the table */
        wait_a_little();
    arena_lock(&family);
    stage->adopted = 1;
    sleep_on(NULL);
}

static pid_t start_holder(struct stage *stage)
{
    stage->pid = stage->adopted = stage->go = 0;
    pid_t holder = family_start(hold_the_arena, stage);
    stage->pid = holder;
    WAIT_UNTIL(stage->adopted);
    return holder;
}

static void want_the_arena(void *with)
{
    struct stage *stage = with;
    arena_lock(&family);
    arena_unlock(&family);
    stage->go = 1;
}

static void the_arena_is_free_again(bool reaped)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    pid_t holder = start_holder(stage), waiters[3];
    for (unsigned i = 0; i < 3; i++)
        waiters[i] = child_start(want_the_arena, stage);
    for (unsigned i = 0; i < 3; i++)
        WAIT_UNTIL(child_sleeps(waiters[i]));
    kill(holder, SIGKILL);
    if (reaped)
        child_end(holder);
    WAIT_UNTIL(stage->go);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(child_end(waiters[i]), 0);
    if (!reaped)
        child_end(holder);
    table_reap_pid(&family, holder);
    family_check();
}

TEST(a_mutex_whose_owner_is_gone_untold_is_abandoned)
{
    the_arena_is_free_again(true);
}

TEST(a_mutex_whose_owner_is_a_zombie_is_abandoned)
{
    the_arena_is_free_again(false);
}

static void mark(void *with)
{
    struct stage *stage = with;
    arena_lock(&family);
    arena_unlock(&family);
    stage->go = 1;
}

TEST(a_kill_while_a_dead_owner_is_marked)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    for (unsigned passage = 1; passage <= 3; passage++) {
        pid_t holder = start_holder(stage);
        child_kill(holder);
        CHECK_EQUAL(child_killed_at("mutex.mark.*", passage, mark, stage), passage <= 2);
        mark(stage);
        table_reap_pid(&family, holder);
        family_check();
    }
}

/* ---- a million references */

static void hold_many(void *with)
{
    struct stage *stage = with;
    for (unsigned i = 0; i < 20000; i++)
        handle_attach(&family, stage->block.payload, family_serial(stage->block),
                      &(struct handle){0});
    stage->adopted = 1;
    sleep_on(NULL);
}

/* Others have the arena between the steps of a reaping, and may go on with it. */
TEST_WITHIN(30, what_a_dead_process_held_is_released_in_steps)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->block = family_block(10);
    uint64_t used = family_used();
    pid_t holder = family_start(hold_many, stage);
    WAIT_UNTIL(stage->adopted);
    stage->tag = table_find(&family, holder);
    child_kill(holder);
    pid_t first = stop_at("arena.let_others", reap_dead, stage);
    uint64_t left = family_references(stage->block);
    CHECK(left > 10000 && left < 20001);
    CHECK_EQUAL(state_of(stage->tag), SLOT_REAPING);
    let_go_on(first);
    CHECK_EQUAL(state_of(stage->tag), SLOT_FREE);
    CHECK_EQUAL(family_references(stage->block), 1);
    CHECK_EQUAL(family_used(), used);
    family_check();
}

/* The first goes on after the second has finished, and a third process has the slot. */
TEST_WITHIN(30, two_reapers_of_one_process)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->block = family_block(10);
    pid_t holder = family_start(hold_many, stage);
    WAIT_UNTIL(stage->adopted);
    uint32_t tag = table_find(&family, holder);
    stage->tag = tag;
    child_kill(holder);
    pid_t first = stop_at("arena.let_others", abandon, stage);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    uint32_t next = family_reserve_slot();
    CHECK_EQUAL(tag_index(next), tag_index(tag));
    CHECK_EQUAL(table_give_reference(&family, &stage->block, next), STATUS_OK);
    let_go_on(first);
    CHECK_EQUAL(state_of(next), SLOT_STARTING);
    CHECK_EQUAL(family_references(stage->block), 2);
    family_check();
}

/* ---- PID namespaces */

/* Not by child_start(): the child does not see its parent's pid. It goes with its group. */
static void adopt_in_another_namespace(void *with)
{
    struct stage *stage = with;
    if (unshare(CLONE_NEWPID) != 0) {
        stage->adopted = -1; /* not allowed here */
        return;
    }
    if (fork() == 0)
        adopt_and_live(stage);
    sleep_on(NULL);
}

TEST(a_process_of_another_pid_namespace_is_refused)
{
    family_found(SMALL_RESERVE);
    struct stage *stage = shared_memory(sizeof *stage);
    stage->tag = family_reserve_slot();
    stage->go = 1;
    pid_t between = child_start(adopt_in_another_namespace, stage);
    WAIT_UNTIL(stage->adopted != 0);
    if (stage->adopted > 0)
        CHECK_EQUAL(stage->adopted, 1 + STATUS_OTHER_NAMESPACE);
    CHECK_EQUAL(state_of(stage->tag), SLOT_STARTING);
    child_kill(between);
}

/* ---- a child of which the C library was not told */

static void release_and_leave(struct handle *handle)
{
    bool own = arena_is_own(&family);
    struct handle copy = *handle;
    handle_release(&family, &copy);
    _exit(own ? 1 : 0);
}

TEST(a_bare_fork_does_not_touch_what_its_parent_holds)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    CHECK(arena_is_own(&family));
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        release_and_leave(&block);
    CHECK_EQUAL(child_end(pid), 0);
    CHECK_EQUAL(family_references(block), 1);
    CHECK(arena_is_own(&family));
    family_check();
}
