/* Mappings and lists in shared memory: contents, growth, order; damaged memory; several threads. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../os/siphash.h"
#include "containers.h"

/* ---- mappings */

TEST(a_mapping_has_what_was_set)
{
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    struct fixture fixture = fixture_open();
    for (uint64_t i = 0; i < 3000; i++)
        fixture_set(fixture.container, i, i % 7 ? i : LARGE_NUMBER + i);
    for (uint64_t i = 0; i < 3000; i += 3)
        fixture_set(fixture.container, i, i + 1);
    for (uint64_t i = 0; i < 3000; i++)
        CHECK_EQUAL(fixture_get(fixture.container, i), i % 3 == 0 ? i + 1
                                                       : i % 7    ? i
                                                                  : LARGE_NUMBER + i);
    CHECK_EQUAL(fixture_get(fixture.container, 3000), UINT64_MAX);
    CHECK_EQUAL(container_count(&family, fixture.container, NULL), 3000);
    family_check();
    fixture_close(&fixture);
    CHECK_EQUAL(family_used(), used);
}

TEST(a_mapping_needs_no_more_for_keys_that_come_and_go)
{
    family_found(SMALL_RESERVE);
    struct fixture fixture = fixture_open();
    uint64_t used = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        struct item_key key = number_key(fixture.container, &i);
        fixture_set(fixture.container, i, i);
        CHECK_EQUAL(dict_pop(&family, fixture.container, &key, NULL), STATUS_OK);
        CHECK_EQUAL(dict_pop(&family, fixture.container, &key, NULL), STATUS_MISSING);
        if (i == 1000)
            used = family_used();
        CHECK(i <= 1000 || family_used() == used);
    }
    CHECK_EQUAL(container_count(&family, fixture.container, NULL), 0);
    fixture_close(&fixture);
    family_check();
}

TEST(keys_are_popped_from_the_end_in_their_order)
{
    family_found(SMALL_RESERVE);
    struct fixture fixture = fixture_open();
    char bytes[256] __attribute__((aligned(8)));
    for (uint64_t i = 0; i < 100; i++)
        fixture_set(fixture.container, i, i);
    for (uint64_t i = 100; i-- > 0;) {
        struct snapshot snapshot = {.bytes = bytes, .size = 8};
        CHECK_EQUAL(dict_pop_last(&family, fixture.container, &snapshot), STATUS_AGAIN);
        CHECK(snapshot.needed <= sizeof bytes);
        snapshot.size = sizeof bytes;
        CHECK_EQUAL(dict_pop_last(&family, fixture.container, &snapshot), STATUS_OK);
        CHECK_EQUAL(*(uint64_t *)(bytes + sizeof(struct snapshot_record)), i);
        CHECK_EQUAL(container_count(&family, fixture.container, NULL), i);
        if (i % 10 == 0) /* what comes meanwhile is the last */
            fixture_set(fixture.container, 1000 + i, i);
        if (i % 10 == 0)
            CHECK_EQUAL(dict_pop_last(&family, fixture.container, &snapshot), STATUS_OK);
    }
    struct snapshot none = {.bytes = bytes, .size = sizeof bytes};
    CHECK_EQUAL(dict_pop_last(&family, fixture.container, &none), STATUS_MISSING);
    fixture_close(&fixture);
    family_check();
}

/* Source: the interpreter's own SipHash-1-3, importlib.util.source_hash() with such a key. */
TEST(the_hash_is_siphash_1_3)
{
    const char *text = "the quick brown fox jumps over the lazy dog";
    const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), 0}, other[2] = {seed[0], 1};
    const uint64_t wanted[] = {
        UINT64_C(0x108a7dfce1f10be8), UINT64_C(0x82c8d6c4d689f8ee), UINT64_C(0x31130486fd0d2e10),
        UINT64_C(0xf2e734889676a837), UINT64_C(0xd1beff08b5db0485), UINT64_C(0x1cbb6588c55ec19d),
        UINT64_C(0x5d33ce23cc680681),
    };
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        CHECK_EQUAL(siphash(seed, text, 7 * i), wanted[i]);
        CHECK(siphash(other, text, 7 * i) != wanted[i]);
    }
}

