/* One way of a pipe: handoff_put, take, clear_dead_marks, handoff_recover, handoff_has_orphan,
 * open_handoff, spin, close_handoff and handoff_await of native/channel/pipe_fastpath.c, and as the
 * second way the pipe's descriptor; send_frame, PipeEnd_receive and await_header of
 * native/python/pipe_end.c say which is used when. A step here is one access to the shared word or
 * to a half of the message, or one system call; a kill is possible before each store and system call.
 * A message goes through the descriptor as a whole. Memory is sequentially consistent. Whether a
 * time has passed is a free choice of each process: nothing depends on it.
 *
 * Checked: a message is received whole, and once; messages are received in the order of their
 * sends, without a gap, also by the receiver that comes after a killed one; a sender killed before
 * its commit has sent nothing; nobody waits while there is a message; at the end all that was sent
 * was received.
 *
 * Senders take turns: each of them knows what was sent before. The receivers have the same end of
 * the pipe, and receive under a lock that a dead owner does not keep. -DSENDERS=n, -DRECEIVERS=n.
 * -DPUTS=n: messages of each sender. -DFREE_SENDERS: without turns; then the order of each one's
 * messages is checked. -DFREE_RECEIVERS: without a lock; then the order is not checked, and the
 * message that a killed receiver was handed is for the next call. -DPOLLS: one more process polls
 * the receivers' end. -DBUG_...: a fault that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef SENDERS
#define SENDERS 1 /* processes 1 to SENDERS */
#endif
#ifndef RECEIVERS
#define RECEIVERS 2 /* the processes behind them */
#endif
#ifndef PUTS
#define PUTS 3
#endif
#ifdef POLLS
#define POLLERS 1
#else
#define POLLERS 0
#endif
#define MESSAGES (SENDERS * PUTS)
#define ALL (SENDERS + RECEIVERS + POLLERS + 2)

/* The word: state, tag, turn. */
#define IDLE 0
#define SPINNING 1
#define WRITING 2
#define FULL 3
#define ABANDONED 4
#define STATE(w) ((w) & 7)
#define TAG(w) ((w) >> 3 & 7)
#define TURN(w) ((w) >> 6)
#define WORD(state, tag, turn) ((state) | (tag) << 3 | (turn) << 6)
short word;
byte left, right; /* the message in shared memory, in two halves */

/* The descriptor: messages that were written, and that were read. */
byte stream[MESSAGES + 1], written, read;
byte ended; /* senders that are gone: the stream ends when all are */

bit dead[ALL];
byte crashes, sending, receiving; /* whose turn it is, or who has the lock; 0: nobody's */

/* What is to be shown: how many were sent, received; of the free, which were received. */
byte sent, received;
byte next_of[SENDERS + 1];
bit was_received[MESSAGES + 1];

/* A SIGKILL; within atomic. */
#define MAY_CRASH if :: crashes < CRASHES -> crashes++; dead[me] = 1; goto gone :: true fi

inline swap(from, to) /* a failed one looks at the word */
{
    done = (word == (from));
    if :: done -> word = (to) :: else -> seen = word fi
}

/* ---- the sender */

inline is_sent()
{
    sent++;
#ifndef FREE_SENDERS
    assert(number == sent)
#endif
}

