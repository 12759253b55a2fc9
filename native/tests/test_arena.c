/* The arena: sizes, allocating and releasing, the journal, a full memory. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../shm/size_class.h"
#include "family.h"

/* ---- size classes */

TEST(each_class_holds_its_sizes_and_wastes_little)
{
    for (uint64_t bytes = 1; bytes < UINT64_C(1) << 40; bytes += 1 + bytes / 97) {
        uint32_t size_class = size_class_of(bytes);

        CHECK(size_class < SIZE_CLASSES);
        CHECK(size_class_bytes(size_class) >= bytes);
        CHECK(size_class_bytes(size_class) % CACHE_LINE == 0);
        if (bytes > 8 * SMALLEST_BLOCK)
            CHECK(size_class_bytes(size_class) - bytes <= bytes / 4);
    }
}

TEST(a_class_is_the_class_of_its_own_size)
{
    for (uint32_t size_class = 12; size_class < SIZE_CLASSES; size_class++) {
        CHECK_EQUAL(size_class_of(size_class_bytes(size_class)), size_class);
        CHECK_EQUAL(size_class_of(size_class_bytes(size_class) + 1), size_class + 1);
        if (size_class_bytes(size_class) >= LARGE_BLOCK)
            CHECK_EQUAL(size_class_bytes(size_class) % PAGE_BYTES, 0);
    }
}

/* ---- allocating and releasing, against a model */

enum { MODEL_BLOCKS = 200 };

struct model {
    struct handle handle; /* offset 0: none */
    uint64_t size;
    unsigned char mark;
};

static void take(struct model *model, uint64_t random)
{
    static const uint64_t limits[] = {60, 500, 5000, 70000, 600000};
    model->size = random % limits[(random >> 32) % 5];
    model->mark = (unsigned char)(random >> 40);
    model->handle = family_block(model->size);
    memset(arena_at(&family, model->handle.offset), model->mark, model->size);
}

static void release(struct model *model)
{
    unsigned char *bytes = arena_at(&family, model->handle.offset);
    for (uint64_t i = 0; i < model->size; i += 1 + model->size / 50)
        CHECK_EQUAL(bytes[i], model->mark);
    handle_release(&family, &model->handle);
    CHECK_EQUAL(model->handle.offset, 0);
}

TEST_WITHIN(20, blocks_allocated_and_released_at_random_never_overlap)
{
    static struct model models[MODEL_BLOCKS];
    uint64_t random = 20261123;
    family_found(UINT64_C(1) << 34);
    uint64_t empty = family_used();
    for (unsigned i = 0; i < 20000 / SLOWNESS; i++) {
        struct model *model = &models[random_next(&random) % MODEL_BLOCKS];
        if (model->handle.offset)
            release(model);
        else
            take(model, random_next(&random));
        if (i % 1000 == 0)
            family_check();
    }
    for (unsigned i = 0; i < MODEL_BLOCKS; i++)
        if (models[i].handle.offset)
            release(&models[i]);

    family_check();
    CHECK(family_used() - empty < 64 * 1024); /* the slot's own list has grown */
}

TEST(a_reference_outlives_the_block_only_as_an_error)
{
    family_found(SMALL_RESERVE);
    struct handle first = family_block(100), second;
    uint64_t serial = family_serial(first);
    offset_t offset = first.offset;
    CHECK_EQUAL(handle_attach(&family, offset, serial, &second), STATUS_OK);
    handle_release(&family, &first);
    CHECK(block_find(&family, offset, serial) != NULL);
    handle_release(&family, &second);

    CHECK(block_find(&family, offset, serial) == NULL);
    CHECK_EQUAL(handle_attach(&family, offset, serial, &second), STATUS_STALE);
    CHECK_EQUAL(family_block(100).offset, offset); /* the same memory, another block */
    CHECK_EQUAL(handle_attach(&family, offset, serial, &second), STATUS_STALE);
    family_check();
}

