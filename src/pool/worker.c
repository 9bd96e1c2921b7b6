/*
 * worker: the child's side, from fork to exit, and what it may call (pool.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/board.h"
#include "pool/children.h"
#include "pool/permits.h"
#include "pool/queue.h"
#include "pool/signals.h"
#include "pool/status.h"

/* One process, one worker. */
static struct {
    enum worker_order order;
    int signals;  /* signalfd */
    int lifeline; /* read end */
    int poke;     /* write end */
    bool owns_socket; /* no supervisor has it, to give it to another after us */
} own;

/* Orders only ever get more urgent. */
static void be_told(enum worker_order order) {
    if (order > own.order)
        own.order = order;
}

static void read_signals(void) {
    struct signalfd_siginfo info;

    while (read(own.signals, &info, sizeof info) == (ssize_t)sizeof info)
        be_told(info.ssi_signo == SIGQUIT         ? WORKER_QUIT
                : own.owns_socket && board_ends() ? WORKER_CLOSE
                                                  : WORKER_DRAIN);
}

/* Nobody is left to kill a worker that does not finish, so it gets an alarm clock. */
static void orphaned(const struct worker *worker) {
    epoll_ctl(worker->control_fd, EPOLL_CTL_DEL, own.lifeline, NULL);
    log_warning("master is gone, finishing");
    alarm((unsigned)(worker->plan->shutdown_ms / 1000 + 1));
    be_told(WORKER_DRAIN);
}

enum worker_order worker_told(const struct worker *worker) {
    struct epoll_event events[2];
    int count = epoll_wait(worker->control_fd, events, 2, 0);

    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == own.signals)
            read_signals();
        else
            orphaned(worker);
    }
    return own.order;
}

void worker_ready(const struct worker *worker) {
    board_slot(worker->slot)->ready = 1;
    /* A full pipe wakes the master just as well; a broken one belongs to a master that has been
     * replaced, and that one waits for no worker of before. */
    (void)!write(own.poke, "", 1);
}

void worker_served(const struct worker *worker, uint64_t requests) {
    board_slot(worker->slot)->requests = requests;
}

/* One writer: no read-modify-write is needed. */
void worker_beat(const struct worker *worker) {
    struct board_slot *slot = board_slot(worker->slot);

    atomic_store_explicit(&slot->beats,
                          atomic_load_explicit(&slot->beats, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void worker_busy(const struct worker *worker, int64_t since_mono_ms) {
    board_slot(worker->slot)->busy_since = since_mono_ms;
}

bool worker_turn(const struct worker *worker, bool wanted) {
    unsigned workers = worker->pool->workers;

    return board_turn(worker->slot, workers > 1 ? workers - 1 : 1, wanted);
}

void worker_permit(const struct worker *worker, unsigned most) {
    for (int64_t ms = 0; ms < PERMIT_WAIT_MS && !permits_take(most, PERMIT_BEAT_MS);
         ms += PERMIT_BEAT_MS)
        worker_beat(worker);
}

void worker_permit_end(const struct worker *worker) {
    (void)worker;
    permits_give();
}

int64_t worker_waiting(const struct worker *worker) {
    return queue_length(worker->listen_fd, NULL);
}

/* Birth --------------------------------------------------------------------------------------- */

static bool watch(int control, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return fd >= 0 && epoll_ctl(control, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int open_control(const struct channels *channels) {
    int control = epoll_create1(EPOLL_CLOEXEC);

    own.signals = signals_worker();
    own.lifeline = channels->lifeline[0];
    own.poke = channels->poke[1];
    /* While any worker held the write end, the others would not notice the master's death. */
    close(channels->lifeline[1]);
    close(channels->poke[0]);
    if (control < 0 || !watch(control, own.signals) || !watch(control, own.lifeline)) {
        log_error("worker cannot be set up", F_ERRNO(errno));
        _exit(WORKER_EXIT_SETUP);
    }
    return control;
}

static void show_name(const char *pool) {
    char name[16]; /* what the kernel keeps */

    snprintf(name, sizeof name, "gatehouse:%.5s", pool);
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

/* _exit: handlers that the master registered for its own exit are not ours to run. */
_Noreturn void worker_main(const struct pool_ops *ops, const struct listen_set *set,
                           const struct channels *channels, const struct child *child,
                           unsigned slot) {
    const struct generation *generation = child->generation;
    const struct pool_spec *pool = &generation->plan->pools[child->pool];
    struct worker worker = {.plan = generation->plan,
                            .pool = pool,
                            .slot = slot,
                            .listen_fd = generation->fds[child->pool],
                            .number = child->number,
                            .identity = child->identity};
    int code;

    log_identity(child->identity);
    if (ops->adopt)
        ops->adopt(generation->plan);
    queue_forget();
    worker.control_fd = open_control(channels);
    own.owns_socket = listen_owns(set, worker.listen_fd);
    int pass[2];
    listen_only(set, worker.listen_fd, pass);
    worker.pass_in_fd = pass[0];
    worker.pass_out_fd = pass[1];
    status_leave();
    unsetenv(ENV_NOTIFY_SOCKET);
    show_name(pool->name);
    if (!privileges_drop(&generation->privileges))
        _exit(WORKER_EXIT_PRIVILEGES);
    code = ops->work(&worker);
    fflush(NULL);
    _exit(code);
}
