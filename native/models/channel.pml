/* The channel: channel_try_put (put_locked, write_record, commit_put), channel_try_get (get_locked,
 * commit_get_payload), repair_side and wait_on of native/msg/channel.c; segments_make_room
 * (add_segment), segments_skip_end of native/msg/segments.c; arena_lock, arena_commit and carry_out
 * of native/shm/arena.c; gate_take_ticket and gate_open of native/sync/gate.c.
 * A step here is one access to what processes see without a common mutex, one futex call, or a
 * stretch under a mutex that shows at most one such change, with a kill possible at each store in
 * it. All mutexes are robust. Memory is sequentially consistent.
 *
 * Checked: what is taken is whole, is message number got_count, and no other of its sender is
 * missing before it; each number is taken once; a taker killed after that has said so in its claim;
 * a payload belongs to exactly one of sender, channel and taker after each transaction; no
 * deadlock; without crashes no wake-up is lost, with crashes a bounded number of slices makes up for
 * it. -DPAYLOADS: every message is one. -DMAX=n: bounded. -DBUG_...: faults that Spin must find. */
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
#define SEGMENTS 3
#define MESSAGES (PRODUCERS * PUTS)
#define ALL (PRODUCERS + CONSUMERS + 1)
#define NONE 255 /* RECORD_NO_SEQUENCE */

/* The words that the journal may change; segments count from 1, 0 is none. */
#define PUT word[0]
#define GOT word[1]
#define TAIL word[2]
#define TAIL_AT word[3]
#define HEAD word[4]
#define HEAD_AT word[5]
#define SPARE word[6]
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
byte put_tickets, got_tickets, claim[ALL], crashes;
bit dead[ALL], asleep[ALL];

/* ghosts */
byte written[MESSAGES], next_of[PRODUCERS + 1];
bit took[MESSAGES];

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
        :: segment != 0 && count != 0 ->
            if
            :: sequence[RECORD(segment, at)] == count - 1 -> at++
            :: else
            fi
        :: else
        fi;
#endif
        MAY_CRASH
    :: else -> mutex = me
    fi
}

