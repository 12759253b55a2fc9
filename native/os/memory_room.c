#include "memory_room.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Left for the program itself, which goes on after the look. */
#define LEFT_OVER (UINT64_C(16) << 20)

enum { LINE_BYTES = 2 * PATH_MAX };

static uint64_t sum(uint64_t one, uint64_t other)
{
    return one > UINT64_MAX - other ? UINT64_MAX : one + other;
}

/* The sum of the numbers after those *names* (one a line, after the name) in a file, times *unit*;
 * with the name "", the file's only number. False: none of them is there. */
static bool read_numbers(const char *path, const char *const *names, uint64_t unit, uint64_t *total)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool found = false;
    char line[256];
    *total = 0;
    while (fgets(line, sizeof line, file))
        for (const char *const *name = names; *name; name++) {
            uint64_t number;
            size_t length = strlen(*name);
            if (strncmp(line, *name, length) == 0 &&
                sscanf(line + length, "%" SCNu64, &number) == 1) {
                *total = sum(*total, number > UINT64_MAX / unit ? UINT64_MAX : number * unit);
                found = true;
            }
        }
    fclose(file);
    return found;
}

static bool read_number(const char *directory, const char *name, uint64_t *number)
{
    static const char *const only[] = {"", NULL};
    char path[LINE_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return read_numbers(path, only, 1, number); /* "max" is no number, and no limit */
}

/* ---- one group */

struct names { /* of the files of one version */
    const char *limit, *used, *swap_limit, *swap_used;
    const char *const cache[3];
};

static const struct names version_1 = {"memory.limit_in_bytes",
                                       "memory.usage_in_bytes",
                                       NULL,
                                       NULL,
                                       {"total_inactive_file ", "total_active_file ", NULL}};
static const struct names version_2 = {"memory.max",
                                       "memory.current",
                                       "memory.swap.max",
                                       "memory.swap.current",
                                       {"inactive_file ", "active_file ", NULL}};

static void look_at_group(const char *directory, const struct names *names, uint64_t swap,
                          struct memory_room *room)
{
    uint64_t limit, used, cache, swap_limit, swap_used;
    if (!read_number(directory, names->limit, &limit) ||
        !read_number(directory, names->used, &used))
        return;
    char path[LINE_BYTES + 64];
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (!read_numbers(path, names->cache, 1, &cache))
        cache = 0;
    if (names->swap_limit && read_number(directory, names->swap_limit, &swap_limit) &&
        read_number(directory, names->swap_used, &swap_used)) {
        uint64_t left = swap_limit > swap_used ? swap_limit - swap_used : 0;
        swap = swap < left ? swap : left;
    }
    uint64_t bytes = sum(limit > used ? limit - used : 0, sum(cache, swap));
    if (bytes < room->bytes)
        *room = (struct memory_room){bytes, limit, used};
}

/* ---- where the groups are */

/* The path of this process's group in a hierarchy: "0::/path", or "4:memory:/path". */
static bool find_group(const char *root, bool is_2, char *group)
{
    char path[LINE_BYTES], line[LINE_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':'), *rest;
        if (controllers == NULL || (rest = strchr(++controllers, ':')) == NULL)
            continue;
        *rest++ = '\0';
        rest[strcspn(rest, "\n")] = '\0';
        found = is_2 ? *controllers == '\0' : strstr(controllers, "memory") != NULL;
        if (found)
            snprintf(group, LINE_BYTES, "%s", rest);
    }
    if (file)
        fclose(file);
    return found;
}

/* The group and those around it, up to where the hierarchy is mounted. */
static void look_upwards(const char *point, const char *group, const struct names *names,
                         uint64_t swap, struct memory_room *room)
{
    char directory[LINE_BYTES];
    int length = snprintf(directory, sizeof directory, "%s%s", point, group);
    if (length < 0 || length >= (int)sizeof directory)
        return;
    size_t top = strlen(point);
    for (;;) {
        look_at_group(directory, names, swap, room);
        char *slash = strrchr(directory, '/');
        if (strlen(directory) <= top || slash == NULL)
            return;
        *slash = '\0';
        if (strlen(directory) < top)
            return;
    }
}

/* A line of mountinfo: "... root point ... - cgroup2 ..."; a mount may show its hierarchy from some
 * group on only, its root. */
static void look_at_mount(const char *root, char *line, uint64_t swap, struct memory_room *room)
{
    char group[LINE_BYTES], top[PATH_MAX], point[PATH_MAX], directory[LINE_BYTES];
    const char *system = strstr(line, " - ");
    bool is_2 = system && strncmp(system, " - cgroup2 ", 11) == 0;
    bool is_1 = system && strncmp(system, " - cgroup ", 10) == 0 && strstr(system, "memory");
    if ((!is_1 && !is_2) || sscanf(line, "%*s %*s %*s %4095s %4095s", top, point) != 2 ||
        !find_group(root, is_2, group))
        return;
    size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
    const char *below = strncmp(group, top, length) == 0 ? group + length : "";
    if (strcmp(below, "/") == 0 || strstr(below, ".."))
        below = "";
    if (snprintf(directory, sizeof directory, "%s%s", root, point) < (int)sizeof directory)
        look_upwards(directory, below, is_2 ? &version_2 : &version_1, swap, room);
}

struct memory_room memory_room_below(const char *root)
{
    static const char *const available[] = {"MemAvailable:", "SwapFree:", NULL};
    static const char *const swap_free[] = {"SwapFree:", NULL};
    struct memory_room room = {UINT64_MAX, NO_MEMORY_LIMIT, 0};
    char path[LINE_BYTES], line[LINE_BYTES];
    uint64_t bytes, swap = 0;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (read_numbers(path, available, 1024, &bytes))
        room.bytes = bytes;
    if (!read_numbers(path, swap_free, 1024, &swap))
        swap = 0;
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        look_at_mount(root, line, swap, &room);
    if (file)
        fclose(file);
    return room;
}

bool memory_has_room(uint64_t bytes)
{
    return memory_room_below("").bytes >= sum(bytes, LEFT_OVER);
}
