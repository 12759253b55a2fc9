/* The journal: every change of several words of the arena's own state, whole or not at all.
 *
 * Idea      A change is a list of (word, new value). The list is written down first, made valid by
 *           one store, then carried out. A process that finds the arena's mutex abandoned carries a
 *           valid list out again, which changes nothing if that was done before; a list that is not
 *           valid is void. So each change has happened whole or not at all, with no other repair.
 * Use       Lock the arena, stage each word, commit. Within one transaction a word is staged at
 *           most once, and at most one block is released.
 * Bound     A transaction has at most JOURNAL_ENTRIES words. One more ends the process with a
 *           message: what it had staged is void, and the next owner of the mutex goes on. What lies
 *           behind the journal is never overwritten, in no build.
 * Source    Redo logging, as in ARIES (Mohan et al., 1992), in its simplest form.
 */
#ifndef PROCESSION_SHM_JOURNAL_H
#define PROCESSION_SHM_JOURNAL_H

#include "layout.h"

/* Each of these is called with the arena locked. */

/* Adds to the transaction that the word gets this value. */
void journal_stage(struct arena *arena, word_t *word, uint64_t value);
/* Carries out all that was staged. */
void journal_commit(struct arena *arena);

/* Carries out the transaction that a dead owner of the mutex had committed, if there is one. */
void journal_repair(struct arena *arena);

/* Forgets what a failed transaction had staged. */
static inline void journal_begin(struct arena *arena)
{
    arena->header->journal.staged = 0;
}

#endif
