#include "payload.h"

#include <string.h>

#include "../crash_point.h"

static uint64_t on_cache_line(uint64_t bytes)
{
    return (bytes + CACHE_LINE - 1) & ~(uint64_t)(CACHE_LINE - 1);
}

static uint64_t head_bytes(uint64_t references, uint64_t spans)
{
    return sizeof(struct payload) + references * sizeof(word_t) +
           spans * sizeof(struct payload_span);
}

static struct payload_span *span_table(const struct payload *payload)
{
    return (struct payload_span *)&payload->references[payload->reference_capacity];
}

struct initial {
    uint32_t kind, reference_count, span_count;
    const struct payload_span *spans;
};

static void fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    const struct initial *plan = with;
    struct payload *payload = memory;
    /* A thread may wait to send it while another forks: no object of the child would own it. */
    atomic_store_explicit(&block_of(memory)->unsent, 1, memory_order_relaxed);
    atomic_init(&payload->owned, 0);
    payload->reference_capacity = plan->reference_count;
    payload->span_count = plan->span_count;
    payload->kind = plan->kind;
    memcpy(span_table(payload), plan->spans, plan->span_count * sizeof *plan->spans);
}

enum status payload_create(struct arena *arena, uint32_t kind, uint32_t reference_count,
                           struct payload_span *spans, uint32_t span_count, struct handle *handle)
{
    uint64_t end = on_cache_line(head_bytes(reference_count, span_count));
    for (uint32_t i = 0; i < span_count; i++) {
        if (spans[i].size > ARENA_RESERVE || end > ARENA_RESERVE) /* before any sum overflows */
            return STATUS_NO_MEMORY;
        spans[i].start = end;
        end = on_cache_line(end + spans[i].size);
    }
    struct initial plan = {kind, reference_count, span_count, spans};
    return handle_create(arena, end, BLOCK_PAYLOAD, fill, &plan, handle);
}

void payload_add_reference(struct arena *arena, struct payload *payload, const struct handle *block)
{
    arena_lock(arena);
    uint64_t count = word_get(&payload->owned);
    reference_stage_add(arena, block_of(arena_at(arena, block->offset)));
    journal_stage(arena, &payload->references[count], block->offset);
    journal_stage(arena, &payload->owned, count + 1);
    CRASH_POINT("payload.add_reference.before_commit");
    journal_commit(arena);
    arena_unlock(arena);
}

static struct block *pop_child(struct arena *arena, struct block *block)
{
    struct payload *payload = block_contents(block);
    uint64_t count = word_get(&payload->owned);
    if (count == 0)
        return NULL;
    journal_stage(arena, &payload->owned, count - 1);
    return block_of(arena_at(arena, word_get(&payload->references[count - 1])));
}

static void visit_children(struct arena *arena, struct block *block, child_visitor visit,
                           void *with)
{
    (void)arena;
    struct payload *payload = block_contents(block);
    for (uint64_t i = 0; i < word_get(&payload->owned); i++)
        visit(with, word_get(&payload->references[i]));
}

void payload_register(void)
{
    block_set_ops(BLOCK_PAYLOAD,
                  (struct block_ops){.pop_child = pop_child, .visit_children = visit_children});
}

const struct payload_span *payload_spans(const struct payload *payload, uint64_t size)
{
    uint64_t references = payload->reference_capacity, count = payload->span_count;
    if (size < sizeof *payload || head_bytes(references, count) > size || count == 0)
        return NULL;
    const struct payload_span *spans = span_table(payload);
    for (uint64_t i = 0; i < count; i++)
        if (spans[i].start > size || spans[i].size > size - spans[i].start)
            return NULL;
    return spans;
}
