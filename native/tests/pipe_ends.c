#include "pipe_ends.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct frame {
    uint32_t size;
    uint32_t number;
    unsigned char bytes[PIPE_PAIR_LIMIT];
};

static void fill_nothing(void *memory, uint64_t size, const void *with)
{
    (void)with;
    memset(memory, 0, size);
}

struct pipe_pair pipe_pair_open(enum stream_kind kind)
{
    struct pipe_pair pair = {.kind = kind};
    int fds[2];
    CHECK_EQUAL(kind == STREAM_PIPE ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pair.reader = fds[0];
    pair.writer = fds[1];
    CHECK_EQUAL(handle_create(&family, sizeof(struct handoff), BLOCK_PIPE, fill_nothing, NULL,
                              &pair.handle),
                STATUS_OK);
    pair.handoff = arena_at(&family, pair.handle.offset);
    return pair;
}

void pipe_pair_close(struct pipe_pair *pair)
{
    close(pair->reader);
    close(pair->writer);
    handle_release(&family, &pair->handle);
}

/* ---- messages */

static uint32_t size_of(uint32_t number)
{
    return number % 7 == 3 ? 2500 + number % 3000 : number % 11 == 0 ? 0 : number % 300;
}

static unsigned char byte_of(uint32_t number, uint32_t i)
{
    return (unsigned char)(number * 131 + i * 7);
}

static uint32_t make(struct frame *frame, uint32_t number)
{
    frame->size = size_of(number);
    frame->number = number;
    for (uint32_t i = 0; i < frame->size; i++)
        frame->bytes[i] = byte_of(number, i);
    return (uint32_t)offsetof(struct frame, bytes) + frame->size;
}

static void check(const struct frame *frame)
{
    CHECK_EQUAL(frame->size, size_of(frame->number));
    for (uint32_t i = 0; i < frame->size; i++)
        if (frame->bytes[i] != byte_of(frame->number, i))
            FAIL("message %u is torn at byte %u of %u", frame->number, i, frame->size);
}

/* ---- send */

static void write_all(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = write(fd, (const char *)data + done, size - done);
        CHECK(count > 0);
        done += (size_t)count;
    }
}

bool pipe_pair_send(struct pipe_pair *pair, uint32_t number)
{
    struct frame frame;
    uint32_t total = make(&frame, number);
    if (handoff_put(&family, pair->handoff, pair->kind, pair->writer, &frame, total))
        return true;
    write_all(pair->writer, &frame, total);
    return false;
}

void pipe_pair_write(struct pipe_pair *pair, uint32_t number)
{
    struct frame frame;
    uint32_t total = make(&frame, number);
    write_all(pair->writer, &frame, total);
}

/* ---- receive */

static bool read_all(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = read(fd, (char *)data + done, size - done);
        if (count == 0 && done == 0)
            return false;
        CHECK(count > 0);
        done += (size_t)count;
    }
    return true;
}

bool pipe_pair_receive(struct pipe_pair *pair, nanoseconds spin, uint32_t *number)
{
    struct frame frame;
    struct spin_wait spin_wait;
    atomic_store(&spin_wait.spin, spin);
    uint32_t head = (uint32_t)offsetof(struct frame, bytes);
    size_t came = HANDOFF_NOTHING;
    if (handoff_state(pair->handoff) != HANDOFF_IDLE)
        came = handoff_recover(&family, pair->handoff, (char *)&frame);
    /* A byte of the header at a time would be the descriptor's business; here it is whole. */
    ssize_t count = came != HANDOFF_NOTHING
                        ? 0
                        : stream_try_read(&pair->kind, pair->reader, &frame, head);
    if (count < 0) {
        CHECK(errno == EAGAIN);
        came = handoff_await(&family, pair->handoff, &spin_wait, pair->reader, (char *)&frame);
    }
    if (came == HANDOFF_NOTHING) {
        if (count == 0 || (count < 0 && !read_all(pair->reader, &frame, head)))
            return false;
        CHECK(count < 0 || count == (ssize_t)head);
        CHECK(frame.size <= PIPE_PAIR_LIMIT);
        if (frame.size)
            CHECK(read_all(pair->reader, frame.bytes, frame.size));
    } else
        CHECK_EQUAL(came, head + frame.size);
    check(&frame);
    *number = frame.number;
    return true;
}
