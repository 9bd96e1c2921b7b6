#include "store/redis_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/command.h"

/* A buffer for commands that grew beyond this is given back after the flush. */
#define OUT_KEEP (64 * 1024)
/* No question of ours is answered with more; a length that is only noise must not cost gigabytes. */
#define REPLY_MAX_MEMBERS (1 << 20)

/* Replies ---------------------------------------------------------------------------------------- */

/* hiredis builds them through these, in the caller's arena: what is asked often allocates nothing. */

static void *reply_new(const redisReadTask *task, enum reply_kind kind) {
    struct reply *reply = arena_zalloc(task->privdata, sizeof *reply);
    reply->kind = kind;
    if (task->parent != NULL)
        ((struct reply *)task->parent->obj)->members[task->idx] = reply;
    return reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len) {
    struct reply *reply =
        reply_new(task, task->type == REDIS_REPLY_ERROR ? REPLY_ERROR : REPLY_TEXT);
    reply->text = arena_dup(task->privdata, text, len);
    reply->len = len;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t count) {
#else
static void *create_array(const redisReadTask *task, int count) {
#endif
    if ((size_t)count > REPLY_MAX_MEMBERS)
        return NULL; /* hiredis gives the connection up */
    struct reply *reply = reply_new(task, REPLY_LIST);
    reply->count = (size_t)count;
    reply->members = arena_array(task->privdata, reply->count, sizeof *reply->members);
    return reply;
}

static void *create_integer(const redisReadTask *task, long long number) {
    struct reply *reply = reply_new(task, REPLY_INT);
    reply->number = number;
    return reply;
}

static void *create_nil(const redisReadTask *task) {
    return reply_new(task, REPLY_NIL);
}

static void free_nothing(void *reply) {
    (void)reply;
}

static redisReplyObjectFunctions reply_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_nothing,
};

/* The connection --------------------------------------------------------------------------------- */

static struct timeval milliseconds(int64_t ms) {
    if (ms < 1)
        ms = 1;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void *fail(struct redis_wire *wire, bool late, const char *why) {
    wire->late = late;
    snprintf(wire->why, sizeof wire->why, "%s", late ? "no answer within [redis] timeout" : why);
    return NULL;
}

/* EAGAIN is how the system, and hiredis with it, reports that its time ran out. */
static bool time_ran_out(void) {
    return errno == EAGAIN || errno == ETIMEDOUT;
}

static void *fail_plain(struct redis_wire *wire) {
    bool late = wire->redis->err == REDIS_ERR_IO && time_ran_out();
    return fail(wire, late, wire->redis->err ? wire->redis->errstr : "no answer");
}

bool wire_open(struct redis_wire *wire, const char *path, const char *host, uint16_t port,
               struct tls_context *tls, struct arena *replies, int64_t deadline) {
    struct timeval left = milliseconds(deadline - clock_mono_ms());
    *wire = (struct redis_wire){.patience_ms = deadline - clock_mono_ms()};
    wire->redis = path[0] != '\0' ? redisConnectUnixWithTimeout(path, left)
                                  : redisConnectWithTimeout(host, port, left);
    MUST(wire->redis != NULL);
    if (wire->redis->err) {
        fail_plain(wire);
        wire_close(wire);
        return false;
    }
    fcntl(wire->redis->fd, F_SETFD, FD_CLOEXEC);
    wire->redis->reader->fn = &reply_functions;
    wire->redis->reader->privdata = replies;
    if (tls == NULL)
        return true;
    wire->tls = tls_open(tls, wire->redis->fd, host, deadline, wire->why, sizeof wire->why);
    if (wire->tls == NULL)
        wire_close(wire);
    return wire_is_open(wire);
}

void wire_close(struct redis_wire *wire) {
    tls_close(&wire->tls);
    if (wire->redis != NULL)
        redisFree(wire->redis);
    wire->redis = NULL;
    buf_free(&wire->out);
}

bool wire_is_open(const struct redis_wire *wire) {
    return wire->redis != NULL;
}

void wire_patience(struct redis_wire *wire, int64_t ms) {
    wire->patience_ms = ms;
    if (wire->tls == NULL && redisSetTimeout(wire->redis, milliseconds(ms)) != REDIS_OK)
        wire->endless = true;
}

/* Not by hiredis, which allocates for each command and again for each write. */
void wire_command(struct redis_wire *wire, int argc, const char *const *argv, const size_t *lens) {
    command_add(&wire->out, argc, argv, lens);
}

void wire_words(struct redis_wire *wire, const char *const *words) {
    int count = 0;
    while (words[count] != NULL)
        count++;
    wire_command(wire, count, words, NULL);
}

int wire_login(struct redis_wire *wire, const char *user, const char *password) {
    if (password == NULL || password[0] == '\0')
        return 0;
    if (user[0] != '\0')
        WIRE_WORDS(wire, "AUTH", user, password);
    else
        WIRE_WORDS(wire, "AUTH", password);
    return 1;
}

static void sent_out(struct redis_wire *wire) {
    buf_clear(&wire->out);
    if (wire->out.cap > OUT_KEEP)
        buf_free(&wire->out);
}

static bool send_by_tls(struct redis_wire *wire, int64_t deadline) {
    bool sent = tls_write(wire->tls, wire->out.data, wire->out.len, deadline);
    sent_out(wire);
    return sent;
}

static bool send_plain(struct redis_wire *wire) {
    size_t sent = 0;
    while (sent < wire->out.len) {
        ssize_t n = send(wire->redis->fd, wire->out.data + sent, wire->out.len - sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        sent += n > 0 ? (size_t)n : 0;
    }
    sent_out(wire);
    return true;
}

static const struct reply *reply_by_tls(struct redis_wire *wire) {
    int64_t deadline = clock_mono_ms() + wire->patience_ms;
    char bytes[16 * 1024];
    void *reply = NULL;
    if (wire->out.len > 0 && !send_by_tls(wire, deadline))
        return fail(wire, tls_late(wire->tls), tls_why(wire->tls));
    for (;;) {
        if (redisGetReplyFromReader(wire->redis, &reply) != REDIS_OK)
            return fail(wire, false, wire->redis->errstr);
        if (reply != NULL)
            return reply;
        size_t got = tls_read(wire->tls, bytes, sizeof bytes, deadline);
        if (got == 0)
            return fail(wire, tls_late(wire->tls), tls_why(wire->tls));
        if (redisReaderFeed(wire->redis->reader, bytes, got) != REDIS_OK)
            return fail(wire, false, wire->redis->reader->errstr);
    }
}

const struct reply *wire_reply(struct redis_wire *wire) {
    void *reply = NULL;
    if (wire->tls != NULL)
        return reply_by_tls(wire);
    if (wire->endless)
        return fail(wire, false, "no time limit can be set for its connection");
    if (wire->out.len > 0 && !send_plain(wire))
        return fail(wire, time_ran_out(), strerror(errno));
    return redisGetReply(wire->redis, &reply) == REDIS_OK ? reply : fail_plain(wire);
}
