/* The channel: channel_try_put, channel_try_put_batch (put_locked, write_record, commit_put),
 * channel_try_get, channel_try_get_batch (take_locked, commit_get_payload), channel_wait_for_message,
 * channel_wait_for_room, channel_shut_down and repair_side of native/channel/channel.c and batch.c;
 * segments_make_room (add_segment) and segments_skip_end of segment.c; arena_lock of
 * native/shm/arena.c; journal_commit and carry_out of native/shm/journal.c; event_count_prepare,
 * event_count_sleep and event_count_advance of native/sync/event_count.c.
 * A step here is one access to what processes see without a common mutex, one futex call, or a
 * stretch under a mutex that shows at most one such change, with a kill possible at each store in
 * it. All mutexes are robust. Memory is sequentially consistent.
 *
 * Checked: what is taken is whole, is message number got_count, and no other of its sender is
 * missing before it; each number is taken once; a taker killed after that has said so in its claim;
 * a payload belongs to exactly one of sender, channel and taker after each transaction; nothing is
 * put after the end; no deadlock; without crashes no wake-up is lost, with crashes a bounded number
 * of slices makes up for it. -DPAYLOADS: every message is one. -DMAX=n: bounded. -DRUN=n: batches.
 * -DSHUT_DOWN: one more process ends the queue. -DBUG_...: faults that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef PRODUCERS
#define PRODUCERS 2 /* processes 1 to PRODUCERS */
#endif
#ifndef CONSUMERS
#define CONSUMERS 2 /* the processes behind them */
#endif
#ifndef PUTS
#define PUTS 1 /* of each producer */
#endif
#ifndef TAKES
#define TAKES 1 /* of each consumer */
#endif
#ifndef MAX
#define MAX 0 /* messages in the channel; 0: no bound */
#endif
#ifndef PLACES
#define PLACES 2 /* in a segment: records, all of one size, and one for the mark behind the last */
#endif
#ifndef RUN
#define RUN 1 /* records at a time; a batch carries no claims */
#endif
#define SEGMENTS 3
#define MESSAGES (PRODUCERS * PUTS)
#define ALL (PRODUCERS + CONSUMERS + 2)
#define NONE 255 /* RECORD_NO_SEQUENCE */

/* The words that the journal may change; segments count from 1, 0 is none. */
#define PUT word[0]
#define GOT word[1]
#define TAIL word[2]
#define TAIL_AT word[3]
#define HEAD word[4]
#define HEAD_AT word[5]
#define CACHED word[6]
#define NEXT 6
#define USED (NEXT + SEGMENTS)
#define HOLDER (USED + SEGMENTS) /* of a payload: whose slot lists it, 0: the channel has it */
#define WORDS (HOLDER + MESSAGES + 1)
byte word[WORDS];
byte valid, where[5], value[5]; /* the journal */
byte arena, put_mutex, get_mutex; /* who holds them; 0: nobody */

#define RECORDS (SEGMENTS * PLACES)
byte sequence[RECORDS], left[RECORDS], right[RECORDS]; /* a record's data, in two halves */
bit end[RECORDS];
byte for_message, for_room, claim[ALL], crashes; /* the event counts; bit 0: somebody sleeps */
bit ended;
bit dead[ALL], asleep[ALL];

/* ghosts */
byte written[MESSAGES], next_of[PRODUCERS + 1];
bit sent[MESSAGES], took[MESSAGES]; /* put_count, or got_count, was committed beyond it */

/* Within atomic. A process killed asleep is the same as one killed just before. */
#define MAY_CRASH if :: crashes < CRASHES -> crashes++; dead[me] = 1; goto gone :: true fi

/* ---- the arena; its mutex is never seen held by the living */

inline carry_out()
{
    k = 0;
    do
    :: k < valid -> word[where[k]] = value[k]; k++; MAY_CRASH
    :: else -> break
    od;
    valid = 0;
    MAY_CRASH;
    d_step { where[0] = 0; where[1] = 0; where[2] = 0; where[3] = 0; where[4] = 0;
             value[0] = 0; value[1] = 0; value[2] = 0; value[3] = 0; value[4] = 0; k = 0 }
}
inline arena_lock()
{
    assert(arena == 0 || dead[arena]);
    if
    :: arena != 0 -> arena = me; carry_out()
    :: else -> arena = me
    fi;
    staged = 0;
    MAY_CRASH
}
inline stage(which, what) { where[staged] = which; value[staged] = what; staged++ }
inline commit() { MAY_CRASH; valid = staged; staged = 0 } /* then carry_out() */
inline arena_unlock() { MAY_CRASH; arena = 0 }

