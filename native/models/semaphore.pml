/* The semaphore: carry_over, carried_word, next_word, commit, release_permits_of, look_after,
 * semaphore_forget, claim_entry, find_own, word_after_take, semaphore_try, semaphore_wait,
 * word_after_release and semaphore_release of native/sync/semaphore.c. A step here is one access to
 * the word or to an entry there, or one futex call; a kill is possible before each store. Memory is
 * sequentially consistent. The event count is one step to prepare and two to advance here;
 * channel.pml has all of its steps.
 *
 * Checked at each change of the word: each earlier operation was carried over to its entry once, so
 * an entry and the last operation together say what its process holds; free permits and permits
 * held are all permits; only a dead process's permits are given back, and only once. Further: the
 * living hold no more permits than there are; no deadlock; without crashes each waiter gets its
 * permit without any time-out, with crashes after a bounded number of slices in which nobody else
 * can move; at the end all permits are back.
 *
 * -DUSERS=n: processes. -DROUNDS=n: of the first; the others take and release once. -DDRAW=n:
 * permits that each takes. -DTHREADS: the first two are threads of one process, which is not
 * killed. -DFORGETS: a process may end in order, and keep what it took. -DSIGNALS: the last process
 * only releases, so the semaphore becomes anonymous. -DSUCCESSOR: the slot of the first process
 * passes to another one when that is killed. -DNUMBERS=n: after so many operations a number
 * returns; 4 are too few, as a process that stops between a look and its swap shows. -DBUG_...: a
 * fault that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef USERS
#define USERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DRAW
#define DRAW 1
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#ifndef NUMBERS
#define NUMBERS 16 /* more than there are operations; 16 at most */
#endif
#ifdef THREADS
#define SLOT(user) ((user) == 0 -> 0 : (user) - 1)
#define MORTAL (me > 1)
#else
#define SLOT(user) (user)
#define MORTAL (me <= USERS)
#endif
#ifdef SIGNALS
#define SENT 1 /* permits that nobody took before */
#else
#define SENT 0
#endif
#define ALL (USERS + 2) /* behind the users: the successor, and the process that looks at the end */

#define UNNOTED 0
#define TAKE 1
#define GIVE 2
#define FORGET 3

/* The word, of which an anonymous one has the value alone; then an entry. */
#define NUMBER(x) ((x) & 15)
#define INDEX(w) ((w) >> 4 & 3)
#define OPERATION(w) ((w) >> 6 & 3)
#define VALUE(w) ((w) >> 8 & 15)
#define ANONYMOUS 4096
#define GENERATION(e) ((e) >> 4 & 3)
#define HELD(e) ((e) >> 6)
#define ENTRY(held, generation, number) ((held) << 6 | (generation) << 4 | (number))

short word = PERMITS << 8, entry[USERS];
bit unchanged[ALL], asleep[ALL]; /* the event count has not changed since that one prepared */
/* The process table: twice the generation of the slot's process, and 1 more when that is dead. */
byte occupant[USERS];
byte crashes;
#define IS_ALIVE(slot, generation) (occupant[slot] == 2 * (generation))

/* What is to be shown: what the process of an entry holds, dead or not; the permits without an
 * owner; those that the living hold. And the users that have not come to their end. */
byte holds[USERS], inside, running;
short unowned;

/* A SIGKILL, just before a store or a futex call; that is all the others can see of it. Within
 * atomic. A process killed asleep is the same as one killed just before it slept. */
#define MAY_CRASH \
    if \
    :: crashes < CRASHES && MORTAL -> \
        crashes++; occupant[slot]++; inside = inside - got; killed = 1; goto gone \
    :: true \
    fi

/* ---- entries */

#define HELD_AFTER(e, w) \
    (OPERATION(w) == TAKE -> HELD(e) + 1 : \
     (OPERATION(w) == GIVE -> HELD(e) - (HELD(e) > 0) : \
      (OPERATION(w) == FORGET -> 0 : HELD(e))))
