#include "semaphore.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/process_table.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "spinners watch the low half of the word at its address");

/* The bits of the word and of an entry; both begin with the number. */
#define ANONYMOUS SEMAPHORE_ANONYMOUS
#define INDEX_SHIFT 32
#define INDEX_BITS 11
#define OPERATION_SHIFT (INDEX_SHIFT + INDEX_BITS)
#define VALUE_SHIFT SEMAPHORE_VALUE_SHIFT
#define MOST_OWNED UINT32_C(0x3ffff) /* free permits in a word that is not anonymous */
#define GENERATION_SHIFT 32
#define HELD_SHIFT (GENERATION_SHIFT + SLOT_GENERATION_BITS)
#define LOW_BITS(count) ((UINT64_C(1) << (count)) - 1)
#define MOST_HELD LOW_BITS(64 - HELD_SHIFT)
_Static_assert(OPERATION_SHIFT + 2 == VALUE_SHIFT, "see the bits of a word");
_Static_assert(MOST_OWNED == LOW_BITS(63 - VALUE_SHIFT), "see the bits of a word");
_Static_assert(HELD_SHIFT == 50, "see the bits of an entry");
_Static_assert(SLOT_COUNT <= 1 << INDEX_BITS, "the word can name each slot");
_Static_assert(SLOT_COUNT <= SEMAPHORE_FIRST * ((1 << SEMAPHORE_PARTS) - 1),
               "each slot has an entry");

/* ---- the word */

static uint32_t number_of(uint64_t word_or_entry)
{
    return (uint32_t)word_or_entry;
}

static uint32_t index_of(uint64_t word)
{
    return (uint32_t)((word >> INDEX_SHIFT) & LOW_BITS(INDEX_BITS));
}

static enum semaphore_operation operation_of(uint64_t word)
{
    return (enum semaphore_operation)((word >> OPERATION_SHIFT) & 3);
}

static uint32_t value_of(uint64_t word)
{
    return semaphore_value_in(word);
}

/* The word after *word*, which is not anonymous: *value* free permits, after *operation* of the
 * process of the slot *index*, whose entry is *seen*. Its number must not be that of the entry, as
 * it might be after 2^32 operations. */
static uint64_t next_word(uint64_t word, uint32_t value, enum semaphore_operation operation,
                          uint32_t index, uint64_t seen)
{
    uint32_t number = number_of(word) + 1;
    if (number == number_of(seen))
        number++;
    return (uint64_t)value << VALUE_SHIFT | (uint64_t)operation << OPERATION_SHIFT |
           (uint64_t)index << INDEX_SHIFT | number;
}

static _Atomic uint32_t *low_half(struct semaphore *semaphore)
{
    return (_Atomic uint32_t *)(void *)&semaphore->word;
}

/* ---- entries */

typedef _Atomic uint64_t entry_t;

static uint32_t held(uint64_t entry)
{
    return (uint32_t)(entry >> HELD_SHIFT);
}

static uint64_t generation_of(uint64_t entry)
{
    return (entry >> GENERATION_SHIFT) & LOW_BITS(SLOT_GENERATION_BITS);
}

static uint64_t make_entry(uint64_t count, uint64_t generation, uint32_t number)
{
    return count << HELD_SHIFT | generation << GENERATION_SHIFT | number;
}

static uint64_t carried_over(uint64_t entry, uint64_t word)
{
    uint64_t count = held(entry);
    switch (operation_of(word)) {
    case SEMAPHORE_TAKE:
        count++;
        break;
    case SEMAPHORE_GIVE:
        count -= count > 0;
        break;
    case SEMAPHORE_FORGET:
        count = 0;
        break;
    case SEMAPHORE_UNNOTED:
        break;
    }
    return make_entry(count, generation_of(entry), number_of(word));
}

static uint32_t entries_of(uint32_t part)
{
    uint32_t count = (uint32_t)SEMAPHORE_FIRST << part,
             start = overflow_start(SEMAPHORE_FIRST, part);
    return count < SLOT_COUNT - start ? count : SLOT_COUNT - start;
}

/* The entries of a part; NULL: there are none yet. The semaphore was not anonymous from the
 * start. */
static entry_t *entries_at(struct arena *arena, struct semaphore *semaphore, uint32_t part)
{
    return part == 0 ? semaphore->first : overflow_at(arena, &semaphore->overflow_blocks[part - 1]);
}

/* The entry of a slot, in the same way. */
static entry_t *entry_at(struct arena *arena, struct semaphore *semaphore, uint32_t index)
{
    if (index < SEMAPHORE_FIRST)
        return &semaphore->first[index];
    uint32_t part = overflow_part(SEMAPHORE_FIRST, index);
    entry_t *entries = entries_at(arena, semaphore, part);
    return entries ? entries + (index - overflow_start(SEMAPHORE_FIRST, part)) : NULL;
}

