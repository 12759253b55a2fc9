/* Pages of other sizes than 4 KiB: see large_pages.c, which this program is run with. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shm/size_class.h"
#include "family.h"

TEST(the_arena_has_the_pages_of_the_machine)
{
    family_found(SMALL_RESERVE);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    CHECK_EQUAL(family.header->page_bytes, page);
    CHECK_EQUAL(family.header->header_bytes % page, 0);
    family_block(100);
    CHECK_EQUAL(word_get(&family.header->committed) % page, 0);
}

TEST(an_arena_of_other_pages_is_not_joined)
{
    family_found(SMALL_RESERVE);
    family.header->page_bytes *= 2;
    struct arena other;

    CHECK_EQUAL(arena_open(&other, dup(family.mapping.file.fd)), STATUS_CORRUPT);
}

/* Whole pages of the file that are backed by memory, in bytes. */
static uint64_t backed(void)
{
    struct stat file;
    CHECK_EQUAL(fstat(family.mapping.file.fd, &file), 0);
    return (uint64_t)file.st_blocks * 512;
}

enum { BLOCKS = 2400, BETWEEN = 8 }; /* so many are freed that most lose their pages */

/* Blocks of 160 KiB, every eighth of which is kept, begin at all places in a page of 64 KiB. */
TEST_WITHIN(30, what_is_given_back_is_nobody_elses)
{
    family_found(UINT64_C(1) << 30);
    static struct handle blocks[BLOCKS];
    const uint64_t size = 155 << 10;
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = family_block(size);
        if (i % BETWEEN == 0)
            memset(arena_at(&family, blocks[i].offset), 1 + (int)(i % 200), size);
    }
    uint64_t before = backed();
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % BETWEEN != 0)
            handle_release(&family, &blocks[i]);

    CHECK(backed() < before - (20 << 20)); /* some was given back: this is no empty claim */
    family_check();
    for (unsigned i = 0; i < BLOCKS; i += BETWEEN) {
        const unsigned char *bytes = arena_at(&family, blocks[i].offset);
        for (uint64_t at = 0; at < size; at++)
            if (bytes[at] != 1 + i % 200)
                FAIL("block %u lost its byte %llu", i, (unsigned long long)at);
    }
    for (unsigned i = 0; i < BLOCKS; i++) { /* what was given back can be used again */
        if (i % BETWEEN != 0)
            blocks[i] = family_block(size);
        memset(arena_at(&family, blocks[i].offset), 7, size);
    }
    family_check();
}
