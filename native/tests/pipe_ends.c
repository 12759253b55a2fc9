#include "pipe_ends.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct frame {
    uint32_t size;
    uint32_t number;
    unsigned char bytes[POST_LIMIT];
};

static void fill_nothing(void *memory, uint64_t size, const void *with)
{
    (void)with;
    memset(memory, 0, size);
}

struct post post_open(enum stream_kind kind)
{
    struct post post = {.kind = kind};
    int fds[2];
    CHECK_EQUAL(kind == STREAM_PIPE ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    post.reader = fds[0];
    post.writer = fds[1];
    CHECK_EQUAL(handle_create(&family, sizeof(struct mailbox), BLOCK_PIPE, fill_nothing, NULL,
                              &post.handle),
                STATUS_OK);
    post.mailbox = arena_at(&family, post.handle.payload);
    return post;
}

void post_close(struct post *post)
{
    close(post->reader);
    close(post->writer);
    handle_drop(&family, &post->handle);
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

bool post_send(struct post *post, uint32_t number)
{
    struct frame frame;
    uint32_t total = make(&frame, number);
    if (mailbox_put(&family, post->mailbox, post->kind, post->writer, &frame, total))
        return true;
    write_all(post->writer, &frame, total);
    return false;
}

void post_write(struct post *post, uint32_t number)
{
    struct frame frame;
    uint32_t total = make(&frame, number);
    write_all(post->writer, &frame, total);
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

bool post_receive(struct post *post, nanoseconds spin, uint32_t *number)
{
    struct frame frame;
    struct patience patience;
    atomic_store(&patience.spin, spin);
    uint32_t head = (uint32_t)offsetof(struct frame, bytes);
    size_t came = MAILBOX_NOTHING;
    if (mailbox_state(post->mailbox) != MAILBOX_IDLE)
        came = mailbox_inherit(&family, post->mailbox, (char *)&frame);
    /* A byte of the header at a time would be the descriptor's business; here it is whole. */
    ssize_t count = came != MAILBOX_NOTHING
                        ? 0
                        : stream_try_read(&post->kind, post->reader, &frame, head);
    if (count < 0) {
        CHECK(errno == EAGAIN);
        came = mailbox_await(&family, post->mailbox, &patience, post->reader, (char *)&frame);
    }
    if (came == MAILBOX_NOTHING) {
        if (count == 0 || (count < 0 && !read_all(post->reader, &frame, head)))
            return false;
        CHECK(count < 0 || count == (ssize_t)head);
        CHECK(frame.size <= POST_LIMIT);
        if (frame.size)
            CHECK(read_all(post->reader, frame.bytes, frame.size));
    } else
        CHECK_EQUAL(came, head + frame.size);
    check(&frame);
    *number = frame.number;
    return true;
}
