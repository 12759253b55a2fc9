/* How the arena is laid out: the header at offset 0, then blocks.
 *
 * Idea      Everything shared lies in one memory file that each process of the family maps, at an
 *           address of its own. So shared structures hold offsets, never pointers.
 * Mutex     The arena's mutex guards the arena's own state: the allocator's lists, reference
 *           counts, and which process holds what. All of it changes through the journal
 *           (journal.h). Order: a channel's mutexes are taken before the arena's.
 */
#ifndef PROCESSION_SHM_LAYOUT_H
#define PROCESSION_SHM_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../os/mapping.h"
#include "../os/mutex.h"

#define ARENA_MAGIC UINT64_C(0x4e4f495353434f52)
#define LAYOUT_VERSION 4u
#define CACHE_LINE 64

typedef uint64_t offset_t; /* in bytes from the start of the arena; 0 names nothing */
typedef _Atomic uint64_t word_t;

/* ---- journal */

enum { JOURNAL_ENTRIES = 24 };

struct journal {
    word_t valid; /* how many entries are to be carried out; 0: none. This store is the commit */
    uint64_t staged;
    struct {
        offset_t where;
        uint64_t value;
    } entries[JOURNAL_ENTRIES];
};

/* ---- blocks */

enum block_kind {
    BLOCK_FREE = 0,
    BLOCK_BYTES,      /* plain memory */
    BLOCK_REFERENCES, /* a part of a slot's list of references */
    BLOCK_LOCK,
    BLOCK_CHANNEL,
    BLOCK_SEGMENT, /* of a channel */
    BLOCK_PAYLOAD, /* of a large message */
    BLOCK_SEMAPHORE,
    BLOCK_EVENT,
    BLOCK_CONDITION,
    BLOCK_BARRIER,
    BLOCK_PIPE,        /* the handoff buffers of a pipe */
    BLOCK_OVERFLOW,    /* a further part of another block's list */
    BLOCK_CONTAINER,   /* a mapping or a list */
    BLOCK_ENTRY_TABLE, /* the entries of a container, or of a write batch */
    BLOCK_ITEM,        /* a key and a value */
    BLOCK_KINDS,
};

/* Blocks with robust mutexes are type-stable: their memory is used again for the same kind only.
 * A thread that dies right after it unlocked such a mutex, or right before it locks it, leaves the
 * kernel the mutex's address. If the 32 bits there are the thread's number, the kernel changes
 * them, though the block may have been freed meanwhile (glibc bug 14485). In a block of the same
 * kind there is a mutex at that address, and its word is another thread's number, or 0: the kernel
 * then changes nothing. */
enum {
    NOT_TYPE_STABLE = 0, /* of the kinds that share their memory */
    TYPE_STABLE_KINDS = 4,
};

static inline uint32_t type_stable_index(enum block_kind kind)
{
    switch (kind) {
    case BLOCK_CHANNEL:
        return 1;
    case BLOCK_CONDITION:
        return 2;
    case BLOCK_BARRIER:
        return 3;
    case BLOCK_CONTAINER:
        return 4;
    default:
        return NOT_TYPE_STABLE;
    }
}

#define BLOCK_MAGIC UINT32_C(0x424c4f43)

/* Precedes the contents, which so begin on a cache line of their own. */
struct block {
    uint32_t magic;
    uint16_t size_class;
    uint16_t type_stable; /* type_stable_index() of its kinds, for ever */
    word_t kind;
    word_t references; /* how many: from slots' entries, messages, owning blocks */
    word_t serial;     /* no other block of this arena has ever had it */
    word_t size;       /* of the contents, in bytes, as asked for */
    word_t next;       /* in the free list or the reclaim list */
    word_t cold;       /* 1: free, and its pages but those of its ends were given back */
    word_t unsent;     /* 1: a message that its only holder has not sent yet; no fork inherits it */
};
_Static_assert(sizeof(struct block) == CACHE_LINE, "contents must begin on a cache line");

enum { SIZE_CLASSES = 160 };

/* ---- process table */

enum {
    SLOT_COUNT = 2048,
    SLOT_INDEX_BITS = 12,
    SLOT_GENERATION_BITS = 18,
    REFERENCE_PARTS = 14, /* a million entries */
    REFERENCE_FIRST = 64, /* in the first part; each further part has twice as many */
    SLOT_NAME_BYTES = 40,
};
_Static_assert(SLOT_COUNT <= 1 << SLOT_INDEX_BITS, "a tag must be able to name every slot");

enum slot_state {
    SLOT_FREE = 0,
    SLOT_STARTING, /* a process is being started; it has not adopted the slot yet */
    SLOT_LIVE,
    SLOT_REAPING, /* its process is dead; what it held is being released */
};