/* ---- both sides */

#define RECORD(segment, at) (((segment) - 1) * PLACES + (at))

/* repair_side(), after mutex_lock(): *segment* and *at* are words. */
inline lock_side(mutex, count, segment, at)
{
    (mutex == 0 || dead[mutex]);
    if
    :: mutex != 0 ->
        mutex = me;
        MAY_CRASH;
#ifndef BUG_COUNT_BEFORE_JOURNAL
        arena_lock();
        arena_unlock();
#endif
#ifndef BUG_OFFSET_NOT_REPAIRED
        if
        :: segment != 0 ->
            do
            :: at < PLACES && sequence[RECORD(segment, at)] < count -> at++; MAY_CRASH
            :: else -> break
            od
        :: else
        fi;
#endif
        MAY_CRASH
    :: else -> mutex = me
    fi
}

/* ---- event counts: consumers sleep on for_message, producers on for_room */

#define EVERYBODY 9
/* futex_wake(word, how_many): of two, whom is the kernel's choice. */
inline wake(first, second, how_many)
{
    woken = asleep[first] + (second != first && asleep[second]);
    if
    :: woken <= how_many -> asleep[first] = 0; asleep[second] = 0
    :: woken > how_many -> asleep[first] = 0; woken = how_many
    :: woken > how_many -> asleep[second] = 0; woken = how_many
    fi
}
inline prepare(count) { atomic { MAY_CRASH; count = count | 1; seen = count } }
inline advance(count, first, second, how_many)
{
    if
    :: atomic { (count & 1) -> MAY_CRASH };
        atomic {
            if
            :: how_many == EVERYBODY -> count = (count + 2) & 254
            :: else -> count = count + 2
            fi;
            seen = count; MAY_CRASH
        };
        atomic { wake(first, second, how_many); MAY_CRASH };
        atomic {
#ifdef BUG_CLEARED_WITHOUT_A_CHANGE
            if :: woken < how_many && count == seen -> count = count - 1 :: else fi;
            woken = how_many;
#endif
            if
            :: woken < how_many && (seen & 1) && count == seen -> count = count + 1; MAY_CRASH
            :: else -> woken = how_many
            fi
        };
#ifndef BUG_NO_SECOND_WAKE
        if
        :: atomic { woken < how_many -> wake(first, second, 2) }
        :: woken >= how_many
        fi;
#endif
    :: !(count & 1)
    fi;
    woken = 0; seen = 0
}

/* A slice may end at any time, once; else when nobody can move. */
#if CRASHES
#define SLICES(something) \
    :: atomic { asleep[me] && early -> early = 0; asleep[me] = 0 } \
    :: atomic { timeout && (something) -> stuck++; assert(stuck <= 1 + CRASHES); asleep[me] = 0 }
#else
#define SLICES(something)
#endif

/* ---- put */

inline make_empty(segment)
{
    word[NEXT + segment] = 0;
    sequence[RECORD(segment, 0)] = NONE
}
inline add_segment()
{
    if
    :: CACHED != 0 -> new = CACHED; stage(6, 0)
    :: else ->
        new = 1;
        do :: word[USED + new] -> new++; assert(new <= SEGMENTS) :: else -> break od;
        stage(USED + new, 1)
    fi;
    make_empty(new);
    MAY_CRASH;
    if
    :: TAIL != 0 ->
        end[RECORD(TAIL, TAIL_AT)] = 1;
        MAY_CRASH;
        stage(NEXT + TAIL, new)
    :: else -> stage(4, new); stage(5, 0)
    fi;
    stage(2, new); stage(3, 0);
    commit();
    carry_out();
    new = 0
}

#define FIRST_ID ((me - 1) * PUTS + 1) /* of the producer's messages */

