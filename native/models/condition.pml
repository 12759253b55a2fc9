/* The condition: condition_enter, condition_sleep (sleep_in_entry, sleep_without_entry),
 * condition_leave, condition_notify (notify_waiter, wake_overflow_waiters), pass_on,
 * release_entries_of and condition_look_after of native/sync/condition.c. A seat here is an entry
 * there, the crowd are the overflow waiters.
 * A step here is one access to shared memory, one futex call, or a stretch under the mutex with a
 * kill possible at each store in it: of such a stretch any other process sees one store at most, that
 * of its own seat or of the crowd's call. The mutex is robust; a dead owner's is taken over without a
 * repair. The lock around it all is left out: notifiers and waiters run freely, which is more
 * than that lock allows. Memory is sequentially consistent.
 *
 * Checked: when nothing moves any more but slices, no living waiter sits that sat when a
 * notification was given which nobody has used (a token, below), and nobody stands that stood when
 * a notifier was done; a bounded number of slices suffices for that; without crashes notify(n) reaches
 * exactly min(n, waiting), each of them wakes without a time-out, and as notified; no
 * deadlock. -DBUG_...: faults that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef WAITERS
#define WAITERS 3 /* processes 1 to WAITERS */
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 2 /* the processes behind them */
#endif
#ifndef SEATS
#define SEATS 3 /* with fewer than WAITERS a crowd stands */
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
#define NO_SEAT SEATS
#define WAITS(s) (state[s] == WAITING || state[s] == ASLEEP)

byte mutex, state[SEATS], tag[SEATS], ticket[SEATS], top, next_ticket, crowd_call, crashes;
bit crowd, dead[ALL], asleep[ALL]; /* asleep: in futex_wait, on its entry or on overflow_signal */

/* What is to be shown. A token is one notification that has reached somebody. */
byte tokens, token[SEATS]; /* given so far; which one has reached the seat */
byte sat[TOKENS];          /* of a token: who sat as it was given, and still sits */
bit used[TOKENS];
bit stands[ALL], stood[ALL]; /* in the crowd; and a notifier has come to its end since */

/* A SIGKILL; within atomic. A process killed asleep is the same as one killed just before. */
#define MAY_CRASH if :: crashes < CRASHES -> crashes++; dead[me] = 1; goto gone :: true fi
#define LOCK (mutex == 0 || dead[mutex]) -> mutex = me
#define UNLOCK mutex = 0

inline longest_waiting()
{
    heir = NO_SEAT; i = 0;
    do
    :: i < top ->
        if
        :: WAITS(i) && (heir == NO_SEAT || ticket[i] < ticket[heir % SEATS]) -> heir = i
        :: else
        fi;
        i++
    :: else -> break
    od
}
inline notify_seat(s, which)
{
    before = state[s]; state[s] = NOTIFIED; token[s] = which;
    MAY_CRASH;
#ifdef BUG_NO_WAKE
    before = WAITING;
#endif
    if :: before == ASLEEP -> asleep[tag[s]] = 0 :: else fi
}
inline free_seat(s) /* what is not read of a free seat is cleared, for fewer states */
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
    if :: heir != NO_SEAT -> notify_seat(heir, token[s]) :: else fi;
#endif
    MAY_CRASH;
    free_seat(s)
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
            :: state[j] != NOTIFIED && tag[j] == whose -> free_seat(j)
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
        for (j : 0 .. SEATS - 1) {
            if :: state[j] == NOTIFIED && dead[tag[j]] -> whose = tag[j] :: else fi
        };
        j = 0; i = 0; heir = 0; before = 0;
        if :: whose == 0 -> break :: else fi };
        strike(whose)
    od
}

/* What a look at the end of a slice would show this waiter. */
#define SHOWS(s) (state[s] == NOTIFIED && (dead[tag[s]] || tag[s] == me))
#if SEATS == 1
#define ANY_SHOWS SHOWS(0)
#else
#define ANY_SHOWS (SHOWS(0) || SHOWS(1) || SHOWS(SEATS - 1))
#endif
#define SOMETHING_TO_SEE (ANY_SHOWS || (stands[me] && crowd_call != call))

/* At rest: nothing that this waiter sat or stood through is owed to anybody. */
inline nothing_is_owed()
{
    for (i : 1 .. tokens) {
        owed = !used[i] && (sat[i] & (1 << me));
#if CRASHES
        for (j : 0 .. SEATS - 1) { /* who lives and has it sees it at the end of a slice */
            if :: state[j] == NOTIFIED && token[j] == i && !dead[tag[j]] -> owed = 0 :: else fi
        }
#endif
        assert(!owed)
    }
    assert(!stood[me]);
    i = 0; j = 0; owed = 0
}

