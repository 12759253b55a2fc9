/* Batches, as threads see them. Kills: see test_batch_kills.c. */
#include <pthread.h>

#include "batches.h"
#include "traffic.h"

enum { THREADS = 3 };

struct crowd {
    struct channel *channel;
    uint64_t per_sender;
    _Atomic uint64_t taken;
    _Atomic unsigned char *seen;
};

struct member {
    struct crowd *crowd;
    uint64_t number;
};

static void *send_batches(void *with)
{
    struct member *member = with;
    uint64_t random = member->number + 1;
    for (uint64_t i = 0; i < member->crowd->per_sender;) {
        uint64_t count = 1 + random_next(&random) % BATCH_MOST;
        if (count > member->crowd->per_sender - i)
            count = member->crowd->per_sender - i;
        batch_put(member->crowd->channel, member->number, i, (uint32_t)count);
        i += count;
    }
    return NULL;
}

static void account(struct crowd *crowd, const struct message *message)
{
    batch_check(message);
    CHECK(message->tag < THREADS && message->extra < crowd->per_sender);
    CHECK_EQUAL(
        atomic_fetch_add(&crowd->seen[message->tag * crowd->per_sender + message->extra], 1), 0);
    atomic_fetch_add(&crowd->taken, 1);
}

static void *receive_batches(void *with)
{
    struct crowd *crowd = ((struct member *)with)->crowd;
    static __thread char records[BATCH_BYTES];
    static __thread struct message message;
    struct patience patience;
    patience_init(&patience);
    while (atomic_load(&crowd->taken) < THREADS * crowd->per_sender) {
        uint32_t done;
        enum status status = channel_try_get_batch(&family, crowd->channel, records, 25, &done);
        if (status == STATUS_AGAIN)
            channel_wait_for_message(crowd->channel, &patience, clock_now() + 10 * NS_PER_MS);
        else
            CHECK_EQUAL(status, STATUS_OK);
        for (uint64_t at = 0; done > 0; done--) {
            at += batch_read(records + at, &message);
            account(crowd, &message);
        }
    }
    return NULL;
}

static void run_crowd(uint64_t max_messages, uint64_t per_sender)
{
    family_found(UINT64_C(1) << 32);
    struct line line = line_open(max_messages);
    struct crowd crowd = {.channel = line.channel, .per_sender = per_sender};
    crowd.seen = shared_memory(THREADS * per_sender);
    struct member members[THREADS];
    pthread_t threads[2 * THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        members[i] = (struct member){&crowd, i};
        CHECK_EQUAL(pthread_create(&threads[i], NULL, send_batches, &members[i]), 0);
        CHECK_EQUAL(pthread_create(&threads[THREADS + i], NULL, receive_batches, &members[i]), 0);
    }
    for (unsigned i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(atomic_load(&crowd.taken), THREADS * per_sender);
    CHECK_EQUAL(channel_size(line.channel), 0);
    family_check();
}

TEST_WITHIN(30, threads_send_and_take_batches_each_message_once)
{
    run_crowd(0, 30000 / SLOWNESS);
}

TEST_WITHIN(30, threads_share_a_bounded_channel_in_batches)
{
    run_crowd(7, 5000 / SLOWNESS);
}
