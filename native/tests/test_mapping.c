/* The memory file, its windows and pages, and how much memory there is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../os/mapping.h"
#include "../os/memory_room.h"
#include "../os/pages.h"
#include "harness.h"

TEST(memory_is_committed_or_refused)
{
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, UINT64_C(64) << 20), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, 0, 1 << 20), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, 0, 1 << 20), STATUS_OK);
    memset(mapping.base, 7, 1 << 20);
    pages_discard(&mapping, 4096, 1 << 20);
    CHECK_EQUAL(mapping.base[4095], 7);
    CHECK_EQUAL(mapping.base[4096], 0);
    CHECK_EQUAL(pages_commit(&mapping, 0, (UINT64_C(64) << 20) + 1), STATUS_NO_MEMORY);
    mapping_close(&mapping);
}

TEST(a_file_is_no_larger_than_can_be_mapped)
{
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, UINT64_C(1) << 50), STATUS_OK);
    CHECK_EQUAL(mapping.size, MAPPING_LARGEST);
    CHECK_EQUAL(pages_commit(&mapping, 0, 4096), STATUS_OK);
    mapping_close(&mapping);
}

/* The number of this process's pages of address space. */
static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

#define FAR_OFFSET (UINT64_C(900) << 30)

TEST(address_space_is_used_in_proportion)
{
    uint64_t before = address_space();
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, MAPPING_LARGEST), STATUS_OK);
    CHECK(address_space() - before < 50 << 20);

    CHECK_EQUAL(mapping_reach(&mapping, FAR_OFFSET, FAR_OFFSET + 1), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, FAR_OFFSET, FAR_OFFSET + 4096), STATUS_OK);
    mapping.base[FAR_OFFSET] = 7;
    CHECK(address_space() - before < 60 << 20);
    mapping_close(&mapping);
    CHECK(address_space() - before < 1 << 20);
}

/* Daemons close all descriptors; the number may then belong to another file. */
TEST(another_file_under_our_number_is_left_alone)
{
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, UINT64_C(64) << 20), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, 0, 4096), STATUS_OK);
    char name[] = "/tmp/procession-test-XXXXXX";
    int other = mkstemp(name);
    CHECK(other >= 0 && unlink(name) == 0);
    CHECK_EQUAL(dup2(other, mapping.file.fd), mapping.file.fd);
    CHECK_EQUAL(pages_commit(&mapping, 4096, 8192), STATUS_OK);
    memset(mapping.base, 1, 8192);
    CHECK_EQUAL(lseek(other, 0, SEEK_END), 0);
    int number = mapping.file.fd;
    mapping_close(&mapping);
    CHECK(fcntl(number, F_GETFD) >= 0); /* it is not ours to close */
    close(number);
    close(other);
}

TEST(windows_are_mapped_and_pages_committed_without_the_descriptor)
{
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, MAPPING_LARGEST), STATUS_OK);
    int fd = dup(mapping.file.fd);
    close(mapping.file.fd);

    CHECK_EQUAL(pages_commit(&mapping, FAR_OFFSET, FAR_OFFSET + 3 * WINDOW_BYTES), STATUS_OK);
    memset(mapping.base + FAR_OFFSET, 7, 3 * WINDOW_BYTES);
    CHECK_EQUAL(mapping_reach(&mapping, WINDOW_BYTES, 2 * WINDOW_BYTES), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, WINDOW_BYTES, WINDOW_BYTES + 4096), STATUS_OK);
    mapping.base[WINDOW_BYTES] = 8;

    char byte = 0; /* what was written is in the file, where it belongs */
    CHECK_EQUAL(pread(fd, &byte, 1, FAR_OFFSET + 2 * WINDOW_BYTES), 1);
    CHECK_EQUAL(byte, 7);
    CHECK_EQUAL(pread(fd, &byte, 1, WINDOW_BYTES), 1);
    CHECK_EQUAL(byte, 8);
    mapping_close(&mapping);
    close(fd);
}

/* Leaves room for *bytes* more of address space. */
static void limit_address_space(uint64_t bytes)
{
    struct rlimit limit = {address_space() + bytes, RLIM_INFINITY};
    CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
}

static void reach_under_a_limit(void *with)
{
    bool *close_first = with;
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, MAPPING_LARGEST), STATUS_OK);
    if (*close_first)
        close(mapping.file.fd);
    limit_address_space(4 * WINDOW_BYTES);
    uint64_t before = address_space();

    CHECK_EQUAL(mapping_reach(&mapping, FAR_OFFSET, FAR_OFFSET + 5 * WINDOW_BYTES),
                STATUS_NO_MEMORY);
    CHECK_EQUAL(address_space(), before); /* all or nothing */
    CHECK_EQUAL(mapping_reach(&mapping, FAR_OFFSET, FAR_OFFSET + 3 * WINDOW_BYTES), STATUS_OK);
    limit_address_space(0);
    CHECK_EQUAL(mapping_reach(&mapping, WINDOW_BYTES, WINDOW_BYTES + 1), STATUS_NO_MEMORY);
    for (uint64_t i = 1; i <= HELD_BACK - 1; i++) /* one more window: the steps need a page, too */
        CHECK(mapping_must_reach(&mapping, i * WINDOW_BYTES));
    CHECK(mapping.is_short && !mapping_hold_back(&mapping));
    mapping_must_reach(&mapping, HELD_BACK * WINDOW_BYTES);
    CHECK(!mapping_must_reach(&mapping, (HELD_BACK + 1) * WINDOW_BYTES));
    limit_address_space(HELD_BACK * WINDOW_BYTES);
    CHECK(mapping_hold_back(&mapping) && !mapping.is_short);
}

