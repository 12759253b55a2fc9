/* Values, keys and whole containers for the tests of mappings and lists in shared memory. */
#ifndef PROCESSION_TESTS_CONTAINERS_H
#define PROCESSION_TESTS_CONTAINERS_H

#include "../container/dict.h"
#include "../container/list.h"
#include "family.h"

/* A mapping or a list, held by this process. */
struct fixture {
    struct handle handle;
    struct container *container;
};

struct fixture fixture_open(void);
void fixture_close(struct fixture *fixture);

/* From here on a value lies in a block of its own. */
enum { LARGE_NUMBER = 1000000 };

/* The number as a value; it can be told from any other's. */
struct message number_message(uint64_t number);
/* The number behind what was read; releases a payload. */
uint64_t number_of(struct message *message);
/* The number as a key of the mapping. */
struct item_key number_key(struct container *container, const uint64_t *number);

void fixture_set(struct container *container, uint64_t key, uint64_t number);
/* UINT64_MAX: the key is missing. */
uint64_t fixture_get(struct container *container, uint64_t key);
void fixture_append(struct container *container, uint64_t number);
/* A write batch of the numbers first, first + step, ...; as keys, too, if *container* is not
 * NULL. */
struct handle fixture_batch(struct container *container, uint64_t first, uint64_t step,
                            uint64_t count, uint64_t add);
/* Fails unless the list has just these numbers. */
void fixture_expect(struct container *container, const uint64_t *numbers, uint64_t count);
bool fixture_is(struct container *container, const uint64_t *numbers, uint64_t count);

#endif