TEST(no_offset_makes_looking_for_a_block_unsafe)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(1000);
    uint64_t serial = family_serial(block), random = 5;
    for (unsigned i = 0; i < 100000; i++) {
        offset_t at = random_next(&random) >> random_next(&random) % 64;
        CHECK(at == block.offset || block_find(&family, at, serial) == NULL);
    }
    CHECK(block_find(&family, 0, 0) == NULL);
    CHECK(block_find(&family, block.offset, 0) == NULL);
    CHECK(block_find(&family, UINT64_MAX & ~UINT64_C(63), serial) == NULL);
}

static void *take_and_attach(void *with)
{
    struct handle kept = *(struct handle *)with, handles[8] = {{0}};
    uint64_t random = (uintptr_t)&kept;
    for (unsigned i = 0; i < 30000 / SLOWNESS; i++) {
        uint64_t dice = random_next(&random);
        struct handle *handle = &handles[dice % 8];
        if (handle->offset)
            handle_release(&family, handle);
        else if (dice >> 60)
            *handle = family_block(dice >> 32 & 0xfff);
        else
            CHECK_EQUAL(handle_attach(&family, kept.offset, family_serial(kept), handle),
                        STATUS_OK);
    }
    for (unsigned i = 0; i < 8; i++)
        handle_release(&family, &handles[i]);
    return NULL;
}

TEST_WITHIN(20, threads_share_a_slot_and_its_list)
{
    pthread_t threads[4];
    family_found(SMALL_RESERVE);
    struct handle kept = family_block(10);
    uint64_t used = family_used();
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, take_and_attach, &kept), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(handle_list(&family, NULL, 0), 1);
    CHECK_EQUAL(family_used(), used);
    family_check();
}

/* ---- a full memory */

TEST(a_full_arena_says_so_and_stays_usable)
{
    static struct handle blocks[10000];
    unsigned count = 0;
    family_found(SMALL_RESERVE);
    while (handle_create(&family, 200000, BLOCK_BYTES, NULL, NULL, &blocks[count]) == STATUS_OK)
        count++;

    CHECK(count > 250 && count < 340);
    family_check();
    struct handle small = family_block(100); /* what is small still has room */
    handle_release(&family, &blocks[count / 2]);
    blocks[count / 2] = family_block(200000);
    struct handle none = {0};
    CHECK_EQUAL(handle_create(&family, 200000, BLOCK_BYTES, NULL, NULL, &none), STATUS_NO_MEMORY);
    CHECK_EQUAL(handle_create(&family, UINT64_MAX - 64, BLOCK_BYTES, NULL, NULL, &none),
                STATUS_NO_MEMORY);
    CHECK_EQUAL(handle_create(&family, SMALL_RESERVE, BLOCK_BYTES, NULL, NULL, &none),
                STATUS_NO_MEMORY);
    CHECK_EQUAL(none.offset, 0);
    handle_release(&family, &small);
    for (unsigned i = 0; i < count; i++)
        handle_release(&family, &blocks[i]);
    family_check();
}

TEST(memory_of_one_size_serves_another_when_it_is_short)
{
    static struct handle blocks[10000];
    unsigned count = 0;
    family_found(SMALL_RESERVE);
    while (handle_create(&family, 200000, BLOCK_BYTES, NULL, NULL, &blocks[count]) == STATUS_OK)
        count++;
    while (count > 0)
        handle_release(&family, &blocks[--count]);
    uint64_t committed = word_get(&family.header->committed);

    family_check();
    CHECK_EQUAL(word_get(&family.header->committed), committed);
    CHECK_EQUAL(family_block(200000).offset != 0, 1);
}

TEST(many_references_of_one_process)
{
    enum { COUNT = 100000 };
    static struct handle handles[COUNT];
    family_found(UINT64_C(1) << 32);
    struct handle block = family_block(10);
    uint64_t serial = family_serial(block);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_EQUAL(handle_attach(&family, block.offset, serial, &handles[i]), STATUS_OK);
    family_check();
    CHECK_EQUAL(handle_list(&family, NULL, 0), COUNT + 1);
    CHECK_EQUAL(word_get(&block_of(arena_at(&family, block.offset))->references), COUNT + 1);
    for (unsigned i = 0; i < COUNT; i++)
        handle_release(&family, &handles[(i * 7919ull) % COUNT]);
    CHECK_EQUAL(handle_list(&family, NULL, 0), 1);
    family_check();
}

/* ---- joining */

