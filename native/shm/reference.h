/* Whole lists of holdings, for the process table alone. The arena is locked. */
#ifndef PROCESSION_SHM_REFERENCE_H
#define PROCESSION_SHM_REFERENCE_H

#include "process_table.h"

enum status references_copy(struct arena *arena, uint32_t from, uint32_t to);
void references_release(struct arena *arena, uint32_t index, uint32_t tag);

#endif
