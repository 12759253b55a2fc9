/* A large message: a block with a pickle stream, buffers beside it, and references it owns.
 *
 * Layout    head, references[], spans[], then the stream and the buffers, each on a cache line.
 * Invariant The first `owned` references are owned by the payload: each counts in its block.
 *           Storing one and counting it is one transaction.
 */
#ifndef PROCESSION_CHANNEL_PAYLOAD_H
#define PROCESSION_CHANNEL_PAYLOAD_H

#include "../shm/reference.h"
#include "record.h"

struct payload_span {
    uint64_t start; /* from the beginning of the payload, in bytes */
    uint64_t size;
    uint64_t readonly; /* 0 or 1 */
};

struct payload {
    word_t owned; /* how many references it owns so far */
    uint32_t reference_capacity;
    uint32_t span_count; /* the stream is span 0 */
    uint32_t kind;       /* enum record_kind of the stream: str, bytes or pickle */
    uint32_t unused;
    word_t references[]; /* offsets of payloads of blocks; then the spans */
};

void payload_register(void);

/* Makes the block, held by this process. The starts of the spans are filled in from their sizes. */
enum status payload_create(struct arena *arena, uint32_t kind, uint32_t reference_count,
                           struct payload_span *spans, uint32_t span_count, struct handle *handle);
/* The payload now owns a reference to *block*, which must be held by this process. */
void payload_add_reference(struct arena *arena, struct payload *payload,
                           const struct handle *block);

/* The spans, checked: NULL when one lies outside *size* bytes, the size of the payload's block. */
const struct payload_span *payload_spans(const struct payload *payload, uint64_t size);

/* The block of a payload's record that has *size* bytes of data; NULL: there is no such block. */
static inline struct block *payload_named(struct arena *arena,
                                          const struct payload_reference *reference, uint32_t size)
{
    struct block *block = size == sizeof *reference
                              ? block_find(arena, reference->payload, reference->serial)
                              : NULL;
    return block && word_get(&block->kind) == BLOCK_PAYLOAD ? block : NULL;
}

#endif
