/* The state of a slot: which process has it, and whether that is alive. All looks are without the
 * arena's mutex: a process that acts on one looks once more with it (reaper.h). */
#ifndef PROCESSION_SHM_SLOT_STATE_H
#define PROCESSION_SHM_SLOT_STATE_H

#include "layout.h"

static inline uint64_t slot_generation(struct slot *slot)
{
    return word_get(&slot->state) >> 8;
}

static inline uint64_t state_word(uint64_t generation, enum slot_state state)
{
    return generation << 8 | (uint64_t)state;
}

/* Generation 0 is never used, so a tag is never 0. */
static inline uint32_t slot_tag(uint64_t state_word, uint32_t index)
{
    uint64_t generation = state_word >> 8;
    return (uint32_t)(generation & ((1u << SLOT_GENERATION_BITS) - 1)) << SLOT_INDEX_BITS | index;
}

/* A look at a slot without the mutex. Tag and state are read by one load, so they belong together.
 * Acquire, pairs with the stores of the state, which come after those of all else in the slot. What
 * is read of the slot next belongs to that process, or to one that took the slot after it; then the
 * tag is not the slot's any more. */
struct peek {
    uint64_t word;
    uint32_t tag;
    enum slot_state state;
    int pid;
};

static inline struct peek peek_at(const struct arena *arena, uint32_t index)
{
    struct slot *slot = arena_slot(arena, index);
    uint64_t word = atomic_load_explicit(&slot->state, memory_order_acquire);
    /* Acquire, pairs with set_identity: the start time beside a pid is that process's. */
    int pid = (int)atomic_load_explicit(&slot->pid, memory_order_acquire);
    return (struct peek){.word = word,
                         .tag = slot_tag(word, index),
                         .state = (enum slot_state)(word & 0xff),
                         .pid = pid};
}

/* Whether the process that *seen* tells of has ended, or will never come. */
bool slot_has_ended(struct arena *arena, struct peek seen);

uint32_t table_tag(const struct arena *arena, uint32_t index);
/* False as well when the slot belongs to another process by now. */
bool table_is_alive(struct arena *arena, uint32_t tag);
/* The tag of the process *pid*; 0: there is none, or it is not alive. */
uint32_t table_find(struct arena *arena, int pid);

#endif
