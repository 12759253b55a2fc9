#include "pipe_fastpath.h"

#include <sched.h>
#include <string.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../shm/process_table.h"

/* A look at the descriptor takes as long as some yields. Turns before a yield are few: where both
 * sides share a processor each is wasted, and a yield to no one is cheap. */
enum { YIELDS_BETWEEN_LOOKS = 4, TURNS_BEFORE_YIELD = 6 };

/* ---- the word */

enum { STATE_BITS = 3, TAG_BITS = 30 };
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)

static uint64_t word_of(enum handoff_state state, uint32_t tag, uint64_t turn)
{
    return turn << (STATE_BITS + TAG_BITS) | (uint64_t)tag << STATE_BITS | (uint64_t)state;
}

static enum handoff_state state_of(uint64_t word)
{
    return (enum handoff_state)(word & ((1u << STATE_BITS) - 1));
}

static uint32_t tag_of(uint64_t word)
{
    return (uint32_t)(word >> STATE_BITS & TAG_MASK);
}

static uint64_t turn_of(uint64_t word)
{
    return word >> (STATE_BITS + TAG_BITS);
}

/* Acquire: what was written before the old word is visible. Release: what we wrote is, with the
 * new. */
static bool swap(struct handoff *handoff, uint64_t *from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&handoff->word, from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

static uint64_t look(struct handoff *handoff)
{
    return atomic_load_explicit(&handoff->word, memory_order_acquire);
}

/* ---- sender */

bool handoff_put(struct arena *arena, struct handoff *handoff, enum stream_kind kind, int fd,
                 const void *data, size_t size)
{
    uint64_t word = look(handoff);
    if (state_of(word) != HANDOFF_SPINNING || size > HANDOFF_LIMIT)
        return false;
    if (clock_now() > (deadline_t)word_get(&handoff->until) || !stream_is_drained(kind, fd))
        return false;
    uint64_t mine = word_of(HANDOFF_WRITING, arena->tag, turn_of(word));
    uint64_t full = word_of(HANDOFF_FULL, tag_of(word), turn_of(word));
    if (!swap(handoff, &word, mine))
        return false;
    CRASH_POINT("handoff.put.claimed");
    handoff->size = size;
    memcpy(handoff->data, data, size);
    CRASH_POINT("handoff.put.before_commit");
    if (swap(handoff, &mine, full)) {
        CRASH_POINT("handoff.put.committed");
        return true;
    }
    /* Abandoned: from here to the store no other process changes the word. */
    atomic_store_explicit(&handoff->word, word_of(HANDOFF_IDLE, 0, turn_of(mine)),
                          memory_order_release);
    return false;
}

/* ---- receiver */

/* The word is FULL, and marked as ours. */
static size_t take(struct handoff *handoff, uint64_t word, char *buffer)
{
    size_t size = handoff->size <= HANDOFF_LIMIT ? handoff->size : HANDOFF_LIMIT;
    memcpy(buffer, handoff->data, size);
    CRASH_POINT("handoff.take.before_commit");
    atomic_store_explicit(&handoff->word, word_of(HANDOFF_IDLE, 0, turn_of(word)),
                          memory_order_release);
    CRASH_POINT("handoff.take.committed");
    return size;
}

/* Removes the marks of dead processes, and that of a sender that may never go on. After this the
 * word is IDLE, or FULL (of a living or a dead process), or another process is at work. */
static uint64_t clear_dead_marks(struct arena *arena, struct handoff *handoff)
{
    uint64_t word = look(handoff);
    while (state_of(word) != HANDOFF_IDLE && state_of(word) != HANDOFF_FULL) {
        bool lives = table_is_alive(arena, tag_of(word));
        uint64_t next = word_of(HANDOFF_IDLE, 0, turn_of(word));
        if (lives && state_of(word) == HANDOFF_WRITING)
            next = word_of(HANDOFF_ABANDONED, tag_of(word), turn_of(word));
        else if (lives)
            break;
        if (swap(handoff, &word, next))
            word = next;
    }
    return word;
}

size_t handoff_recover(struct arena *arena, struct handoff *handoff, char *buffer)
{
    uint64_t word = clear_dead_marks(arena, handoff);
    if (state_of(word) != HANDOFF_FULL || table_is_alive(arena, tag_of(word)))
        return HANDOFF_NOTHING;
    uint64_t mine = word_of(HANDOFF_FULL, arena->tag, turn_of(word));
    CRASH_POINT("handoff.recover.before_claim");
    if (!swap(handoff, &word, mine))
        return HANDOFF_NOTHING; /* another receiver was faster */
    CRASH_POINT("handoff.recover.claimed");
    return take(handoff, mine, buffer);
}

bool handoff_has_orphan(struct arena *arena, struct handoff *handoff)
{
    uint64_t word = clear_dead_marks(arena, handoff);
    return state_of(word) == HANDOFF_FULL && !table_is_alive(arena, tag_of(word));
}

/* Invites senders until *end*. Returns the word that does so; 0: another process uses the
 * buffer. */
static uint64_t open_handoff(struct arena *arena, struct handoff *handoff, deadline_t end)
{
    uint64_t word = look(handoff);
    if (state_of(word) != HANDOFF_IDLE)
        return 0;
    uint64_t open = word_of(HANDOFF_SPINNING, arena->tag, turn_of(word) + 1);
    atomic_store_explicit(&handoff->until, (uint64_t)end, memory_order_relaxed);
    if (!swap(handoff, &word, open))
        return 0;
    CRASH_POINT("handoff.opened");
    return open;
}

/* Ends the invitation *open*, and takes the message that has come instead, if there is one. */
static size_t close_handoff(struct handoff *handoff, uint64_t open, char *buffer)
{
    uint64_t word = open;
    CRASH_POINT("handoff.before_close");
    while (turn_of(word) == turn_of(open)) {
        uint64_t next;
        if (state_of(word) == HANDOFF_FULL)
            return take(handoff, word, buffer);
        if (state_of(word) == HANDOFF_SPINNING)
            next = word_of(HANDOFF_IDLE, 0, turn_of(word));
        else if (state_of(word) == HANDOFF_WRITING)
            next = word_of(HANDOFF_ABANDONED, tag_of(word), turn_of(word));
        else
            break; /* another receiver has closed it, or its sender is closing it */
        if (swap(handoff, &word, next))
            break;
    }
    CRASH_POINT("handoff.closed");
    return HANDOFF_NOTHING;
}

/* Spins until a message has come, here or there, or *end*. While a sender writes, it goes on. */
static void spin(struct handoff *handoff, uint64_t open, int fd, deadline_t end)
{
    for (unsigned round = 0;; round++) {
        if (round % YIELDS_BETWEEN_LOOKS == 0 && stream_is_readable(fd))
            return;
        for (unsigned turn = 0; turn < TURNS_BEFORE_YIELD; turn++) {
            uint64_t word = open ? look(handoff) : 0;
            if (word != open && state_of(word) != HANDOFF_WRITING)
                return;
            spin_wait_relax();
        }
        if (clock_now() > end)
            return;
        sched_yield(); /* the sender may need this processor */
    }
}

size_t handoff_await(struct arena *arena, struct handoff *handoff, struct spin_wait *spin_wait,
                     int fd, char *buffer)
{
    nanoseconds most = atomic_load_explicit(&spin_wait->spin, memory_order_relaxed);
    if (most == 0)
        return HANDOFF_NOTHING;
    deadline_t end = clock_now() + most;
    uint64_t open = handoff ? open_handoff(arena, handoff, end) : 0;
    if (handoff && open == 0)
        return HANDOFF_NOTHING;
    spin(handoff, open, fd, end);
    return open ? close_handoff(handoff, open, buffer) : HANDOFF_NOTHING;
}