proctype sender(byte me)
{
    byte i, number;
    short seen, mine;
    bit done;
again:
    atomic {
        if :: i == PUTS -> goto gone :: else fi;
#ifndef FREE_SENDERS
        (sending == 0 || dead[sending]) -> sending = me;
        number = sent + 1;
#else
        number = (me - 1) * PUTS + i + 1;
#endif
        i++
    };
    /* handoff_put */
    seen = word;
    if
    :: STATE(seen) == SPINNING /* and its time has not passed */
    :: true -> goto to_stream
    fi;
#ifndef BUG_NOT_DRAINED
    if :: written == read :: else -> goto to_stream fi; /* stream_is_drained */
#endif
    mine = WORD(WRITING, me, TURN(seen));
    atomic {
        MAY_CRASH;
        done = (word == seen);
        if :: done -> word = mine :: else -> goto to_stream fi
    };
#ifdef BUG_COMMIT_BEFORE_DATA
    atomic { swap(mine, WORD(FULL, TAG(seen), TURN(seen))); if :: done -> is_sent() :: else fi };
    if :: !done -> goto to_stream :: else fi;
    left = number;
    right = number;
    goto next;
#endif
    atomic { MAY_CRASH; left = number };
    atomic { MAY_CRASH; right = number };
    atomic {
        MAY_CRASH;
        done = (word == mine);
        if
        :: done -> word = WORD(FULL, TAG(seen), TURN(seen)); is_sent(); goto next
        :: else -> assert(word == WORD(ABANDONED, me, TURN(seen)))
        fi
    };
    atomic { MAY_CRASH; word = WORD(IDLE, 0, TURN(mine)) };
#ifdef BUG_ABANDONED_IS_SENT
    atomic { is_sent(); goto next };
#endif
to_stream: /* write_parts */
    atomic { MAY_CRASH; stream[written] = number; written++; is_sent() };
next:
    atomic {
        done = 0; seen = 0; mine = 0; number = 0;
        if :: sending == me -> sending = 0 :: else fi
    };
    goto again;
gone:
    atomic { ended++; done = 0; seen = 0; mine = 0; number = 0; i = 0 }
}

/* ---- the receiver */

inline is_received(what)
{
    received++;
#if defined(FREE_RECEIVERS)
    assert(what != 0 && !was_received[what]);
    was_received[what] = 1
#elif defined(FREE_SENDERS)
    next_of[(what - 1) / PUTS]++;
    assert(what == (what - 1) / PUTS * PUTS + next_of[(what - 1) / PUTS])
#else
    assert(what == received)
#endif
}
inline read_stream()
{
    number = stream[read];
    is_received(number);
    stream[read] = 0; number = 0; read++
}
inline is_all() /* EOFError */
{
#ifdef FREE_RECEIVERS
    skip
#else
    assert(received == sent)
#endif
}
inline take() /* the word *seen* is FULL, and marked as ours */
{
#ifdef BUG_TAKEN_BEFORE_READ
    atomic { MAY_CRASH; word = WORD(IDLE, 0, TURN(seen)) };
#endif
    number = left;
    assert(right == number);
    atomic {
        MAY_CRASH;
#ifndef BUG_TAKEN_BEFORE_READ
        assert(word == seen);
        word = WORD(IDLE, 0, TURN(seen));
#endif
        is_received(number);
        left = 0; right = 0; number = 0; seen = 0
    }
}
inline clear_dead_marks()
{
    seen = word;
    do
    :: STATE(seen) != IDLE && STATE(seen) != FULL ->
        lives = !dead[TAG(seen)];
        if
#ifndef BUG_WRITING_IS_LEFT
        :: lives && STATE(seen) == WRITING ->
            mine = WORD(ABANDONED, TAG(seen), TURN(seen))
        :: lives && STATE(seen) != WRITING -> break
#else
        :: lives -> break
#endif
        :: !lives -> mine = WORD(IDLE, 0, TURN(seen))
        fi;
        atomic { MAY_CRASH; swap(seen, mine); if :: done -> seen = mine :: else fi }
    :: else -> break
    od;
    atomic { mine = 0; done = 0; lives = 0 }
}
inline is_orphan() { done = (STATE(seen) == FULL && dead[TAG(seen)]) }

