#include "pool/permits.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"

static struct permits {
    _Atomic uint32_t given;   /* counts; whoever waits sleeps until it is another */
    _Atomic uint32_t waiting; /* too high when somebody died who waited: that costs a call for each give */
    _Atomic int32_t holders[PERMITS_MAX];
} *permits;

/* Which of them this process has; -1: none. */
static int own = -1;

void permits_create(void) {
    if (permits == NULL)
        permits = pool_shared_memory(sizeof *permits);
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

static void wake(int count) {
    atomic_fetch_add(&permits->given, 1);
    if (atomic_load(&permits->waiting) > 0)
        syscall(SYS_futex, &permits->given, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* Until a permit was given since seen was read, a signal came, or the time is over. */
static void sleep_for(uint32_t seen, int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    atomic_fetch_add(&permits->waiting, 1);
    syscall(SYS_futex, &permits->given, FUTEX_WAIT, seen, &time, NULL, 0);
    atomic_fetch_sub(&permits->waiting, 1);
}

bool permits_take(unsigned most, int64_t wait_ms) {
    int64_t until = clock_mono_ms() + wait_ms, now;

    MUST(permits != NULL && own < 0 && most >= 1 && most <= PERMITS_MAX);
    for (;;) {
        uint32_t seen = atomic_load(&permits->given);
        if (take_one(most))
            return true;
        if ((now = clock_mono_ms()) >= until)
            return false;
        sleep_for(seen, until - now);
    }
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
            wake(INT_MAX);
    }
    /* It may have been woken for a permit and have died before it took it. */
    if (permits != NULL)
        wake(INT_MAX);
}
