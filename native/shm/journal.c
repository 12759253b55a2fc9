#include "journal.h"

#include <stdio.h>
#include <stdlib.h>

#include "../crash_point.h"

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "procession: internal journal: %s; this is a defect, please report it\n", what);
    abort();
}

static void carry_out(struct arena *arena)
{
    struct journal *journal = &arena->header->journal;
    uint64_t count = atomic_load_explicit(&journal->valid, memory_order_acquire);
    if (count > JOURNAL_ENTRIES)
        count = 0; /* something has written over it; no transaction is that long */
    for (uint64_t i = 0; i < count; i++) {
        word_t *word = arena_at(arena, journal->entries[i].where);
        /* Release: a reader of a channel's count, which has no mutex, sees the record as well. */
        atomic_store_explicit(word, journal->entries[i].value, memory_order_release);
        CRASH_POINT("journal.carried_out_one");
    }
    atomic_store_explicit(&journal->valid, 0, memory_order_release);
    /* The next transaction's entries must not be written while these are still valid. */
    CRASH_POINT("journal.done");
    journal->staged = 0;
}

/* Finds a mistake that would lose a change: one word twice in a transaction. */
static void check_stage(const struct journal *journal, offset_t where)
{
#ifdef PROCESSION_DEBUG_CHECKS
    if (atomic_load(&journal->valid) != 0)
        fail("a word was staged while a transaction was carried out");
    for (uint64_t i = 0; i < journal->staged; i++)
        if (journal->entries[i].where == where)
            fail("a word was staged twice");
#else
    (void)journal, (void)where;
#endif
}

void journal_stage(struct arena *arena, word_t *word, uint64_t value)
{
    struct journal *journal = &arena->header->journal;
    check_stage(journal, arena_offset(arena, word));
    uint64_t i = journal->staged;
    if (i >= JOURNAL_ENTRIES) /* in every build: what lies behind is the arena's own state */
        fail("a transaction has too many words");
    journal->staged = i + 1;
    journal->entries[i].where = arena_offset(arena, word);
    journal->entries[i].value = value;
}

void journal_commit(struct arena *arena)
{
    struct journal *journal = &arena->header->journal;
    CRASH_POINT("journal.before_commit");
    atomic_store_explicit(&journal->valid, journal->staged, memory_order_release);
    CRASH_POINT("journal.committed");
    carry_out(arena);
}

void journal_repair(struct arena *arena)
{
    carry_out(arena);
}
