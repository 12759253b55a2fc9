/* A channel as a block of the arena: how it is made, what it owns, how it gives that up. */
#ifndef PROCESSION_CHANNEL_CHANNEL_BLOCK_H
#define PROCESSION_CHANNEL_CHANNEL_BLOCK_H

#include "channel.h"

/* Tells the arena what blocks of this kind own. Once, before any is made. */
void channel_register(void);

/* A new channel, held by this process. max_messages 0: no bound. */
enum status channel_create(struct arena *arena, uint64_t max_messages, struct handle *handle);

#endif
