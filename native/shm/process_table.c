#include "process_table.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../os/liveness.h"

static void (*reap_hook)(struct arena *arena, uint32_t tag);

void table_set_reap_hook(void (*hook)(struct arena *arena, uint32_t tag))
{
    reap_hook = hook;
}

/* How long a starting process may take to adopt its slot, when its parent is dead and its pid
 * unknown. */
#define START_LIMIT_NS (10 * NS_PER_S)

static enum slot_state state_of(struct slot *slot)
{
    return (enum slot_state)(atomic_load_explicit(&slot->state, memory_order_acquire) & 0xff);
}

static uint64_t generation_of(struct slot *slot)
{
    return word_get(&slot->state) >> 8;
}

static uint64_t state_word(uint64_t generation, enum slot_state state)
{
    return generation << 8 | (uint64_t)state;
}

/* Generation 0 is never used, so a tag is never 0. */
static uint32_t tag_of(uint64_t state_word, uint32_t index)
{
    uint64_t generation = state_word >> 8;
    return (uint32_t)(generation & ((1u << SLOT_GENERATION_BITS) - 1)) << SLOT_INDEX_BITS | index;
}

uint32_t table_tag(const struct arena *arena, uint32_t index)
{
    return tag_of(word_get(&arena_slot(arena, index)->state), index);
}

/* The tag and the state of a slot, read without the mutex: by one load, so that they belong
 * together. Acquire, pairs with the stores of the state, which come after those of all else in the
 * slot. What is read of the slot next belongs to that process, or to one that took the slot after
 * it; then the tag is not the slot's any more. */
struct peek {
    uint32_t tag;
    enum slot_state state;
};

static struct peek peek_at(const struct arena *arena, uint32_t index)
{
    uint64_t word = atomic_load_explicit(&arena_slot(arena, index)->state, memory_order_acquire);
    return (struct peek){.tag = tag_of(word, index), .state = (enum slot_state)(word & 0xff)};
}

static bool is_starting(const struct arena *arena, uint32_t tag)
{
    struct peek seen = peek_at(arena, tag_index(tag));
    return seen.tag == tag && seen.state == SLOT_STARTING;
}

static uint64_t next_generation(uint64_t generation)
{
    generation++;
    return (generation & ((1u << SLOT_GENERATION_BITS) - 1)) == 0 ? generation + 1 : generation;
}

static bool has_ended(struct arena *arena, struct peek seen)
{
    if (seen.state == SLOT_REAPING)
        return true; /* perhaps its reaper has, too: the next owner of the mutex will see */
    if (seen.state == SLOT_FREE)
        return false;
    struct slot *slot = arena_slot(arena, tag_index(seen.tag));
    /* Acquire, pairs with set_identity: the start time beside a pid is that process's. */
    pid_t pid = (pid_t)atomic_load_explicit(&slot->pid, memory_order_acquire);
    if (seen.state == SLOT_LIVE)
        switch (mutex_owner(&slot->liveness)) {
        case OWNER_HOLDS:
            return false;
        case OWNER_GONE:
            return process_has_left(pid);
        case OWNER_NONE:
            break;
        }
    if (pid != 0)
        return process_has_ended(pid, word_get(&slot->start));
    uint32_t parent = (uint32_t)word_get(&slot->parent);
    deadline_t late = (deadline_t)word_get(&slot->reserved_at) + START_LIMIT_NS;
    return clock_now() > late && !table_is_alive(arena, parent);
}

/* ---- reaping; the arena is locked */

static void reap(struct arena *arena, uint32_t index)
{
    struct slot *slot = arena_slot(arena, index);
    uint64_t generation = generation_of(slot);
    uint32_t tag = table_tag(arena, index);
    /* One store: from here on the slot belongs to the owner of the mutex. */
    atomic_store_explicit(&slot->state, state_word(generation, SLOT_REAPING), memory_order_release);
    CRASH_POINT("table.reap.begun");
    if (reap_hook)
        reap_hook(arena, tag);
    if (!references_release(arena, index, tag))
        return; /* the slot stays what it is: the next one that looks goes on */
    journal_stage(arena, &slot->state, state_word(next_generation(generation), SLOT_FREE));
    journal_stage(arena, &slot->next_free, word_get(&arena->header->free_slot));
    journal_stage(arena, &arena->header->free_slot, index + 1);
    CRASH_POINT("table.reap.before_end");
    journal_commit(arena);
}

