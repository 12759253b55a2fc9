/* Batches, as threads see them. Kills: see test_batch_kills.c. */
#include <pthread.h>

#include "batches.h"
#include "traffic.h"

enum { THREADS = 3 };

struct workload {
    struct channel *channel;
    uint64_t per_sender;
    _Atomic uint64_t taken;
    _Atomic unsigned char *seen;
};

struct member {
    struct workload *workload;
    uint64_t number;
};

static void *send_batches(void *with)
{
    struct member *member = with;
    uint64_t random = member->number + 1;
    for (uint64_t i = 0; i < member->workload->per_sender;) {
        uint64_t count = 1 + random_next(&random) % BATCH_MOST;
        if (count > member->workload->per_sender - i)
            count = member->workload->per_sender - i;
        batch_put(member->workload->channel, member->number, i, (uint32_t)count);
        i += count;
    }
    return NULL;
}

static void account(struct workload *workload, const struct message *message)
{
    batch_check(message);
    CHECK(message->label < THREADS && message->extra < workload->per_sender);
    CHECK_EQUAL(atomic_fetch_add(
                    &workload->seen[message->label * workload->per_sender + message->extra], 1),
                0);
    atomic_fetch_add(&workload->taken, 1);
}

static void *receive_batches(void *with)
{
    struct workload *workload = ((struct member *)with)->workload;
    static __thread char records[BATCH_BYTES];
    static __thread struct message message;
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    while (atomic_load(&workload->taken) < THREADS * workload->per_sender) {
        uint32_t done;
        enum status status = channel_try_get_batch(&family, workload->channel, records, 25, &done);
        if (status == STATUS_AGAIN)
            channel_wait_for_message(workload->channel, &spin_wait, clock_now() + 10 * NS_PER_MS);
        else
            CHECK_EQUAL(status, STATUS_OK);
        for (uint64_t at = 0; done > 0; done--) {
            at += batch_read(records + at, &message);
            account(workload, &message);
        }
    }
    return NULL;
}

static void run_workload(uint64_t max_messages, uint64_t per_sender)
{
    family_found(UINT64_C(1) << 32);
    struct traffic traffic = traffic_open(max_messages);
    struct workload workload = {.channel = traffic.channel, .per_sender = per_sender};
    workload.seen = shared_memory(THREADS * per_sender);
    struct member members[THREADS];
    pthread_t threads[2 * THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        members[i] = (struct member){&workload, i};
        CHECK_EQUAL(pthread_create(&threads[i], NULL, send_batches, &members[i]), 0);
        CHECK_EQUAL(pthread_create(&threads[THREADS + i], NULL, receive_batches, &members[i]), 0);
    }
    for (unsigned i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(atomic_load(&workload.taken), THREADS * per_sender);
    CHECK_EQUAL(channel_size(traffic.channel), 0);
    family_check();
}

TEST_WITHIN(30, threads_send_and_take_batches_each_message_once)
{
    run_workload(0, 30000 / SLOWNESS);
}

TEST_WITHIN(30, threads_share_a_bounded_channel_in_batches)
{
    run_workload(7, 5000 / SLOWNESS);
}
