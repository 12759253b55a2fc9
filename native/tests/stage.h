/* What tests of the process table have in common: a child that adopts a slot and owns a block, and
 * a process that is stopped in the midst of what it does. */
#ifndef PROCESSION_TESTS_STAGE_H
#define PROCESSION_TESTS_STAGE_H

#include "family.h"

struct stage {
    _Atomic uint32_t tag;
    _Atomic int pid, go, adopted; /* adopted: 1 + the status */
    struct handle block;          /* of the process of the test */
    _Atomic uint64_t payload, serial;
    const char *point;
    void (*act)(struct stage *stage);
};

enum slot_state stage_state(uint32_t tag); /* SLOT_FREE as well when the tag is not the slot's */
bool stage_has_block(struct stage *stage);
void stage_own_block(struct stage *stage);

/* Body of a child: waits for *go*, then adopts, owns a block, and lives on. */
void stage_adopt(void *stage);

/* Starts a process that does *act* up to *point*, and is stopped there. It has no slot: to reserve
 * one reaps a little. */
pid_t stage_stop(const char *point, void (*act)(struct stage *stage), struct stage *stage);
void stage_let_go_on(pid_t pid); /* to its end */

/* For stage_stop(). */
void stage_reap_dead(struct stage *stage);
void stage_abandon(struct stage *stage);

#endif
