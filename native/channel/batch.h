/* Many messages at a time, with one round of the mutex and one commit.
 *
 * Idea      A batch is records as they lie in a channel, one behind the other, in a process's own
 *           memory. As many as there is room for in the segment are copied in, then committed by one
 *           store of put_count; likewise out. So a batch is not one message: others may see a part
 *           of it first, but never half a record.
 * Payloads  change hands one by one (channel.h), and are in no batch.
 * Crash     A putter killed before the store has put none of the part, after it all; a taker likewise.
 *           The side's offset may lag behind by all records of a part: see repair_side().
 */
#ifndef PROCESSION_CHANNEL_BATCH_H
#define PROCESSION_CHANNEL_BATCH_H

#include "channel.h"

/* How much is copied at most while a mutex is held. */
enum { BATCH_BYTES = 16 * 1024 };

/* Appends *message*'s record to the batch at *records*, where there must be room for it. */
uint64_t batch_write(char *records, const struct message *message);
/* The message at *records*; its data lie in the batch. How many bytes the record has. */
uint64_t batch_read(const char *records, struct message *message);

/* Puts as many of *count* records, one or more, as it can. In *done*, after STATUS_OK, how many, and in
 * *bytes* how long they are. STATUS_AGAIN: full. */
enum status channel_try_put_batch(struct arena *arena, struct channel *channel, const char *records,
                                  uint32_t count, uint32_t *done, uint64_t *bytes);

/* Takes up to *limit* messages, as many as BATCH_BYTES have room for. STATUS_AGAIN: empty. After
 * STATUS_OK *done* may be 0: the next message has a payload, and is to be taken by itself. */
enum status channel_try_get_batch(struct arena *arena, struct channel *channel, char *records,
                                  uint32_t limit, uint32_t *done);

#endif
