/* Mappings and lists in shared memory: container_lock, container_commit, container_add_table,
 * container_replace_table, container_stage_swap, container_release_scratch, stage_step,
 * container_finish_pending and container_clear of native/container/container.c; dict_set, dict_pop
 * and dict_update of dict.c; index_find, index_build and index_stage_new of index.c;
 * write_batch_create, write_batch_add and pop_child of entries.c; list_set, list_append, list_take
 * and list_splice (rebuild, extend) of list.c; arena_lock of native/shm/arena.c; journal_commit and
 * carry_out of journal.c; arena_reclaim of block.c; references_release of reference.c.
 * The container's mutex and the arena's are robust. A step here is a stretch under the arena's
 * mutex, or one under the container's alone, with a kill possible before each store that a survivor
 * can see. Memory is sequentially consistent.
 *
 * Checked: a process that locks the container finds in it what all committed operations have made
 * of it, the whole of each and nothing of the others; after each transaction a block has as many
 * references as it has owners, so none is leaked or freed twice; after a last clear all blocks are
 * free; no deadlock.
 *
 * Each of WRITERS processes does any OPERATIONS operations: set, pop and update of a mapping with
 * two keys in it, which fill its table; or with -DLIST set, append, take the first, replace the
 * first by two and extend by two of a list with two items. A reaper releases what the dead held.
 * -DBUG_...: a fault that Spin must find. */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef WRITERS
#define WRITERS 2 /* processes 1 to WRITERS; behind them the reaper, and the one that clears */
#endif
#ifndef OPERATIONS
#define OPERATIONS 1
#endif
#define REAPER (WRITERS + 1)
#define LAST (WRITERS + 2)
#define ALL (WRITERS + 3)

#define KEYS 3
#define FEWEST 2   /* entries of a table */
#ifdef LIST
#define CAPACITY 8 /* of the largest table */
#else
#define CAPACITY 6
#endif
#define CELLS 8    /* of an index: more than entries, so it is never full */
/* Blocks: the first may become the container's tables, the next the writers' batches, the others
 * items, each writer's its own: which block it is makes no difference. */
#define TABLES (4 + WRITERS)
#define EACH (2 * OPERATIONS + 1)
#define BLOCKS (TABLES + 2 + EACH * WRITERS)
#define IS_TABLE(b) ((b) <= TABLES)
#define FIRST_ITEM (TABLES + 3 + EACH * (me - 1))

/* The words that the journal may change. 0 is no block. */
byte word[TABLES * (5 + CAPACITY + CELLS) + 2 * (BLOCKS + 1) + 4 + ALL];
#define OF(t) (((t) - 1) * (5 + CAPACITY + CELLS))
#define OWNS(t) (OF(t) + 0)
#define START(t) (OF(t) + 1)
#define USED(t) (OF(t) + 2)
#define COUNT(t) (OF(t) + 3)
#define DONE(t) (OF(t) + 4)
#define ENTRY(t, i) (OF(t) + 5 + (i))
#define INDEX(t, s) (OF(t) + 5 + CAPACITY + (s)) /* 0: free; else the key, and the entry plus one */
#define REFERENCES(b) (OF(TABLES + 1) + (b))
#define DEAD(b) (REFERENCES(BLOCKS + 1) + (b)) /* on the arena's list of dead blocks */
#define LINK(which) (DEAD(BLOCKS + 1) + (which))
#define TABLE LINK(0)
#define SCRATCH LINK(1)
#define REMOVED LINK(2)
#define PENDING LINK(3)
#define LISTED(p) (LINK(4) + (p)) /* the batch that the slot of a process lists */
/* What is written before it is linked. */
byte capacity[TABLES + 1], key[BLOCKS + 1], value[BLOCKS + 1];

#define JOURNAL 8
byte valid, staged, where[JOURNAL], what[JOURNAL];
byte arena, mutex; /* who holds them; 0: nobody */
bit dead[ALL];
byte crashes;

