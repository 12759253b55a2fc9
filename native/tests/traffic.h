/* Messages for the tests of the channel: numbered, checkable, sent in every way. */
#ifndef PROCESSION_TESTS_TRAFFIC_H
#define PROCESSION_TESTS_TRAFFIC_H

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "family.h"

/* A channel held by this process. */
struct traffic {
    struct handle handle;
    struct channel *channel;
};

struct traffic traffic_open(uint64_t max_messages);
void traffic_close(struct traffic *traffic);

/* Sends the message *number* of *sender*: *size* bytes that can be told from any other's. Above
 * RECORD_DATA_LIMIT it is sent as a payload. Waits for room. */
void traffic_put(struct channel *channel, uint64_t sender, uint64_t number, uint32_t size);
/* The same without a wait. */
enum status traffic_try_put(struct channel *channel, uint64_t sender, uint64_t number,
                            uint32_t size);
/* Makes such a message, to be put later. */
void traffic_compose(struct message *message, uint64_t sender, uint64_t number, uint32_t size);
/* A payload that owns a reference to each of *blocks*. */
void traffic_put_references(struct channel *channel, const struct handle *blocks, uint32_t count);

/* Takes the next message and checks its bytes; releases a payload. STATUS_AGAIN: there was none. */
enum status traffic_try_get(struct channel *channel, struct message *message);
/* Waits for it up to *deadline*; false: nothing came. */
bool traffic_get(struct channel *channel, struct message *message, deadline_t deadline);
/* Fails unless the next message is that one. */
void traffic_expect(struct channel *channel, uint64_t sender, uint64_t number);

#endif
