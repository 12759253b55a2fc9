#include "dead_owner.h"

#include <string.h>

static uint64_t state_of(struct slot *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire);
}

/* Whether a slot in *state* still has the pid and the name of the process of *tag*. */
static bool tells_of(uint64_t state, uint32_t tag)
{
    uint32_t mask = (1u << SLOT_GENERATION_BITS) - 1, wanted = tag >> SLOT_INDEX_BITS;
    uint32_t generation = (uint32_t)(state >> 8) & mask;
    uint32_t following = (wanted & mask) == mask ? 1 : wanted + 1; /* 0 is never used */
    return generation == wanted || ((state & 0xff) == SLOT_FREE && generation == following);
}

void dead_owner_write(struct dead_owner *dead_owner, const struct arena *arena, uint32_t tag)
{
    struct slot *slot = arena_slot(arena, tag_index(tag));
    uint64_t state = state_of(slot), pid = word_get(&slot->pid);
    char name[SLOT_NAME_BYTES];
    memcpy(name, slot->name, sizeof name); /* its last byte is always 0 */
    bool known = tells_of(state, tag) && state_of(slot) == state;
    memset(dead_owner->name, 0, sizeof dead_owner->name);
    if (known)
        memcpy(dead_owner->name, name, sizeof name);
    atomic_store(&dead_owner->pid, known ? pid : 0);
}
