/* An arena of several windows: what a process has mapped is its own affair. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "../shm/size_class.h"
#include "family.h"

#define RESERVE (UINT64_C(1) << 40)

static struct block *block_in(struct arena *arena, struct handle handle)
{
    return block_of(arena_at(arena, handle.offset));
}

/* Takes all that is left of the window in use, so that the next block begins another one. */
static void fill_window(void)
{
    uint64_t window = word_get(&family.header->top) >> WINDOW_BITS;
    while (word_get(&family.header->top) >> WINDOW_BITS == window)
        family_block(IN_ONE_WINDOW / 2);
}

static bool has_window_of(const struct arena *arena, offset_t offset)
{
    return arena->mapping.windows[offset >> WINDOW_BITS >> 6] >> (offset >> WINDOW_BITS & 63) & 1;
}

TEST(no_smaller_block_lies_in_two_windows)
{
    family_found(RESERVE);
    uint64_t random = 1;
    for (unsigned i = 0; i < 600; i++) {
        uint64_t size = random_next(&random) % (2 * IN_ONE_WINDOW) >> random_next(&random) % 12;
        struct handle handle = family_block(size);
        uint64_t start = handle.offset - sizeof(struct block);
        uint64_t bytes = size_class_bytes(block_in(&family, handle)->size_class);
        if (bytes <= IN_ONE_WINDOW)
            CHECK_EQUAL(start >> WINDOW_BITS, (start + bytes - 1) >> WINDOW_BITS);
        memset(arena_at(&family, handle.offset), 1, size);
    }
    CHECK(word_get(&family.header->top) > 2 * WINDOW_BYTES);
    family_check();
}

TEST(a_window_is_mapped_when_something_in_it_is_used)
{
    family_found(RESERVE);
    struct arena other;
    CHECK_EQUAL(arena_open(&other, dup(family.mapping.file.fd)), STATUS_OK);
    for (unsigned i = 0; i < 3; i++)
        fill_window();
    struct handle last = family_block(100);
    strcpy(arena_at(&family, last.offset), "there");
    CHECK(!has_window_of(&other, last.offset));

    CHECK(strcmp(arena_at(&other, last.offset), "there") == 0);
    CHECK(has_window_of(&other, last.offset));
    CHECK(!has_window_of(&other, last.offset - WINDOW_BYTES)); /* no other is */
    arena_close(&other);
}

TEST(all_of_a_large_block_is_mapped_when_it_is_attached)
{
    family_found(RESERVE);
    struct arena other;
    CHECK_EQUAL(arena_open(&other, dup(family.mapping.file.fd)), STATUS_OK);
    const uint64_t size = 5 * WINDOW_BYTES / 2;
    struct handle large = family_block(size), mine;
    memset(arena_at(&family, large.offset), 7, size);
    other.self = family.self;
    other.tag = family.tag;

    CHECK_EQUAL(handle_attach(&other, large.offset, family_serial(large), &mine), STATUS_OK);
    const char *bytes = arena_at(&other, mine.offset);
    for (uint64_t at = 0; at < size; at += 4096)
        CHECK_EQUAL(bytes[at], 7);
    arena_close(&other);
    handle_release(&family, &mine);
    family_check();
}

/* ---- limits */

/* Leaves room for *bytes* more of address space; UINT64_MAX: for all. */
static void limit_address_space(uint64_t bytes)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    struct rlimit limit;
    CHECK_EQUAL(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = bytes == UINT64_MAX ? limit.rlim_max
                                         : pages * (uint64_t)sysconf(_SC_PAGESIZE) + bytes;
    CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
}

struct limited {
    struct handle channel, large;
    uint64_t serial;
    atomic_uint *step; /* 1: the child is limited; 2: the parent has filled the arena */
};

static struct channel *channel_in(struct limited *limited)
{
    return arena_at(&family, limited->channel.offset);
}

static void make_payload(uint64_t size, struct message *message)
{
    struct payload_span span = {.size = size};
    *message = (struct message){.kind = RECORD_PAYLOAD};
    CHECK_EQUAL(payload_create(&family, RECORD_BYTES, 0, &span, 1, &message->payload), STATUS_OK);
}

