/* A family of processes for the C tests: what the bindings do around fork, without Python. */
#ifndef PROCESSION_TESTS_FAMILY_H
#define PROCESSION_TESTS_FAMILY_H

#include "../shm/check.h"
#include "../shm/process_table.h"
#include "harness.h"

#define SMALL_RESERVE (UINT64_C(64) << 20)

extern struct arena family; /* this process's view */

/* An arena of that reserve, all kinds of blocks known, and this process in slot 0. */
void family_found(uint64_t reserve);
/* Leaves and closes it, so that this process can found another. By the main thread. */
void family_leave(void);

/* child_start() with a slot in the family; the child holds what this process holds. */
pid_t family_start(void (*body)(void *with), void *with);
/* child_end(), then what the child held is released. */
int family_end(pid_t pid);
void family_kill(pid_t pid);
bool family_killed_at(const char *point, unsigned passage, void (*body)(void *with), void *with);

/* Fails if arena_check() finds problems, and prints them. */
void family_check(void);
/* The bytes in blocks that are not free, after all others were reclaimed. */
uint64_t family_used(void);

/* A block of *size* bytes, its reference held by this process. */
struct handle family_block(uint64_t size);
/* A new condition, likewise. */
struct handle family_condition(void);
uint64_t family_serial(struct handle handle);
uint64_t family_references(struct handle handle);
struct slot *family_slot(uint32_t tag);
/* The tag of a slot that was free. */
uint32_t family_reserve_slot(void);

#endif
