/* The condition: condition_enter, condition_sleep (sleep_in_entry, sleep_without_entry),
 * condition_leave, condition_notify (notify_waiter, wake_overflow_waiters), pass_on,
 * release_entries_of and condition_look_after of native/sync/condition.c. Overflow waiters are those
 * for which there is no entry.
 * A step here is one access to shared memory, one futex call, or a stretch under the mutex with a
 * kill possible at each store in it: of such a stretch any other process sees one store at most,
 * that of its own entry or of overflow_signal. The mutex is robust; the next owner takes that of a
 * dead one over without a repair. The lock around it all is left out: notifiers and waiters run
 * freely, which is more than that lock allows. Memory is sequentially consistent.
 *
 * Checked: when nothing moves any more but slices, no living waiter has an entry that it had when a
 * notification was given which no waiter has used (a token, below), and no overflow waiter is left
 * that was one when a notifier was done. A bounded number of slices suffices for that. Without
 * crashes notify(n) reaches exactly min(n, waiting), each of them wakes without a time-out, and as
 * notified; no deadlock. -DBUG_...: faults that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef WAITERS
#define WAITERS 3 /* processes 1 to WAITERS */
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 2 /* the processes behind them */
#endif
#ifndef ENTRIES
#define ENTRIES 3 /* fewer than WAITERS: there are overflow waiters */
#endif
#ifndef COUNT
#define COUNT 1 /* of the first notifier's notify(n); the others notify one */
#endif
#define ALL (WAITERS + NOTIFIERS + 1)
#define TOKENS (COUNT + NOTIFIERS)
#define FREE 0
#define WAITING 1
#define ASLEEP 2
#define NOTIFIED 3
#define NO_ENTRY ENTRIES
#define WAITS(s) (state[s] == WAITING || state[s] == ASLEEP)

byte mutex, state[ENTRIES], tag[ENTRIES], ticket[ENTRIES], top, next_ticket, overflow_signal;
byte crashes;
bit overflow, dead[ALL], asleep[ALL]; /* overflow: there are such waiters; asleep: in
                                       * futex_wait, on its entry or on overflow_signal */

/* What is to be shown. A token is one notification that has reached a waiter. */
byte tokens, token[ENTRIES]; /* given so far; which one has reached the entry */
byte waited[TOKENS];         /* of a token: who waited when it was given, and still waits */
bit used[TOKENS];
bit in_overflow[ALL];        /* waits without an entry */
bit outlasted[ALL];          /* and a notifier has come to its end since */

/* A SIGKILL; within atomic. A process killed asleep is the same as one killed just before. */
#define MAY_CRASH if :: crashes < CRASHES -> crashes++; dead[me] = 1; goto gone :: true fi
#define LOCK (mutex == 0 || dead[mutex]) -> mutex = me
#define UNLOCK mutex = 0

inline longest_waiting()
{
    longest = NO_ENTRY; i = 0;
    do
    :: i < top ->
        if
        :: WAITS(i) && (longest == NO_ENTRY || ticket[i] < ticket[longest % ENTRIES]) -> longest = i
        :: else
        fi;
        i++
    :: else -> break
    od
}
inline notify_entry(s, which)
{
    before = state[s]; state[s] = NOTIFIED; token[s] = which;
    MAY_CRASH;
#ifdef BUG_NO_WAKE
    before = WAITING;
#endif
    if :: before == ASLEEP -> asleep[tag[s]] = 0 :: else fi
}
inline free_entry(s) /* what is not read of a free entry is cleared, for fewer states */
{
    state[s] = FREE; tag[s] = 0; ticket[s] = 0; token[s] = 0
}
inline pass_on(s)
{
#ifdef BUG_PASS_ON_FREES_FIRST
    state[s] = FREE;
    MAY_CRASH;
#endif
    longest_waiting();
#ifndef BUG_NOT_PASSED_ON
    if :: longest != NO_ENTRY -> notify_entry(longest, token[s]) :: else fi;
#endif
    MAY_CRASH;
    free_entry(s)
}
inline strike(whose)
{
    atomic {
        LOCK;
        j = 0;
        do
        :: j < top ->
            MAY_CRASH;
            if
            :: state[j] == NOTIFIED && tag[j] == whose -> pass_on(j)
            :: state[j] != NOTIFIED && tag[j] == whose -> free_entry(j)
            :: tag[j] != whose
            fi;
            j++
        :: else -> break
        od;
        MAY_CRASH;
        UNLOCK
    }
}
/* A look without the mutex can only call release_entries_of() in vain, or miss one until the next. */
inline look_after()
{
    do
    :: atomic {
        whose = 0;
        for (j : 0 .. ENTRIES - 1) {
            if :: state[j] == NOTIFIED && dead[tag[j]] -> whose = tag[j] :: else fi
        };
        j = 0; i = 0; longest = 0; before = 0;
        if :: whose == 0 -> break :: else fi };
        strike(whose)
    od
}

