/* Blocks with robust mutexes are used again as the same kind only.
 *
 * A thread that dies right after the store that unlocks such a mutex, or right before the one that
 * locks it, leaves the kernel the mutex's address. The kernel then looks for the thread's number
 * there. Here the block is freed meanwhile, by a thread without a reference of its own, and the
 * memory of each later block is filled with that number. */
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../container/container.h"
#include "../container/list.h"
#include "../sync/barrier.h"
#include "../sync/condition.h"
#include "stepping.h"
#include "traffic.h"

struct object {
    enum block_kind kind;
    struct handle handle;
    struct mutex *mutex;
    uint64_t size;
};

static const enum block_kind kinds[] = {BLOCK_CHANNEL, BLOCK_CONDITION, BLOCK_BARRIER,
                                        BLOCK_CONTAINER};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct mutex *mutex_of(enum block_kind kind, void *memory)
{
    switch (kind) {
    case BLOCK_CHANNEL:
        return &((struct channel *)memory)->put_mutex;
    case BLOCK_CONDITION:
        return &((struct condition *)memory)->mutex;
    case BLOCK_BARRIER:
        return &((struct barrier *)memory)->mutex;
    default:
        return &((struct container *)memory)->mutex;
    }
}

static struct object make(enum block_kind kind)
{
    struct object object = {.kind = kind};
    if (kind == BLOCK_CHANNEL)
        object.handle = traffic_open(0).handle;
    else if (kind == BLOCK_CONDITION)
        object.handle = family_condition();
    else if (kind == BLOCK_BARRIER)
        CHECK_EQUAL(barrier_create(&family, 2, &object.handle), STATUS_OK);
    else
        CHECK_EQUAL(container_create(&family, &object.handle), STATUS_OK);
    void *memory = arena_at(&family, object.handle.offset);
    object.mutex = mutex_of(kind, memory);
    object.size = word_get(&block_of(memory)->size);
    return object;
}

static unsigned word_of(const struct object *object)
{
    return __atomic_load_n((unsigned *)object->mutex, __ATOMIC_ACQUIRE); /* of glibc */
}

static void lock_and_unlock(void *with)
{
    struct object *object = with, copy = *object;
    handle_release(&family, &copy.handle);
    step_be_traced();
    mutex_lock(object->mutex);
    mutex_unlock(object->mutex);
    raise(SIGSTOP);
}

/* What the kernel would look at if the child's main thread died now. */
static void *pending_of(pid_t pid)
{
    struct robust_list_head *head = NULL;
    size_t size = 0;
    CHECK_EQUAL(syscall(SYS_get_robust_list, pid, &head, &size), 0);
    long pending = ptrace(PTRACE_PEEKDATA, pid, &head->list_op_pending, NULL);
    long offset = ptrace(PTRACE_PEEKDATA, pid, &head->futex_offset, NULL);
    return pending ? (void *)(intptr_t)((pending & ~1L) + offset) : NULL;
}

enum where { BEFORE_LOCKING, AFTER_UNLOCKING };

static void step_to(pid_t pid, const struct object *object, enum where where)
{
    bool taken = false;
    while (pending_of(pid) != object->mutex || word_of(object) != 0 ||
           taken != (where == AFTER_UNLOCKING)) {
        taken |= (word_of(object) & FUTEX_TID_MASK) == (unsigned)pid;
        CHECK(step_one(pid));
    }
}

static void fill_words(void *memory, uint64_t size, const void *with)
{
    for (uint64_t i = 0; i < size / sizeof(unsigned); i++)
        ((unsigned *)memory)[i] = *(const unsigned *)with;
}

static void check_unchanged(struct handle block, unsigned value)
{
    unsigned *words = arena_at(&family, block.offset);
    for (uint64_t i = 0; i < word_get(&block_of(words)->size) / sizeof *words; i++)
        CHECK_EQUAL(words[i], value);
}

static pid_t killed_after_its_block_was_freed(struct object *object, enum where where)
{
    *object = make(object->kind);
    pid_t pid = family_start(lock_and_unlock, object);
    step_await(pid);
    step_to(pid, object, where);
    handle_release(&family, &object->handle);
    arena_reclaim_all(&family);
    return pid;
}

static void other_kinds_stay_whole(enum block_kind kind, enum where where)
{
    struct object object = {.kind = kind};
    pid_t pid = killed_after_its_block_was_freed(&object, where);
    unsigned value = (unsigned)pid;
    struct handle blocks[4];
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQUAL(
            handle_create(&family, object.size, BLOCK_BYTES, fill_words, &value, &blocks[i]),
            STATUS_OK);
    step_kill(pid);
    for (unsigned i = 0; i < 4; i++) {
        check_unchanged(blocks[i], value);
        handle_release(&family, &blocks[i]);
    }
    table_reap_pid(&family, pid);
    family_check();
}

TEST_WITHIN(60, a_late_word_of_the_kernel_changes_no_other_kind_of_block)
{
    family_found(SMALL_RESERVE);
    for (unsigned i = 0; i < KINDS; i++) {
        other_kinds_stay_whole(kinds[i], BEFORE_LOCKING);
        other_kinds_stay_whole(kinds[i], AFTER_UNLOCKING);
    }
}

static void the_same_kind_works(enum block_kind kind, enum where where, bool held)
{
    struct object object = {.kind = kind};
    offset_t was;
    pid_t pid = killed_after_its_block_was_freed(&object, where);
    was = arena_offset(&family, object.mutex);
    struct object next = make(kind);
    CHECK_EQUAL(arena_offset(&family, next.mutex), was); /* the memory is used again */
    if (held)
        mutex_lock(next.mutex);
    step_kill(pid);
    CHECK_EQUAL(word_of(&next), held ? (unsigned)getpid() : 0);
    if (held)
        mutex_unlock(next.mutex);
    CHECK_EQUAL(mutex_lock(next.mutex), MUTEX_CLEAN);
    mutex_unlock(next.mutex);
    handle_release(&family, &next.handle);
    table_reap_pid(&family, pid);
    family_check();
}

TEST_WITHIN(60, a_late_word_of_the_kernel_does_not_change_the_next_mutex)
{
    family_found(SMALL_RESERVE);
    for (unsigned i = 0; i < KINDS; i++)
        for (int held = 0; held < 2; held++) {
            the_same_kind_works(kinds[i], BEFORE_LOCKING, held);
            the_same_kind_works(kinds[i], AFTER_UNLOCKING, held);
        }
}

static void make_one(void *with)
{
    make(*(enum block_kind *)with);
}

/* A block that was begun and not committed has no kind yet: what comes there is what was asked. */
TEST_WITHIN(60, a_kill_while_a_block_of_such_a_kind_is_made)
{
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    for (unsigned i = 0; i < KINDS; i++)
        for (unsigned passage = 1; passage < 200; passage++) {
            enum block_kind kind = kinds[i];
            bool killed = family_killed_at("*", passage, make_one, &kind);
            family_check();
            struct object object = make(kinds[(i + 1) % KINDS]);
            struct handle plain = family_block(object.size);
            family_check();
            handle_release(&family, &plain);
            handle_release(&family, &object.handle);
            CHECK_EQUAL(family_used(), used);
            if (!killed)
                break;
        }
}