#define CARRIED(e, w) ENTRY(HELD_AFTER(e, w), GENERATION(e), NUMBER(w))

inline carry_over(w)
{
    found = entry[INDEX(w)];
    do
#ifdef BUG_NUMBERS_NOT_COMPARED
    :: OPERATION(w) != UNNOTED ->
#else
    :: OPERATION(w) != UNNOTED && NUMBER(found) != NUMBER(w) ->
#endif
#ifndef BUG_WORD_NOT_LOOKED_AT_AGAIN
        if :: word == (w) :: else -> break fi;
#endif
        atomic {
            MAY_CRASH;
            done = (entry[INDEX(w)] == found);
            if :: done -> entry[INDEX(w)] = CARRIED(found, w) :: else -> found = entry[INDEX(w)] fi
        };
        if :: done -> break :: else fi
    :: else -> break
    od;
    atomic { found = 0; done = 0 }
}

/* ---- the word */

inline carried_word()
{
    seen = word;
#ifndef BUG_NOT_CARRIED_OVER
    carry_over(seen)
#endif
}
inline next_word(value, operation, index, of_entry)
{
    d_step {
        next = (NUMBER(seen) + 1) % NUMBERS;
#ifndef BUG_NUMBER_OF_THE_ENTRY
        if :: next == NUMBER(of_entry) -> next = (next + 1) % NUMBERS :: else fi;
#endif
        next = (value) << 8 | (operation) << 6 | (index) << 4 | next
    }
}
inline check_books()
{
    i = 0; sum = 0;
    do
    :: i < USERS ->
        if
        :: word & ANONYMOUS
        :: !(word & ANONYMOUS) && OPERATION(word) != UNNOTED && INDEX(word) == i ->
            assert(HELD_AFTER(entry[i], word) == holds[i])
        :: else -> assert(HELD(entry[i]) == holds[i])
        fi;
        sum = sum + holds[i];
        i++
    :: else -> break
    od;
    assert(VALUE(word) + sum + unowned == PERMITS);
    i = 0; sum = 0
}
/* commit: the swap of the word, with which the caller notes what it means; then carry_on(). */
inline swap_word()
{
    done = (word == seen);
    if :: done -> word = next :: else fi
}
inline carry_on()
{
    if
    :: done -> carry_over(next); done = 1
    :: else
    fi
}

/* ---- the event count */

#define EVERYBODY ALL
inline advance(how_many)
{
    atomic { MAY_CRASH; for (i : 0 .. USERS) { unchanged[i] = 0 }; i = 0 };
    atomic {
        MAY_CRASH;
        i = how_many;
        do /* which of them is the kernel's choice */
        :: i > 0 && asleep[0] -> asleep[0] = 0; i--
        :: i > 0 && asleep[1] -> asleep[1] = 0; i--
        :: i > 0 && asleep[USERS - 1] -> asleep[USERS - 1] = 0; i--
        :: i > 0 && asleep[USERS] -> asleep[USERS] = 0; i--
        :: else -> break
        od;
        i = 0
    }
}

/* ---- a holder's death, or its end in order */