/* What is to be shown: the value of each key, 0 without one; of a list, of each position. */
byte wanted[CAPACITY + 1], length, running = WRITERS, chosen = 9;

/* A SIGKILL; within atomic. */
#define MAY_CRASH \
    if :: crashes < CRASHES && me < LAST -> crashes++; dead[me] = 1; goto gone :: true fi

/* ---- the arena */

/* Each block has as many references as owners. */
inline check_references()
{
    for (b : 1 .. BLOCKS) {
        n = (word[TABLE] == b) + (word[SCRATCH] == b) + (word[REMOVED] == b) + (word[PENDING] == b);
        for (k : 1 .. WRITERS) { n = n + (word[LISTED(k)] == b) };
        for (t : 1 .. TABLES) {
            if
            :: (word[REFERENCES(t)] || word[DEAD(t)]) && word[OWNS(t)] ->
                k = word[START(t)];
                do
                :: k < word[USED(t)] -> n = n + (word[ENTRY(t, k)] == b); k++
                :: else -> break
                od
            :: else
            fi
        };
        assert(word[REFERENCES(b)] == n && !(word[DEAD(b)] && n))
    };
    b = 0; n = 0; k = 0; t = 0
}
inline stage(address, to) { where[staged] = address; what[staged] = to; staged++ }
inline stage_release(block) /* reference_stage_release */
{
    assert(word[REFERENCES(block)] > 0);
    stage(REFERENCES(block), word[REFERENCES(block)] - 1);
    if :: word[REFERENCES(block)] == 1 -> stage(DEAD(block), 1) :: else fi
}
/* What a free block holds is of no meaning: the same in all of them, for fewer states. */
#define RUBBISH 250
inline clear_free()
{
    for (b : 1 .. BLOCKS) {
        if
        :: word[REFERENCES(b)] || word[DEAD(b)]
        :: !word[REFERENCES(b)] && !word[DEAD(b)] && IS_TABLE(b) ->
            for (k : OWNS(b) .. INDEX(b, CELLS - 1)) { word[k] = RUBBISH };
            capacity[b] = RUBBISH
        :: else -> key[b] = RUBBISH; value[b] = RUBBISH
        fi
    };
    b = 0; k = 0
}
/* Stages what takes *block* apart: its last child goes (pop_child), or it has none and is free. */
inline stage_apart(block)
{
    t = 0;
    if
    :: IS_TABLE(block) && word[OWNS(block)] ->
        do
        :: t == 0 && word[USED(block)] > word[START(block)] ->
            t = word[ENTRY(block, word[USED(block)] - 1)];
            if
            :: t ->
                stage(ENTRY(block, word[USED(block)] - 1), 0);
                stage(USED(block), word[USED(block)] - 1)
            :: else -> word[USED(block)] = word[USED(block)] - 1
            fi
        :: else -> break
        od
    :: else
    fi;
    if :: t -> stage_release(t) :: else -> stage(DEAD(block), 0) fi;
    t = 0
}

/* A subroutine of the process *me*, in a process of its own so that its code is there once:
 * arena_lock, with the repair of what a dead owner left; or carry_out after journal_commit, and
 * arena_unlock. Either takes dead blocks apart first (arena_reclaim). */
#define TO_LOCK 0
#define TO_CARRY_OUT 1
chan call[ALL] = [0] of { bit };
chan answer[ALL] = [0] of { bit };

