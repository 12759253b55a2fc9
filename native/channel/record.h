/* One message as it lies in a channel: a header and up to RECORD_DATA_LIMIT bytes.
 *
 * A larger message, or one that owns references to other blocks, is sent as a payload block
 * (payload.h), and the record's data is the offset of that block. */
#ifndef PROCESSION_CHANNEL_RECORD_H
#define PROCESSION_CHANNEL_RECORD_H

#include <stdint.h>

enum record_kind {
    RECORD_NONE = 0,
    RECORD_BOOL_FALSE,
    RECORD_BOOL_TRUE,
    RECORD_INT,   /* 8 bytes, native order */
    RECORD_FLOAT, /* 8 bytes */
    RECORD_STR,   /* UTF-8 */
    RECORD_BYTES,
    RECORD_PICKLE,
    RECORD_PAYLOAD, /* struct payload_reference */
    RECORD_COMPACT, /* a small tuple, list or dict; see python/compact_format.c */
    RECORD_KINDS,
    RECORD_END = 0x7fff, /* no message: the channel goes on in the next segment */
};

/* The data of a record whose message lies in a block of its own. The serial number tells that block
 * from any other, so that a damaged record names none. */
struct payload_reference {
    uint64_t payload; /* offset */
    uint64_t serial;
};

#define RECORD_NO_SEQUENCE UINT64_MAX

struct record {
    uint32_t size; /* of the data, in bytes */
    uint16_t kind;
    uint16_t unused;
    uint64_t sequence; /* the message's number in its channel, from 0 */
    uint64_t label;    /* two words that the sender chose */
    uint64_t extra;
};
_Static_assert(sizeof(struct record) == 32, "records are laid out alike in all builds");

enum { RECORD_DATA_LIMIT = 2048 };

static inline uint64_t record_bytes(uint32_t size)
{
    return sizeof(struct record) + ((size + 7u) & ~7u);
}

#endif