/* ---- damaged memory is an error, never a crash */

static struct entry_table *table_of(struct fixture *fixture)
{
    return arena_at(&family, word_get(&fixture->container->links[CONTAINER_TABLE]));
}

TEST(a_damaged_mapping_is_reported)
{
    family_found(SMALL_RESERVE);
    struct fixture fixture = fixture_open();
    uint64_t one = 1;
    struct item_key key = number_key(fixture.container, &one);
    struct message message;
    fixture_set(fixture.container, 1, 5);
    struct entry_table *table = table_of(&fixture);
    const offset_t item = word_get(&table->entries[0].item);
    const offset_t wrong[] = {item + 1, item + 64, UINT64_MAX - 63, 64, fixture.handle.offset};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        atomic_store(&table->entries[0].item, wrong[i]);
        CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    }
    atomic_store(&table->entries[0].item, item);
    struct item *damaged = arena_at(&family, item);
    damaged->key_bytes = UINT32_MAX;
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    damaged->key_bytes = sizeof one;
    damaged->kind = RECORD_PAYLOAD;
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    damaged->kind = RECORD_KINDS;
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    damaged->kind = RECORD_INT;
    CHECK_EQUAL(fixture_get(fixture.container, 1), 5);
    for (uint64_t i = 0; i < table->cells; i++)
        atomic_store(&entries_index(table)[i], key.hash | UINT32_MAX); /* an entry far away */
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    uint64_t capacity = table->capacity;
    table->capacity = UINT64_MAX / 2;
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    CHECK_EQUAL(dict_set(&family, fixture.container, &key, &message), STATUS_CORRUPT);
    table->capacity = capacity;
    fixture_close(&fixture);
    family_check();
}

TEST(a_full_index_is_no_endless_search)
{
    family_found(SMALL_RESERVE);
    struct fixture fixture = fixture_open();
    fixture_set(fixture.container, 1, 5);
    struct entry_table *table = table_of(&fixture);
    for (uint64_t i = 0; i < table->cells; i++)
        atomic_store(&entries_index(table)[i], 1);
    uint64_t two = 2;
    struct item_key key = number_key(fixture.container, &two);
    CHECK_EQUAL(dict_get(&family, fixture.container, &key, NULL), STATUS_CORRUPT);
    fixture_close(&fixture);
}

/* ---- lists */

