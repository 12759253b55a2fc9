#include "pipe_fastpath.h"

#include <sched.h>
#include <string.h>

#include "../crash_point.h"
#include "../os/clock.h"

/* A look at the descriptor takes as long as some yields. Turns before a yield are few: where both
 * sides share a processor each is wasted, and a yield that finds nobody is cheap. */
enum { YIELDS_BETWEEN_LOOKS = 4, TURNS_BEFORE_YIELD = 6 };

/* ---- the word */

enum { STATE_BITS = 3, TAG_BITS = 30 };
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)

static uint64_t word_of(enum mailbox_state state, uint32_t tag, uint64_t turn)
{
    return turn << (STATE_BITS + TAG_BITS) | (uint64_t)tag << STATE_BITS | (uint64_t)state;
}

static enum mailbox_state state_of(uint64_t word)
{
    return (enum mailbox_state)(word & ((1u << STATE_BITS) - 1));
}

static uint32_t tag_of(uint64_t word)
{
    return (uint32_t)(word >> STATE_BITS & TAG_MASK);
}

static uint64_t turn_of(uint64_t word)
{
    return word >> (STATE_BITS + TAG_BITS);
}

/* Acquire: what was written before the old word is visible. Release: what we wrote is, with the new. */
static bool swap(struct mailbox *mailbox, uint64_t *from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&mailbox->word, from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

static uint64_t look(struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->word, memory_order_acquire);
}

/* ---- sender */

bool mailbox_put(struct arena *arena, struct mailbox *mailbox, enum stream_kind kind, int fd,
                 const void *data, size_t size)
{
    uint64_t word = look(mailbox);
    if (state_of(word) != MAILBOX_SPINNING || size > MAILBOX_LIMIT)
        return false;
    if (clock_now() > (deadline_t)word_get(&mailbox->until) || !stream_is_drained(kind, fd))
        return false;
    uint64_t mine = word_of(MAILBOX_WRITING, arena->tag, turn_of(word));
    uint64_t full = word_of(MAILBOX_FULL, tag_of(word), turn_of(word));
    if (!swap(mailbox, &word, mine))
        return false;
    CRASH_POINT("mailbox.put.claimed");
    mailbox->size = size;
    memcpy(mailbox->data, data, size);
    CRASH_POINT("mailbox.put.before_commit");
    if (swap(mailbox, &mine, full)) {
        CRASH_POINT("mailbox.put.committed");
        return true;
    }
    /* Abandoned: from here to the store the word is nobody's but ours. */
    atomic_store_explicit(&mailbox->word, word_of(MAILBOX_IDLE, 0, turn_of(mine)),
                          memory_order_release);
    return false;
}

/* ---- receiver */

/* The word is FULL, and marked as ours. */
static size_t take(struct mailbox *mailbox, uint64_t word, char *buffer)
{
    size_t size = mailbox->size <= MAILBOX_LIMIT ? mailbox->size : MAILBOX_LIMIT;
    memcpy(buffer, mailbox->data, size);
    CRASH_POINT("mailbox.take.before_commit");
    atomic_store_explicit(&mailbox->word, word_of(MAILBOX_IDLE, 0, turn_of(word)),
                          memory_order_release);
    CRASH_POINT("mailbox.take.committed");
    return size;
}

/* Removes what the dead have left, or a sender that may never go on: after this the word is IDLE,
 * or FULL (of a living or a dead process), or some other process is at work. */
static uint64_t settle(struct arena *arena, struct mailbox *mailbox)
{
    uint64_t word = look(mailbox);
    while (state_of(word) != MAILBOX_IDLE && state_of(word) != MAILBOX_FULL) {
        bool lives = table_is_alive(arena, tag_of(word));
        uint64_t next = word_of(MAILBOX_IDLE, 0, turn_of(word));
        if (lives && state_of(word) == MAILBOX_WRITING)
            next = word_of(MAILBOX_ABANDONED, tag_of(word), turn_of(word));
        else if (lives)
            break;
        if (swap(mailbox, &word, next))
            word = next;
    }
    return word;
}

