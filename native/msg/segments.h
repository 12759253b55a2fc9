/* The chain of segments under a channel: growing at the tail, shrinking at the head. */
#ifndef PROCESSION_MSG_SEGMENTS_H
#define PROCESSION_MSG_SEGMENTS_H

#include "channel.h"

/* Room for *bytes* and an end mark at the tail, in a further segment if need be. Put side locked. */
enum status segments_make_room(struct arena *arena, struct channel *channel, uint64_t bytes);

/* The segment of the next record, after dropping one that has been read to its end. Get side locked,
 * and there is a next record. NULL: the chain ends here, which cannot be. */
struct segment *segments_skip_end(struct arena *arena, struct channel *channel);

#endif
