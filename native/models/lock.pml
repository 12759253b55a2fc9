/* The lock with owner death: lock_try, take, look, sleep_on, lock_wait, lock_release, cancel_offer,
 * break_lock, lock_look_after and lock_reset of native/sync/lock.c. One step here is one access to
 * shared memory or one futex call there. Checked: one holder among the living; whoever lives gets the
 * lock, after a bounded number of slices (CRASHES > 0) or without any time-out (CRASHES == 0); a
 * lock is broken only when its holder has died. Memory is sequentially consistent here. OFFER_NS,
 * the limit of a sleep on an offer, is left out: it is shorter than a slice, and nothing depends
 * on it. -DPASSES_ON: the other on_death. -DBUG_...: a fault that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#define N 3
#ifndef ROUNDS
#define ROUNDS 2 /* acquisitions of process 3; the others take the lock once */
#endif
#define CONTENDED 8
#define BROKEN 16
#define TAG(w) ((w) & 7)

byte word;
bit impatient, dead[N + 1], asleep[N + 1];
byte crashes, inside; /* inside: living holders */

/* A SIGKILL. A process killed asleep is the same as one killed just before it slept. */
#define MAY_CRASH if :: atomic { crashes < CRASHES -> crashes++; dead[me] = 1; goto gone } :: true fi

inline wake_one() /* futex_wake(word, 1): whom is the kernel's choice */
{
    atomic {
        if
        :: asleep[1] -> asleep[1] = 0; woken = 1
        :: asleep[2] -> asleep[2] = 0; woken = 1
        :: asleep[3] -> asleep[3] = 0; woken = 1
        :: else -> woken = 0
        fi
    }
}
inline wake_all() { d_step { asleep[1] = 0; asleep[2] = 0; asleep[3] = 0 } }
inline swap(from, to) { true; d_step { done = (word == (from)); if :: done -> word = (to) :: else fi } }

inline look_after() /* lock_look_after, break_lock */
{
    seen = word;
    if
    :: TAG(seen) != 0 && !(seen & BROKEN) && dead[TAG(seen)] ->
        whose = TAG(seen);
        do
        :: TAG(seen) == whose && !(seen & BROKEN) ->
            MAY_CRASH;
            d_step {
                done = (word == seen);
                if :: done -> word = whose | BROKEN :: else -> seen = word fi
            };
            if :: done -> MAY_CRASH; wake_all(); break :: else fi
        :: else -> break
        od;
        whose = 0
    :: else
    fi
}

proctype process(byte me)
{
    byte seen, next, whose, rounds, stuck, early;
    bit slept, woken, done, barge;
begin:
    if
    :: rounds == (me == 3 -> ROUNDS : 1) -> goto gone
    :: else ->
        d_step { rounds++; slept = 0; barge = 0; stuck = 0; seen = 0; next = 0; woken = 0 }
    fi;
    swap(0, me); /* lock_try */
    if :: done -> goto holds :: else fi;
look: /* look(), take() */
    seen = word;
    if
#ifndef PASSES_ON
    :: seen & BROKEN ->
        assert(dead[TAG(seen)]); /* STATUS_OWNER_DIED */
        MAY_CRASH;
        swap(seen, 0); /* lock_reset */
        if :: done -> MAY_CRASH; wake_all() :: else fi;
        goto look
    :: seen == 0 || (seen == CONTENDED && (barge || slept)) ->
#else
    :: seen == 0 || (seen & BROKEN) || (seen == CONTENDED && (barge || slept)) ->
#endif
        next = me;
#ifndef BUG_TAKE_FORGETS_SLEEPERS
        if :: slept || seen != 0 -> next = me | CONTENDED :: else fi;
#endif
#ifdef BUG_TAKE_IN_TWO_STEPS
        word = next; done = 1;
#else
        swap(seen, next);
#endif
        if :: done -> impatient = 0; goto holds :: else -> goto look fi
    :: else -> barge = 0
    fi;
    /* sleep_on() */
    seen = word;
    if :: seen == 0 || (seen & BROKEN) -> goto look :: else fi;
    if :: slept && !impatient -> impatient = 1 :: slept :: !slept -> slept = 1 fi;
#ifdef BUG_NO_CONTENDED_BIT
    next = seen;
#else
    next = seen | CONTENDED;
    swap(seen, next);
    if :: !done -> goto look :: else fi;
#endif
    MAY_CRASH;
    atomic { if :: word == next -> asleep[me] = 1 :: else -> goto look fi } /* futex_wait */
    if
    :: !asleep[me] -> MAY_CRASH; goto look
#if CRASHES
    :: atomic { asleep[me] && early == 0 -> early++; asleep[me] = 0 } /* a slice ends at any time */
    :: atomic { timeout -> stuck++; asleep[me] = 0; assert(stuck <= 3) } /* nobody else moves */
#endif
    fi;
#ifndef BUG_NOBODY_LOOKS_AFTER
    look_after();
#endif
    barge = 1; /* lock_wait: the last look */
    goto look;
holds:
    true; d_step { inside++; assert(inside == 1) }
    if
    :: atomic { crashes < CRASHES -> crashes++; dead[me] = 1; inside--; goto gone }
    :: true
    fi;
    inside--;
    do /* lock_release */
    :: seen = word;
        assert(TAG(seen) == me && !(seen & BROKEN));
        if :: (seen & CONTENDED) && impatient -> next = CONTENDED :: else -> next = 0 fi;
        swap(seen, next);
        if :: done -> break :: else fi
    od;
    MAY_CRASH;
    if
    :: seen & CONTENDED ->
        wake_one();
        if
        :: !woken && next == CONTENDED ->
            swap(CONTENDED, 0); /* cancel_offer */
#ifndef BUG_WITHDRAWN_IN_SILENCE
            if :: done -> MAY_CRASH; wake_one() :: else fi
#endif
        :: else
        fi
    :: else
    fi;
    goto begin;
gone:
    skip
}

init { atomic { run process(1); run process(2); run process(3) } }
