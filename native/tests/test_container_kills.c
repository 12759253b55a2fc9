/* Mappings and lists in shared memory, killed at each passage of each crash point, and at
 * random. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "../crash_point.h"
#include "containers.h"

enum { BIG = LARGE_NUMBER };

/* What an operation works on. */
struct scene {
    struct fixture fixture;
    uint64_t size; /* what it begins with: 0 .. size-1, every third in a block of its own */
};

static uint64_t value_at(uint64_t i)
{
    return i % 3 == 2 ? BIG + i : i;
}

typedef void (*act)(void *scene);
typedef void (*look)(struct scene *scene);

/* Does it in a process that is killed at each passage in turn; each time all is looked at. Returns
 * how many passages there were. */
static unsigned kill_everywhere(void (*fill)(struct scene *), uint64_t size, act act, look look)
{
    unsigned kills = 0;
    struct handle warm[70]; /* the slot's list has grown to what any case needs */
    for (unsigned i = 0; i < 70; i++)
        warm[i] = family_block(1);
    for (unsigned i = 0; i < 70; i++)
        handle_release(&family, &warm[i]);
    for (bool killed = true; killed; kills += killed) {
        uint64_t used = family_used();
        struct scene scene = {.fixture = fixture_open(), .size = size};
        fill(&scene);
        killed = family_killed_at("*", kills + 1, act, &scene);
        family_check();
        look(&scene);
        family_check();
        fixture_close(&scene.fixture);
        CHECK_EQUAL(family_used(), used);
        family_check();
    }
    return kills;
}

/* ---- mappings */

static void fill_dict(struct scene *scene)
{
    for (uint64_t i = 0; i < scene->size; i++)
        fixture_set(scene->fixture.container, i, value_at(i));
}

/* All keys but *changed* are as they were; that one is *then*, or as it was. */
static void expect_dict(struct scene *scene, uint64_t changed, uint64_t then)
{
    struct container *container = scene->fixture.container;
    uint64_t found = fixture_get(container, changed), count = 0;
    uint64_t before = changed < scene->size ? value_at(changed) : UINT64_MAX;
    CHECK(found == then || found == before);
    for (uint64_t i = 0; i < scene->size; i++) {
        uint64_t value = fixture_get(container, i);
        CHECK(i == changed || value == value_at(i));
        count += value != UINT64_MAX;
    }
    count += changed >= scene->size && found != UINT64_MAX;
    CHECK_EQUAL(container_count(&family, container, NULL), count);
    fixture_set(container, 77, BIG + 77); /* and it can be used */
    CHECK_EQUAL(fixture_get(container, 77), BIG + 77);
}

static void set_old(void *with)
{
    fixture_set(((struct scene *)with)->fixture.container, 2, 700);
}

static void look_set_old(struct scene *scene)
{
    expect_dict(scene, 2, 700);
}

static void set_new(void *with)
{
    fixture_set(((struct scene *)with)->fixture.container, 50, BIG + 50);
}

static void look_set_new(struct scene *scene)
{
    expect_dict(scene, 50, BIG + 50);
}

TEST_WITHIN(60, a_set_killed_anywhere_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_dict, 3, set_old, look_set_old) > 20);
    CHECK(kill_everywhere(fill_dict, 0, set_new, look_set_new) > 40); /* the first table */
    CHECK(kill_everywhere(fill_dict, 3, set_new, look_set_new) > 30);
    CHECK(kill_everywhere(fill_dict, 4, set_new, look_set_new) > 60); /* a larger table */
}

static void take(void *with)
{
    struct scene *scene = with;
    uint64_t key = 2;
    struct message message;
    struct item_key item_key = number_key(scene->fixture.container, &key);
    CHECK_EQUAL(dict_pop(&family, scene->fixture.container, &item_key, &message), STATUS_OK);
    CHECK_EQUAL(number_of(&message), value_at(2));
}

static void look_take(struct scene *scene)
{
    expect_dict(scene, 2, UINT64_MAX);
}

static void take_last(void *with)
{
    char bytes[200] __attribute__((aligned(8)));
    struct scene *scene = with;
    struct snapshot snapshot = {.bytes = bytes, .size = sizeof bytes};
    CHECK_EQUAL(dict_pop_last(&family, scene->fixture.container, &snapshot), STATUS_OK);
    handle_release(&family, &((struct snapshot_record *)bytes)->payload);
}

static void look_take_last(struct scene *scene)
{
    expect_dict(scene, scene->size - 1, UINT64_MAX);
}

