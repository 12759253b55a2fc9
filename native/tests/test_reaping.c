/* Reaping: of processes of whose death the kernel did not tell, of those that held much, by several
 * reapers at once. And processes that are no members: of other PID namespaces, bare forks. */
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../os/liveness.h"
#include "stage.h"

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
    stage_own_block(with);
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
    CHECK_EQUAL(stage_state(tag), SLOT_FREE);
    CHECK(!stage_has_block(stage));
    /* The next process of the slot has the mutex for itself. */
    pid_t next = family_start(sleep_on, NULL);
    WAIT_UNTIL(table_find(&family, next) != 0 &&
               stage_state(table_find(&family, next)) == SLOT_LIVE);
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
        handle_attach(&family, stage->block.offset, family_serial(stage->block),
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
    pid_t first = stage_stop("arena.let_others", stage_reap_dead, stage);
    uint64_t left = family_references(stage->block);
    CHECK(left > 10000 && left < 20001);
    CHECK_EQUAL(stage_state(stage->tag), SLOT_REAPING);
    stage_let_go_on(first);
    CHECK_EQUAL(stage_state(stage->tag), SLOT_FREE);
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
    pid_t first = stage_stop("arena.let_others", stage_abandon, stage);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    uint32_t next = family_reserve_slot();
    CHECK_EQUAL(tag_index(next), tag_index(tag));
    CHECK_EQUAL(table_give_reference(&family, &stage->block, next), STATUS_OK);
    stage_let_go_on(first);
    CHECK_EQUAL(stage_state(next), SLOT_STARTING);
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
        stage_adopt(stage);
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
    CHECK_EQUAL(stage_state(stage->tag), SLOT_STARTING);
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
