#include "barrier.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/process_table.h"

/* ---- the word */

static uint32_t arrived_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t round_of(uint64_t word)
{
    return (uint32_t)word >> 2;
}

static enum barrier_state state_of(uint64_t word)
{
    return (enum barrier_state)(word & 3);
}

static uint64_t make_word(uint32_t arrived, uint32_t round, enum barrier_state state)
{
    return (uint64_t)arrived << 32 | (uint32_t)(round << 2) | (uint64_t)state;
}

static _Atomic uint32_t *low_half(struct barrier *barrier)
{
    return (_Atomic uint32_t *)(void *)&barrier->word;
}

static uint64_t word_of(struct barrier *barrier)
{
    return atomic_load_explicit(&barrier->word, memory_order_acquire);
}

static void commit(struct barrier *barrier, uint64_t word)
{
    CRASH_POINT("barrier.before_commit");
    atomic_store_explicit(&barrier->word, word, memory_order_release);
    CRASH_POINT("barrier.committed");
}

static void wake(struct barrier *barrier)
{
    event_count_advance(&barrier->sleepers, FUTEX_EVERYBODY);
}

/* The processes that have arrived in *round*. */
static _Atomic uint32_t *members(struct barrier *barrier, uint32_t round)
{
    return &barrier->members[(round & 1) * barrier->parties];
}

static void note_end(struct barrier *barrier, uint32_t round, bool badly)
{
    word_t *bits = &barrier->broken_rounds[round % BARRIER_HISTORY / 64];
    uint64_t bit = UINT64_C(1) << round % 64, before = word_get(bits);
    atomic_store_explicit(bits, badly ? before | bit : before & ~bit, memory_order_release);
}

static bool ended_badly(struct barrier *barrier, uint32_t round)
{
    return word_get(&barrier->broken_rounds[round % BARRIER_HISTORY / 64]) >> round % 64 & 1;
}

/* ---- the mutex */

static void break_it(struct barrier *barrier)
{
    uint64_t word = word_of(barrier);
    commit(barrier, make_word(arrived_of(word), round_of(word), BARRIER_BROKEN));
}

static void lock(struct barrier *barrier)
{
    if (mutex_lock(&barrier->mutex) == MUTEX_CLEAN)
        return;
    break_it(barrier);
    mutex_repaired(&barrier->mutex);
    wake(barrier);
}

static void unlock(struct barrier *barrier)
{
    mutex_unlock(&barrier->mutex);
}

/* ---- making */

static void fill(void *memory, uint64_t size, const void *with)
{
    struct barrier *barrier = memory;
    memset(memory, 0, size);
    mutex_init(&barrier->mutex);
    barrier->parties = *(const uint32_t *)with;
}

enum status barrier_create(struct arena *arena, uint32_t parties, struct handle *handle)
{
    size_t size = sizeof(struct barrier) + 2 * (size_t)parties * sizeof(uint32_t);
    return handle_create(arena, size, BLOCK_BARRIER, fill, &parties, handle);
}

/* ---- the death of a party, or its normal end */

/* Breaks the barrier if the dead process of *tag* has arrived in this round. */
static void break_for_dead(struct arena *arena, struct barrier *barrier, uint32_t tag)
{
    lock(barrier);
    uint64_t word = word_of(barrier);
    bool was_waiting = false;
    for (uint32_t i = 0; i < arrived_of(word); i++)
        was_waiting |= members(barrier, round_of(word))[i] == tag;
    was_waiting &= state_of(word) != BARRIER_BROKEN;
    if (was_waiting) {
        dead_owner_write(&barrier->dead, arena, tag);
        break_it(barrier);
    }
    unlock(barrier);
    if (was_waiting)
        wake(barrier);
}

static void on_owner_death(struct arena *arena, struct block *block, uint32_t tag)
{
    break_for_dead(arena, block_contents(block), tag);
}

void barrier_register(void)
{
    block_set_ops(BLOCK_BARRIER, (struct block_ops){.on_owner_death = on_owner_death});
}

static uint32_t count_of(_Atomic uint32_t *list, uint32_t size, uint32_t tag)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < size; i++)
        count += atomic_load_explicit(&list[i], memory_order_relaxed) == tag;
    return count;
}

/* Whether parties of the last round have died, so that the living ones are too few for that of
 * *word*. Looks without the mutex, since that takes long; so the caller checks that the word is
 * still the same. */
static bool is_deserted(struct arena *arena, struct barrier *barrier, uint64_t word, uint32_t *dead)
{
    _Atomic uint32_t *now = members(barrier, round_of(word));
    _Atomic uint32_t *before = members(barrier, round_of(word) + 1);
    uint32_t expected = arrived_of(word);
    *dead = 0;
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint32_t tag = atomic_load_explicit(&before[i], memory_order_relaxed);
        /* A process may have arrived with several threads: as many as before are waited for. */
        if (tag == 0 || count_of(before, i, tag) < count_of(now, arrived_of(word), tag))
            continue;
        if (table_is_alive(arena, tag))
            expected++;
        else
            *dead = tag;
    }
    return *dead != 0 && expected < barrier->parties;
}

static void look_after(struct arena *arena, struct barrier *barrier)
{
    lock(barrier); /* notices an owner that died with the mutex */
    uint64_t word = word_of(barrier);
    unlock(barrier);
    if (state_of(word) == BARRIER_BROKEN)
        return;
    for (uint32_t i = 0; i < arrived_of(word); i++) {
        uint32_t tag = atomic_load(&members(barrier, round_of(word))[i]);
        if (tag != 0 && !table_is_alive(arena, tag))
            break_for_dead(arena, barrier, tag);
    }
    uint32_t dead;
    if (!is_deserted(arena, barrier, word, &dead))
        return;
    lock(barrier);
    bool is_current = word_of(barrier) == word;
    if (is_current) {
        dead_owner_write(&barrier->dead, arena, dead);
        break_it(barrier);
    }
    unlock(barrier);
    if (is_current)
        wake(barrier);
}

