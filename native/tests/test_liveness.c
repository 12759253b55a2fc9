/* The process table: which processes it finds dead, and which alive. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/liveness.h"
#include "../os/mutex.h"
#include "family.h"

TEST(a_zombie_is_dead)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    pid_t pid = family_start(do_nothing, NULL);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);

    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK_EQUAL(family_references(block), 1);
    CHECK_EQUAL(child_end(pid), 0);
}

static void *adopt_in_a_thread(void *with)
{
    CHECK_EQUAL(table_adopt(&family, *(uint32_t *)with), STATUS_OK);
    return NULL;
}

static void adopt_in_a_thread_that_ends(void *with)
{
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, adopt_in_a_thread, with), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    sleep_on(NULL);
}

/* Without the mutex of its main thread a process is known by its start time. */
TEST(a_pid_used_again_is_another_process)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    pid_t pid = child_start(adopt_in_a_thread_that_ends, &tag);
    WAIT_UNTIL((word_get(&family_slot(tag)->state) & 0xff) == SLOT_LIVE);
    CHECK_EQUAL(mutex_owner(&family_slot(tag)->liveness), OWNER_NONE);
    CHECK_EQUAL(word_get(&family_slot(tag)->start), process_start_time(pid));
    CHECK_EQUAL(table_reap_dead(&family), 0);
    atomic_fetch_sub(&family_slot(tag)->start, 1); /* as if our process had begun a tick earlier */

    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_reap_dead(&family), 1);
    child_kill(pid);
    family_check();
}

TEST(a_process_not_yet_dead_is_not_reaped)
{
    family_found(SMALL_RESERVE);
    pid_t pid = family_start(sleep_on, NULL);
    uint32_t tag = table_find(&family, pid);
    table_reap_pid(&family, pid);

    CHECK(table_is_alive(&family, tag));
    family_kill(pid);
    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_find(&family, pid), 0);
}

static void *run_for_ever(void *unused)
{
    sleep_on(unused);
    return NULL;
}

static void end_the_main_thread(void *unused)
{
    (void)unused;
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, run_for_ever, NULL), 0);
    pthread_exit(NULL);
}

TEST(a_process_whose_main_thread_has_ended_lives_on)
{
    family_found(SMALL_RESERVE);
    pid_t pid = family_start(end_the_main_thread, NULL);
    uint32_t tag = table_find(&family, pid);
    WAIT_UNTIL(mutex_owner(&family_slot(tag)->liveness) == OWNER_GONE);
    for (unsigned i = 0; i < 100; i++) /* it is on its way to being a zombie, or is one */
        CHECK(table_is_alive(&family, tag));
    CHECK(!process_has_ended(pid, process_start_time(pid)));
    kill(pid, SIGKILL);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK(!table_is_alive(&family, tag));
    CHECK(process_has_ended(pid, START_UNKNOWN));
    child_end(pid);
    CHECK(process_has_ended(pid, START_UNKNOWN));
    CHECK(!table_is_alive(&family, tag));
}

static void become_another_program(void *unused)
{
    (void)unused;
    execlp("sleep", "sleep", "60", NULL);
    FAIL("no other program could be run");
}

static void *become_another_in_a_thread(void *with)
{
    become_another_program(with);
    return NULL;
}

static void start_a_thread_that_becomes_another(void *unused)
{
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, become_another_in_a_thread, NULL), 0);
    sleep_on(unused);
}

struct way {
    uint32_t tag;
    void (*to_another)(void *);
};

static void adopt_and_go(void *with)
{
    struct way *way = with;
    CHECK_EQUAL(table_adopt(&family, way->tag), STATUS_OK);
    way->to_another(NULL);
}

/* Its pid and start time stay, but nothing of it is left that could use or give back what it
 * held. */
TEST(a_process_replaced_by_another_program_is_gone)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    struct way ways[] = {{0, become_another_program}, {0, start_a_thread_that_becomes_another}};
    for (unsigned i = 0; i < 2; i++) {
        ways[i].tag = family_reserve_slot();
        CHECK_EQUAL(table_copy_references(&family, ways[i].tag), STATUS_OK);
        pid_t pid = child_start(adopt_and_go, &ways[i]);
        WAIT_UNTIL(!table_is_alive(&family, ways[i].tag));
        CHECK_EQUAL(table_reap_dead(&family), 1);
        CHECK_EQUAL(family_references(block), 1);
        CHECK_EQUAL(table_find(&family, pid), 0);
        CHECK(!process_has_ended(pid, START_UNKNOWN));
        child_kill(pid);
        family_check();
    }
}
