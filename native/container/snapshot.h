/* Copies of what a store has at one moment, in a process's own memory.
 *
 * Idea      The items are copied out under one hold of the store's mutex; what becomes of the copies is seen
 *           without it. Nothing is allocated under the mutex: who finds too little room says how much is
 *           needed, and is called again.
 * Owned     Values that lie in blocks of their own come as handles, which are this process's. */
#ifndef PROCESSION_CONTAINER_SNAPSHOT_H
#define PROCESSION_CONTAINER_SNAPSHOT_H

#include "container.h"

enum { SNAPSHOT_KEYS = 1, SNAPSHOT_VALUES = 2 };

/* Before the bytes of each item. */
struct snapshot_record {
    uint32_t key_bytes, form_bytes, value_bytes, kind;
    uint64_t serial;       /* of the payload */
    struct handle payload; /* held by this process once the snapshot is made */
};

struct snapshot {
    char *bytes;      /* of the caller's, aligned to eight */
    uint64_t size;    /* how many there are */
    uint64_t needed;  /* how many would be */
    uint64_t records; /* how many items were copied */
    uint64_t version; /* of the list */
};

/* Positions of a list, as a slice gives them: negative ones count from the end, what is out of range is cut
 * off. */
struct list_range {
    int64_t start, stop, step;
};

/* Turns it into positions of a list of that length; how many they are. */
uint64_t list_range_adjust(struct list_range *range, uint64_t length);

/* Copies those *parts* of each item in *range* (NULL: of all). STATUS_AGAIN: there is too little room. */
enum status snapshot_take(struct arena *arena, struct container *container, unsigned parts,
                          const struct list_range *range, struct snapshot *out);
/* Of one item; the store is locked. */
enum status snapshot_take_one(struct arena *arena, const struct item *item, struct snapshot *out);

static inline uint64_t snapshot_record_bytes(const struct snapshot_record *record)
{
    uint64_t bytes = (uint64_t)record->key_bytes + record->form_bytes + record->value_bytes;
    return sizeof *record + ((bytes + 7) & ~UINT64_C(7));
}

#endif