TEST_WITHIN(60, a_key_that_is_removed_is_there_or_gone)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_dict, 4, take, look_take) > 20);
    CHECK(kill_everywhere(fill_dict, 3, take_last, look_take_last) > 20);
}

/* Keys 1, 3, .. 11: three are there, three are new; values of both kinds. */
static void update(void *with)
{
    struct scene *scene = with;
    struct handle batch = fixture_batch(scene->fixture.container, 1, 2, 6, BIG);
    CHECK_EQUAL(dict_update(&family, scene->fixture.container, &batch), STATUS_OK);
    CHECK_EQUAL(batch.offset, 0);
}

static void look_update(struct scene *scene)
{
    struct container *container = scene->fixture.container;
    bool done = fixture_get(container, 11) == BIG + 11;
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t before = i < scene->size ? value_at(i) : UINT64_MAX;
        CHECK_EQUAL(fixture_get(container, i), done && i % 2 ? BIG + i : before);
    }
    CHECK_EQUAL(container_count(&family, container, NULL), done ? 9 : 6);
    CHECK_EQUAL(word_get(&container->links[CONTAINER_PENDING]), 0);
}

TEST_WITHIN(60, an_update_killed_anywhere_sets_all_keys_or_none)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_dict, 6, update, look_update) > 200);
}

static void count(void *with)
{
    container_count(&family, ((struct scene *)with)->fixture.container, NULL);
}

/* The first dies of the update, the second of carrying it out, the third finds it whole. */
TEST_WITHIN(60, a_process_that_carries_an_update_out_may_be_killed_as_well)
{
    family_found(SMALL_RESERVE);
    for (unsigned first = 1; first < 8; first += 3)
        for (unsigned second = 1; second < 60; second += 2) {
            struct scene scene = {.fixture = fixture_open(), .size = 6};
            fill_dict(&scene);
            CHECK(family_killed_at("dict.update.committed", 1, update, &scene));
            for (unsigned i = 0; i < first; i++) /* each dies a few steps further on */
                family_killed_at("journal.*", second, count, &scene);
            look_update(&scene);
            family_check();
            fixture_close(&scene.fixture);
        }
}

static void clear(void *with)
{
    struct scene *scene = with;
    CHECK_EQUAL(container_clear(&family, scene->fixture.container), STATUS_OK);
}

static void look_clear(struct scene *scene)
{
    uint64_t count = container_count(&family, scene->fixture.container, NULL);
    CHECK(count == 0 || count == scene->size);
    for (uint64_t i = 0; i < scene->size; i++)
        CHECK_EQUAL(fixture_get(scene->fixture.container, i), count ? value_at(i) : UINT64_MAX);
}

TEST_WITHIN(60, a_clear_killed_anywhere_takes_all_or_nothing)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_dict, 6, clear, look_clear) > 40);
}

static void copy_all(void *with)
{
    char bytes[2000] __attribute__((aligned(8)));
    struct scene *scene = with;
    struct snapshot snapshot = {.bytes = bytes, .size = sizeof bytes};
    CHECK_EQUAL(snapshot_take(&family, scene->fixture.container, SNAPSHOT_KEYS | SNAPSHOT_VALUES,
                              NULL, &snapshot),
                STATUS_OK);
    CHECK_EQUAL(snapshot.records, scene->size);
}

static void look_unchanged(struct scene *scene)
{
    expect_dict(scene, 0, 0);
}

TEST_WITHIN(60, a_reader_may_be_killed_anywhere)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_dict, 6, copy_all, look_unchanged) > 8);
}

/* ---- lists */

static void fill_list(struct scene *scene)
{
    for (uint64_t i = 0; i < scene->size; i++)
        fixture_append(scene->fixture.container, value_at(i));
}

enum { MOST_ITEMS = 20 };

/* It is as it was, or as *then*; and it can be used. */
static void expect_list(struct scene *scene, const uint64_t *then, uint64_t count)
{
    uint64_t before[MOST_ITEMS];
    for (uint64_t i = 0; i < scene->size; i++)
        before[i] = value_at(i);
    CHECK(fixture_is(scene->fixture.container, before, scene->size) ||
          fixture_is(scene->fixture.container, then, count));
    CHECK_EQUAL(word_get(&scene->fixture.container->links[CONTAINER_SCRATCH]), 0);
    CHECK_EQUAL(word_get(&scene->fixture.container->links[CONTAINER_REMOVED]), 0);
    fixture_append(scene->fixture.container, BIG);
}