inline released(of_slot, given_back)
{
    if
    :: given_back ->
        assert(!IS_ALIVE(of_slot, dead_one) && VALUE(next) == VALUE(seen) + holds[of_slot])
    :: else -> unowned = unowned + holds[of_slot]
    fi;
    holds[of_slot] = 0
}
inline release_permits_of(which, of_generation, back)
{
    dead_one = of_generation;
    do
    :: carried_word();
        if :: seen & ANONYMOUS -> break :: else fi;
        own = entry[which];
#ifdef BUG_GENERATION_NOT_COMPARED
        if :: HELD(own) == 0 -> break :: else fi;
#else
        if :: HELD(own) == 0 || GENERATION(own) != dead_one -> break :: else fi;
#endif
#ifdef BUG_GIVEN_BACK_IN_TWO_STEPS
        next_word(VALUE(seen) + back * HELD(own), UNNOTED, which, own);
        d_step { swap_word(); if :: done -> released(which, back) :: else fi };
        if
        :: atomic {
            done -> MAY_CRASH; entry[which] = ENTRY(0, GENERATION(own), NUMBER(own)) }
        :: else
        fi;
#else
        next_word(VALUE(seen) + back * HELD(own), FORGET, which, own);
        atomic {
            MAY_CRASH;
            swap_word();
            if :: done -> released(which, back); check_books() :: else fi
        };
        carry_on();
#endif
        if
        :: done && back -> advance(EVERYBODY); break
        :: done && !back -> break
        :: else
        fi
    od;
    atomic { own = 0; dead_one = 0; seen = 0; next = 0; done = 0 }
}
inline look_after()
{
    do
    :: j < USERS ->
        carried_word();
        if :: seen & ANONYMOUS -> break :: else fi;
        own = entry[j];
        if
        :: HELD(own) > 0 && !IS_ALIVE(j, GENERATION(own)) ->
            release_permits_of(j, GENERATION(own), 1)
        :: else
        fi;
        d_step { j++; own = 0; seen = 0 }
    :: else -> break
    od;
    atomic { j = 0; seen = 0 }
}

/* ---- taking and giving back */

inline find_own() /* claim_entry */
{
    own = entry[slot];
    do
    :: GENERATION(own) != generation ->
        if
        :: HELD(own) > 0 -> /* a dead predecessor's; the word has changed after that */
            release_permits_of(slot, GENERATION(own), 1);
            goto try
        :: else ->
            atomic {
                MAY_CRASH;
                done = (entry[slot] == own);
                if
                :: done -> entry[slot] = ENTRY(0, generation, NUMBER(own))
                :: else -> own = entry[slot]
                fi
            };
            if :: done -> break :: else fi
        fi
    :: else -> break
    od;
    done = 0
}
inline taken()
{
    if :: OPERATION(next) == TAKE -> holds[slot]++ :: else -> unowned++ fi;
    inside++;
    got++;
    assert(inside <= PERMITS + SENT)
}
inline given()
{
    if
    :: OPERATION(next) == GIVE -> holds[slot]--
    :: else -> /* of somebody else's; nobody knows any more whose the others are */
        unowned--;
        for (i : 0 .. USERS - 1) { unowned = unowned + holds[i]; holds[i] = 0 }
    fi
}

/* What a look at the end of a slice would show. */
#define IS_DEAD_HOLDERS(e) (HELD(entry[e]) > 0 && !IS_ALIVE(e, GENERATION(entry[e])))
#define SOMETHING_TO_SEE \
    (VALUE(word) > 0 || (!(word & ANONYMOUS) && \
     (IS_DEAD_HOLDERS(0) || IS_DEAD_HOLDERS(1) || IS_DEAD_HOLDERS(USERS - 1) || \
      (OPERATION(word) == TAKE && NUMBER(entry[INDEX(word)]) != NUMBER(word)))))