/* futex_wake(word, 1) of those that sleep there: whom is the kernel's choice. */
#define WAKE(who) asleep[who] = 0; woken = 1
inline wake_consumer()
{
    woken = 0;
    if
    :: asleep[PRODUCERS + 1] -> WAKE(PRODUCERS + 1)
    :: asleep[ALL - 1] -> WAKE(ALL - 1)
    :: else
    fi
}
inline wake_producer()
{
    woken = 0;
    if
    :: asleep[1] -> WAKE(1)
    :: asleep[PRODUCERS] -> WAKE(PRODUCERS)
    :: else
    fi
}
inline clear_tickets(tickets)
{
#ifdef BUG_NEW_TICKETS_CLEARED
    if :: !woken -> tickets = 0 :: else fi;
#else
    if :: !woken && tickets == seen -> tickets = 0 :: else fi;
#endif
    seen = 0; woken = 0
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
    :: SPARE != 0 -> new = SPARE; stage(6, 0)
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

proctype producer(byte me)
{
    byte i, id, number, at, k, staged, new, seen, stuck;
    bit woken, early;
    if :: true :: early = 1 fi;
next:
    atomic {
        if :: i == PUTS -> goto gone :: else fi;
        id = (me - 1) * PUTS + i + 1;
        word[HOLDER + id] = me; /* payload_create() */
    };
again:
    atomic {
        lock_side(put_mutex, PUT, TAIL, TAIL_AT);
        number = PUT;
        MAY_CRASH;
        if :: MAX && number - GOT >= MAX -> put_mutex = 0; goto no_room :: else fi
    };
    atomic {
        if
        :: TAIL == 0 || TAIL_AT + 2 > PLACES -> arena_lock(); add_segment(); arena_unlock()
        :: else
        fi
    };
#ifdef BUG_COMMIT_BEFORE_DATA
    atomic { written[number] = id; sequence[RECORD(TAIL, TAIL_AT)] = number; PUT = number + 1 };
#endif
    atomic {
        at = RECORD(TAIL, TAIL_AT);
        sequence[at] = number; end[at] = 0; MAY_CRASH;
        left[at] = id; MAY_CRASH;
        right[at] = id; MAY_CRASH;
#ifndef BUG_NO_MARK_BEHIND
        sequence[at + 1] = NONE;
#endif
        written[number] = id;
        MAY_CRASH;
#ifdef PAYLOADS
#ifdef BUG_PAYLOAD_IN_TWO_STEPS
        PUT = number + 1;
        arena_lock(); stage(HOLDER + id, 0); commit(); carry_out();
#else
        arena_lock(); stage(HOLDER + id, 0); stage(0, number + 1); commit(); carry_out();
#endif
        assert(word[HOLDER + id] == 0);
        arena_unlock();
#else
        word[HOLDER + id] = 0;
        PUT = number + 1;
#endif
        at = 0
    };
    atomic { MAY_CRASH; TAIL_AT++; MAY_CRASH; put_mutex = 0; i++ };
    atomic { MAY_CRASH; seen = put_tickets; if :: seen == 0 -> goto next :: else fi };
    atomic { MAY_CRASH; wake_consumer() };
    atomic { clear_tickets(put_tickets); goto next };
no_room: /* channel_wait_for_room, wait_on */
    atomic { seen = GOT; if :: PUT - seen < MAX -> seen = 0; goto again :: else fi };
    atomic { MAY_CRASH; got_tickets++ };
    atomic {
        MAY_CRASH;
        if :: GOT == seen -> asleep[me] = 1 :: else fi;
        seen = 0
    };
#if CRASHES
end_sleeps: /* for ever, if consumers have died */
#endif
    if
    :: !asleep[me] -> goto again
    SLICES(PUT - GOT < MAX)
    fi;
    goto again;
gone:
    atomic { i = 0; id = 0; number = 0; at = 0; k = 0; staged = 0; new = 0; seen = 0; stuck = 0;
             woken = 0; early = 0 }
}

/* ---- get */

inline skip_end()
{
    arena_lock();
    new = HEAD;
    stage(4, word[NEXT + new]); stage(5, 0);
    if
    :: SPARE == 0 -> stage(6, new)
    :: else -> stage(USED + new, 0)
    fi;
    commit();
    carry_out();
    arena_unlock();
    new = 0
}

proctype consumer(byte me)
{
    byte number, id, at, k, staged, new, seen, stuck, taken, undelivered;
    bit woken, early;
    if :: true :: early = 1 fi;
again:
    atomic {
        if :: taken == TAKES -> goto gone :: else fi;
        lock_side(get_mutex, GOT, HEAD, HEAD_AT);
        number = GOT;
        MAY_CRASH;
        if :: PUT == number -> get_mutex = 0; goto no_message :: else fi
    };
    atomic {
        if
        :: sequence[RECORD(HEAD, HEAD_AT)] == NONE && end[RECORD(HEAD, HEAD_AT)] -> skip_end()
        :: else
        fi
    };
    atomic {
        at = RECORD(HEAD, HEAD_AT);
        assert(sequence[at] == number); /* else STATUS_CORRUPT */
        id = left[at]
    };
    atomic {
        assert(right[at] == id && written[number] == id && id != 0);
        MAY_CRASH;
#ifndef BUG_CLAIM_AFTER_COMMIT
        claim[me] = number + 1;
#endif
        MAY_CRASH;
        at = 0
    };
    atomic {
#ifdef PAYLOADS
        arena_lock();
        assert(word[HOLDER + id] == 0); /* neither the sender's nor anybody's */
        stage(HOLDER + id, me); stage(1, number + 1); commit();
#else
        GOT = number + 1;
#endif
        assert(!took[number]); took[number] = 1; undelivered = number + 1;
        assert(next_of[(id - 1) / PUTS] == (id - 1) % PUTS); next_of[(id - 1) / PUTS]++;
#ifdef PAYLOADS
        carry_out();
        arena_unlock();
#endif
        MAY_CRASH;
#ifdef BUG_CLAIM_AFTER_COMMIT
        claim[me] = number + 1;
#endif
    };
    atomic { HEAD_AT++; MAY_CRASH; get_mutex = 0; undelivered = 0; taken++; id = 0; number = 0 };
    if :: MAX == 0 -> goto again :: else fi;
    atomic { MAY_CRASH; seen = got_tickets; if :: seen == 0 -> goto again :: else fi };
    atomic { MAY_CRASH; wake_producer() };
    atomic { clear_tickets(got_tickets); goto again };
no_message: /* channel_wait_for_message, wait_on */
    seen = PUT;
    if :: GOT != seen -> seen = 0; goto again :: else fi;
#ifndef BUG_NO_TICKET
    atomic { MAY_CRASH; put_tickets++ };
#endif
    atomic {
        MAY_CRASH;
        if :: PUT == seen -> asleep[me] = 1 :: else fi;
        seen = 0; number = 0
    };
#if CRASHES
end_sleeps: /* for ever, if producers have died */
#endif
    if
    :: !asleep[me] -> goto again
    SLICES(PUT != GOT)
    fi;
    goto again;
gone:
    atomic {
        assert(undelivered == 0 || claim[me] == undelivered);
        number = 0; id = 0; at = 0; k = 0; staged = 0; new = 0; seen = 0; stuck = 0; taken = 0;
        undelivered = 0; woken = 0; early = 0
    }
}

init {
    atomic {
        byte p;
        for (p : 1 .. PRODUCERS) { run producer(p) };
        for (p : 1 .. CONSUMERS) { run consumer(PRODUCERS + p) };
        p = 0
    }
}