void barrier_forget(struct arena *arena, struct barrier *barrier)
{
    lock(barrier);
    _Atomic uint32_t *before = members(barrier, round_of(word_of(barrier)) + 1);
    for (uint32_t i = 0; i < barrier->parties; i++)
        if (before[i] == arena->tag)
            atomic_store(&before[i], 0);
    unlock(barrier);
}

/* ---- arriving and leaving; the mutex is held where *word* is the present one */

static enum barrier_result arrive_locked(struct arena *arena, struct barrier *barrier,
                                         bool has_action, struct barrier_wait *wait)
{
    uint64_t word = word_of(barrier);
    uint32_t arrived = arrived_of(word), round = round_of(word);
    wait->seen = (uint32_t)word;
    if (state_of(word) != BARRIER_OPEN)
        return state_of(word) == BARRIER_ACTING ? BARRIER_BUSY : BARRIER_FAILED;
    wait->index = arrived;
    atomic_store(&members(barrier, round)[arrived], arena->tag);
    if (arrived + 1 < barrier->parties) {
        commit(barrier, make_word(arrived + 1, round, BARRIER_OPEN));
        return BARRIER_WAIT;
    }
    if (has_action) {
        commit(barrier, make_word(arrived + 1, round, BARRIER_ACTING));
        wait->seen = (uint32_t)word_of(barrier);
        return BARRIER_LAST;
    }
    note_end(barrier, round, false);
    commit(barrier, make_word(0, round + 1, BARRIER_OPEN));
    return BARRIER_PASSED;
}

enum barrier_result barrier_arrive(struct arena *arena, struct barrier *barrier, bool has_action,
                                   struct barrier_wait *wait)
{
    lock(barrier);
    enum barrier_result result = arrive_locked(arena, barrier, has_action, wait);
    unlock(barrier);
    if (result == BARRIER_PASSED)
        wake(barrier);
    return result;
}

enum barrier_result barrier_look(struct barrier *barrier, const struct barrier_wait *wait)
{
    uint64_t word = word_of(barrier);
    if (round_of(word) != round_of(wait->seen))
        return ended_badly(barrier, round_of(wait->seen)) ? BARRIER_FAILED : BARRIER_PASSED;
    return state_of(word) == BARRIER_BROKEN ? BARRIER_FAILED : BARRIER_WAIT;
}

enum status barrier_sleep(struct arena *arena, struct barrier *barrier,
                          const struct barrier_wait *wait, struct spin_wait *spin_wait,
                          deadline_t deadline)
{
    uint32_t seen = (uint32_t)word_of(barrier);
    if (round_of(seen) != round_of(wait->seen) || state_of(seen) == BARRIER_BROKEN ||
        spin_wait_while(spin_wait, low_half(barrier), seen))
        return STATUS_OK;
    uint32_t count = event_count_prepare(&barrier->sleepers);
    if ((uint32_t)word_of(barrier) != seen)
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = event_count_sleep(&barrier->sleepers, count, deadline);
    spin_wait_slept(spin_wait, clock_now() - begun);
    if (status == STATUS_INTERRUPTED)
        look_after(arena, barrier);
    return status;
}

enum barrier_result barrier_finish(struct barrier *barrier, const struct barrier_wait *wait)
{
    lock(barrier);
    bool is_current = (uint32_t)word_of(barrier) == wait->seen;
    if (is_current) {
        note_end(barrier, round_of(wait->seen), false);
        commit(barrier, make_word(0, round_of(wait->seen) + 1, BARRIER_OPEN));
    }
    unlock(barrier);
    if (!is_current)
        return BARRIER_FAILED;
    wake(barrier);
    return BARRIER_PASSED;
}

void barrier_leave(struct arena *arena, struct barrier *barrier, const struct barrier_wait *wait)
{
    lock(barrier);
    uint64_t word = word_of(barrier);
    if ((uint32_t)word == wait->seen && state_of(word) == BARRIER_OPEN) {
        _Atomic uint32_t *list = members(barrier, round_of(word));
        uint32_t last = arrived_of(word) - 1, index = 0;
        while (index < last && list[index] != arena->tag)
            index++; /* threads of one process need not be told apart */
        atomic_store(&list[index], list[last]);
        commit(barrier, make_word(last, round_of(word), BARRIER_OPEN));
    }
    unlock(barrier);
}

enum barrier_result barrier_give_up(struct barrier *barrier, const struct barrier_wait *wait)
{
    lock(barrier);
    enum barrier_result result = barrier_look(barrier, wait);
    if (result == BARRIER_WAIT)
        break_it(barrier);
    unlock(barrier);
    if (result != BARRIER_WAIT)
        return result;
    wake(barrier);
    return BARRIER_FAILED;
}

/* ---- breaking and resetting */

void barrier_abort(struct barrier *barrier)
{
    lock(barrier);
    break_it(barrier);
    unlock(barrier);
    wake(barrier);
}

void barrier_reset(struct barrier *barrier)
{
    lock(barrier);
    uint64_t word = word_of(barrier);
    if (arrived_of(word) > 0 || state_of(word) != BARRIER_OPEN) {
        note_end(barrier, round_of(word), true);
        for (uint32_t i = 0; i < 2 * barrier->parties; i++)
            atomic_store_explicit(&barrier->members[i], 0, memory_order_relaxed);
        atomic_store(&barrier->dead.pid, 0);
        commit(barrier, make_word(0, round_of(word) + 1, BARRIER_OPEN));
    }
    unlock(barrier);
    wake(barrier);
}