proctype arena_of(byte me)
{
    bit task;
    byte b, t, n, k;
end_idle:
    atomic {
        call[me]?task;
        if
        :: task == TO_LOCK ->
            (arena == 0 || dead[arena]);
            n = arena;
            arena = me;
            if :: n == 0 -> staged = 0; goto reclaim :: else -> n = 0 fi
        :: task == TO_CARRY_OUT
        fi;
carry_out:
#ifdef BUG_FORGOTTEN_FIRST
        n = valid;
        valid = 0;
        do
        :: k < n -> MAY_CRASH; word[where[k]] = what[k]; k++
        :: else -> break
        od;
#else
        do
        :: k < valid -> MAY_CRASH; word[where[k]] = what[k]; k++
        :: else -> break
        od;
        MAY_CRASH;
        valid = 0;
#endif
        n = 0;
        d_step {
            staged = 0;
            for (k : 0 .. JOURNAL - 1) { where[k] = 0; what[k] = 0 };
            k = 0;
            check_references();
            clear_free()
        };
        MAY_CRASH;
reclaim:
        k = 0;
        d_step {
            b = 1;
            do
            :: b <= BLOCKS && !word[DEAD(b)] -> b++
            :: else -> break
            od
        };
        if
        :: b <= BLOCKS -> d_step { stage_apart(b) }; MAY_CRASH; valid = staged; goto carry_out
        :: else
        fi;
        b = 0;
        if :: task == TO_CARRY_OUT -> MAY_CRASH; arena = 0 :: else fi;
        task = 0;
        answer[me]!0;
        goto end_idle
    };
gone:
    atomic { b = 0; t = 0; n = 0; k = 0; task = 0 }
}
/* For the process: within atomic. The transaction is what it stages between the two. */
inline arena_lock()
{
    call[me]!TO_LOCK;
    if :: answer[me]?_ :: dead[me] -> goto gone fi
}
inline arena_unlock() { MAY_CRASH; arena = 0 } /* without a transaction */
/* journal_commit; with it the process notes what has changed, and then calls carry_out(). */
inline commit() { MAY_CRASH; valid = staged }
inline carry_out()
{
    call[me]!TO_CARRY_OUT;
    if :: answer[me]?_ :: dead[me] -> goto gone fi
}
/* block_stage_new: *b* is the first free block of *from* to *to*. */
inline stage_new(from, to)
{
    b = from;
    do
    :: word[REFERENCES(b)] || word[DEAD(b)] -> b++; assert(b <= (to))
    :: else -> break
    od;
    stage(REFERENCES(b), 1)
}

/* ---- tables */

#define MISSING CAPACITY
#define IS_FULL(more) (word[USED(word[TABLE])] + (more) > capacity[word[TABLE]])

/* index_find: the entry of key *k*, or MISSING; and the cell that is its, or free. */
inline find(sought)
{
    d_step {
        found = MISSING;
        cell = (sought) % CELLS;
        do
        :: word[INDEX(word[TABLE], cell)] == 0 -> break
        :: word[INDEX(word[TABLE], cell)] >> 4 == (sought) ->
            found = (word[INDEX(word[TABLE], cell)] & 15) - 1;
            if :: word[ENTRY(word[TABLE], found)] -> break :: else -> found = MISSING fi;
            cell = (cell + 1) % CELLS
        :: else -> cell = (cell + 1) % CELLS
        od
    }
}
inline stage_new_key(item) /* index_stage_new, where find() has found that it is missing */
{
    found = word[USED(word[TABLE])];
    assert(found < capacity[word[TABLE]]);
    stage(ENTRY(word[TABLE], found), item);
    stage(INDEX(word[TABLE], cell), key[item] << 4 | (found + 1));
    stage(USED(word[TABLE]), found + 1);
    stage(COUNT(word[TABLE]), word[COUNT(word[TABLE])] + 1)
}
inline init_table(which, room)
{
    word[OWNS(which)] = 0; word[START(which)] = 0; word[USED(which)] = 0; word[COUNT(which)] = 0;
    word[DONE(which)] = 0; capacity[which] = room
}
inline add_table(link, entries) /* container_add_table */
{
    atomic {
        arena_lock();
        d_step {
            assert(word[link] == 0 && entries <= CAPACITY);
            stage_new(1, 4);
            init_table(b, entries);
            stage(link, b)
        };
        commit();
        carry_out()
    }
}
inline stage_swap() /* container_stage_swap */
{
#ifndef BUG_BOTH_TABLES_OWN
    if :: word[TABLE] -> stage(OWNS(word[TABLE]), 0) :: else fi;
#endif
    stage(OWNS(word[SCRATCH]), 1);
    stage(TABLE, word[SCRATCH]);
    stage(SCRATCH, word[TABLE])
}
inline release_link(link)
{
    if
    :: atomic {
        word[link] ->
        arena_lock();
        d_step {
            stage(link, 0);
            stage_release(word[link])
        };
        commit();
        carry_out() }
    :: else
    fi
}
inline release_scratch() { release_link(SCRATCH); release_link(REMOVED) }