proctype receiver(byte me)
{
    short seen, mine;
    byte number;
    bit done, lives;
again:
#ifndef FREE_RECEIVERS
    atomic { (receiving == 0 || dead[receiving]) -> receiving = me };
#endif
    /* handoff_recover */
#ifndef BUG_NOT_RECOVERED
    clear_dead_marks();
    is_orphan();
    if
    :: done ->
#ifndef BUG_NOT_CLAIMED
        mine = WORD(FULL, me, TURN(seen));
        atomic { MAY_CRASH; swap(seen, mine); seen = mine; mine = 0 };
#endif
        if :: done -> done = 0; take(); goto next :: else fi
    :: else
    fi;
#endif
    seen = 0;
    /* PipeEnd_receive: what is in the stream already */
    atomic {
        MAY_CRASH;
        if
        :: read < written -> read_stream(); goto next
        :: read == written && ended == SENDERS -> is_all(); goto gone
        :: else
        fi
    };
    /* open_handoff */
    seen = word;
    if :: STATE(seen) == IDLE :: else -> goto to_stream fi;
#ifdef BUG_TURNS_ARE_ONE
    mine = WORD(SPINNING, me, 1);
#else
    mine = WORD(SPINNING, me, TURN(seen) + 1);
#endif
    atomic { MAY_CRASH; swap(seen, mine) };
    seen = 0;
    if :: done -> done = 0 :: else -> mine = 0; goto to_stream fi;
    /* spin: it may end at any time, with or without a reason */
#ifdef BUG_READS_WHILE_SPINNING
    if
    :: atomic { read < written -> read_stream(); number = 1 }
    :: true
    fi;
#endif
    /* close_handoff */
    seen = mine;
    do
    :: TURN(seen) != TURN(mine) -> break
    :: TURN(seen) == TURN(mine) && STATE(seen) == FULL -> mine = 0; take(); goto next
    :: TURN(seen) == TURN(mine) && STATE(seen) == SPINNING ->
#ifdef BUG_CLOSED_WITHOUT_A_LOOK
        word = WORD(IDLE, 0, TURN(seen)); break
#else
        atomic {
            MAY_CRASH;
            swap(seen, WORD(IDLE, 0, TURN(mine)));
            if :: done -> break :: else fi
        }
#endif
    :: TURN(seen) == TURN(mine) && STATE(seen) == WRITING ->
        atomic {
            MAY_CRASH;
            swap(seen, WORD(ABANDONED, TAG(seen), TURN(mine)));
            if :: done -> break :: else fi
        }
    :: TURN(seen) == TURN(mine) && (STATE(seen) == IDLE || STATE(seen) == ABANDONED) -> break
    od;
    atomic { done = 0; seen = 0; mine = 0 };
#ifdef BUG_READS_WHILE_SPINNING
    if :: number -> number = 0; goto next :: else fi;
#endif
to_stream: /* stream_read, which waits */
    atomic {
        MAY_CRASH;
        if
        :: read < written -> read_stream()
        :: read == written && ended == SENDERS -> is_all(); goto gone
        fi
    };
next:
    atomic { done = 0; if :: receiving == me -> receiving = 0 :: else fi };
    goto again;
gone:
    atomic {
        if :: receiving == me && !dead[me] -> receiving = 0 :: else fi;
        seen = 0; mine = 0; number = 0; done = 0; lives = 0
    }
}

#ifdef POLLS
proctype poller(byte me) /* handoff_has_orphan */
{
    short seen, mine;
    bit done, lives;
    clear_dead_marks();
gone:
    atomic { seen = 0; mine = 0; done = 0; lives = 0 }
}
#endif

init {
    atomic {
        byte p;
        for (p : 1 .. SENDERS) { run sender(p) };
        for (p : 1 .. RECEIVERS) { run receiver(SENDERS + p) };
#ifdef POLLS
        run poller(SENDERS + RECEIVERS + 1);
#endif
        p = 0
    };
    /* Nothing is lost, whoever was killed; a killed receiver's message waits for the next one. */
    atomic {
        _nr_pr == 1;
        assert(STATE(word) != FULL || (dead[TAG(word)] && left == right));
        assert(sent == received + written - read + (STATE(word) == FULL))
    }
}