/* One record of the run that the producer writes, number *number + j*. */
inline write_record()
{
    at = RECORD(TAIL, TAIL_AT + j);
    sequence[at] = number + j; end[at] = 0; MAY_CRASH;
    left[at] = FIRST_ID + i + j; MAY_CRASH;
    right[at] = FIRST_ID + i + j; MAY_CRASH;
    written[number + j] = FIRST_ID + i + j;
    at = 0
}

proctype producer(byte me)
{
    byte i, j, run_, number, at, k, staged, new, seen, woken, stuck;
    bit early;
    if :: true :: early = 1 fi; /* whether a slice may end at any time, once */
again:
    atomic {
        if :: i == PUTS -> goto gone :: else -> word[HOLDER + FIRST_ID + i] = me fi;
        lock_side(put_mutex, PUT, TAIL, TAIL_AT);
        number = PUT;
        MAY_CRASH;
        if :: ended -> put_mutex = 0; goto gone :: else fi;
        if :: MAX && number - GOT >= MAX -> put_mutex = 0; number = 0; goto no_room :: else fi
    };
    atomic {
        if
        :: TAIL == 0 || TAIL_AT + 2 > PLACES -> arena_lock(); add_segment(); arena_unlock()
        :: else
        fi
    };
#ifdef BUG_COMMIT_BEFORE_DATA
    atomic { written[number] = FIRST_ID + i; sequence[RECORD(TAIL, TAIL_AT)] = number; PUT = number + 1 };
#endif
    atomic {
        run_ = (PUTS - i < RUN -> PUTS - i : RUN);
        run_ = (PLACES - 1 - TAIL_AT < run_ -> PLACES - 1 - TAIL_AT : run_);
        for (j : 0 .. run_ - 1) { write_record() };
#ifndef BUG_NO_MARK_BEHIND
        sequence[RECORD(TAIL, TAIL_AT + run_)] = NONE;
#endif
        j = 0;
        MAY_CRASH;
#ifdef PAYLOADS
#ifdef BUG_PAYLOAD_IN_TWO_STEPS
        PUT = number + 1;
        arena_lock(); stage(HOLDER + FIRST_ID + i, 0); commit();
#else
        arena_lock(); stage(HOLDER + FIRST_ID + i, 0); stage(0, number + 1); commit();
#endif
        assert(!sent[number]); sent[number] = 1;
        carry_out();
        arena_unlock();
#else
        word[HOLDER + FIRST_ID + i] = 0;
        PUT = number + run_;
        for (j : 0 .. run_ - 1) { assert(!sent[number + j]); sent[number + j] = 1 };
        j = 0;
#endif
        assert(!ended)
    };
    atomic {
        MAY_CRASH; TAIL_AT = TAIL_AT + run_; MAY_CRASH;
        put_mutex = 0; i = i + run_; number = 0
    };
    advance(for_message, PRODUCERS + 1, PRODUCERS + CONSUMERS, run_);
    run_ = 0;
    goto again;
no_room: /* channel_wait_for_room */
    prepare(for_room);
    if :: PUT - GOT < MAX || ended -> seen = 0; goto again :: else fi;
    atomic { MAY_CRASH; if :: for_room == seen -> asleep[me] = 1 :: else fi; seen = 0 };
#if CRASHES
end_sleeps: /* for ever, if consumers have died */
#endif
    if
    :: !asleep[me] -> goto again
    SLICES(PUT - GOT < MAX || ended)
    fi;
    goto again;
gone:
    atomic { i = 0; j = 0; run_ = 0; number = 0; at = 0; k = 0; staged = 0; new = 0; seen = 0;
             woken = 0; stuck = 0; early = 0 }
}

/* ---- get */

inline skip_end()
{
    arena_lock();
    new = HEAD;
    stage(4, word[NEXT + new]); stage(5, 0);
    if
    :: CACHED == 0 -> stage(6, new)
    :: else -> stage(USED + new, 0)
    fi;
    commit();
    carry_out();
    arena_unlock();
    new = 0
}

