/* The process table: which processes the family has, and which of them are alive.
 *
 * Idea      A process has a slot. The slot lists every reference to a block that the process holds
 *           (reference.h), so that after its death, of whatever cause, any other process can give
 *           them back.
 * State     A slot that is about to be used by a new process is starting: the parent fills it. The
 *           new process makes it live, by one store. Any process that sees that the process of a
 *           slot has ended may reap the slot (reaper.h).
 * Liveness  The main thread of a process holds a robust mutex in its slot as long as it runs. The
 *           kernel marks the mutex when the thread dies or another program replaces its own (exec).
 *           So one load shows that a process is alive. Only where it seems to be dead, /proc is
 *           asked for the rest: whether other threads of it run, and (without that mutex) whether
 *           the pid is still its own.
 * Namespace All processes of a family are in one PID namespace: the kernel knows the owner of a
 *           mutex by its number, which another thread has in another namespace. The first process
 *           writes its namespace into the header; table_adopt() refuses one of another.
 * Bare fork A child that is made behind the C library's back has a copy of its parent's tag, not of
 *           the parent's slot. It is known by a page that each fork wipes (arena_is_own).
 * Tag       Index and generation of a slot in 30 bits: it tells a process from a later one in the
 *           same slot, and fits into the word of a lock.
 */
#ifndef PROCESSION_SHM_PROCESS_TABLE_H
#define PROCESSION_SHM_PROCESS_TABLE_H

#include "reaper.h"
#include "reference.h"
#include "slot_state.h"

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
 * adopted its slot, no other process would ever know. So the child is looked for among this
 * thread's children. An orphan that this process was given meanwhile (it is a subreaper, or the
 * first process of a container) is not taken for it: it is older, or has a slot. If more than one
 * can be the child, or the kernel does not list them, the child has ten seconds to adopt its slot,
 * and is told if it comes later. If the fork has failed, the slot is released. */
void table_forked(struct arena *arena, uint32_t tag);
/* Makes the slot this process's, and its main thread the owner of the slot's mutex. STATUS_STALE:
 * the slot was reaped. STATUS_OTHER_NAMESPACE: see above. */
enum status table_adopt(struct arena *arena, uint32_t tag);
void table_set_name(struct arena *arena, const char *name);

#endif
