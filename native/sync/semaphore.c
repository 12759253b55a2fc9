#include "semaphore.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/table.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "sleepers watch the low half of the word at its address");

#define NUMBER_BITS 21
#define COUNT_SHIFT (NUMBER_BITS + SLOT_GENERATION_BITS)
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)
#define NOBODY 255u
#define ANONYMOUS (UINT64_C(1) << 31)
#define GENERATION_MASK ((UINT64_C(1) << SLOT_GENERATION_BITS) - 1)
#define MOST_HELD ((1u << (64 - COUNT_SHIFT)) - 1)
_Static_assert(COUNT_SHIFT == 39, "see the bits of an entry");
_Static_assert(SEMAPHORE_ENTRIES <= NOBODY, "NOBODY is no entry");

/* ---- the word */

static uint64_t number_of(uint64_t word_or_entry)
{
    return word_or_entry & NUMBER_MASK;
}

static uint32_t entry_of(uint64_t word)
{
    return (word >> NUMBER_BITS) & NOBODY;
}

static enum semaphore_operation operation_of(uint64_t word)
{
    return (enum semaphore_operation)((word >> 29) & 3);
}

static uint32_t value_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* What follows *word*: *value* free permits, after *operation* of the process of *entry*, which holds
 * *seen*. The number must not be that of the entry, which after 2^21 operations it might be. */
static uint64_t next_word(uint64_t word, uint32_t value, enum semaphore_operation operation,
                          uint32_t entry, uint64_t seen)
{
    uint64_t number = number_of(word + 1);
    if (number == number_of(seen))
        number = number_of(number + 1);
    return (uint64_t)value << 32 | (word & ANONYMOUS) | (uint64_t)operation << 29 |
           (uint64_t)entry << NUMBER_BITS | number;
}

static _Atomic uint32_t *low_half(struct semaphore *semaphore)
{
    return (_Atomic uint32_t *)(void *)&semaphore->word;
}

/* ---- entries */

static uint32_t held(uint64_t entry)
{
    return (uint32_t)(entry >> COUNT_SHIFT);
}

static uint64_t generation_of(uint64_t entry)
{
    return (entry >> NUMBER_BITS) & GENERATION_MASK;
}

static uint64_t make_entry(uint32_t count, uint64_t generation, uint64_t number)
{
    return (uint64_t)count << COUNT_SHIFT | generation << NUMBER_BITS | number;
}

static uint64_t carried_over(uint64_t entry, uint64_t word)
{
    uint32_t count = held(entry);
    switch (operation_of(word)) {
    case SEMAPHORE_TAKE:
        count++;
        break;
    case SEMAPHORE_GIVE:
        count--;
        break;
    case SEMAPHORE_FORGET:
        count = 0;
    }
    return make_entry(count, generation_of(entry), number_of(word));
}

/* Carries the operation of *word* over to its entry, unless that is done. While the word stands, nobody
 * begins another, and a swap of the entry fails if anybody was faster. */
static void carry_over(struct semaphore *semaphore, uint64_t word)
{
    if (entry_of(word) == NOBODY)
        return;
    _Atomic uint64_t *entry = &semaphore->entries[entry_of(word)];
    uint64_t seen = atomic_load(entry);
    while (number_of(seen) != number_of(word) && atomic_load(&semaphore->word) == word)
        if (atomic_compare_exchange_strong(entry, &seen, carried_over(seen, word)))
            return;
}

/* The word, with nothing left to be carried over. */
static uint64_t settled(struct semaphore *semaphore)
{
    uint64_t word = atomic_load(&semaphore->word);
    carry_over(semaphore, word);
    return word;
}

static bool commit(struct semaphore *semaphore, uint64_t word, uint64_t next)
{
    CRASH_POINT("semaphore.before_commit");
    if (!atomic_compare_exchange_strong(&semaphore->word, &word, next))
        return false;
    CRASH_POINT("semaphore.committed");
    carry_over(semaphore, next);
    return true;
}

static uint64_t generation_in(uint32_t tag)
{
    return tag >> SLOT_INDEX_BITS;
}

static uint32_t entry_for(uint64_t word, uint32_t tag)
{
    return (word & ANONYMOUS) || tag_index(tag) >= SEMAPHORE_ENTRIES ? NOBODY : tag_index(tag);
}

/* ---- making */

struct blueprint {
    uint32_t value, max;
};

static void fill(void *memory, uint64_t size, const void *with)
{
    const struct blueprint *plan = with;
    struct semaphore *semaphore = memory;
    memset(memory, 0, size);
    semaphore->max = plan->max;
    atomic_init(&semaphore->word, (uint64_t)plan->value << 32 | (plan->value ? 0 : ANONYMOUS) |
                                      (uint64_t)NOBODY << NUMBER_BITS);
}

enum status semaphore_create(struct arena *arena, uint32_t value, uint32_t max,
                             struct handle *handle)
{
    struct blueprint plan = {value, max};
    size_t entries = value ? SEMAPHORE_ENTRIES * sizeof(uint64_t) : 0;
    return handle_create(arena, sizeof(struct semaphore) + entries, BLOCK_SEMAPHORE, fill, &plan,
                         handle);
}

/* ---- a holder's death, or its end in order */

