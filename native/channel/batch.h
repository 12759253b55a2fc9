/* Many messages at a time, with one round of the mutex and one commit.
 *
 * Idea      A batch is a row of records as they lie in a channel, in a process's own memory. As
 *           many as the segment has room for are copied in, then committed by one store of
 *           put_count; in the same way out. So a batch is not one message: a receiver may see a
 *           part of it first, but never half a record.
 * Payloads  change hands one by one (channel.h), and are in no batch.
 * Crash     A sender killed before the store has put nothing of the part, after it all of it; a
 *           receiver likewise. The offset of the side may lag behind by all records of a part: see
 *           repair_side().
 */
#ifndef PROCESSION_CHANNEL_BATCH_H
#define PROCESSION_CHANNEL_BATCH_H

#include "channel.h"

/* The most bytes that are copied while a mutex is held. */
enum { BATCH_BYTES = 16 * 1024 };

/* Appends *message*'s record to the batch at *records*, where there must be room for it. */
uint64_t batch_write(char *records, const struct message *message);
/* Reads the message at *records*; its data stay in the batch. Returns the bytes of the record. */
uint64_t batch_read(const char *records, struct message *message);

/* What of a batch was put. */
struct batch_part {
    uint32_t count;
    uint64_t bytes;
    uint64_t sequence; /* of its first message */
};

/* Puts as many of *count* records, one or more, as it can; after STATUS_OK those of *part*.
 * STATUS_AGAIN: the channel is full. */
enum status channel_try_put_batch(struct arena *arena, struct channel *channel, const char *records,
                                  uint32_t count, struct batch_part *part);

/* Takes up to *limit* messages, as many as BATCH_BYTES have room for. STATUS_AGAIN: there are none.
 * After STATUS_OK *done* may be 0: the next message has a payload, and must be taken by itself. */
enum status channel_try_get_batch(struct arena *arena, struct channel *channel, char *records,
                                  uint32_t limit, uint32_t *done);

#endif