/* Makes room for the entry of this process. False: there is no memory for it. */
static bool make_own_entry(struct arena *arena, struct semaphore *semaphore)
{
    uint32_t part = overflow_part(SEMAPHORE_FIRST, tag_index(arena->tag));
    return part == 0 || overflow_add(arena, &semaphore->overflow_blocks[part - 1],
                                     entries_of(part) * sizeof(entry_t)) == STATUS_OK;
}

/* Carries the operation of *word* over to its entry, unless that is done. While the word stays, no
 * process begins another operation, and a swap of the entry fails if another process was faster. */
static void carry_over(struct arena *arena, struct semaphore *semaphore, uint64_t word)
{
    if (operation_of(word) == SEMAPHORE_UNNOTED)
        return;
    entry_t *entry = entry_at(arena, semaphore, index_of(word));
    uint64_t seen = atomic_load(entry);
    while (number_of(seen) != number_of(word) && atomic_load(&semaphore->word) == word)
        if (atomic_compare_exchange_strong(entry, &seen, carried_over(seen, word)))
            return;
}

/* Returns the word, after its operation was carried over. */
static uint64_t carried_word(struct arena *arena, struct semaphore *semaphore)
{
    uint64_t word = atomic_load(&semaphore->word);
    carry_over(arena, semaphore, word);
    return word;
}

static bool commit(struct arena *arena, struct semaphore *semaphore, uint64_t word, uint64_t next)
{
    CRASH_POINT("semaphore.before_commit");
    if (!atomic_compare_exchange_strong(&semaphore->word, &word, next))
        return false;
    CRASH_POINT("semaphore.committed");
    carry_over(arena, semaphore, next);
    return true;
}

static uint64_t generation_in(uint32_t tag)
{
    return tag >> SLOT_INDEX_BITS;
}

static bool is_of(uint64_t entry, uint32_t tag)
{
    return generation_of(entry) == generation_in(tag);
}

/* ---- making */

struct initial {
    uint32_t value, max;
};

static bool has_owners(const struct initial *plan)
{
    return plan->value > 0 && plan->value <= MOST_OWNED;
}

static void fill(void *memory, uint64_t size, const void *with)
{
    const struct initial *plan = with;
    struct semaphore *semaphore = memory;
    memset(memory, 0, size);
    semaphore->max = plan->max;
    uint64_t value = plan->value; /* of no operation */
    atomic_init(&semaphore->word, has_owners(plan) ? value << VALUE_SHIFT : ANONYMOUS | value);
}

enum status semaphore_create(struct arena *arena, uint32_t value, uint32_t max,
                             struct handle *handle)
{
    struct initial plan = {value, max};
    size_t entries = has_owners(&plan) ? SEMAPHORE_FIRST * sizeof(entry_t) : 0;
    return handle_create(arena, sizeof(struct semaphore) + entries, BLOCK_SEMAPHORE, fill, &plan,
                         handle);
}

/* ---- the death of a holder, or its normal end */

/* Ends what the process of *tag* holds; *back* says whether its permits become free again. */
static void release_permits_of(struct arena *arena, struct semaphore *semaphore, uint32_t tag,
                               bool back)
{
    for (;;) {
        uint64_t word = carried_word(arena, semaphore);
        if (word & ANONYMOUS)
            return;
        entry_t *entry = entry_at(arena, semaphore, tag_index(tag));
        uint64_t seen = entry ? atomic_load(entry) : 0;
        if (held(seen) == 0 || !is_of(seen, tag))
            return;
        uint64_t value = (uint64_t)value_of(word) + (back ? held(seen) : 0);
        value = value > semaphore->max ? semaphore->max : value;
        if (commit(arena, semaphore, word,
                   next_word(word, (uint32_t)value, SEMAPHORE_FORGET, tag_index(tag), seen)))
            break;
    }
    if (back)
        event_count_advance(&semaphore->sleepers, FUTEX_EVERYBODY);
}

static void on_owner_death(struct arena *arena, struct block *block, uint32_t tag)
{
    release_permits_of(arena, block_contents(block), tag, true);
}

static struct block *pop_child(struct arena *arena, struct block *block)
{
    struct semaphore *semaphore = block_contents(block);
    return overflow_pop_child(arena, semaphore->overflow_blocks, SEMAPHORE_PARTS - 1);
}

static void visit_children(struct arena *arena, struct block *block, child_visitor visit,
                           void *with)
{
    (void)arena;
    struct semaphore *semaphore = block_contents(block);
    overflow_visit_children(semaphore->overflow_blocks, SEMAPHORE_PARTS - 1, visit, with);
}

void semaphore_register(void)
{
    block_set_ops(BLOCK_SEMAPHORE, (struct block_ops){.pop_child = pop_child,
                                                      .visit_children = visit_children,
                                                      .on_owner_death = on_owner_death});
}

static uint32_t tag_of(uint32_t index, uint64_t entry)
{
    return (uint32_t)(generation_of(entry) << SLOT_INDEX_BITS) | index;
}