proctype consumer(byte me)
{
    byte j, run_, number, id, at, k, staged, new, seen, woken, stuck, taken, undelivered;
    bit early;
    if :: true :: early = 1 fi;
again:
    atomic {
        if :: taken >= TAKES -> goto gone :: else fi;
        lock_side(get_mutex, GOT, HEAD, HEAD_AT);
        number = GOT;
        MAY_CRASH;
        if
        :: PUT == number && ended -> get_mutex = 0; goto gone
        :: PUT == number && !ended -> get_mutex = 0; number = 0; goto no_message
        :: PUT != number
        fi
    };
    atomic {
        at = RECORD(HEAD, HEAD_AT);
        if :: sequence[at] == NONE && end[at] -> skip_end() :: else fi;
        run_ = (PUT - number < RUN -> PUT - number : RUN);
        run_ = (PLACES - 1 - HEAD_AT < run_ -> PLACES - 1 - HEAD_AT : run_);
        at = RECORD(HEAD, HEAD_AT);
        assert(sequence[at] == number); /* else STATUS_CORRUPT */
        id = left[at]
    };
    atomic { /* the other half, later: nobody writes there in between */
        assert(right[at] == id && written[number] == id && id != 0);
        for (j : 0 .. run_ - 1) {
            assert(sequence[at + j] == number + j && left[at + j] == written[number + j]);
            assert(right[at + j] == written[number + j])
        };
        j = 0; at = 0;
        MAY_CRASH;
#ifndef BUG_CLAIM_AFTER_COMMIT
        claim[me] = number + 1;
#endif
        MAY_CRASH
    };
    atomic {
#ifdef PAYLOADS
        arena_lock();
        assert(word[HOLDER + id] == 0); /* neither the sender's nor anybody's */
        stage(HOLDER + id, me); stage(1, number + 1); commit();
#else
        GOT = number + run_;
#endif
        undelivered = number + 1;
        for (j : 0 .. run_ - 1) {
            assert(!took[number + j]); took[number + j] = 1;
            id = written[number + j];
            assert(next_of[(id - 1) / PUTS] == (id - 1) % PUTS); next_of[(id - 1) / PUTS]++
        };
        j = 0;
#ifdef PAYLOADS
        carry_out();
        arena_unlock();
#endif
        MAY_CRASH;
#ifdef BUG_CLAIM_AFTER_COMMIT
        claim[me] = number + 1;
#endif
    };
    atomic {
        HEAD_AT = HEAD_AT + run_; MAY_CRASH;
        get_mutex = 0; undelivered = 0; taken = taken + run_; id = 0; number = 0;
        if :: MAX == 0 -> run_ = 0; goto again :: else fi
    };
    advance(for_room, 1, PRODUCERS, run_);
    run_ = 0;
    goto again;
no_message: /* channel_wait_for_message */
#ifndef BUG_NOT_PREPARED
    prepare(for_message);
#else
    seen = for_message;
#endif
    if :: PUT != GOT || ended -> seen = 0; goto again :: else fi;
    atomic { MAY_CRASH; if :: for_message == seen -> asleep[me] = 1 :: else fi; seen = 0 };
#if CRASHES
end_sleeps: /* for ever, if producers have died */
#endif
    if
    :: !asleep[me] -> goto again
    SLICES(PUT != GOT || ended)
    fi;
    goto again;
gone:
    atomic {
        assert(undelivered == 0 || claim[me] == undelivered);
        j = 0; run_ = 0; number = 0; id = 0; at = 0; k = 0; staged = 0; new = 0; seen = 0;
        woken = 0; stuck = 0; taken = 0; undelivered = 0; early = 0
    }
}

/* channel_shut_down, not at once */
proctype closer(byte me)
{
    byte k, staged, seen, woken;
    atomic {
        lock_side(put_mutex, PUT, TAIL, TAIL_AT);
        MAY_CRASH;
        ended = 1;
        MAY_CRASH;
        put_mutex = 0
    };
    advance(for_message, PRODUCERS + 1, PRODUCERS + CONSUMERS, EVERYBODY);
    advance(for_room, 1, PRODUCERS, EVERYBODY);
gone:
    atomic { k = 0; staged = 0; seen = 0; woken = 0 }
}

init {
    atomic {
        byte p;
        for (p : 1 .. PRODUCERS) { run producer(p) };
        for (p : 1 .. CONSUMERS) { run consumer(PRODUCERS + p) };
        p = 0;
#ifdef SHUT_DOWN
        run closer(ALL - 1)
#endif
    }
}