/* What a look at the end of a slice would show this waiter. */
#define SHOWS(s) (state[s] == NOTIFIED && (dead[tag[s]] || tag[s] == me))
#if ENTRIES == 1
#define ANY_SHOWS SHOWS(0)
#else
#define ANY_SHOWS (SHOWS(0) || SHOWS(1) || SHOWS(ENTRIES - 1))
#endif
#define SOMETHING_TO_SEE (ANY_SHOWS || (in_overflow[me] && overflow_signal != call))

/* At rest: nothing that this waiter has waited through is owed to any waiter. */
inline nothing_is_owed()
{
    for (i : 1 .. tokens) {
        owed = !used[i] && (waited[i] & (1 << me));
#if CRASHES
        for (j : 0 .. ENTRIES - 1) { /* who lives and has it sees it at the end of a slice */
            if :: state[j] == NOTIFIED && token[j] == i && !dead[tag[j]] -> owed = 0 :: else fi
        }
#endif
        assert(!owed)
    }
    assert(!outlasted[me]);
    i = 0; j = 0; owed = 0
}

proctype waiter(byte me)
{
    byte entry, call, i, j, whose, longest, before, stuck;
    bit early, notified, owed;
    atomic { /* condition_enter */
        LOCK;
        if :: true :: early = 1 fi; /* whether a sleep may end before its time */
        do :: entry < ENTRIES && state[entry] != FREE -> entry++ :: else -> break od;
        MAY_CRASH;
        if
        :: entry == NO_ENTRY ->
            call = overflow_signal;
            overflow = 1;
            in_overflow[me] = 1
        :: else ->
            tag[entry] = me;
            ticket[entry] = next_ticket; next_ticket++;
            MAY_CRASH;
            if :: entry >= top -> top = entry + 1 :: else fi;
            MAY_CRASH;
            state[entry] = WAITING
        fi;
        MAY_CRASH;
        UNLOCK
    }
sleep:
    if :: entry == NO_ENTRY -> goto without_entry :: else fi;
    atomic { /* sleep_in_entry */
        MAY_CRASH;
        if
        :: state[entry] == WAITING -> state[entry] = ASLEEP
        :: state[entry] == NOTIFIED -> goto leave
        :: state[entry] == ASLEEP
        fi
    };
    atomic { MAY_CRASH; if :: state[entry] == ASLEEP -> asleep[me] = 1 :: else -> goto looks fi };
    goto sleeps;
without_entry:
    atomic { MAY_CRASH; if :: overflow_signal == call -> asleep[me] = 1 :: else -> goto leave fi };
sleeps:
    if
    :: !asleep[me]
    :: atomic { asleep[me] && !early -> early = 1; asleep[me] = 0; goto leave } /* its deadline */
#if CRASHES
    :: atomic { asleep[me] && !early -> early = 1; asleep[me] = 0 } /* a slice ends at any time */
    :: atomic { timeout && SOMETHING_TO_SEE ->
        stuck++; assert(stuck <= 1 + CRASHES); asleep[me] = 0 }
    :: atomic { timeout && !SOMETHING_TO_SEE -> nothing_is_owed(); goto end_rests }
#else
    :: atomic { timeout -> nothing_is_owed(); goto end_rests }
#endif
    fi;
looks:
    atomic {
        MAY_CRASH;
        if
        :: entry == NO_ENTRY -> if :: overflow_signal != call -> goto leave :: else fi
        :: else -> if :: state[entry] == NOTIFIED -> goto leave :: else fi
        fi
    };
#ifndef BUG_NOBODY_LOOKS_AFTER
    look_after();
#endif
    goto sleep;
leave:
    atomic {
        if :: entry == NO_ENTRY -> goto left :: else fi;
        LOCK;
        MAY_CRASH;
        notified = (state[entry] == NOTIFIED);
        if
        :: notified -> pass_on(entry) /* it forgoes */
        :: true ->
            if
            :: notified ->
                assert(CRASHES || !used[token[entry]]);
                used[token[entry]] = 1; waited[token[entry]] = 0
            :: else
            fi;
            free_entry(entry)
        fi;
        for (i : 1 .. tokens) { waited[i] = waited[i] & ~(1 << me) };
        i = 0; longest = 0; before = 0;
        MAY_CRASH;
        do :: top > 0 && state[top - 1] == FREE -> top-- :: else -> break od;
        MAY_CRASH;
        UNLOCK
    };
left:
    in_overflow[me] = 0; outlasted[me] = 0;
    goto gone;
end_rests:
    if
    :: !asleep[me] -> goto looks
#if CRASHES
    :: atomic { timeout && SOMETHING_TO_SEE -> goto sleeps }
#endif
    fi;
gone:
    atomic { entry = 0; call = 0; i = 0; j = 0; whose = 0; longest = 0; before = 0; stuck = 0;
             early = 0; notified = 0 }
}

