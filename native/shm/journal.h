/* The journal: every multi-step change of the arena's own state, whole or not at all.
 *
 * Idea      A change is a list of (word, new value). The list is written down first, made valid by one
 *           store, then carried out. A process that finds the arena's mutex abandoned carries a valid
 *           list out again, which changes nothing if that was done before; an invalid list is void.
 *           So each change has happened whole or not at all, with no other repair.
 * Use       Lock the arena, stage each word, commit. Within one transaction a word is staged at most once,
 *           and at most one block is released.
 * Source    Redo logging, as in ARIES (Mohan et al., 1992), in its simplest form.
 */
#ifndef PROCESSION_SHM_JOURNAL_H
#define PROCESSION_SHM_JOURNAL_H

#include "arena.h"

/* The arena is locked in all of these. */

/* The word is to have that value. */
void journal_stage(struct arena *arena, word_t *word, uint64_t value);
/* Makes all that was staged so. */
void journal_commit(struct arena *arena);

/* Carries out what a dead owner of the mutex had committed. */
void journal_repair(struct arena *arena);

/* Voids what a failed transaction had staged. */
static inline void journal_begin(struct arena *arena)
{
    arena->header->journal.staged = 0;
}

#endif