/* One entry of *from* behind the last of *to*, which owns nothing. */
inline copy_entry(from, position, to)
{
    word[ENTRY(to, word[USED(to)])] = word[ENTRY(from, position)];
    word[USED(to)] = word[USED(to)] + 1;
    word[COUNT(to)] = word[COUNT(to)] + 1
}
inline build() /* index_build: what SCRATCH is to be, of TABLE's entries that are not empty */
{
    d_step {
        for (k : 0 .. CELLS - 1) { word[INDEX(word[SCRATCH], k)] = 0 };
        k = 0;
        do
        :: word[TABLE] && k < word[USED(word[TABLE])] ->
            n = word[ENTRY(word[TABLE], k)];
            if
            :: n ->
                cell = key[n] % CELLS;
                do
                :: word[INDEX(word[SCRATCH], cell)] -> cell = (cell + 1) % CELLS
                :: else -> break
                od;
                copy_entry(word[TABLE], k, word[SCRATCH]);
                word[INDEX(word[SCRATCH], cell)] = key[n] << 4 | word[USED(word[SCRATCH])]
            :: else
            fi;
            k++
        :: else -> break
        od;
        n = 0; k = 0; cell = 0
    }
}
inline replace_table() /* container_replace_table; *size*: entries of the new one */
{
    add_table(SCRATCH, size);
    build();
    atomic {
        arena_lock();
        d_step {
            stage_swap()
        };
        commit();
        carry_out()
    };
    release_scratch()
}
inline make_room(more)
{
    if
    :: d_step {
        IS_FULL(more) ->
        size = word[COUNT(word[TABLE])] + word[COUNT(word[TABLE])] / 2 + (more);
        size = (size < FEWEST -> FEWEST : size) };
        replace_table();
        size = 0
    :: else
    fi
}

/* ---- the container's mutex, and what is pending */

inline stage_step()
{
    b = word[PENDING];
    t = word[ENTRY(b, word[DONE(b)])];
    assert(t != 0);
    find(key[t]);
    if
    :: found != MISSING ->
        stage(ENTRY(b, word[DONE(b)]), word[ENTRY(word[TABLE], found)]);
        stage(ENTRY(word[TABLE], found), t)
    :: else ->
        stage(ENTRY(b, word[DONE(b)]), 0);
        stage_new_key(t)
    fi;
#ifndef BUG_STEP_COUNTED_LATER
    stage(DONE(b), word[DONE(b)] + 1)
#endif
}
inline finish_pending()
{
    do
    :: atomic {
        word[PENDING] && word[DONE(word[PENDING])] < word[USED(word[PENDING])] ->
        arena_lock();
        d_step {
            stage_step()
        };
        commit();
        carry_out();
#ifdef BUG_STEP_COUNTED_LATER
        MAY_CRASH;
        word[DONE(word[PENDING])] = word[DONE(word[PENDING])] + 1
#endif
        }
    :: else -> break
    od;
    release_link(PENDING)
}
inline check_contents()
{
    assert(!word[SCRATCH] && !word[REMOVED] && !word[PENDING]);
#ifdef LIST
    assert(word[USED(word[TABLE])] == length);
    for (k : 0 .. CAPACITY - 1) {
        if
        :: k < length ->
            assert(value[word[ENTRY(word[TABLE], k)]] == wanted[k])
        :: else
        fi
    };
    k = 0
#else
    n = 0;
    for (k : 1 .. KEYS) {
        found = MISSING;
        cell = k % CELLS;
        do
        :: word[INDEX(word[TABLE], cell)] == 0 -> break
        :: word[INDEX(word[TABLE], cell)] >> 4 == k ->
            found = (word[INDEX(word[TABLE], cell)] & 15) - 1;
            if :: word[ENTRY(word[TABLE], found)] -> break :: else -> found = MISSING fi;
            cell = (cell + 1) % CELLS
        :: else -> cell = (cell + 1) % CELLS
        od;
        if
        :: found == MISSING -> assert(wanted[k] == 0)
        :: else -> n++; assert(value[word[ENTRY(word[TABLE], found)]] == wanted[k])
        fi
    };
    assert(n == word[COUNT(word[TABLE])]);
    n = 0; k = 0; found = 0; cell = 0
#endif
}
inline container_lock()
{
    atomic { (mutex == 0 || dead[mutex]) -> abandoned = (mutex != 0); mutex = me };
    if
    :: abandoned ->
        abandoned = 0;
#ifndef BUG_JOURNAL_NOT_REPAIRED_FIRST
        atomic { arena_lock(); arena_unlock() };
#endif
#ifndef BUG_PENDING_FORGOTTEN
        finish_pending();
#else
        release_link(PENDING);
#endif
#ifndef BUG_SCRATCH_FORGOTTEN
        release_scratch()
#endif
    :: else
    fi;
    d_step { check_contents() }
}
inline container_unlock() { atomic { MAY_CRASH; mutex = 0 } }