/* Ends what the process of *tag* holds; *back* says whether its permits become free again. */
static void strike(struct semaphore *semaphore, uint32_t tag, bool back)
{
    for (;;) {
        uint64_t word = settled(semaphore);
        uint32_t entry = entry_for(word, tag);
        if (entry == NOBODY)
            return;
        uint64_t seen = atomic_load(&semaphore->entries[entry]);
        if (held(seen) == 0 || generation_of(seen) != generation_in(tag))
            return;
        uint32_t value = value_of(word) + (back ? held(seen) : 0);
        value = value > semaphore->max ? semaphore->max : value;
        if (commit(semaphore, word, next_word(word, value, SEMAPHORE_FORGET, entry, seen)))
            break;
    }
    if (back)
        eventcount_advance(&semaphore->sleepers, FUTEX_EVERYBODY);
}

static void mourn(struct arena *arena, struct block *block, uint32_t tag)
{
    (void)arena;
    strike(block_payload(block), tag, true);
}

void semaphore_register(void)
{
    arena_set_manners(BLOCK_SEMAPHORE, (struct block_manners){.mourn = mourn});
}

static uint32_t tag_of(uint32_t index, uint64_t entry)
{
    return (uint32_t)(generation_of(entry) << SLOT_INDEX_BITS) | index;
}

void semaphore_look_after(struct arena *arena, struct semaphore *semaphore)
{
    for (uint32_t i = 0; i < SEMAPHORE_ENTRIES; i++) {
        if (settled(semaphore) & ANONYMOUS)
            return;
        uint64_t seen = atomic_load(&semaphore->entries[i]);
        if (held(seen) > 0 && !table_is_alive(arena, tag_of(i, seen)))
            strike(semaphore, tag_of(i, seen), true);
    }
}

void semaphore_forget(struct arena *arena, struct semaphore *semaphore)
{
    strike(semaphore, arena->tag, false);
}

/* ---- taking */

/* Makes the entry this process's own. Only the process in the slot does that, so it stays so. */
static void move_in(struct semaphore *semaphore, uint32_t index, uint32_t tag)
{
    uint64_t seen = atomic_load(&semaphore->entries[index]);
    while (generation_of(seen) != generation_in(tag)) {
        if (held(seen) > 0) { /* a dead predecessor's, whose handle was gone before its end */
            strike(semaphore, tag_of(index, seen), true);
            seen = atomic_load(&semaphore->entries[index]);
            continue;
        }
        uint64_t mine = make_entry(0, generation_in(tag), number_of(seen));
        if (atomic_compare_exchange_strong(&semaphore->entries[index], &seen, mine))
            return;
    }
}

/* The entry of this process, and in *seen* what is in it. NOBODY: the operation is not noted. */
static uint32_t own_entry(struct arena *arena, struct semaphore *semaphore, uint64_t word,
                          uint64_t *seen)
{
    uint32_t entry = entry_for(word, arena->tag);
    *seen = entry == NOBODY ? 0 : atomic_load(&semaphore->entries[entry]);
    return entry;
}

enum status semaphore_try(struct arena *arena, struct semaphore *semaphore)
{
    for (;;) {
        uint64_t word = settled(semaphore), seen;
        if (value_of(word) == 0)
            return STATUS_AGAIN;
        uint32_t entry = own_entry(arena, semaphore, word, &seen);
        if (entry != NOBODY && generation_of(seen) != generation_in(arena->tag)) {
            move_in(semaphore, entry, arena->tag);
            continue;
        }
        if (held(seen) == MOST_HELD)
            entry = NOBODY;
        if (commit(semaphore, word,
                   next_word(word, value_of(word) - 1, SEMAPHORE_TAKE, entry, seen)))
            return STATUS_OK;
    }
}

enum status semaphore_wait(struct arena *arena, struct semaphore *semaphore,
                           struct patience *patience, deadline_t deadline)
{
    uint32_t seen = (uint32_t)atomic_load(&semaphore->word);
    if (semaphore_value(semaphore) > 0 || patience_spin(patience, low_half(semaphore), seen))
        return STATUS_OK;
    uint32_t count = eventcount_prepare(&semaphore->sleepers);
    if (semaphore_value(semaphore) > 0)
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = eventcount_sleep(&semaphore->sleepers, count, deadline);
    patience_slept(patience, clock_now() - begun);
    if (status != STATUS_OK)
        semaphore_look_after(arena, semaphore);
    return status;
}

/* ---- giving back */

enum status semaphore_release(struct arena *arena, struct semaphore *semaphore)
{
    uint64_t word, next, seen;
    do {
        word = settled(semaphore);
        if (value_of(word) >= semaphore->max)
            return STATUS_NOT_HELD;
        uint32_t entry = own_entry(arena, semaphore, word, &seen);
        bool mine = held(seen) > 0 && generation_of(seen) == generation_in(arena->tag);
        next = next_word(word, value_of(word) + 1, SEMAPHORE_GIVE, mine ? entry : NOBODY, seen);
        if (entry != NOBODY && !mine)
            next |= ANONYMOUS;
    } while (!commit(semaphore, word, next));
    CRASH_POINT("semaphore.release.before_wake");
    eventcount_advance(&semaphore->sleepers, 1);
    return STATUS_OK;
}
