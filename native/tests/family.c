#include "family.h"

#include <signal.h>
#include <stdio.h>

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "../container/container.h"
#include "../crash_point.h"
#include "../os/liveness.h"
#include "../shm/waker.h"
#include "../sync/barrier.h"
#include "../sync/condition.h"
#include "../sync/lock.h"
#include "../sync/semaphore.h"

struct arena family;

void family_found(uint64_t reserve)
{
    lock_register();
    semaphore_register();
    condition_register();
    barrier_register();
    channel_register();
    payload_register();
    container_register();
    waker_register();
    CHECK_EQUAL(arena_create(&family, reserve), STATUS_OK);
    uint32_t tag;
    CHECK_EQUAL(table_reserve(&family, &tag), STATUS_OK);
    CHECK_EQUAL(table_adopt(&family, tag), STATUS_OK);
    struct handle first = family_block(1); /* now there is a list, and memory can be compared */
    handle_release(&family, &first);
}

void family_leave(void)
{
    /* The main thread holds it since the slot was adopted. */
    mutex_unlock(&arena_slot(&family, family.self)->liveness);
    arena_close(&family);
}

/* ---- processes */

struct start {
    uint32_t tag;
    void (*body)(void *with);
    void *with;
};

static void run_started(void *argument)
{
    struct start *start = argument;
    if (table_adopt(&family, start->tag) == STATUS_OK)
        start->body(start->with);
    else
        FAIL("the child could not take its slot");
}

pid_t family_start(void (*body)(void *with), void *with)
{
    struct start start = {0, body, with};
    CHECK_EQUAL(table_reserve(&family, &start.tag), STATUS_OK);
    CHECK_EQUAL(table_copy_references(&family, start.tag), STATUS_OK);
    pid_t pid = child_start(run_started, &start);
    table_launched(&family, start.tag, pid, process_start_time(pid));
    return pid;
}

int family_end(pid_t pid)
{
    int status = child_end(pid);
    table_reap_pid(&family, pid);
    return status;
}

void family_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_EQUAL(family_end(pid), -SIGKILL);
}

bool family_killed_at(const char *point, unsigned passage, void (*body)(void *with), void *with)
{
    struct kill_plan plan = {point, passage, body, with};
    int status = family_end(family_start(run_kill_plan, &plan));
    if (status != 0 && status != -SIGKILL)
        FAIL("the process to be killed at passage %u of %s ended with %d", passage, point, status);
    return status == -SIGKILL;
}

/* ---- looking */

static void print_problem(void *with, const char *problem)
{
    fprintf(stderr, "    arena: %s\n", problem);
    ++*(unsigned *)with;
}

void family_check(void)
{
    unsigned problems = 0;
    arena_check(&family, print_problem, &problems);
    CHECK_EQUAL(problems, 0);
}

uint64_t family_used(void)
{
    arena_lock(&family);
    while (word_get(&family.header->reclaim_list))
        arena_reclaim(&family, RECLAIM_STEPS);
    uint64_t used = word_get(&family.header->used_bytes);
    arena_unlock(&family);
    return used;
}

struct handle family_block(uint64_t size)
{
    struct handle handle;
    CHECK_EQUAL(handle_create(&family, size, BLOCK_BYTES, NULL, NULL, &handle), STATUS_OK);
    return handle;
}

static void fill_condition(void *memory, uint64_t size, const void *with)
{
    (void)size, (void)with;
    condition_init(memory);
}

struct handle family_condition(void)
{
    struct handle handle;
    CHECK_EQUAL(handle_create(&family, sizeof(struct condition), BLOCK_CONDITION, fill_condition,
                              NULL, &handle),
                STATUS_OK);
    return handle;
}

uint64_t family_serial(struct handle handle)
{
    return word_get(&block_of(arena_at(&family, handle.payload))->serial);
}

struct slot *family_slot(uint32_t tag)
{
    return arena_slot(&family, tag_index(tag));
}

uint32_t family_reserve_slot(void)
{
    uint32_t tag;
    CHECK_EQUAL(table_reserve(&family, &tag), STATUS_OK);
    return tag;
}

uint64_t family_references(struct handle handle)
{
    return word_get(&block_of(arena_at(&family, handle.payload))->references);
}