/* ---- write batches */

inline batch_create(most)
{
    atomic {
        arena_lock();
        d_step {
            stage_new(4 + me, 4 + me);
            init_table(b, most);
            word[OWNS(b)] = 1;
            stage(LISTED(me), b)
        };
        commit();
        carry_out()
    }
}
#define BATCH word[LISTED(me)]
inline batch_add(of_key, of_value)
{
    atomic {
        arena_lock();
        d_step {
            stage_new(FIRST_ITEM, FIRST_ITEM + EACH - 1);
            key[b] = of_key; value[b] = of_value;
            stage(ENTRY(BATCH, word[USED(BATCH)]), b);
            stage(USED(BATCH), word[USED(BATCH)] + 1)
        };
        commit();
        carry_out()
    }
}
inline release_listed(holder) /* handle_release, references_release */
{
    atomic {
        arena_lock();
        if
        :: d_step {
            word[LISTED(holder)] ->
            stage_release(word[LISTED(holder)]);
            stage(LISTED(holder), 0) };
            commit();
            carry_out()
        :: else -> arena_unlock()
        fi
    }
}
inline reclaim_all() { atomic { arena_lock(); arena_unlock() } }

#ifndef LIST
/* ---- a mapping; *at* is the key */

inline dict_set()
{
    container_lock();
    find(at);
    if :: found == MISSING -> make_room(1); find(at) :: else fi;
    atomic {
        arena_lock();
        d_step {
            stage_new(FIRST_ITEM, FIRST_ITEM + EACH - 1);
            key[b] = at; value[b] = new;
            if
            :: found == MISSING -> stage_new_key(b)
            :: else ->
                stage(ENTRY(word[TABLE], found), b);
#ifndef BUG_NOT_RELEASED_AT_ONCE
                stage_release(word[ENTRY(word[TABLE], found)])
#endif
            fi
        };
        commit();
        wanted[at] = new;
        carry_out()
    };
    container_unlock()
}
inline dict_pop()
{
    container_lock();
    find(at);
    if
    :: atomic {
        found != MISSING ->
        arena_lock();
        d_step {
            stage(ENTRY(word[TABLE], found), 0);
            stage(COUNT(word[TABLE]), word[COUNT(word[TABLE])] - 1);
            stage_release(word[ENTRY(word[TABLE], found)])
        };
        commit();
        wanted[at] = 0;
        carry_out() }
    :: else
    fi;
    container_unlock()
}
inline dict_update() /* of two keys, which may be the same */
{
    batch_create(2);
    batch_add(at, new);
    if :: true -> other = at :: other = at % KEYS + 1 fi;
    batch_add(other, new + 1);
    container_lock();
    make_room(2);
    atomic {
        arena_lock();
        d_step {
            stage(PENDING, BATCH);
#ifndef BUG_HANDED_OVER_IN_TWO_STEPS
            stage(LISTED(me), 0)
#endif
        };
        commit();
        d_step { wanted[at] = new; wanted[other] = new + 1; other = 0 };
        carry_out()
    };
#ifdef BUG_HANDED_OVER_IN_TWO_STEPS
    atomic { arena_lock(); stage(LISTED(me), 0); commit(); carry_out() };
#endif
    finish_pending();
    container_unlock();
    reclaim_all()
}
#else
/* ---- a list */