struct slot {
    _Alignas(CACHE_LINE) word_t state; /* generation << 8 | enum slot_state */
    word_t pid;                        /* 0: not known yet */
    word_t start;                      /* with the pid, identifies the process (liveness.h) */
    word_t parent;                     /* tag of the slot whose process made it */
    word_t reserved_at;                /* monotonic nanoseconds */
    word_t free_entry;                 /* first unused entry + 1; 0: none */
    word_t next_free;                  /* the next free slot's index + 1 */
    word_t parts[REFERENCE_PARTS];
    char name[SLOT_NAME_BYTES]; /* of the process, for messages; may be cut short */
    struct mutex liveness;      /* the process's main thread holds it: see table_adopt */
};
_Static_assert(sizeof(struct slot) == 256, "slots must not share cache lines");

/* ---- waker table */

enum { WAKER_COUNT = 1024 };

/* A process that sleeps on descriptors: see waker.h. */
struct waker_entry {
    word_t owner; /* 0: none; else the tag of a slot, and above it a number that the owner chose */
    word_t watches; /* 0: not armed */
};

/* ---- header */

struct arena_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint8_t id[16];         /* random: tells this family's references from those of another */
    uint64_t reserve;       /* the size of the file: no block lies beyond */
    uint64_t page_bytes;    /* of the machine */
    uint64_t pid_namespace; /* of all its processes: see process_table.h; 0: not known */
    _Alignas(CACHE_LINE) struct mutex mutex;
    _Alignas(CACHE_LINE) struct journal journal;
    _Alignas(CACHE_LINE) word_t top; /* end of the last block */
    word_t committed;                /* end of what is backed by pages */
    word_t serial;                   /* of the newest block */
    word_t reclaim_list;             /* blocks without references, not yet taken apart */
    word_t used_bytes;               /* in blocks that are not free, headers included */
    word_t warm_bytes;               /* in large free blocks that keep their pages */
    word_t free_slot;                /* index + 1 */
    word_t worn_slot;                /* index + 1: the first of those with all tags used */
    word_t last_worn_slot;
    word_t slots_used;  /* slots at and above were never used */
    word_t reaper_hand; /* where the search for dead processes goes on */
    word_t wakers_used; /* entries at and above were never used */
    word_t free[TYPE_STABLE_KINDS + 1][SIZE_CLASSES]; /* by type_stable_index() */
    struct waker_entry wakers[WAKER_COUNT];
    struct slot slots[SLOT_COUNT];
};

/* ---- the arena as a process sees it */

/* This process's view of its family's arena. */
struct arena {
    struct mapping mapping;
    struct arena_header *header;
    uint32_t self; /* index of this process's slot */
    uint32_t tag;  /* and its tag: index and generation */
    /* The same tag, in memory that a fork wipes: see arena_is_own(). NULL: no slot was taken. */
    const uint32_t *own_tag;
};

/* Whether the slot of *arena* is this process's. A child of a bare clone(2) or vfork(2), for
 * which the C library runs no fork handlers, has a copy of its parent's *arena*, and so seems to
 * have its parent's slot; only *own_tag was wiped. Such a child must not touch what its parent
 * holds. */
static inline bool arena_is_own(const struct arena *arena)
{
    return arena->own_tag != NULL && *arena->own_tag != 0 && *arena->own_tag == arena->tag;
}

/* The address of *offset* in this process, and of the rest of its window. A window that the process
 * does not have yet is mapped now. When address space is so short that this fails, the process
 * cannot go on: so a function that can report an error calls arena_reach() first. */
static inline void *arena_at(const struct arena *arena, offset_t offset)
{
    if (__builtin_expect(offset >= mapping_reached(&arena->mapping), 0))
        mapping_require(&arena->mapping, offset);
    return arena->mapping.base + offset;
}

/* Maps [offset, offset + bytes), if it is not mapped yet. STATUS_NO_MEMORY: there is no room in the
 * address space of this process; others may have it. */
static inline enum status arena_reach(struct arena *arena, offset_t offset, uint64_t bytes)
{
    return mapping_reach(&arena->mapping, offset, offset + bytes);
}

static inline offset_t arena_offset(const struct arena *arena, const void *address)
{
    return (offset_t)((const char *)address - arena->mapping.base);
}

static inline uint64_t word_get(word_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* The slot of a process: see process_table.h. */
static inline struct slot *arena_slot(const struct arena *arena, uint32_t index)
{
    return &arena->header->slots[index];
}

static inline uint32_t tag_index(uint32_t tag)
{
    return tag & ((1u << SLOT_INDEX_BITS) - 1);
}

#endif