inline give() /* a token, to the one that has waited longest; there is none: NO_ENTRY */
{
    longest_waiting();
    if
    :: longest == NO_ENTRY
    :: else ->
        tokens++;
        for (i : 0 .. ENTRIES - 1) {
            if
            :: WAITS(i) && !dead[tag[i]] -> waited[tokens] = waited[tokens] | (1 << tag[i])
            :: else
            fi
        };
        reached++;
        notify_entry(longest, tokens)
    fi
}

proctype notifier(byte me, count)
{
    byte i, longest, before, reached, due;
    atomic {
        LOCK;
        MAY_CRASH;
        for (i : 0 .. ENTRIES - 1) { if :: WAITS(i) -> due++ :: else fi };
        do
        :: reached < count -> give(); MAY_CRASH; if :: longest == NO_ENTRY -> break :: else fi
        :: else -> break
        od;
        assert(reached == (due < count -> due : count));
        if /* wake_overflow_waiters */
        :: overflow ->
#ifdef BUG_OVERFLOW_FORGOTTEN_FIRST
            overflow = 0; MAY_CRASH; overflow_signal++;
#else
            overflow_signal++; MAY_CRASH; overflow = 0;
#endif
            MAY_CRASH;
            for (i : 1 .. WAITERS) { if :: in_overflow[i] -> asleep[i] = 0 :: else fi }
        :: else
        fi;
        for (i : 1 .. WAITERS) { if :: in_overflow[i] && !dead[i] -> outlasted[i] = 1 :: else fi };
        MAY_CRASH;
        UNLOCK
    };
gone:
    atomic { i = 0; longest = 0; before = 0; reached = 0; due = 0 }
}

init {
    atomic {
        byte p;
        for (p : 1 .. WAITERS) { run waiter(p) };
        for (p : 1 .. NOTIFIERS) { run notifier(WAITERS + p, (p == 1 -> COUNT : 1)) };
        p = 0
    }
}
