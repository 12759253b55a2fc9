/* What the C tests share: named tests, checks that say where they are, child processes, time
 * limits.
 *
 * Idea    Every test runs in a process of its own, the leader of a process group. So a crash or a
 *         hang in one test is that test's failure alone, and whatever it leaves running is ended
 *         with it.
 * Use     TEST(an_emptied_arena_is_empty) { CHECK(...); }   no main(), no list of tests
 *         A program takes parts of names as arguments; then only the tests that contain one run.
 * Kills   child_killed_at("channel.put.*", 3, put, &what): does put(&what) in a child that dies at
 *         the third crash point whose name begins so; false when it came to its end before.
 */
#ifndef PROCESSION_TESTS_HARNESS_H
#define PROCESSION_TESTS_HARNESS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A size for what tests share; no page of any machine is smaller. */
#define PAGE_BYTES UINT64_C(4096)

#ifndef PROCESSION_CRASH_POINTS
#error "the C tests need -Dcrash_points=true"
#endif

/* How much slower everything is; also divides how often a test repeats what it does at random. */
#if defined(__SANITIZE_THREAD__)
enum { SLOWNESS = 8 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SLOWNESS = 4 };
#else
enum { SLOWNESS = 1 };
#endif

struct test {
    const char *name;
    void (*body)(void);
    unsigned limit_s; /* at SLOWNESS 1 */
    struct test *next;
};

void test_register(struct test *test);

#define TEST(name) TEST_WITHIN(10, name)
#define TEST_WITHIN(seconds, name)                                                                 \
    static void name(void);                                                                        \
    static __attribute__((constructor)) void register_##name(void)                                 \
    {                                                                                              \
        static struct test test = {#name, name, seconds, 0};                                       \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void name(void)

/* ---- checks: a failed one says where and ends the process, in a child as well */

_Noreturn void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define FAIL(...) check_failed(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) ((condition) ? (void)0 : FAIL("%s", #condition))
#define CHECK_EQUAL(is, wanted)                                                                    \
    do {                                                                                           \
        uint64_t is_ = (uint64_t)(is), wanted_ = (uint64_t)(wanted);                               \
        if (is_ != wanted_)                                                                        \
            FAIL("%s is %" PRIu64 " (0x%" PRIx64 "), not %s = %" PRIu64, #is, is_, is_, #wanted,   \
                 wanted_);                                                                         \
    } while (0)

/* ---- child processes */

/* Runs body(with) in a fork that ends with 0, and that dies with its parent. */
pid_t child_start(void (*body)(void *with), void *with);
/* Waits for the child: its exit status, or minus the signal that killed it. */
int child_end(pid_t pid);
void child_kill(pid_t pid); /* SIGKILL; then waits */
bool child_sleeps(pid_t pid);
bool child_killed_at(const char *point, unsigned passage, void (*body)(void *with), void *with);

/* Bodies of children: one that ends at once, one that never does; and one that does the body of a
 * struct kill_plan and dies there. */
void do_nothing(void *unused);
void sleep_on(void *unused);
void run_kill_plan(void *plan);

struct kill_plan {
    const char *point;
    unsigned passage;
    void (*body)(void *with);
    void *with;
};

/* ---- threads */

#define RUN_THREADS_MOST 8

/* Runs body(with) in so many threads, to the end of all. */
void run_threads(void *(*body)(void *with), void *with, unsigned count);

/* ---- odds and ends */

/* Waits up to five seconds (at SLOWNESS 1) until *predicate* holds; fails if it never does. */
#define WAIT_UNTIL(predicate)                                                                      \
    for (int64_t until_ = wait_limit(); !(predicate); wait_a_little())                             \
    CHECK(!wait_is_over(until_) && #predicate)
int64_t wait_limit(void);
bool wait_is_over(int64_t limit);
void wait_a_little(void);

/* Pseudo-random, and the same in each run: xorshift64*. */
uint64_t random_next(uint64_t *state);
/* Memory that children share with the test, zeroed; a multiple of the page size is taken. */
void *shared_memory(uint64_t bytes);

#endif
