/* The handoff buffer: order, whatever way each message takes, and nothing left behind in it. */
#include <pthread.h>
#include <unistd.h>

#include "pipe_ends.h"

enum { MESSAGES = 20000 / SLOWNESS, MOST_THREADS = 4 };

static const enum stream_kind kinds[] = {STREAM_SOCKET, STREAM_PIPE};

struct traffic {
    struct pipe_pair pair;
    pthread_mutex_t sending, receiving;
    uint32_t sent;             /* under `sending` */
    _Atomic uint32_t received; /* written under `receiving` */
    unsigned through;          /* the buffer; under `sending` */
};

static struct traffic begin(enum stream_kind kind)
{
    family_found(SMALL_RESERVE);
    struct traffic traffic = {.pair = pipe_pair_open(kind)};
    pthread_mutex_init(&traffic.sending, NULL);
    pthread_mutex_init(&traffic.receiving, NULL);
    return traffic;
}

/* Sometimes late, so that the other side has to wait now and then. */
static void dawdle(uint64_t *state)
{
    uint64_t turns = random_next(state) % 16 == 0 ? random_next(state) % 2000 : 0;
    for (uint64_t i = 0; i < turns; i++)
        spin_wait_relax();
}

/* Every few messages, until the receivers have nothing left: so that they wait when the next is
 * sent. */
static void let_them_catch_up(struct traffic *traffic, uint32_t sent, uint64_t *state)
{
    if (random_next(state) % 4 == 0)
        for (unsigned turn = 0; atomic_load(&traffic->received) < sent; turn++)
            turn % 64 ? spin_wait_relax() : (void)usleep(1);
}

static void *send_in_turn(void *with)
{
    struct traffic *traffic = with;
    uint64_t state = (uint64_t)(uintptr_t)&state | 1;
    for (;;) {
        pthread_mutex_lock(&traffic->sending);
        bool done = traffic->sent == MESSAGES;
        if (!done && random_next(&state) % 8 == 0)
            pipe_pair_write(&traffic->pair, traffic->sent++);
        else if (!done)
            traffic->through += pipe_pair_send(&traffic->pair, traffic->sent++);
        uint32_t sent = traffic->sent;
        pthread_mutex_unlock(&traffic->sending);
        if (done)
            return NULL;
        let_them_catch_up(traffic, sent, &state);
        dawdle(&state);
    }
}

static void *receive_in_turn(void *with)
{
    struct traffic *traffic = with;
    uint64_t state = (uint64_t)(uintptr_t)&state | 1;
    for (;;) {
        uint32_t number;
        pthread_mutex_lock(&traffic->receiving);
        bool done = traffic->received == MESSAGES;
        if (!done) {
            CHECK(pipe_pair_receive(&traffic->pair, 50 * NS_PER_US, &number));
            CHECK_EQUAL(number, traffic->received);
            traffic->received++;
        }
        pthread_mutex_unlock(&traffic->receiving);
        if (done)
            return NULL;
        dawdle(&state);
    }
}

static void run(struct traffic *traffic, unsigned senders, unsigned receivers)
{
    pthread_t threads[2 * MOST_THREADS];
    for (unsigned i = 0; i < senders; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, send_in_turn, traffic), 0);
    for (unsigned i = senders; i < senders + receivers; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, receive_in_turn, traffic), 0);
    for (unsigned i = 0; i < senders + receivers; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(handoff_state(traffic->pair.handoff), HANDOFF_IDLE);
    CHECK(!stream_is_readable(traffic->pair.reader));
    CHECK(!spin_wait_allowed() || traffic->through > 0);
    CHECK(traffic->through < MESSAGES);
    pipe_pair_close(&traffic->pair);
    family_check();
}

TEST_WITHIN(40, messages_arrive_in_order_whatever_way_they_take)
{
    struct traffic traffic = begin(kinds[0]);
    run(&traffic, 1, 1);
}

TEST_WITHIN(40, messages_arrive_in_order_beside_a_pipe)
{
    struct traffic traffic = begin(kinds[1]);
    run(&traffic, 1, 1);
}

TEST_WITHIN(40, several_that_share_an_end_under_a_lock_keep_the_order)
{
    struct traffic traffic = begin(kinds[0]);
    run(&traffic, 3, 3);
}

/* ---- without a lock */

static void *send_own(void *with)
{
    struct traffic *traffic = with;
    pthread_mutex_lock(&traffic->sending);
    uint32_t own = traffic->sent++;
    pthread_mutex_unlock(&traffic->sending);
    for (uint32_t i = 0; i < MESSAGES / MOST_THREADS; i++)
        pipe_pair_send(&traffic->pair,
                       i * 77 * MOST_THREADS * 7 + own * 77); /* small: no write is torn */
    return NULL;
}