static void splice(struct scene *scene, struct list_range range, uint64_t count)
{
    uint64_t entries;
    struct handle batch = {0};
    if (count)
        batch = fixture_batch(NULL, 100, 1, count, BIG);
    CHECK_EQUAL(list_splice(&family, scene->fixture.container, range, count ? &batch : NULL,
                            count > 0, &entries),
                STATUS_OK);
    handle_release(&family, &batch);
}

static void append(void *with)
{
    fixture_append(((struct scene *)with)->fixture.container, BIG + 9);
}

static void look_append(struct scene *scene)
{
    uint64_t then[MOST_ITEMS];
    for (uint64_t i = 0; i < scene->size; i++)
        then[i] = value_at(i);
    then[scene->size] = BIG + 9;
    expect_list(scene, then, scene->size + 1);
}

static void extend(void *with)
{
    splice(with, (struct list_range){INT64_MAX, INT64_MAX, 1}, 2);
}

static void look_extend(struct scene *scene)
{
    uint64_t then[] = {0, 1, BIG + 2, 3, BIG + 100, BIG + 101};
    expect_list(scene, then, 6);
}

static void replace_middle(void *with)
{
    splice(with, (struct list_range){1, 3, 1}, 3);
}

static void look_replace_middle(struct scene *scene)
{
    uint64_t then[] = {0, BIG + 100, BIG + 101, BIG + 102, 3};
    expect_list(scene, then, 5);
}

static void replace_backwards(void *with)
{
    splice(with, (struct list_range){3, INT64_MIN + 1, -2}, 2);
}

static void look_replace_backwards(struct scene *scene)
{
    uint64_t then[] = {0, BIG + 101, BIG + 2, BIG + 100};
    expect_list(scene, then, 4);
}

static void delete_some(void *with)
{
    splice(with, (struct list_range){-1, -4, -2}, 0);
}

static void look_delete_some(struct scene *scene)
{
    uint64_t then[] = {0, BIG + 2};
    expect_list(scene, then, 2);
}

static void take_one(void *with)
{
    struct scene *scene = with;
    struct message message;
    CHECK_EQUAL(list_pop(&family, scene->fixture.container, 2, LIST_ANY_VERSION, &message),
                STATUS_OK);
    CHECK_EQUAL(number_of(&message), BIG + 2);
}

static void look_take_one(struct scene *scene)
{
    uint64_t then[] = {0, 1, 3};
    expect_list(scene, then, scene->size - 1);
}

static void set_item(void *with)
{
    struct scene *scene = with;
    struct message message = number_message(BIG + 5);
    CHECK_EQUAL(list_set(&family, scene->fixture.container, -2, &message), STATUS_OK);
}

static void look_set_item(struct scene *scene)
{
    uint64_t then[] = {0, 1, BIG + 5, 3};
    expect_list(scene, then, 4);
}

static void permute(void *with)
{
    struct scene *scene = with;
    const uint64_t order[] = {2, 0, 3, 1};
    uint64_t version;
    container_count(&family, scene->fixture.container, &version);
    CHECK_EQUAL(list_permute(&family, scene->fixture.container, order, 4, version), STATUS_OK);
}

static void look_permute(struct scene *scene)
{
    uint64_t then[] = {BIG + 2, 0, 3, 1};
    expect_list(scene, then, 4);
}

TEST_WITHIN(60, what_is_done_at_the_end_of_a_list_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_list, 0, append, look_append) > 40);
    CHECK(kill_everywhere(fill_list, 3, append, look_append) > 20);
    CHECK(kill_everywhere(fill_list, 4, append, look_append) > 60); /* a larger table */
    CHECK(kill_everywhere(fill_list, 4, extend, look_extend) > 60);
    CHECK(kill_everywhere(fill_list, 3, take_one, look_take_one) > 20);
}

TEST_WITHIN(60, what_is_done_in_the_middle_of_a_list_is_whole_or_absent)
{
    family_found(SMALL_RESERVE);
    CHECK(kill_everywhere(fill_list, 4, set_item, look_set_item) > 20);
    CHECK(kill_everywhere(fill_list, 4, replace_middle, look_replace_middle) > 100);
    CHECK(kill_everywhere(fill_list, 4, replace_backwards, look_replace_backwards) > 80);
    CHECK(kill_everywhere(fill_list, 4, delete_some, look_delete_some) > 60);
    CHECK(kill_everywhere(fill_list, 4, take_one, look_take_one) > 60);
    CHECK(kill_everywhere(fill_list, 4, permute, look_permute) > 40);
}
