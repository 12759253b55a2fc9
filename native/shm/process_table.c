#include "process_table.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../os/liveness.h"

static bool is_starting(const struct arena *arena, uint32_t tag)
{
    struct peek seen = peek_at(arena, tag_index(tag));
    return seen.tag == tag && seen.state == SLOT_STARTING;
}

/* ---- from reserved to released */

/* Stages that the first slot of the list is taken, if there is one. */
static bool take_first(struct arena *arena, word_t *list, uint32_t *index)
{
    uint64_t first = word_get(list);
    if (first == 0)
        return false;
    *index = (uint32_t)first - 1;
    journal_stage(arena, list, word_get(&arena_slot(arena, *index)->next_free));
    return true;
}

/* A worn slot last of all: see reaper.h. */
static enum status take_slot(struct arena *arena, uint32_t *index)
{
    struct arena_header *header = arena->header;
    uint64_t used = word_get(&header->slots_used);
    if (take_first(arena, &header->free_slot, index))
        return STATUS_OK;
    if (used < SLOT_COUNT) {
        *index = (uint32_t)used;
        journal_stage(arena, &header->slots_used, used + 1);
        return STATUS_OK;
    }
    if (!take_first(arena, &header->worn_slot, index))
        return STATUS_FULL_TABLE;
    if (word_get(&header->last_worn_slot) == *index + 1)
        journal_stage(arena, &header->last_worn_slot, 0);
    return STATUS_OK;
}

static enum status reserve_locked(struct arena *arena, uint32_t *tag)
{
    uint32_t index;
    enum status status = take_slot(arena, &index);
    if (status != STATUS_OK)
        return status;
    struct slot *slot = arena_slot(arena, index);
    uint64_t generation = slot_generation(slot);
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
    table_reap_a_few(arena, 2);
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
        status = reference_hold(arena, tag_index(tag), block_of(arena_at(arena, handle->offset)),
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

/* Whether the child *pid* can be the one for which the slot was reserved: it is no member of the
 * family under another tag, and it was started after that. */
static bool can_be_child(struct arena *arena, pid_t pid, uint64_t reserved)
{
    uint64_t start = process_start_time(pid);
    return table_find(arena, pid) == 0 && (start == START_UNKNOWN || start >= reserved);
}

enum { CHILDREN_LOOKED_AT = 512 };

/* The child for which the slot was reserved; 0: there is none; CHILDREN_UNKNOWN: it cannot be told
 * which one it is. */
static pid_t find_child(struct arena *arena, uint32_t tag)
{
    pid_t pids[CHILDREN_LOOKED_AT], found = 0;
    struct slot *slot = arena_slot(arena, tag_index(tag));
    uint64_t reserved = process_start_ticks((int64_t)word_get(&slot->reserved_at));
    int count = process_children(pids, CHILDREN_LOOKED_AT);
    if (count == CHILDREN_UNKNOWN || count > CHILDREN_LOOKED_AT)
        return CHILDREN_UNKNOWN;
    for (int i = 0; i < count; i++) {
        if (!can_be_child(arena, pids[i], reserved))
            continue;
        if (found != 0)
            return CHILDREN_UNKNOWN; /* an orphan was given to this process at the same time */
        found = pids[i];
    }
    return found;
}

void table_forked(struct arena *arena, uint32_t tag)
{
    if (!is_starting(arena, tag))
        return; /* the child has adopted it, and so said which process it is */
    pid_t pid = find_child(arena, tag);
    CRASH_POINT("table.forked.looked");
    if (pid == 0)
        table_abandon(arena, tag); /* the fork failed, or the child was reaped: else it is listed */
    else if (pid != CHILDREN_UNKNOWN)
        table_launched(arena, tag, pid, process_start_time(pid));
    if (pid != CHILDREN_UNKNOWN)
        return;
    /* Without a parent, slot_has_ended() asks for the time alone. */
    arena_lock(arena);
    struct slot *slot = arena_slot(arena, tag_index(tag));
    if (is_starting(arena, tag) && word_get(&slot->pid) == 0)
        atomic_store_explicit(&slot->parent, 0, memory_order_relaxed);
    arena_unlock(arena);
}

/* Any thread may found a family, and then end; only the end of the main thread means that the
 * process is gone. If another thread adopts the slot, or if another process still has the mutex,
 * the start time identifies the process instead. The mutex belongs to the slot for ever: it may
 * still be marked by the death of the slot's last process. */
static void identify(struct slot *slot)
{
    bool is_main_thread = syscall(SYS_gettid) == getpid();
    set_identity(slot, getpid(), is_main_thread ? START_UNKNOWN : process_start_time(getpid()));
    CRASH_POINT("table.adopt.named");
    if (is_main_thread && !mutex_try(&slot->liveness))
        atomic_store_explicit(&slot->start, process_start_time(getpid()), memory_order_relaxed);
}

/* What tells this process from a child of a bare clone(2): see arena_is_own(). One page, which
 * forks inherit. NULL: no memory. Kernels before 4.14 do not wipe it; then such children are not
 * noticed. */
static uint32_t *own_tag_page(void)
{
    static uint32_t *page;
    if (page != NULL)
        return page;
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_WIPEONFORK);
    return page = memory;
}

/* Thread numbers, by which the kernel knows the owners of mutexes, mean something in one PID
 * namespace only. Where no process can tell its namespace, the first one of another is known by
 * having no parent. */
static bool is_of_other_namespace(struct arena *arena)
{
    /* A fork of a member that knows its parent by the same number is in the same namespace: a
     * parent outside of one's namespace has the number 0. */
    if (arena->tag != 0 && (uint64_t)getppid() == word_get(&arena_slot(arena, arena->self)->pid))
        return false;
    uint64_t theirs = arena->header->pid_namespace, ours = process_pid_namespace();
    bool is_founder = word_get(&arena->header->slots_used) == 1 && arena->tag == 0;
    return theirs != 0 && ours != 0 ? theirs != ours : getppid() == 0 && !is_founder;
}

static enum status adopt_locked(struct arena *arena, uint32_t tag, uint32_t *own_tag)
{
    struct slot *slot = arena_slot(arena, tag_index(tag));
    if (!is_starting(arena, tag))
        return STATUS_STALE;
    if (word_get(&slot->parent) == 0) /* see table_forked; arena->tag is still the parent's */
        atomic_store_explicit(&slot->parent, arena->tag, memory_order_relaxed);
    identify(slot);
    CRASH_POINT("table.adopt.before_commit");
    atomic_store_explicit(&slot->state, state_word(slot_generation(slot), SLOT_LIVE),
                          memory_order_release);
    arena->self = tag_index(tag);
    arena->tag = tag;
    *own_tag = tag;
    arena->own_tag = own_tag;
    return STATUS_OK;
}

enum status table_adopt(struct arena *arena, uint32_t tag)
{
    uint32_t *own_tag = own_tag_page();
    if (own_tag == NULL)
        return STATUS_NO_MEMORY;
    if (is_of_other_namespace(arena))
        return STATUS_OTHER_NAMESPACE;
    arena_lock(arena);
    enum status status = adopt_locked(arena, tag, own_tag);
    arena_unlock(arena);
    return status;
}

void table_set_name(struct arena *arena, const char *name)
{
    struct slot *slot = arena_slot(arena, arena->self);
    strncpy(slot->name, name, sizeof slot->name - 1);
}