/* Looks without the mutex, since a look is a system call. A dead process stays dead, and the tag
 * tells whether the slot is still its own once the mutex is held. */
static bool reap_if_dead(struct arena *arena, uint32_t index)
{
    struct peek seen = peek_at(arena, index);
    if (index == arena->self || !has_ended(arena, seen))
        return false;
    table_abandon(arena, seen.tag);
    return true;
}

unsigned table_reap_dead(struct arena *arena)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++)
        count += reap_if_dead(arena, i);
    return count;
}

/* Looks at a few slots only, so that the cost of a start does not grow with the family. */
static void reap_a_few(struct arena *arena, unsigned looks)
{
    uint64_t used = word_get(&arena->header->slots_used);
    while (looks-- > 0 && used > 0) {
        uint64_t hand = word_get(&arena->header->reaper_hand);
        atomic_store_explicit(&arena->header->reaper_hand, hand + 1, memory_order_relaxed);
        reap_if_dead(arena, (uint32_t)(hand % used));
    }
}

/* ---- from reserved to released */

static enum status take_slot(struct arena *arena, uint32_t *index)
{
    struct arena_header *header = arena->header;
    uint64_t first = word_get(&header->free_slot), used = word_get(&header->slots_used);
    if (first) {
        *index = (uint32_t)first - 1;
        journal_stage(arena, &header->free_slot, word_get(&arena_slot(arena, *index)->next_free));
        return STATUS_OK;
    }
    if (used == SLOT_COUNT)
        return STATUS_FULL_TABLE;
    *index = (uint32_t)used;
    journal_stage(arena, &header->slots_used, used + 1);
    return STATUS_OK;
}

static enum status reserve_locked(struct arena *arena, uint32_t *tag)
{
    uint32_t index;
    enum status status = take_slot(arena, &index);
    if (status != STATUS_OK)
        return status;
    struct slot *slot = arena_slot(arena, index);
    uint64_t generation = generation_of(slot);
    if (generation == 0) { /* the slot was never used */
        generation = 1;
        mutex_init(&slot->liveness);
    }
    memset(slot->name, 0, sizeof slot->name);
    journal_stage(arena, &slot->pid, 0);
    journal_stage(arena, &slot->start, START_UNKNOWN);
    journal_stage(arena, &slot->parent, arena->tag);
    journal_stage(arena, &slot->reserved_at, (uint64_t)clock_now());
    journal_stage(arena, &slot->free_entry, 0);
    journal_stage(arena, &slot->state,
                  state_word(generation, SLOT_STARTING)); /* last: see struct peek */
    CRASH_POINT("table.reserve.before_commit");
    journal_commit(arena);
    *tag = table_tag(arena, index);
    return STATUS_OK;
}

static enum status reserve(struct arena *arena, uint32_t *tag)
{
    arena_lock(arena);
    enum status status = reserve_locked(arena, tag);
    arena_unlock(arena);
    return status;
}

enum status table_reserve(struct arena *arena, uint32_t *tag)
{
    reap_a_few(arena, 2);
    enum status status = reserve(arena, tag);
    if (status == STATUS_FULL_TABLE && table_reap_dead(arena) > 0)
        status = reserve(arena, tag);
    return status;
}

enum status table_copy_references(struct arena *arena, uint32_t tag)
{
    arena_lock(arena);
    enum status status = references_copy(arena, arena->self, tag_index(tag));
    arena_unlock(arena);
    return status;
}

enum status table_give_reference(struct arena *arena, const struct handle *handle, uint32_t tag)
{
    arena_lock(arena);
    uint32_t entry;
    enum status status = STATUS_STALE;
    if (is_starting(arena, tag))
        status = reference_hold(arena, tag_index(tag), block_of(arena_at(arena, handle->payload)),
                                &entry);
    arena_unlock(arena);
    return status;
}

static void set_identity(struct slot *slot, pid_t pid, uint64_t start)
{
    /* The start time first: a reader of the pid must not find another's start time beside it. */
    atomic_store_explicit(&slot->start, start, memory_order_relaxed);
    atomic_store_explicit(&slot->pid, (uint64_t)pid, memory_order_release);
}

