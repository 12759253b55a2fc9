/* Copies of what a container has at one moment, in a process's own memory.
 *
 * Idea      The items are copied under one hold of the container's mutex; the copies are used
 *           without it. Nothing is allocated under the mutex: a call that finds too little room
 *           says how much it needs, and is repeated.
 * Owned     Values that lie in blocks of their own come as handles of this process. */
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
    char *bytes;      /* memory of the caller, aligned to eight */
    uint64_t size;    /* how many bytes there are */
    uint64_t needed;  /* how many are needed */
    uint64_t records; /* how many items were copied */
    uint64_t version; /* of the list */
};

/* Positions of a list, as a slice gives them: negative ones count from the end, those out of range
 *           are cut off. */
struct list_range {
    int64_t start, stop, step;
};

/* Turns them into positions of a list of that length; returns how many there are. */
uint64_t list_range_adjust(struct list_range *range, uint64_t length);

/* Copies those *parts* of each item in *range* (NULL: of all). STATUS_AGAIN: there is too little
 * room. */
enum status snapshot_take(struct arena *arena, struct container *container, unsigned parts,
                          const struct list_range *range, struct snapshot *out);
/* Copies one item; the container is locked. */
enum status snapshot_take_one(struct arena *arena, const struct item *item, struct snapshot *out);

static inline uint64_t snapshot_record_bytes(const struct snapshot_record *record)
{
    uint64_t bytes = (uint64_t)record->key_bytes + record->form_bytes + record->value_bytes;
    return sizeof *record + ((bytes + 7) & ~UINT64_C(7));
}

#endif
