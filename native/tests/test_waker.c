/* The board of bells: nobody sleeps through what it watches. */
#include <poll.h>
#include <pthread.h>

#include "../os/wake_socket.h"
#include "../shm/waker.h"
#include "family.h"

/* What is watched: a number, and its watchers. */
struct thing {
    _Atomic uint64_t count;
    watch_count watchers;
    uint64_t key;
};

static bool rings(const struct bell_place *place, int milliseconds)
{
    struct pollfd pollfd = {.fd = place->fd, .events = POLLIN};
    return poll(&pollfd, 1, milliseconds) == 1;
}

static void change(struct thing *thing)
{
    atomic_fetch_add(&thing->count, 1);
    bells_ring(&family, &thing->watchers, thing->key);
}

static void watch(const struct bell_place *place, struct thing *thing)
{
    doorbell_drain(place->fd);
    bells_arm(&family, place, bells_bit(thing->key));
    bells_tell(&thing->watchers);
}

TEST(a_bell_rings_once_for_each_arming)
{
    family_found(SMALL_RESERVE);
    struct thing thing = {.key = bells_key(4096, 0)};
    struct bell_place place;
    CHECK_EQUAL(bells_open(&family, &place), STATUS_OK);
    CHECK_EQUAL(bells_count(&family), 1);
    change(&thing);
    CHECK(!rings(&place, 0)); /* not armed */
    watch(&place, &thing);
    CHECK(!rings(&place, 0));
    change(&thing);
    CHECK(rings(&place, 0));
    watch(&place, &thing);
    CHECK(!rings(&place, 0));
    bells_close(&family, &place);
    CHECK_EQUAL(bells_count(&family), 0);
    change(&thing);
    change(&thing);
    CHECK(!is_watched(&thing.watchers)); /* nobody was found: nobody is looked for */
}

TEST(an_exact_watch_hears_its_key_alone)
{
    family_found(SMALL_RESERVE);
    struct bell_place place;
    CHECK_EQUAL(bells_open(&family, &place), STATUS_OK);
    uint64_t mine = bells_key(64 * 7, 1);
    bells_arm(&family, &place, BELL_EXACT | mine);
    for (uint64_t i = 1; i < 500; i++) {
        struct thing other = {.key = bells_key(64 * i, 0), .watchers = 1};
        change(&other);
    }
    CHECK(!rings(&place, 0));
    struct thing thing = {.key = mine, .watchers = 1};
    change(&thing);
    CHECK(rings(&place, 0));
    bells_close(&family, &place);
}

TEST(the_board_has_an_end_and_places_come_back)
{
    family_found(SMALL_RESERVE);
    static struct bell_place places[BELL_COUNT];
    unsigned open = 0;
    enum status status = STATUS_OK;
    while (open < BELL_COUNT && (status = bells_open(&family, &places[open])) == STATUS_OK)
        open++;
    struct bell_place more;
    if (status == STATUS_OK) { /* else descriptors were the bound, not the board */
        CHECK_EQUAL(bells_open(&family, &more), STATUS_FULL_TABLE);
        bells_close(&family, &places[7]);
        CHECK_EQUAL(bells_open(&family, &places[7]), STATUS_OK);
        CHECK_EQUAL(places[7].index, 7);
    }
    for (unsigned i = 0; i < open; i++)
        bells_close(&family, &places[i]);
    CHECK_EQUAL(bells_count(&family), 0);
}

/* ---- threads: each change is seen, without a slice to help */

enum { WATCHERS = 3, CHANGES = 2000 };

static struct thing shared;

static void *watch_all(void *with)
{
    (void)with;
    struct bell_place place;
    CHECK_EQUAL(bells_open(&family, &place), STATUS_OK);
    for (uint64_t seen = 0; seen < CHANGES / SLOWNESS;) {
        watch(&place, &shared);
        atomic_thread_fence(memory_order_seq_cst);
        uint64_t count = atomic_load(&shared.count);
        if (count == seen)
            CHECK(rings(&place, 5000 * SLOWNESS));
        else
            seen = count;
    }
    bells_close(&family, &place);
    return NULL;
}

TEST_WITHIN(30, no_change_is_slept_through)
{
    family_found(SMALL_RESERVE);
    shared.key = bells_key(64 * 99, 0);
    pthread_t threads[WATCHERS];
    for (unsigned i = 0; i < WATCHERS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, watch_all, NULL), 0);
    for (unsigned i = 0; i < CHANGES / SLOWNESS; i++)
        change(&shared);
    for (unsigned i = 0; i < WATCHERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(bells_count(&family), 0);
}
