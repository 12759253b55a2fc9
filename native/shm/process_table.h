/* The process table: which processes the family has, and which of them are alive.
 *
 * Idea      A process has a slot. The slot lists every reference to a block that the process holds
 *           (reference.h), so that after its death, of whatever cause, any other process can give
 *           them back.
 * State     A slot that is about to be used by a new process is starting: the parent fills it. The
 *           new process makes it live, by one store. Any process that sees that the process of a
 *           slot has ended may reap the slot. If the reaper dies, too, the next one goes on.
 * Liveness  The main thread of a process holds a robust mutex in its slot as long as it runs. The
 *           kernel marks the mutex when the thread dies or another program replaces its own (exec).
 *           So one load shows that a process is alive. Only where it seems to be dead, /proc is
 *           asked for the rest: whether other threads of it run, and (without that mutex) whether
 *           the pid is still its own.
 * Tag       Index and generation of a slot in 30 bits: it tells a process from a later one in the
 *           same slot, and fits into the word of a lock.
 */
#ifndef PROCESSION_SHM_PROCESS_TABLE_H
#define PROCESSION_SHM_PROCESS_TABLE_H

#include "reference.h"

/* Has *hook* called for each process that is reaped, before its references are released; the arena
 * is locked. Must be called before any other thread or process can see the arena. */
void table_set_reap_hook(void (*hook)(struct arena *arena, uint32_t tag));

/* ---- the process's own slot */

/* A new slot for a process that *this* one starts. STATUS_FULL_TABLE, STATUS_NO_MEMORY. */
enum status table_reserve(struct arena *arena, uint32_t *tag);
/* Gives the starting process the same references, under the same entry numbers, as this one
 * holds. */
enum status table_copy_references(struct arena *arena, uint32_t tag);
/* The starting process, too, holds the block behind *handle*. STATUS_STALE: the slot was reaped. */
enum status table_give_reference(struct arena *arena, const struct handle *handle, uint32_t tag);
/* The starting process is *pid*, started at *start*, or START_UNKNOWN if it adopts its slot so soon
 * that its pid cannot be used again before. */
void table_launched(struct arena *arena, uint32_t tag, int pid, uint64_t start);
/* After a fork that does not tell the child's pid (os.fork): if the child was killed before it
 * adopted its slot, no other process would ever know. The kernel is asked for the pid. If it does
 * not tell, the child has ten seconds to adopt its slot. If the fork has failed, the slot is
 * released. */
void table_forked(struct arena *arena, uint32_t tag);
/* Makes the slot this process's, and its main thread the owner of the slot's mutex. STATUS_STALE:
 * the slot was reaped. */
enum status table_adopt(struct arena *arena, uint32_t tag);
/* Releases a slot whose process was never made, or has ended and was waited for. */
void table_abandon(struct arena *arena, uint32_t tag);
/* Releases the slot of the process *pid*, for which this process has waited. */
void table_reap_pid(struct arena *arena, int pid);
void table_set_name(struct arena *arena, const char *name);

/* ---- looking at others */

uint32_t table_tag(const struct arena *arena, uint32_t index);
/* False as well when the slot belongs to another process by now. */
bool table_is_alive(struct arena *arena, uint32_t tag);
/* The tag of the process *pid*; 0: there is none, or it is not alive. */
uint32_t table_find(struct arena *arena, int pid);
/* Reaps every slot whose process has ended; returns how many. */
unsigned table_reap_dead(struct arena *arena);

#endif