void table_launched(struct arena *arena, uint32_t tag, int pid, uint64_t start)
{
    arena_lock(arena);
    struct slot *slot = arena_slot(arena, tag_index(tag));
    if (table_tag(arena, tag_index(tag)) == tag && word_get(&slot->pid) == 0)
        set_identity(slot, pid, start);
    arena_unlock(arena);
}

void table_forked(struct arena *arena, uint32_t tag)
{
    pid_t pid = process_newest_child();
    if (pid != CHILDREN_UNKNOWN) {
        uint32_t known = pid ? table_find(arena, pid) : 0;
        if (pid != 0 && known == 0)
            table_launched(arena, tag, pid, process_start_time(pid));
        else if (known != tag)
            table_abandon(arena, tag); /* no child is new: the fork failed */
        return;
    }
    /* Without a parent, has_ended() asks for the time alone. */
    arena_lock(arena);
    struct slot *slot = arena_slot(arena, tag_index(tag));
    if (is_starting(arena, tag) && word_get(&slot->pid) == 0)
        atomic_store_explicit(&slot->parent, 0, memory_order_relaxed);
    arena_unlock(arena);
}

/* Any thread may found a family, and then end; only the end of the main thread means that the
 * process is gone. If another thread adopts the slot, the start time identifies the process
 * instead. The mutex belongs to the slot for ever: it may still be marked by the death of the
 * slot's last process. */
static void hold_liveness(struct slot *slot, bool is_main_thread)
{
    if (mutex_try(&slot->liveness) && !is_main_thread)
        mutex_unlock(&slot->liveness);
}

enum status table_adopt(struct arena *arena, uint32_t tag)
{
    arena_lock(arena);
    struct slot *slot = arena_slot(arena, tag_index(tag));
    bool ours = is_starting(arena, tag);
    if (ours) {
        if (word_get(&slot->parent) == 0) /* see table_forked; arena->tag is still the parent's */
            atomic_store_explicit(&slot->parent, arena->tag, memory_order_relaxed);
        bool is_main_thread = syscall(SYS_gettid) == getpid();
        set_identity(slot, getpid(), is_main_thread ? START_UNKNOWN : process_start_time(getpid()));
        CRASH_POINT("table.adopt.named");
        hold_liveness(slot, is_main_thread);
        CRASH_POINT("table.adopt.before_commit");
        atomic_store_explicit(&slot->state, state_word(generation_of(slot), SLOT_LIVE),
                              memory_order_release);
        arena->self = tag_index(tag);
        arena->tag = tag;
    }
    arena_unlock(arena);
    return ours ? STATUS_OK : STATUS_STALE;
}

void table_abandon(struct arena *arena, uint32_t tag)
{
    uint32_t index = tag_index(tag);
    arena_lock(arena);
    if (table_tag(arena, index) == tag && state_of(arena_slot(arena, index)) != SLOT_FREE)
        reap(arena, index);
    arena_reclaim(arena, RECLAIM_STEPS);
    arena_unlock(arena);
}

uint32_t table_find(struct arena *arena, int pid)
{
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++) {
        struct peek seen = peek_at(arena, i);
        if ((pid_t)word_get(&arena_slot(arena, i)->pid) == pid &&
            (seen.state == SLOT_LIVE || seen.state == SLOT_STARTING) && !has_ended(arena, seen))
            return seen.tag;
    }
    return 0;
}

/* The pid may belong to another process by now, so the slot is checked before it is reaped. It is
 * enough that the main thread is gone, since the caller knows that the process is. */
void table_reap_pid(struct arena *arena, int pid)
{
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++) {
        struct peek seen = peek_at(arena, i);
        struct slot *slot = arena_slot(arena, i);
        if ((pid_t)word_get(&slot->pid) != pid || seen.tag == arena->tag)
            continue;
        bool main_is_gone = seen.state == SLOT_LIVE && mutex_owner(&slot->liveness) == OWNER_GONE;
        if (main_is_gone || has_ended(arena, seen))
            table_abandon(arena, seen.tag);
    }
}

bool table_is_alive(struct arena *arena, uint32_t tag)
{
    struct peek seen = peek_at(arena, tag_index(tag));
    if (seen.tag != tag || seen.state == SLOT_FREE || seen.state == SLOT_REAPING)
        return false;
    return tag == arena->tag || !has_ended(arena, seen);
}

void table_set_name(struct arena *arena, const char *name)
{
    struct slot *slot = arena_slot(arena, arena->self);
    strncpy(slot->name, name, sizeof slot->name - 1);
}
