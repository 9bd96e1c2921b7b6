#include "pool/permits.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"

static struct permits {
    _Atomic uint32_t waiting; /* too high when somebody died who waited: that costs a call for each give */
    _Atomic int32_t holders[PERMITS_MAX];
} *permits;

/* A datagram wakes one of those that wait for a permit, on the processor of its sender, which is about to be
 * free: the sender goes on to wait for a store.  One that was woken by futex(2) might stand behind another
 * that hashes, while a processor idles. */
static int bell[2] = {-1, -1};

/* Which of them this process has; -1: none. */
static int own = -1;

void permits_create(void) {
    if (permits != NULL)
        return;
    permits = pool_shared_memory(sizeof *permits);
    MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, bell) == 0);
}

static bool take_one(unsigned most) {
    for (unsigned i = 0; i < most; i++) {
        int32_t nobody = 0;
        if (atomic_compare_exchange_strong(&permits->holders[i], &nobody, (int32_t)getpid())) {
            own = (int)i;
            return true;
        }
    }
    return false;
}

/* Wakes count of those that wait.  Where the socket is full of datagrams that nobody has read yet, nothing
 * more need be sent: each of them wakes somebody. */
static void wake(uint32_t count) {
    for (uint32_t waiting = atomic_load(&permits->waiting); count > 0 && waiting > 0; count--, waiting--)
        (void)!send(bell[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Until the bell rings, a signal comes, or the time (at least 1 ms) is over. */
static void listen_for(int64_t ms) {
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    char ring;

    setsockopt(bell[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    (void)!recv(bell[0], &ring, 1, 0);
}

bool permits_take(unsigned most, int64_t wait_ms) {
    int64_t until = clock_mono_ms() + wait_ms, now;

    MUST(permits != NULL && own < 0 && most >= 1 && most <= PERMITS_MAX);
    if (take_one(most))
        return true;
    /* It says that it waits before it looks once more: a permit that is given in between is seen, or rung
     * for. */
    atomic_fetch_add(&permits->waiting, 1);
    while (!take_one(most) && (now = clock_mono_ms()) < until)
        listen_for(until - now);
    atomic_fetch_sub(&permits->waiting, 1);
    return own >= 0;
}

void permits_give(void) {
    if (own < 0)
        return;
    atomic_store(&permits->holders[own], 0);
    own = -1;
    wake(1);
}

void permits_of_dead(pid_t pid) {
    for (unsigned i = 0; permits != NULL && i < PERMITS_MAX; i++) {
        int32_t holder = (int32_t)pid;
        if (atomic_compare_exchange_strong(&permits->holders[i], &holder, 0))
            break;
    }
    /* Also where it had none: it may have been woken for one and have died before it took it. */
    if (permits != NULL)
        wake(PERMITS_MAX);
}