TEST(a_limit_of_address_space_is_an_error_and_some_is_held_back)
{
    for (int close_first = 0; close_first < 2; close_first++) {
        bool with = close_first;
        CHECK_EQUAL(child_end(child_start(reach_under_a_limit, &with)), 0);
    }
}

static void create_under_a_file_limit(void *with)
{
    struct rlimit limit, after;
    CHECK_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = *(rlim_t *)with;
    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct mapping mapping;
    CHECK_EQUAL(mapping_create(&mapping, MAPPING_LARGEST), STATUS_OK);
    CHECK_EQUAL(pages_commit(&mapping, 0, 2 * WINDOW_BYTES), STATUS_OK);
    CHECK_EQUAL(mapping_reach(&mapping, 0, 2 * WINDOW_BYTES), STATUS_OK);
    memset(mapping.base, 1, 2 * WINDOW_BYTES);
    CHECK(getrlimit(RLIMIT_FSIZE, &after) == 0 && after.rlim_cur == limit.rlim_cur);
}

TEST(a_limit_of_file_sizes_does_not_matter)
{
    for (rlim_t limit = 0; limit <= 1 << 20; limit += 1 << 20)
        CHECK_EQUAL(child_end(child_start(create_under_a_file_limit, &limit)), 0);
}

/* No privilege, and a hard limit: memory without a descriptor. */
static void create_under_a_hard_file_limit(void *with)
{
    CHECK_EQUAL(setgid(65534), 0);
    CHECK_EQUAL(setuid(65534), 0);
    struct rlimit limit = {0, 0};
    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    create_under_a_file_limit(with);
}

TEST(a_hard_limit_of_file_sizes_costs_the_descriptor)
{
    rlim_t none = 0;
    if (geteuid() == 0)
        CHECK_EQUAL(child_end(child_start(create_under_a_hard_file_limit, &none)), 0);
}

/* ---- how much there is */

static char root[] = "/tmp/procession-test-XXXXXX";

static void write_file(const char *path, const char *text)
{
    char full[500], command[600];
    snprintf(full, sizeof full, "%s/%s", root, path);
    snprintf(command, sizeof command, "mkdir -p $(dirname '%s')", full);
    CHECK_EQUAL(system(command), 0);
    FILE *file = fopen(full, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_root(void)
{
    CHECK(mkdtemp(root) != NULL);
    write_file("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    5000 kB\nSwapFree: 100 kB\n");
}

static void remove_root(void)
{
    char command[600];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    CHECK_EQUAL(system(command), 0);
}

TEST(without_a_group_the_machine_is_the_limit)
{
    make_root();
    CHECK_EQUAL(memory_room_below(root).bytes, 5100 << 10);
    CHECK_EQUAL(memory_room_below(root).limit, NO_MEMORY_LIMIT);
    remove_root();
}

TEST(of_version_2_the_tightest_group_counts)
{
    make_root();
    write_file("proc/self/cgroup", "0::/a/b\n");
    write_file("proc/self/mountinfo", "31 25 0:27 / /cg rw shared:9 - cgroup2 cgroup2 rw\n");
    write_file("cg/a/b/memory.max", "max\n");
    write_file("cg/a/b/memory.current", "100\n");
    write_file("cg/a/memory.max", "1000000\n");
    write_file("cg/a/memory.current", "400000\n");
    write_file("cg/a/memory.stat", "anon 5\ninactive_file 1000\nactive_file 200\n");
    write_file("cg/a/memory.swap.max", "70\n");
    write_file("cg/a/memory.swap.current", "30\n");
    struct memory_room room = memory_room_below(root);
    CHECK_EQUAL(room.bytes, 600000 + 1200 + 40);
    CHECK_EQUAL(room.limit, 1000000);
    CHECK_EQUAL(room.used, 400000);
    remove_root();
}

TEST(of_version_1_the_group_is_found_below_the_root_of_its_mount)
{
    make_root();
    write_file("proc/self/cgroup", "4:memory:/box/inner\n0::/\n");
    write_file("proc/self/mountinfo",
               "31 25 0:27 /box /cg rw shared:9 - cgroup cgroup rw,memory\n");
    write_file("cg/inner/memory.limit_in_bytes", "500000\n");
    write_file("cg/inner/memory.usage_in_bytes", "600000\n");
    write_file("cg/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("cg/memory.usage_in_bytes", "700000\n");
    CHECK_EQUAL(memory_room_below(root).bytes, 100 << 10); /* swap alone */
    CHECK_EQUAL(memory_room_below(root).limit, 500000);
    remove_root();
}
