/* The waker table: no process sleeps through what it watches. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../os/wake_socket.h"
#include "../shm/waker.h"
#include "family.h"

/* What is watched: a number, and its watchers. */
struct thing {
    _Atomic uint64_t count;
    watch_count watchers;
    uint64_t key;
};

static bool is_woken(const struct waker *waker, int milliseconds)
{
    struct pollfd pollfd = {.fd = waker->fd, .events = POLLIN};
    return poll(&pollfd, 1, milliseconds) == 1;
}

static void change(struct thing *thing)
{
    atomic_fetch_add(&thing->count, 1);
    waker_wake(&family, &thing->watchers, thing->key);
}

static void watch(const struct waker *waker, struct thing *thing)
{
    wake_socket_drain(waker->fd);
    waker_arm(&family, waker, waker_bit(thing->key));
    waker_mark_watched(&thing->watchers);
}

TEST(a_waker_wakes_once_for_each_arming)
{
    family_found(SMALL_RESERVE);
    struct thing thing = {.key = waker_key(4096, 0)};
    struct waker waker;
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    CHECK_EQUAL(waker_count(&family), 1);
    change(&thing);
    CHECK(!is_woken(&waker, 0)); /* not armed */
    watch(&waker, &thing);
    CHECK(!is_woken(&waker, 0));
    change(&thing);
    CHECK(is_woken(&waker, 0));
    watch(&waker, &thing);
    CHECK(!is_woken(&waker, 0));
    waker_close(&family, &waker);
    CHECK_EQUAL(waker_count(&family), 0);
    change(&thing);
    change(&thing);
    CHECK(!is_watched(&thing.watchers)); /* no sleeper was found: none is looked for */
}

static uint64_t next_owner(const struct waker *waker)
{
    return waker->owner + (UINT64_C(1) << 32);
}

/* Such a name shows all that the next one is made of. */
static size_t readable_name(const struct waker *waker, char name[WAKE_SOCKET_NAME_BYTES])
{
    int size = snprintf(name, WAKE_SOCKET_NAME_BYTES, "procession:");
    for (unsigned i = 0; i < sizeof family.header->id; i++)
        size += snprintf(name + size, WAKE_SOCKET_NAME_BYTES - (size_t)size, "%02x",
                         family.header->id[i]);
    size += snprintf(name + size, WAKE_SOCKET_NAME_BYTES - (size_t)size, ":%u:%llx", waker->index,
                     (unsigned long long)waker->owner);
    return (size_t)size;
}

TEST(a_wake_socket_has_a_name_that_tells_nothing)
{
    family_found(SMALL_RESERVE);
    struct waker waker;
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    char old[WAKE_SOCKET_NAME_BYTES], name[WAKE_SOCKET_NAME_BYTES], id[33];
    size_t size = readable_name(&waker, old);
    CHECK(!wake_socket_send(old, size)); /* no socket has it */
    for (unsigned i = 0; i < sizeof family.header->id; i++)
        snprintf(id + 2 * (size_t)i, 3, "%02x", family.header->id[i]);
    size = waker_name(&family, waker.index, waker.owner, name);
    CHECK(wake_socket_send(name, size));
    CHECK(strstr(name, id) == NULL);
    waker_close(&family, &waker);
}

TEST(a_name_that_is_taken_already_is_not_needed)
{
    family_found(SMALL_RESERVE);
    struct waker waker;
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    waker_close(&family, &waker);
    char name[WAKE_SOCKET_NAME_BYTES];
    size_t size = waker_name(&family, waker.index, next_owner(&waker), name);
    int taken = wake_socket_open(name, size);
    CHECK(taken >= 0);
    uint64_t refused = next_owner(&waker);
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    CHECK(waker.owner != refused);
    struct thing thing = {.key = waker_key(4096, 0)};
    watch(&waker, &thing);
    change(&thing);
    CHECK(is_woken(&waker, 0));
    waker_close(&family, &waker);
    CHECK_EQUAL(waker_count(&family), 0);
    wake_socket_close(taken);
}

TEST(an_exact_watch_is_woken_for_its_key_alone)
{
    family_found(SMALL_RESERVE);
    struct waker waker;
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    uint64_t mine = waker_key(64 * 7, 1);
    waker_arm(&family, &waker, WATCH_EXACT | mine);
    for (uint64_t i = 1; i < 500; i++) {
        struct thing other = {.key = waker_key(64 * i, 0), .watchers = 1};
        change(&other);
    }
    CHECK(!is_woken(&waker, 0));
    struct thing thing = {.key = mine, .watchers = 1};
    change(&thing);
    CHECK(is_woken(&waker, 0));
    waker_close(&family, &waker);
}

TEST(the_waker_table_has_an_end_and_entries_come_back)
{
    family_found(SMALL_RESERVE);
    static struct waker wakers[WAKER_COUNT];
    unsigned open = 0;
    enum status status = STATUS_OK;
    while (open < WAKER_COUNT && (status = waker_open(&family, &wakers[open])) == STATUS_OK)
        open++;
    struct waker more;
    if (status == STATUS_OK) { /* else descriptors were the limit, not the table */
        CHECK_EQUAL(waker_open(&family, &more), STATUS_FULL_TABLE);
        waker_close(&family, &wakers[7]);
        CHECK_EQUAL(waker_open(&family, &wakers[7]), STATUS_OK);
        CHECK_EQUAL(wakers[7].index, 7);
    }
    for (unsigned i = 0; i < open; i++)
        waker_close(&family, &wakers[i]);
    CHECK_EQUAL(waker_count(&family), 0);
}

/* ---- threads: each change is seen, without a slice to help */

enum { WATCHERS = 3, CHANGES = 2000 };

static struct thing shared;

static void *watch_all(void *with)
{
    (void)with;
    struct waker waker;
    CHECK_EQUAL(waker_open(&family, &waker), STATUS_OK);
    for (uint64_t seen = 0; seen < CHANGES / SLOWNESS;) {
        watch(&waker, &shared);
        atomic_thread_fence(memory_order_seq_cst);
        uint64_t count = atomic_load(&shared.count);
        if (count == seen)
            CHECK(is_woken(&waker, 5000 * SLOWNESS));
        else
            seen = count;
    }
    waker_close(&family, &waker);
    return NULL;
}

TEST_WITHIN(30, no_change_is_slept_through)
{
    family_found(SMALL_RESERVE);
    shared.key = waker_key(64 * 99, 0);
    pthread_t threads[WATCHERS];
    for (unsigned i = 0; i < WATCHERS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, watch_all, NULL), 0);
    for (unsigned i = 0; i < CHANGES / SLOWNESS; i++)
        change(&shared);
    for (unsigned i = 0; i < WATCHERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(waker_count(&family), 0);
}
