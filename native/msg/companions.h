/* Locks that belong to a channel, a mapping or a list.
 *
 * Programs that were written for the standard package take a queue's `_rlock` or `_wlock`. Putting
 * and taking need no such locks here, so they are made when somebody first asks: the channel then
 * owns them, and whoever has the channel finds the same. */
#ifndef PROCESSION_MSG_COMPANIONS_H
#define PROCESSION_MSG_COMPANIONS_H

#include "channel.h"

/* The lock behind *place*, a word of a block that owns it; made now, if nobody has asked before. */
enum status companion_at(struct arena *arena, word_t *place, offset_t *payload, uint64_t *serial);

/* Where the lock of a side is, and its serial number; it lives as long as the channel. */
enum status channel_companion(struct arena *arena, struct channel *channel, enum channel_side side,
                              offset_t *payload, uint64_t *serial);

#endif
