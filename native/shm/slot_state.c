#include "slot_state.h"

#include "../os/clock.h"
#include "../os/liveness.h"

uint32_t table_tag(const struct arena *arena, uint32_t index)
{
    return slot_tag(word_get(&arena_slot(arena, index)->state), index);
}

/* How long a starting process may take to adopt its slot, when its parent is dead and its pid
 * unknown. */
#define START_LIMIT_NS (10 * NS_PER_S)

bool slot_has_ended(struct arena *arena, struct peek seen)
{
    if (seen.state == SLOT_REAPING)
        return true; /* perhaps its reaper has, too: the next owner of the mutex will see */
    if (seen.state == SLOT_FREE)
        return false;
    struct slot *slot = arena_slot(arena, tag_index(seen.tag));
    uint64_t start = word_get(&slot->start);
    if (seen.state == SLOT_LIVE && start == START_UNKNOWN) /* the mutex is its main thread's */
        switch (mutex_owner(&slot->liveness)) {
        case OWNER_HOLDS: /* or the kernel has told no one of its death: see os/mutex.h */
            return process_is_unknown(seen.pid);
        case OWNER_GONE:
            return process_has_left(seen.pid);
        case OWNER_NONE:
            break;
        }
    if (seen.pid != 0)
        return process_has_ended(seen.pid, start);
    uint32_t parent = (uint32_t)word_get(&slot->parent);
    deadline_t late = (deadline_t)word_get(&slot->reserved_at) + START_LIMIT_NS;
    return clock_now() > late && !table_is_alive(arena, parent);
}

uint32_t table_find(struct arena *arena, int pid)
{
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++) {
        struct peek seen = peek_at(arena, i);
        if (seen.pid == pid && (seen.state == SLOT_LIVE || seen.state == SLOT_STARTING) &&
            !slot_has_ended(arena, seen))
            return seen.tag;
    }
    return 0;
}

bool table_is_alive(struct arena *arena, uint32_t tag)
{
    struct peek seen = peek_at(arena, tag_index(tag));
    if (seen.tag != tag || seen.state == SLOT_FREE || seen.state == SLOT_REAPING)
        return false;
    return tag == arena->tag || !slot_has_ended(arena, seen);
}