inline list_set() /* the first */
{
    container_lock();
    if
    :: atomic {
        length > 0 ->
        arena_lock();
        d_step {
            stage_new(FIRST_ITEM, FIRST_ITEM + EACH - 1);
            value[b] = new;
            stage(ENTRY(word[TABLE], 0), b);
            stage_release(word[ENTRY(word[TABLE], 0)])
        };
        commit();
        wanted[0] = new;
        carry_out() }
    :: else
    fi;
    container_unlock()
}
inline stage_length(to) { stage(USED(word[TABLE]), to); stage(COUNT(word[TABLE]), to) }
inline list_append()
{
    container_lock();
    make_room(1);
    atomic {
        arena_lock();
        d_step {
            stage_new(FIRST_ITEM, FIRST_ITEM + EACH - 1);
            value[b] = new;
            stage(ENTRY(word[TABLE], length), b);
            stage_length(length + 1)
        };
        commit();
        d_step { wanted[length] = new; length++ };
        carry_out()
    };
    container_unlock()
}
/* list_splice: the batch, if *added*, in the found of the first item; and list_take of that. */
inline rebuild(added)
{
    size = length - 1 + added;
    add_table(SCRATCH, size);
    add_table(REMOVED, 1);
    size = 0;
    d_step { /* lay_out */
        copy_entry(word[TABLE], 0, word[REMOVED]);
        for (k : 0 .. CAPACITY - 1) {
            if :: k < added -> copy_entry(BATCH, k, word[SCRATCH]) :: else fi
        };
        for (k : 1 .. CAPACITY - 1) {
            if :: k < length -> copy_entry(word[TABLE], k, word[SCRATCH]) :: else fi
        };
        k = 0
    };
#ifdef BUG_REMOVED_OWNS_EARLIER
    atomic { MAY_CRASH; word[OWNS(word[REMOVED])] = 1 };
#endif
    atomic { /* commit_splice */
        arena_lock();
        d_step {
            stage_swap();
#ifndef BUG_REMOVED_OWNS_EARLIER
            stage(OWNS(word[REMOVED]), 1);
#endif
#ifndef BUG_BATCH_STILL_OWNS
            if :: added -> stage(START(BATCH), word[USED(BATCH)]) :: else fi
#endif
        };
        commit();
        d_step {
            if
            :: added -> /* the others move up */
                for (k : 2 .. CAPACITY) { wanted[CAPACITY + 2 - k] = wanted[CAPACITY + 1 - k] };
                wanted[0] = new; wanted[1] = new + 1; length++
            :: else ->
                for (k : 1 .. CAPACITY) { wanted[k - 1] = wanted[k] };
                length--
            fi;
            k = 0;
            wanted[length] = 0
        };
        carry_out()
    };
    release_scratch()
}
inline list_take() /* the first; the last of all in its found (unlink_last) */
{
    container_lock();
    if
    :: length > 1 -> rebuild(0)
    :: atomic {
        length == 1 ->
        arena_lock();
        d_step {
            stage(ENTRY(word[TABLE], 0), 0);
            stage_length(0);
            stage_release(word[ENTRY(word[TABLE], 0)])
        };
        commit();
        d_step { wanted[0] = 0; length = 0 };
        carry_out() }
    :: else
    fi;
    container_unlock()
}
inline make_batch()
{
    batch_create(2);
    batch_add(0, new);
    batch_add(0, new + 1)
}
inline list_replace()
{
    make_batch();
    container_lock();
    if :: length > 0 -> rebuild(2) :: else fi;
    container_unlock();
    release_listed(me)
}
inline list_extend()
{
    make_batch();
    container_lock();
    make_room(2);
    d_step { /* behind the last entry nobody looks */
        word[ENTRY(word[TABLE], length)] = word[ENTRY(BATCH, 0)];
        word[ENTRY(word[TABLE], length + 1)] = word[ENTRY(BATCH, 1)]
    };
    atomic {
        arena_lock();
        d_step {
            stage_length(length + 2);
            stage(START(BATCH), word[USED(BATCH)])
        };
        commit();
        d_step { wanted[length] = new; wanted[length + 1] = new + 1; length = length + 2 };
        carry_out()
    };
    container_unlock();
    release_listed(me)
}
#endif

