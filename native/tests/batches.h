/* Batches of numbered messages, for the tests: bytes that tell the sender and the number. */
#ifndef PROCESSION_TESTS_BATCHES_H
#define PROCESSION_TESTS_BATCHES_H

#include "../channel/batch.h"

enum { BATCH_MOST = 40 };

/* Puts the messages *first* .. of *sender*, at most BATCH_MOST; waits for room. */
void batch_put(struct channel *channel, uint64_t sender, uint64_t first, uint32_t count);
/* Fails unless the bytes are those of the number. */
void batch_check(const struct message *message);

#endif