TEST(a_range_is_cut_to_the_list)
{
    struct {
        int64_t start, stop, step;
        uint64_t length, count;
        int64_t first;
    } cases[] = {
        {0, 5, 1, 5, 5, 0},
        {0, INT64_MAX, 1, 5, 5, 0},
        {-2, INT64_MAX, 1, 5, 2, 3},
        {-9, 2, 1, 5, 2, 0},
        {3, 1, 1, 5, 0, 3},
        {7, 9, 1, 5, 0, 5},
        {0, 5, 2, 5, 3, 0},
        {1, 5, 100, 5, 1, 1},
        {INT64_MAX, INT64_MIN + 1, -1, 5, 5, 4},
        {3, 0, -2, 5, 2, 3},
        {0, 5, -1, 5, 0, 0},
        {INT64_MAX, INT64_MIN + 1, INT64_MIN + 1, 5, 1, 4},
        {0, 1, 1, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list_range range = {cases[i].start, cases[i].stop, cases[i].step};
        CHECK_EQUAL(list_range_adjust(&range, cases[i].length), cases[i].count);
        CHECK_EQUAL(range.start, cases[i].first);
    }
}

TEST(a_list_is_spliced)
{
    family_found(SMALL_RESERVE);
    struct fixture fixture = fixture_open();
    uint64_t entries, version;
    for (uint64_t i = 0; i < 6; i++)
        fixture_append(fixture.container, i);
    struct handle batch = fixture_batch(NULL, LARGE_NUMBER, 1, 3, 0);
    struct list_range every_second = {0, INT64_MAX, 2}, middle = {1, 2, 1};
    CHECK_EQUAL(list_splice(&family, fixture.container, middle, &batch, true, &entries), STATUS_OK);
    CHECK_EQUAL(list_splice(&family, fixture.container, every_second, NULL, true, &entries),
                STATUS_MISFIT);
    CHECK_EQUAL(entries, 4);
    handle_release(&family, &batch);
    const uint64_t wanted[] = {0, LARGE_NUMBER, LARGE_NUMBER + 1, LARGE_NUMBER + 2, 2, 3, 4, 5};
    fixture_expect(fixture.container, wanted, 8);
    CHECK_EQUAL(list_splice(&family, fixture.container, every_second, NULL, false, &entries),
                STATUS_OK);
    const uint64_t rest[] = {LARGE_NUMBER, LARGE_NUMBER + 2, 3, 5};
    fixture_expect(fixture.container, rest, 4);
    container_count(&family, fixture.container, &version);
    CHECK_EQUAL(list_pop(&family, fixture.container, 0, version + 1, NULL), STATUS_AGAIN);
    CHECK_EQUAL(list_pop(&family, fixture.container, -4, version, NULL), STATUS_OK);
    CHECK_EQUAL(list_pop(&family, fixture.container, 3, LIST_ANY_VERSION, NULL), STATUS_MISSING);
    CHECK_EQUAL(list_pop(&family, fixture.container, -4, LIST_ANY_VERSION, NULL), STATUS_MISSING);
    CHECK_EQUAL(list_permute(&family, fixture.container, rest, 3, version), STATUS_AGAIN);
    fixture_expect(fixture.container, rest + 1, 3);
    family_check();
    fixture_close(&fixture);
    family_check();
}

/* ---- no memory */

TEST(what_finds_no_memory_changes_nothing)
{
    family_found(UINT64_C(4) << 20);
    struct fixture fixture = fixture_open();
    uint64_t count = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        struct message message = {.kind = RECORD_BYTES, .size = 1500};
        message.data = message.buffer;
        struct item_key key = number_key(fixture.container, &count);
        status = dict_set(&family, fixture.container, &key, &message);
        count += status == STATUS_OK;
    }
    CHECK_EQUAL(status, STATUS_NO_MEMORY);
    CHECK(count > 500);
    CHECK_EQUAL(container_count(&family, fixture.container, NULL), count);
    family_check();
    CHECK_EQUAL(container_clear(&family, fixture.container), STATUS_OK);
    fixture_set(fixture.container, 1, 1);
    fixture_close(&fixture);
    family_check();
}

/* ---- threads */

enum { THREADS = 4, ROUNDS = 2000 / SLOWNESS };

struct worker {
    struct container *dict, *list;
    uint64_t number;
};

static void *work(void *with)
{
    struct worker *worker = with;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t key = worker->number * ROUNDS + i;
        fixture_set(worker->dict, key, i % 5 ? i : LARGE_NUMBER + i);
        CHECK_EQUAL(fixture_get(worker->dict, key), i % 5 ? i : LARGE_NUMBER + i);
        fixture_append(worker->list, i);
        struct item_key item_key = number_key(worker->dict, &key);
        if (i % 2)
            CHECK_EQUAL(dict_pop(&family, worker->dict, &item_key, NULL), STATUS_OK);
        if (i % 2)
            CHECK_EQUAL(list_pop(&family, worker->list, 0, LIST_ANY_VERSION, NULL), STATUS_OK);
    }
    return NULL;
}

TEST_WITHIN(30, threads_share_them)
{
    family_found(SMALL_RESERVE);
    struct fixture dict = fixture_open(), list = fixture_open();
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){dict.container, list.container, i};
        CHECK_EQUAL(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (uint64_t i = 0; i < THREADS; i++)
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    CHECK_EQUAL(container_count(&family, dict.container, NULL), THREADS * ROUNDS / 2);
    CHECK_EQUAL(container_count(&family, list.container, NULL), THREADS * ROUNDS / 2);
    family_check();
    fixture_close(&dict);
    fixture_close(&list);
    family_check();
}
