/* The end of a slot: what a process held that has ended is released.
 *
 * Rule      A look at a process is a system call, so it is made without the arena's mutex. With
 *           it, a slot is reaped only if its state is still the one that was looked at. A slot that
 *           was starting and is live now is its process's. So a living process is never
 *           reaped, and a starting one that comes too late is told so: table_adopt fails.
 * Steps     What a process held is released in steps, with the mutex released in between. The slot
 *           says SLOT_REAPING meanwhile.
 * Crash     A reaper that is killed leaves the slot in that state, and the next one goes on: each
 *           reference is given back in one transaction with its entry. Several reapers of one slot
 *           do no harm to each other. The store of SLOT_FREE, in the last transaction, is the end.
 * Worn      A slot whose tags have all been used is put aside, behind all others: a tag comes round
 *           only when each slot has had a quarter of a million processes.
 */
#ifndef PROCESSION_SHM_REAPER_H
#define PROCESSION_SHM_REAPER_H

#include "reference.h"
#include "slot_state.h"

/* Has *hook* called for each process that is reaped, before its references are released; the arena
 * is locked. Must be called before any other thread or process can see the arena. */
void table_set_reap_hook(void (*hook)(struct arena *arena, uint32_t tag));

/* Releases a slot that its process has not adopted, or whose process has ended. False: the process
 * has it and lives, or the slot was released before; then nothing is changed. */
bool table_abandon(struct arena *arena, uint32_t tag);
/* Gives up a start, whatever has come of it: releases the slot, and kills the process that is being
 * started, or has come already, and waits for its end. For its parent or the fork server's client
 * alone. */
void table_cancel_start(struct arena *arena, uint32_t tag);
/* Releases the slot of the process *pid*, for which this process has waited. */
void table_reap_pid(struct arena *arena, int pid);
/* Reaps every slot whose process has ended; returns how many. */
unsigned table_reap_dead(struct arena *arena);
/* Looks at a few slots only, so that the cost of a start does not grow with the family. */
void table_reap_a_few(struct arena *arena, unsigned looks);

#endif
