#include "overflow.h"

#include <string.h>

#include "../crash_point.h"
#include "reference.h"

static enum status add(struct arena *arena, word_t *link, uint64_t bytes)
{
    if (word_get(link))
        return STATUS_OK; /* another process was faster */
    struct block *block;
    enum status status = reference_stage_new(arena, bytes, BLOCK_OVERFLOW, &block);
    if (status != STATUS_OK)
        return status;
    memset(block_contents(block), 0, bytes); /* no other process sees it before the commit */
    journal_stage(arena, link, arena_offset(arena, block_contents(block)));
    CRASH_POINT("overflow.before_commit");
    journal_commit(arena);
    CRASH_POINT("overflow.committed");
    return STATUS_OK;
}

enum status overflow_add(struct arena *arena, word_t *link, uint64_t bytes)
{
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    enum status status = add(arena, link, bytes);
    arena_unlock(arena);
    return status;
}

struct block *overflow_pop_child(struct arena *arena, word_t *links, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        offset_t offset = word_get(&links[i]);
        if (offset) {
            journal_stage(arena, &links[i], 0);
            return block_of(arena_at(arena, offset));
        }
    }
    return NULL;
}

void overflow_visit_children(word_t *links, uint32_t count, child_visitor visit, void *with)
{
    for (uint32_t i = 0; i < count; i++)
        if (word_get(&links[i]))
            visit(with, word_get(&links[i]));
}
