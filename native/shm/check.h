/* Checks whether the arena is what it must be: for tests, which call it after every kill.
 *
 * Idea      All that can be derived is derived again, by walking over every block, every list,
 *           every slot and every owner of references, and compared with what the arena says of
 *           itself.
 * Rule      The family must be at rest except for waits: the records of a channel are read without
 *           its mutexes.
 */
#ifndef PROCESSION_SHM_CHECK_H
#define PROCESSION_SHM_CHECK_H

#include "arena.h"

/* Calls *say* with a sentence for each mistake (for the first fifty, without the arena's mutex);
 * returns how many there were. Takes the mutex first, and so repairs what a dead owner left. */
unsigned arena_check(struct arena *arena, void (*say)(void *with, const char *problem), void *with);

#endif