TEST(a_process_that_joins_by_the_descriptor_sees_the_same)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(100);
    strcpy(arena_at(&family, block.offset), "the same");
    struct arena other;
    CHECK_EQUAL(arena_open(&other, dup(family.mapping.file.fd)), STATUS_OK);

    CHECK(other.mapping.base != family.mapping.base);
    CHECK(strcmp(arena_at(&other, block.offset), "the same") == 0);
    CHECK_EQUAL(other.header->reserve, SMALL_RESERVE);
    arena_close(&other);
}

TEST(a_descriptor_of_something_else_is_refused)
{
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    struct arena other;
    CHECK(arena_open(&other, ends[0]) != STATUS_OK);
    int null = open("/dev/null", O_RDWR);
    CHECK_EQUAL(arena_open(&other, null), STATUS_CORRUPT);
}

/* ---- kills at each crash point of each operation */

struct scene {
    struct handle kept; /* one that all hold */
    uint64_t serial;
    uint64_t size;
    atomic_bool *begin;
};

static void allocate_and_release(void *with)
{
    struct scene *scene = with;
    struct handle block = family_block(scene->size), again;
    CHECK_EQUAL(handle_attach(&family, scene->kept.offset, scene->serial, &again), STATUS_OK);
    handle_release(&family, &block);
    handle_release(&family, &again);
    handle_release(&family, &scene->kept); /* the reference copied from the parent */
}

/* Every point is named "*": the n-th passage of any. */
static void kill_everywhere(struct scene *scene)
{
    uint64_t used = family_used(), top = word_get(&family.header->top);
    unsigned kills = 0;
    while (family_killed_at("*", kills + 1, allocate_and_release, scene)) {
        kills++;
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(word_get(&block_of(arena_at(&family, scene->kept.offset))->references), 1);
    }
    CHECK(kills > 40);
    family_check();
    CHECK(word_get(&family.header->top) - top < 4 * scene->size + 64 * 1024);
}

TEST_WITHIN(20, a_kill_at_any_point_of_any_operation_leaves_a_whole_arena)
{
    family_found(SMALL_RESERVE);
    struct scene scene = {.kept = family_block(100), .size = 300};
    scene.serial = family_serial(scene.kept);
    kill_everywhere(&scene);
    scene.size = 300 * 1024; /* a large block: warm bytes are counted */
    kill_everywhere(&scene);
}

static void die_with_a_valid_journal(void *with)
{
    struct scene *scene = with;
    while (!atomic_load(scene->begin)) /* the parent still works on our slot */
        usleep(100);
    crash_point_arm("journal.committed", 1);
    allocate_and_release(with);
}

static void lock_and_unlock(void *with)
{
    (void)with;
    arena_lock(&family);
    arena_unlock(&family);
}

TEST_WITHIN(20, a_kill_during_a_repair_leaves_the_repair_to_the_next)
{
    family_found(SMALL_RESERVE);
    struct scene scene = {.kept = family_block(100), .size = 300};
    scene.serial = family_serial(scene.kept);
    scene.begin = shared_memory(PAGE_BYTES);
    uint64_t used = family_used();
    unsigned step = 1;
    bool killed = true;
    while (killed) {
        /* No process of the family looks at the mutex between the two deaths. */
        atomic_store(scene.begin, false);
        pid_t first = family_start(die_with_a_valid_journal, &scene);
        atomic_store(scene.begin, true);
        CHECK_EQUAL(child_end(first), -SIGKILL);
        killed = child_killed_at("*", step++, lock_and_unlock, NULL);
        family_check();
        table_reap_pid(&family, first);
        CHECK_EQUAL(family_used(), used);
    }
    CHECK(step > 10);
}

static void take_one(void *with)
{
    family_block(*(uint64_t *)with);
}

TEST(a_block_that_a_killed_process_began_does_not_show_in_a_gap)
{
    family_found(SMALL_RESERVE);
    uint64_t small = 5000;
    family_block(100); /* so that top is not on a page */
    CHECK(word_get(&family.header->top) % PAGE_BYTES != 0);
    CHECK(family_killed_at("journal.before_commit", 1, take_one, &small));
    family_block(LARGE_BLOCK);
    family_check();
}