/* The slots of one part of the entries. */
static void look_after(struct arena *arena, struct semaphore *semaphore, uint32_t part)
{
    entry_t *entries = entries_at(arena, semaphore, part);
    uint32_t start = overflow_start(SEMAPHORE_FIRST, part);
    for (uint32_t i = 0; entries && i < entries_of(part); i++) {
        uint64_t seen = atomic_load(&entries[i]);
        if (held(seen) > 0 && !table_is_alive(arena, tag_of(start + i, seen)))
            release_permits_of(arena, semaphore, tag_of(start + i, seen), true);
    }
}

void semaphore_look_after(struct arena *arena, struct semaphore *semaphore)
{
    for (uint32_t part = 0; part < SEMAPHORE_PARTS; part++)
        if (!(carried_word(arena, semaphore) & ANONYMOUS))
            look_after(arena, semaphore, part);
}

void semaphore_forget(struct arena *arena, struct semaphore *semaphore)
{
    release_permits_of(arena, semaphore, arena->tag, false);
}

/* ---- taking */

/* Makes the entry this process's own. Only the process in the slot does that, so it stays so. */
static void claim_entry(struct arena *arena, struct semaphore *semaphore, entry_t *entry)
{
    uint64_t seen = atomic_load(entry);
    while (!is_of(seen, arena->tag)) {
        if (held(seen) >
            0) { /* of a dead predecessor, which had released its handle before it ended */
            release_permits_of(arena, semaphore, tag_of(tag_index(arena->tag), seen), true);
            seen = atomic_load(entry);
            continue;
        }
        uint64_t mine = make_entry(0, generation_in(arena->tag), number_of(seen));
        if (atomic_compare_exchange_strong(entry, &seen, mine))
            return;
    }
}

/* Stores this process's entry in *own*, or NULL: then what it takes is not noted. */
static void find_own(struct arena *arena, struct semaphore *semaphore, entry_t **own)
{
    *own = entry_at(arena, semaphore, tag_index(arena->tag));
    if (*own == NULL && make_own_entry(arena, semaphore))
        *own = entry_at(arena, semaphore, tag_index(arena->tag));
    if (*own && !is_of(atomic_load(*own), arena->tag))
        claim_entry(arena, semaphore, *own);
}

/* The word after *word* when this process takes a permit. */
static uint64_t word_after_take(struct arena *arena, struct semaphore *semaphore, uint64_t word)
{
    if (word & ANONYMOUS)
        return word - 1;
    entry_t *own;
    find_own(arena, semaphore, &own);
    uint64_t seen = own ? atomic_load(own) : 0;
    bool noted = own && held(seen) < MOST_HELD;
    return next_word(word, value_of(word) - 1, noted ? SEMAPHORE_TAKE : SEMAPHORE_UNNOTED,
                     tag_index(arena->tag), seen);
}

enum status semaphore_try(struct arena *arena, struct semaphore *semaphore)
{
    for (;;) {
        uint64_t word = carried_word(arena, semaphore);
        if (value_of(word) == 0)
            return STATUS_AGAIN;
        if (commit(arena, semaphore, word, word_after_take(arena, semaphore, word)))
            return STATUS_OK;
    }
}

enum status semaphore_wait(struct arena *arena, struct semaphore *semaphore,
                           struct spin_wait *spin_wait, deadline_t deadline)
{
    uint32_t seen = (uint32_t)atomic_load(&semaphore->word);
    if (semaphore_value(semaphore) > 0 || spin_wait_while(spin_wait, low_half(semaphore), seen))
        return STATUS_OK;
    uint32_t count = event_count_prepare(&semaphore->sleepers);
    if (semaphore_value(semaphore) > 0)
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = event_count_sleep(&semaphore->sleepers, count, deadline);
    spin_wait_slept(spin_wait, clock_now() - begun);
    if (status != STATUS_OK)
        semaphore_look_after(arena, semaphore);
    return status;
}

/* ---- releasing */

/* The word after *word* when this process releases a permit. */
static uint64_t word_after_release(struct arena *arena, struct semaphore *semaphore, uint64_t word)
{
    if (word & ANONYMOUS)
        return word + 1;
    entry_t *own = entry_at(arena, semaphore, tag_index(arena->tag));
    uint64_t seen = own ? atomic_load(own) : 0;
    if (held(seen) == 0 || !is_of(seen, arena->tag))
        return ANONYMOUS | (value_of(word) + 1); /* it releases a permit that it did not take */
    return next_word(word, value_of(word) + 1, SEMAPHORE_GIVE, tag_index(arena->tag), seen);
}

enum status semaphore_release(struct arena *arena, struct semaphore *semaphore)
{
    uint64_t word;
    do {
        word = carried_word(arena, semaphore);
        if (value_of(word) >= semaphore->max)
            return STATUS_NOT_HELD;
    } while (!commit(arena, semaphore, word, word_after_release(arena, semaphore, word)));
    CRASH_POINT("semaphore.release.before_wake");
    event_count_advance(&semaphore->sleepers, 1);
    return STATUS_OK;
}
