/* The process table: who is in the family, who lives, and what each holds.
 *
 * Idea      A process has a slot. The slot lists every reference to a block that the process holds,
 *           so that after its death, of whatever kind, any other process can give them back.
 * Invariant A block's count of references is the number of slots' entries that name it, plus one
 *           for each message and each block that owns it. Entry and count change in one
 *           transaction.
 * Life      A slot that is about to be used by a new process is an embryo: its parent fills it. The
 *           new process makes it live, by one store. Whoever sees that the process of a slot
 *           has ended may reap it; a reaper that dies too is followed by the next.
 *           The main thread of a process holds a robust mutex in its slot, for life: the kernel
 *           marks it when the thread dies or makes way for another program (exec). So that somebody
 *           lives is seen with one load; only of who seems dead /proc is asked for the rest: whether
 *           it is all of the process, and (without that mutex) whether the pid is still its own.
 * Tag       Index and generation of a slot in 30 bits: it tells a process from a later one in the
 *           same slot, and fits into the word of a lock.
 */
#ifndef PROCESSION_SHM_PROCESS_TABLE_H
#define PROCESSION_SHM_PROCESS_TABLE_H

#include "reference.h"

/* Has *hook* called for each process that is reaped, before its references are released; the arena is
 * locked. Must be called before any other thread or process can see the arena. */
void table_set_reap_hook(void (*hook)(struct arena *arena, uint32_t tag));

/* ---- the process's own slot */

/* A new slot for a process that *this* one starts. STATUS_FULL_TABLE, STATUS_NO_MEMORY. */
enum status table_reserve(struct arena *arena, uint32_t *tag);
/* Gives the embryo the same references, under the same entry numbers, as this process holds. */
enum status table_copy_references(struct arena *arena, uint32_t tag);
/* The starting process, too, holds the block behind *handle*. STATUS_STALE: the slot was given up. */
enum status table_give_reference(struct arena *arena, const struct handle *handle, uint32_t tag);
/* The embryo's process is *pid*, started at *start*, or START_UNKNOWN if it takes its slot so soon
 * that its pid cannot become another's before. */
void table_launched(struct arena *arena, uint32_t tag, int pid, uint64_t start);
/* After a fork that does not tell the child's pid (os.fork): should the child be killed before it takes
 * its slot, nobody else would ever know. The kernel is asked; if it does not tell, or the fork has
 * failed, the child has ten seconds to take its slot. */
void table_forked(struct arena *arena, uint32_t tag);
/* This process takes the slot, and its main thread the slot's mutex. STATUS_STALE: it was given up for dead. */
enum status table_adopt(struct arena *arena, uint32_t tag);
/* Releases a slot whose process never came to be, or has ended and was waited for. */
void table_abandon(struct arena *arena, uint32_t tag);
/* Likewise for the process *pid* that this process has waited for. */
void table_reap_pid(struct arena *arena, int pid);
void table_set_name(struct arena *arena, const char *name);

/* ---- looking at others */

uint32_t table_tag(const struct arena *arena, uint32_t index);
/* False as well when the slot has passed to another process. */
bool table_is_alive(struct arena *arena, uint32_t tag);
/* The slot of the living process *pid*, or 0: no such. */
uint32_t table_find(struct arena *arena, int pid);
/* Reaps every slot whose process has ended; how many. */
unsigned table_reap_dead(struct arena *arena);

#endif