/* ---- the processes */

proctype writer(byte me)
{
    byte operations, at, new, other, size, found, cell, b, t, n, k;
    bit abandoned;
again:
    atomic {
        if :: operations == OPERATIONS -> goto gone :: else fi;
        new = (me * OPERATIONS + operations) * 2 + 1;
        operations++
    };
    /* Which writer does which of two operations makes no difference. */
#define MAY_DO(kind) :: atomic { !(OPERATIONS == 1 && chosen < kind) -> chosen = kind };
#ifdef LIST
    if
    MAY_DO(1) list_set()
    MAY_DO(2) list_append()
    MAY_DO(3) list_take()
    MAY_DO(4) list_replace()
    MAY_DO(5) list_extend()
    fi;
#else
    if :: at = 1 :: at = 3 fi; /* a key that is there, and one that is not */
    if
    MAY_DO(1) dict_set()
    MAY_DO(2) dict_pop()
    MAY_DO(3) dict_update()
    fi;
#endif
    atomic { at = 0; new = 0; other = 0; found = 0; cell = 0 };
    goto again;
gone:
    atomic {
        running--;
        operations = 0; at = 0; new = 0; other = 0; size = 0; found = 0; cell = 0;
        b = 0; t = 0; n = 0; k = 0; abandoned = 0
    }
}

proctype reaper(byte me)
{
    do
    :: dead[1] && word[LISTED(1)] -> release_listed(1)
    :: dead[WRITERS] && word[LISTED(WRITERS)] -> release_listed(WRITERS)
    :: running == 0 -> break
    od;
gone:
    skip
}

proctype last(byte me)
{
    byte size, found, cell, b, t, n, k;
    bit abandoned;
    running == 0;
    release_listed(1);
    release_listed(WRITERS);
    container_lock();
    release_link(TABLE); /* container_clear */
    reclaim_all();
    d_step {
        for (k : 1 .. BLOCKS) { assert(!word[REFERENCES(k)] && !word[DEAD(k)]) };
        k = 0
    };
gone:
    skip
}

init {
    byte i;
    d_step { /* two items, which fill the table */
        word[TABLE] = 1; word[REFERENCES(1)] = 1; word[OWNS(1)] = 1; word[USED(1)] = 2;
        word[COUNT(1)] = 2; capacity[1] = 2;
        for (i : 1 .. 2) {
            word[ENTRY(1, i - 1)] = TABLES + i; word[REFERENCES(TABLES + i)] = 1;
            value[TABLES + i] = 100 + i;
#ifdef LIST
            wanted[i - 1] = 100 + i;
#else
            key[TABLES + i] = i; word[INDEX(1, i)] = i << 4 | i; wanted[i] = 100 + i;
#endif
        };
        length = 2; i = 0
    };
    atomic {
        for (i : 1 .. LAST) { run arena_of(i) };
        for (i : 1 .. WRITERS) { run writer(i) };
        i = 0;
        run reaper(REAPER);
        run last(LAST)
    }
}
