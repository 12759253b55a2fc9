#include "reaper.h"

#include "../crash_point.h"
#include "../os/liveness.h"

static void (*reap_hook)(struct arena *arena, uint32_t tag);

void table_set_reap_hook(void (*hook)(struct arena *arena, uint32_t tag))
{
    reap_hook = hook;
}

/* ---- reaping */

static uint64_t next_generation(uint64_t generation)
{
    generation++;
    return (generation & ((1u << SLOT_GENERATION_BITS) - 1)) == 0 ? generation + 1 : generation;
}

/* The arena is locked. Stages that the slot goes behind the others that are worn. */
static void stage_worn(struct arena *arena, uint32_t index)
{
    struct arena_header *header = arena->header;
    uint64_t last = word_get(&header->last_worn_slot);
    word_t *link = &header->worn_slot;
    if (last)
        link = &arena_slot(arena, (uint32_t)last - 1)->next_free;
    journal_stage(arena, link, index + 1);
    journal_stage(arena, &arena_slot(arena, index)->next_free, 0);
    journal_stage(arena, &header->last_worn_slot, index + 1);
}

static void end_reaping(struct arena *arena, uint32_t index)
{
    struct slot *slot = arena_slot(arena, index);
    uint64_t generation = slot_generation(slot), next = next_generation(generation);
    journal_stage(arena, &slot->state, state_word(next, SLOT_FREE));
    if (next != generation + 1)
        stage_worn(arena, index);
    else {
        journal_stage(arena, &slot->next_free, word_get(&arena->header->free_slot));
        journal_stage(arena, &arena->header->free_slot, index + 1);
    }
    CRASH_POINT("table.reap.before_end");
    journal_commit(arena);
}

static bool is_still(struct arena *arena, struct peek seen)
{
    struct slot *slot = arena_slot(arena, tag_index(seen.tag));
    return word_get(&slot->state) == seen.word && (int)word_get(&slot->pid) == seen.pid;
}

/* Locked: makes the slot this reaper's, by one store. */
static bool begin_reaping(struct arena *arena, struct peek *seen)
{
    if (!is_still(arena, *seen) || seen->state == SLOT_FREE)
        return false;
    CRASH_POINT("table.reap.before_begin");
    seen->word = state_word(seen->word >> 8, SLOT_REAPING);
    seen->state = SLOT_REAPING;
    atomic_store_explicit(&arena_slot(arena, tag_index(seen->tag))->state, seen->word,
                          memory_order_release);
    CRASH_POINT("table.reap.begun");
    if (reap_hook)
        reap_hook(arena, seen->tag);
    return true;
}

/* Reaps the slot that *seen* tells of, if it is still in that state. */
static bool reap(struct arena *arena, struct peek seen)
{
    struct release_progress progress = {0, 0};
    CRASH_POINT("table.reap.looked");
    arena_lock(arena);
    bool done = begin_reaping(arena, &seen), mine = done;
    enum release released = RELEASED_SOME;
    while (mine && released == RELEASED_SOME) {
        released = references_release(arena, tag_index(seen.tag), seen.tag, &progress);
        if (released == RELEASED_SOME)
            arena_let_others(arena);
        mine = is_still(arena, seen); /* else another reaper was faster */
    }
    if (mine && released == RELEASED_ALL) /* else the next one that looks goes on */
        end_reaping(arena, tag_index(seen.tag));
    arena_unlock(arena);
    arena_reclaim_all(arena);
    return done;
}

static bool reap_if_dead(struct arena *arena, uint32_t index)
{
    struct peek seen = peek_at(arena, index);
    return index != arena->self && slot_has_ended(arena, seen) && reap(arena, seen);
}

unsigned table_reap_dead(struct arena *arena)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++)
        count += reap_if_dead(arena, i);
    return count;
}

void table_reap_a_few(struct arena *arena, unsigned looks)
{
    uint64_t used = word_get(&arena->header->slots_used);
    while (looks-- > 0 && used > 0) {
        uint64_t hand = word_get(&arena->header->reaper_hand);
        atomic_store_explicit(&arena->header->reaper_hand, hand + 1, memory_order_relaxed);
        reap_if_dead(arena, (uint32_t)(hand % used));
    }
}

/* The pid may belong to another process by now, so the slot is checked before it is reaped. It is
 * enough that the main thread is gone, since the caller knows that the process is. */
void table_reap_pid(struct arena *arena, int pid)
{
    for (uint32_t i = 0; i < word_get(&arena->header->slots_used); i++) {
        struct peek seen = peek_at(arena, i);
        struct slot *slot = arena_slot(arena, i);
        if (seen.pid != pid || seen.state == SLOT_FREE || seen.tag == arena->tag)
            continue;
        bool main_is_gone = seen.state == SLOT_LIVE && word_get(&slot->start) == START_UNKNOWN &&
                            mutex_owner(&slot->liveness) == OWNER_GONE;
        if (main_is_gone || slot_has_ended(arena, seen))
            reap(arena, seen);
    }
}

/* ---- starts that are given up */

/* A slot that is starting may get its pid, or be adopted, while it is looked at: then once more. */
bool table_abandon(struct arena *arena, uint32_t tag)
{
    for (;;) {
        struct peek seen = peek_at(arena, tag_index(tag));
        if (seen.tag != tag || seen.state == SLOT_FREE ||
            (seen.state == SLOT_LIVE && !slot_has_ended(arena, seen)))
            return false;
        if (reap(arena, seen))
            return true;
    }
}

void table_cancel_start(struct arena *arena, uint32_t tag)
{
    struct peek seen = peek_at(arena, tag_index(tag));
    uint64_t start = word_get(&arena_slot(arena, tag_index(tag))->start);
    bool given_up = table_abandon(arena, tag);
    if (!given_up) { /* it has come meanwhile; or the slot is gone, as its process is */
        seen = peek_at(arena, tag_index(tag));
        start = word_get(&arena_slot(arena, tag_index(tag))->start);
    }
    if (seen.tag != tag || seen.pid == 0 || seen.state == SLOT_FREE)
        return;
    CRASH_POINT("table.cancel_start.before_kill");
    process_kill(seen.pid, start);
    CRASH_POINT("table.cancel_start.killed");
    table_abandon(arena, tag);
}