TEST_WITHIN(40, each_of_several_senders_without_a_lock_is_in_its_order)
{
    struct traffic traffic = begin(STREAM_SOCKET);
    pthread_t threads[MOST_THREADS];
    uint32_t next[MOST_THREADS] = {0};
    for (unsigned i = 0; i < MOST_THREADS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, send_own, &traffic), 0);
    for (uint32_t i = 0; i < MESSAGES / MOST_THREADS * MOST_THREADS; i++) {
        uint32_t number;
        CHECK(pipe_pair_receive(&traffic.pair, 50 * NS_PER_US, &number));
        unsigned sender = number / 77 % (MOST_THREADS * 7);
        CHECK(sender < MOST_THREADS);
        CHECK_EQUAL(number / 77 / (MOST_THREADS * 7), next[sender]);
        next[sender]++;
    }
    for (unsigned i = 0; i < MOST_THREADS; i++)
        pthread_join(threads[i], NULL);
    pipe_pair_close(&traffic.pair);
}

/* ---- one step at a time */

static void *receive_one(void *with)
{
    struct traffic *traffic = with;
    uint32_t number;
    CHECK(pipe_pair_receive(&traffic->pair, 5 * NS_PER_S, &number));
    atomic_store(&traffic->received, number);
    return NULL;
}

TEST(a_message_is_never_left_in_the_handoff_buffer)
{
    struct traffic traffic = begin(STREAM_SOCKET);
    CHECK(!pipe_pair_send(&traffic.pair,
                          1)); /* no receiver spins: it can be seen at the descriptor */
    CHECK(stream_is_readable(traffic.pair.reader));
    CHECK(!stream_is_drained(traffic.pair.kind, traffic.pair.writer));
    uint32_t number;
    CHECK(pipe_pair_receive(&traffic.pair, 0, &number));
    CHECK_EQUAL(number, 1);
    CHECK(stream_is_drained(traffic.pair.kind, traffic.pair.writer));
}

TEST(what_does_not_fit_goes_through_the_descriptor)
{
    struct traffic traffic = begin(STREAM_SOCKET);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, receive_one, &traffic), 0);
    WAIT_UNTIL(handoff_state(traffic.pair.handoff) == HANDOFF_SPINNING);
    CHECK(!pipe_pair_send(&traffic.pair, 3));
    pthread_join(thread, NULL);
    CHECK_EQUAL(traffic.received, 3);
    CHECK_EQUAL(handoff_state(traffic.pair.handoff), HANDOFF_IDLE);
}

TEST(a_receiver_that_spins_sees_the_descriptor_and_its_end)
{
    struct traffic traffic = begin(STREAM_SOCKET);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, receive_one, &traffic), 0);
    WAIT_UNTIL(handoff_state(traffic.pair.handoff) == HANDOFF_SPINNING);
    pipe_pair_write(&traffic.pair, 5);
    pthread_join(thread, NULL);
    CHECK_EQUAL(traffic.received, 5);
    close(traffic.pair.writer);
    deadline_t begun = clock_now();
    uint32_t number;
    CHECK(!pipe_pair_receive(&traffic.pair, 5 * NS_PER_S, &number));
    CHECK(clock_now() < begun + 2 * NS_PER_S);
}

TEST(an_offer_ends_with_its_time)
{
    struct traffic traffic = begin(STREAM_SOCKET);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, receive_one, &traffic), 0);
    WAIT_UNTIL(handoff_state(traffic.pair.handoff) == HANDOFF_SPINNING);
    atomic_store(&traffic.pair.handoff->until, (uint64_t)clock_now() - 1); /* as of one that died */
    CHECK(!pipe_pair_send(&traffic.pair, 1));
    pthread_join(thread, NULL);
    CHECK_EQUAL(traffic.received, 1);
}

TEST(streams_of_each_kind_are_told_apart)
{
    for (unsigned i = 0; i < 2; i++) {
        int fds[2];
        char byte = 0;
        family_found(SMALL_RESERVE);
        struct pipe_pair pair = pipe_pair_open(kinds[i]);
        fds[0] = pair.reader;
        fds[1] = pair.writer;
        struct iovec part = {.iov_base = &byte, .iov_len = 1};
        enum stream_kind in = STREAM_UNKNOWN, out = STREAM_UNKNOWN;
        CHECK(stream_try_read(&in, fds[0], &byte, 1) < 0);
        CHECK_EQUAL(stream_try_write(&out, fds[1], &part, 1), 1);
        CHECK_EQUAL(stream_try_read(&in, fds[0], &byte, 1), 1);
        CHECK_EQUAL(in, out);
        CHECK(in == kinds[i] || in == STREAM_BLOCKING); /* pipes before Linux 6.4 */
        pipe_pair_close(&pair);
        family_leave();
    }
}
