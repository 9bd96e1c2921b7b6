/*
 * delay: Redis, further away.  A proxy that passes every byte on after so many microseconds, in both
 * directions half of it, without holding up what comes behind.
 *
 *   delay LISTEN_SOCKET REDIS_SOCKET MICROSECONDS
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 256
#define CHUNK     (64 * 1024)

struct chunk {
    struct chunk *next;
    int64_t due;
    size_t len;
    char bytes[];
};

/* One direction of one connection. */
struct way {
    int from, to;
    struct chunk *first, **last;
};

static struct way ways[2 * MAX_LINKS];
static int count;
static int64_t half_us;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int unix_socket(const char *path, struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (fd < 0 || strlen(path) >= sizeof address->sun_path)
        err(1, "%s", path);
    strcpy(address->sun_path, path);
    return fd;
}

static void add_way(int from, int to) {
    if (count == 2 * MAX_LINKS)
        errx(1, "more than %d connections", MAX_LINKS);
    ways[count] = (struct way){.from = from, .to = to};
    ways[count].last = &ways[count].first;
    count++;
}

static void accept_link(int listener, const char *redis) {
    struct sockaddr_un address;
    int near = accept(listener, NULL, NULL), far = unix_socket(redis, &address);
    if (near < 0 || connect(far, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "%s", redis);
    add_way(near, far);
    add_way(far, near);
}

/* Whoever closes is gone for both directions, at once. */
static void end_link(struct way *way) {
    shutdown(way->from, SHUT_RDWR);
    shutdown(way->to, SHUT_RDWR);
    way->from = -1;
}

static void take(struct way *way) {
    struct chunk *chunk = malloc(sizeof *chunk + CHUNK);
    ssize_t n = chunk ? recv(way->from, chunk->bytes, CHUNK, MSG_DONTWAIT) : -1;
    if (n <= 0) {
        free(chunk);
        end_link(way);
        return;
    }
    chunk->len = (size_t)n;
    chunk->due = now_us() + half_us;
    chunk->next = NULL;
    *way->last = chunk;
    way->last = &chunk->next;
}

static void pass(struct way *way, int64_t now) {
    while (way->first && way->first->due <= now) {
        struct chunk *chunk = way->first;
        size_t sent = 0;
        while (sent < chunk->len) {
            ssize_t n = send(way->to, chunk->bytes + sent, chunk->len - sent, MSG_NOSIGNAL);
            if (n < 0 && errno != EINTR)
                break;
            sent += n > 0 ? (size_t)n : 0;
        }
        way->first = chunk->next;
        if (!way->first)
            way->last = &way->first;
        free(chunk);
    }
}

/* Until the next chunk is due; exact to the microsecond, which poll is not. */
static struct timespec patience(void) {
    int64_t next = INT64_MAX, now = now_us();
    for (int i = 0; i < count; i++)
        if (ways[i].first && ways[i].first->due < next)
            next = ways[i].first->due;
    int64_t left = next == INT64_MAX ? 1000000 : next > now ? next - now : 0;
    return (struct timespec){.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
}

int main(int argc, char **argv) {
    static struct pollfd polls[2 * MAX_LINKS + 1];
    struct sockaddr_un address;

    if (argc != 4)
        errx(2, "usage: delay LISTEN_SOCKET REDIS_SOCKET MICROSECONDS");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1UL);
    half_us = atoll(argv[3]) / 2;
    int listener = unix_socket(argv[1], &address);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
        err(1, "%s", argv[1]);
    for (;;) {
        struct timespec wait = patience();
        polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < count; i++)
            polls[i + 1] = (struct pollfd){.fd = ways[i].from, .events = POLLIN};
        int watched = count;
        ppoll(polls, (nfds_t)watched + 1, &wait, NULL);
        for (int i = 0; i < watched; i++)
            if (polls[i + 1].revents)
                take(&ways[i]);
        for (int i = 0; i < watched; i++)
            pass(&ways[i], now_us());
        if (polls[0].revents)
            accept_link(listener, argv[2]);
    }
}