static void receive_under_a_limit(void *with)
{
    struct limited *limited = with;
    limit_address_space(WINDOW_BYTES / 2);
    atomic_store(limited->step, 1);
    WAIT_UNTIL(atomic_load(limited->step) == 2);
    struct message message;
    struct handle handle;
    offset_t large = *(offset_t *)(limited->step + 2);
    uint64_t serial = *(uint64_t *)(limited->step + 4);

    CHECK_EQUAL(handle_attach(&family, large, serial, &handle), STATUS_NO_MEMORY);
    CHECK_EQUAL(channel_try_get(&family, channel_in(limited), &message, NULL), STATUS_NO_MEMORY);
    CHECK_EQUAL(channel_size(channel_in(limited)), 1); /* it is still there */
    struct handle small = family_block(100);           /* what is mapped can be used */
    handle_release(&family, &small);
    limit_address_space(UINT64_MAX);
    CHECK_EQUAL(channel_try_get(&family, channel_in(limited), &message, NULL), STATUS_OK);
    CHECK_EQUAL(handle_attach(&family, large, serial, &handle), STATUS_OK);
}

TEST(a_process_without_room_is_told_so_and_goes_on)
{
    family_found(RESERVE);
    struct limited limited = {.step = shared_memory(PAGE_BYTES)};
    CHECK_EQUAL(channel_create(&family, 0, &limited.channel), STATUS_OK);
    struct handle room = family_block(100);
    handle_release(&family, &room); /* for the child's small one: nothing else is free */
    pid_t child = family_start(receive_under_a_limit, &limited);
    WAIT_UNTIL(atomic_load(limited.step) == 1);
    fill_window();
    struct handle large = family_block(3 * WINDOW_BYTES);
    *(offset_t *)(limited.step + 2) = large.offset;
    *(uint64_t *)(limited.step + 4) = family_serial(large);
    struct message message;
    make_payload(3000, &message);
    CHECK_EQUAL(channel_try_put(&family, channel_in(&limited), &message), STATUS_OK);
    atomic_store(limited.step, 2);

    CHECK_EQUAL(family_end(child), 0);
    family_check();
}

static void reap_under_a_limit(void *with)
{
    struct limited *limited = with;
    limit_address_space(WINDOW_BYTES / 2);
    atomic_store(limited->step, 1);
    WAIT_UNTIL(atomic_load(limited->step) == 2);
    table_reap_dead(&family);
    arena_reclaim_all(&family);
}

static void hold_in_many_windows(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < HELD_BACK + 3; i++)
        fill_window();
    _exit(3);
}

TEST(what_a_process_cannot_map_is_left_to_others_to_release)
{
    family_found(RESERVE);
    uint64_t used = family_used();
    struct limited limited = {.step = shared_memory(PAGE_BYTES)};
    pid_t reaper = family_start(reap_under_a_limit, &limited);
    WAIT_UNTIL(atomic_load(limited.step) == 1);
    pid_t holder = family_start(hold_in_many_windows, NULL);
    CHECK_EQUAL(child_end(holder), 3);
    atomic_store(limited.step, 2);

    CHECK_EQUAL(family_end(reaper), 0); /* it was not aborted */
    family_check();
    table_reap_dead(&family);
    CHECK_EQUAL(family_used(), used);
}

/* ---- kills */

static void grow(void *with)
{
    (void)with;
    family_block(IN_ONE_WINDOW / 2);
    family_block(IN_ONE_WINDOW / 2);
    struct handle large = family_block(WINDOW_BYTES);
    handle_release(&family, &large);
}

TEST_WITHIN(20, a_kill_at_any_step_of_the_growth_leaves_a_whole_arena)
{
    family_found(RESERVE);
    uint64_t used = family_used();
    unsigned step = 1;
    while (family_killed_at("*", step++, grow, NULL)) {
        family_check();
        CHECK_EQUAL(family_used(), used);
    }
    CHECK(step > 10);
}