proctype waiter(byte me)
{
    byte seat, call, i, j, whose, heir, before, stuck;
    bit early, notified, owed;
    atomic { /* condition_enter */
        LOCK;
        if :: true :: early = 1 fi; /* whether a sleep may end before its time */
        do :: seat < SEATS && state[seat] != FREE -> seat++ :: else -> break od;
        MAY_CRASH;
        if
        :: seat == NO_SEAT ->
            call = crowd_call;
            crowd = 1;
            stands[me] = 1
        :: else ->
            tag[seat] = me;
            ticket[seat] = next_ticket; next_ticket++;
            MAY_CRASH;
            if :: seat >= top -> top = seat + 1 :: else fi;
            MAY_CRASH;
            state[seat] = WAITING
        fi;
        MAY_CRASH;
        UNLOCK
    }
sleep:
    if :: seat == NO_SEAT -> goto stand :: else fi;
    atomic { /* sleep_in_entry */
        MAY_CRASH;
        if
        :: state[seat] == WAITING -> state[seat] = ASLEEP
        :: state[seat] == NOTIFIED -> goto leave
        :: state[seat] == ASLEEP
        fi
    };
    atomic { MAY_CRASH; if :: state[seat] == ASLEEP -> asleep[me] = 1 :: else -> goto looks fi };
    goto sleeps;
stand:
    atomic { MAY_CRASH; if :: crowd_call == call -> asleep[me] = 1 :: else -> goto leave fi };
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
        :: seat == NO_SEAT -> if :: crowd_call != call -> goto leave :: else fi
        :: else -> if :: state[seat] == NOTIFIED -> goto leave :: else fi
        fi
    };
#ifndef BUG_NOBODY_LOOKS_AFTER
    look_after();
#endif
    goto sleep;
leave:
    atomic {
        if :: seat == NO_SEAT -> goto left :: else fi;
        LOCK;
        MAY_CRASH;
        notified = (state[seat] == NOTIFIED);
        if
        :: notified -> pass_on(seat) /* it forgoes */
        :: true ->
            if
            :: notified ->
                assert(CRASHES || !used[token[seat]]);
                used[token[seat]] = 1; sat[token[seat]] = 0
            :: else
            fi;
            free_seat(seat)
        fi;
        for (i : 1 .. tokens) { sat[i] = sat[i] & ~(1 << me) };
        i = 0; heir = 0; before = 0;
        MAY_CRASH;
        do :: top > 0 && state[top - 1] == FREE -> top-- :: else -> break od;
        MAY_CRASH;
        UNLOCK
    };
left:
    stands[me] = 0; stood[me] = 0;
    goto gone;
end_rests:
    if
    :: !asleep[me] -> goto looks
#if CRASHES
    :: atomic { timeout && SOMETHING_TO_SEE -> goto sleeps }
#endif
    fi;
gone:
    atomic { seat = 0; call = 0; i = 0; j = 0; whose = 0; heir = 0; before = 0; stuck = 0;
             early = 0; notified = 0 }
}

inline give() /* a token, to the one who has waited longest; nobody waits: heir is NO_SEAT */
{
    longest_waiting();
    if
    :: heir == NO_SEAT
    :: else ->
        tokens++;
        for (i : 0 .. SEATS - 1) {
            if
            :: WAITS(i) && !dead[tag[i]] -> sat[tokens] = sat[tokens] | (1 << tag[i])
            :: else
            fi
        };
        reached++;
        notify_seat(heir, tokens)
    fi
}

proctype notifier(byte me, count)
{
    byte i, heir, before, reached, due;
    atomic {
        LOCK;
        MAY_CRASH;
        for (i : 0 .. SEATS - 1) { if :: WAITS(i) -> due++ :: else fi };
        do
        :: reached < count -> give(); MAY_CRASH; if :: heir == NO_SEAT -> break :: else fi
        :: else -> break
        od;
        assert(reached == (due < count -> due : count));
        if /* wake_overflow_waiters */
        :: crowd ->
#ifdef BUG_CROWD_FORGOTTEN_FIRST
            crowd = 0; MAY_CRASH; crowd_call++;
#else
            crowd_call++; MAY_CRASH; crowd = 0;
#endif
            MAY_CRASH;
            for (i : 1 .. WAITERS) { if :: stands[i] -> asleep[i] = 0 :: else fi }
        :: else
        fi;
        for (i : 1 .. WAITERS) { if :: stands[i] && !dead[i] -> stood[i] = 1 :: else fi };
        MAY_CRASH;
        UNLOCK
    };
gone:
    atomic { i = 0; heir = 0; before = 0; reached = 0; due = 0 }
}

init {
    atomic {
        byte p;
        for (p : 1 .. WAITERS) { run waiter(p) };
        for (p : 1 .. NOTIFIERS) { run notifier(WAITERS + p, (p == 1 -> COUNT : 1)) };
        p = 0
    }
}