proctype user(byte me, slot, generation, rounds)
{
    short seen, next, own, found;
    byte i, j, sum, got, stuck, dead_one;
    bit done, early, killed;
#ifdef SIGNALS
    if :: me == USERS - 1 -> goto release :: else fi;
#endif
begin:
    if :: rounds == 0 -> goto gone :: else -> rounds-- fi;
try: /* semaphore_try */
    carried_word();
    if :: VALUE(seen) == 0 -> goto wait :: else fi;
    if
    :: seen & ANONYMOUS -> next = ANONYMOUS | (VALUE(seen) - 1) << 8
    :: else ->
        find_own();
        own = entry[slot];
        next_word(VALUE(seen) - 1, TAKE, slot, own)
    fi;
    own = 0;
    atomic { MAY_CRASH; swap_word(); if :: done -> taken(); check_books() :: else fi };
    carry_on();
    d_step { next = 0; seen = 0 };
    if :: done -> d_step { done = 0; stuck = 0 } :: else -> goto try fi;
    if :: got < DRAW -> goto try :: else -> goto release fi;
wait: /* semaphore_wait */
    seen = 0;
#ifndef BUG_NOT_PREPARED
    unchanged[me] = 1; /* event_count_prepare */
#endif
    if :: VALUE(word) > 0 -> unchanged[me] = 0; goto try :: else fi;
#ifdef BUG_NOT_PREPARED
    unchanged[me] = 1;
#endif
    atomic { MAY_CRASH; asleep[me] = unchanged[me]; unchanged[me] = 0 };
#if defined(SIGNALS) && CRASHES
end_sleeps: /* for ever, if one of those is dead that would have released */
#endif
    if
    :: !asleep[me] -> goto try
#if CRASHES
    :: atomic { asleep[me] && !early -> early = 1; asleep[me] = 0 } /* a slice ends at any time */
    :: atomic { timeout && SOMETHING_TO_SEE ->
        stuck++; assert(stuck <= 1 + CRASHES); asleep[me] = 0 }
#endif
    fi;
#ifndef BUG_NOBODY_LOOKS_AFTER
    look_after();
#endif
    goto try;
release: /* semaphore_release */
    if
    :: d_step { got > 0 -> got--; inside-- }
    :: got == 0
#ifdef FORGETS
    :: d_step { got > 0 -> inside = inside - got; got = 0 };
        release_permits_of(slot, generation, 0);
        goto gone
#endif
    fi;
again:
    carried_word();
    if
    :: seen & ANONYMOUS -> next = ANONYMOUS | (VALUE(seen) + 1) << 8
    :: else ->
        own = entry[slot];
        if
        :: HELD(own) > 0 && GENERATION(own) == generation ->
            next_word(VALUE(seen) + 1, GIVE, slot, own)
        :: else ->
#ifndef BUG_STAYS_ITS_HOLDERS
            next = ANONYMOUS | (VALUE(seen) + 1) << 8
#else
            next_word(VALUE(seen) + 1, UNNOTED, slot, own)
#endif
        fi
    fi;
    own = 0;
    atomic { MAY_CRASH; swap_word(); if :: done -> given(); check_books() :: else fi };
    carry_on();
    d_step { next = 0; seen = 0 };
    if :: done -> done = 0 :: else -> goto again fi;
    advance(1);
    if :: got > 0 -> goto release :: else -> goto begin fi;
gone:
    atomic {
        running--;
#ifdef SUCCESSOR
        if
        :: killed && me == 0 -> occupant[0] = 4; running++; run user(USERS, 0, 2, 1)
        :: else
        fi;
#endif
        seen = 0; next = 0; own = 0; found = 0; i = 0; j = 0; sum = 0; got = 0; stuck = 0;
        unchanged[me] = 0; dead_one = 0; done = 0; early = 0; killed = 0; rounds = 0
    }
}

proctype last() /* looks at what is left when all others have come to their end */
{
    short seen, next, own, found;
    byte me = USERS + 1, slot, i, j, sum, got, dead_one;
    bit done, killed;
    running == 0;
    look_after();
    d_step {
        check_books();
        for (i : 0 .. USERS - 1) { assert(holds[i] == 0) }
#if !defined(FORGETS) && !defined(SIGNALS)
        assert(VALUE(word) == PERMITS)
#endif
    };
gone:
    skip
}

init {
    atomic {
        byte p;
        running = USERS;
        for (p : 0 .. USERS - 1) { occupant[p] = 2 };
        for (p : 0 .. USERS - 1) {
            run user(p, SLOT(p), 1, (p == 0 -> ROUNDS : (SENT && p == USERS - 1 -> 0 : 1)))
        };
        run last();
        p = 0
    }
}