size_t mailbox_inherit(struct arena *arena, struct mailbox *mailbox, char *buffer)
{
    uint64_t word = settle(arena, mailbox);
    if (state_of(word) != MAILBOX_FULL || table_is_alive(arena, tag_of(word)))
        return MAILBOX_NOTHING;
    uint64_t mine = word_of(MAILBOX_FULL, arena->tag, turn_of(word));
    CRASH_POINT("mailbox.inherit.before_claim");
    if (!swap(mailbox, &word, mine))
        return MAILBOX_NOTHING; /* another receiver was faster */
    CRASH_POINT("mailbox.inherit.claimed");
    return take(mailbox, mine, buffer);
}

bool mailbox_has_legacy(struct arena *arena, struct mailbox *mailbox)
{
    uint64_t word = settle(arena, mailbox);
    return state_of(word) == MAILBOX_FULL && !table_is_alive(arena, tag_of(word));
}

/* Invites senders until *end*. The word that does, or 0: somebody else is in there. */
static uint64_t open_mailbox(struct arena *arena, struct mailbox *mailbox, deadline_t end)
{
    uint64_t word = look(mailbox);
    if (state_of(word) != MAILBOX_IDLE)
        return 0;
    uint64_t open = word_of(MAILBOX_SPINNING, arena->tag, turn_of(word) + 1);
    atomic_store_explicit(&mailbox->until, (uint64_t)end, memory_order_relaxed);
    if (!swap(mailbox, &word, open))
        return 0;
    CRASH_POINT("mailbox.opened");
    return open;
}

/* Ends the invitation *open*; the message that came instead, if one did. */
static size_t close_mailbox(struct mailbox *mailbox, uint64_t open, char *buffer)
{
    uint64_t word = open;
    CRASH_POINT("mailbox.before_close");
    while (turn_of(word) == turn_of(open)) {
        uint64_t next;
        if (state_of(word) == MAILBOX_FULL)
            return take(mailbox, word, buffer);
        if (state_of(word) == MAILBOX_SPINNING)
            next = word_of(MAILBOX_IDLE, 0, turn_of(word));
        else if (state_of(word) == MAILBOX_WRITING)
            next = word_of(MAILBOX_ABANDONED, tag_of(word), turn_of(word));
        else
            break; /* closed by another receiver, or being closed by its sender */
        if (swap(mailbox, &word, next))
            break;
    }
    CRASH_POINT("mailbox.closed");
    return MAILBOX_NOTHING;
}

/* Until something came, here or there, or *end*. While a sender writes, the spin goes on. */
static void spin(struct mailbox *mailbox, uint64_t open, int fd, deadline_t end)
{
    for (unsigned round = 0;; round++) {
        if (round % YIELDS_BETWEEN_LOOKS == 0 && stream_is_readable(fd))
            return;
        for (unsigned turn = 0; turn < TURNS_BEFORE_YIELD; turn++) {
            uint64_t word = open ? look(mailbox) : 0;
            if (word != open && state_of(word) != MAILBOX_WRITING)
                return;
            patience_relax();
        }
        if (clock_now() > end)
            return;
        sched_yield(); /* a spinner must not keep the processor from the one it waits for */
    }
}

size_t mailbox_await(struct arena *arena, struct mailbox *mailbox, struct patience *patience,
                     int fd, char *buffer)
{
    nanoseconds most = atomic_load_explicit(&patience->spin, memory_order_relaxed);
    if (most == 0)
        return MAILBOX_NOTHING;
    deadline_t end = clock_now() + most;
    uint64_t open = mailbox ? open_mailbox(arena, mailbox, end) : 0;
    if (mailbox && open == 0)
        return MAILBOX_NOTHING;
    spin(mailbox, open, fd, end);
    return open ? close_mailbox(mailbox, open, buffer) : MAILBOX_NOTHING;
}
