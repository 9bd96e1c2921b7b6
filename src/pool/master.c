/*
 * master: the loop.  It sleeps in ppoll, the only place where signals arrive, and in every turn
 * looks at everything that may be due; what is not due costs nothing, so no turn has to know its
 * reason.
 */
#include "pool/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/board.h"
#include "pool/handover.h"
#include "pool/notify.h"
#include "pool/pidfile.h"
#include "pool/queue.h"
#include "pool/signals.h"
#include "pool/status.h"

/* Generations --------------------------------------------------------------------------------- */

static int check_size(const struct pool_plan *plan) {
    uint64_t workers = 0;

    MUST(plan->count >= 1 && plan->count <= POOL_MAX);
    for (size_t i = 0; i < plan->count; i++) {
        MUST(plan->pools[i].workers >= 1);
        workers += plan->pools[i].workers;
    }
    /* A reload has two generations at once. */
    if (workers * 2 <= POOL_MAX_WORKERS)
        return 0;
    log_error("too many workers", F_INT("workers", (int64_t)workers),
              F_INT("most", POOL_MAX_WORKERS / 2), F_STR("cure", "lower workers in the pools"));
    return EX_CONFIG;
}

static int check_sockets(const struct pool_plan *plan) {
    struct listen_set held = {0};

    handover_note(&held);
    return listen_try(&held, plan);
}

bool pool_checks_for_master(void) {
    return handover_is_told();
}

int pool_check(const struct pool_plan *plan) {
    struct privileges privileges = {0};
    int code = check_size(plan);

    if (code == 0)
        code = privileges_find(plan->user, plan->group, &privileges);
    if (code == 0 && handover_is_told())
        code = check_sockets(plan);
    privileges_free(&privileges);
    return code;
}

static struct generation *generation_add(struct master *master, struct pool_plan *plan) {
    struct generation *generation = calloc(1, sizeof *generation);

    MUST(generation);
    generation->plan = plan;
    for (size_t i = 0; i < POOL_MAX; i++)
        generation->fds[i] = -1;
    generation->next = master->all;
    master->all = generation;
    return generation;
}

/* The plan is not touched: who has made the generation decides about it. */
static void generation_remove(struct master *master, struct generation *generation) {
    struct generation **link = &master->all;

    while (*link != generation)
        link = &(*link)->next;
    *link = generation->next;
    privileges_free(&generation->privileges);
    free(generation);
}

/* Where workers of the program before serve, it is better to have some of the sockets than to end. */
static int open_sockets(struct master *master, const struct pool_plan *plan, int fds[POOL_MAX]) {
    if (!master->taken_over || master->present)
        return listen_open(&master->sockets, plan, fds);
    listen_open_missing(&master->sockets, plan, fds);
    master->open_again_ms = clock_mono_ms() + OPEN_AGAIN_MS;
    return 0;
}

struct generation *generation_new(struct master *master, struct pool_plan *plan, int *code) {
    struct generation *made = generation_add(master, plan);

    if ((*code = check_size(plan)) == 0 &&
        (*code = privileges_find(plan->user, plan->group, &made->privileges)) == 0)
        *code = open_sockets(master, plan, made->fds);
    if (*code != 0) {
        generation_remove(master, made);
        return NULL;
    }
    made->number = ++master->last_number;
    return made;
}

const char *generation_text(const struct generation *generation) {
    static char text[POOL_MAX * 48];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < generation->plan->count; i++)
        if (generation->fds[i] >= 0 && len < sizeof text)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%.30s %u", len ? ", " : "",
                                    generation->plan->pools[i].name,
                                    generation->plan->pools[i].workers);
    return text;
}

static void set_pid_file(struct master *master, const char *path) {
    free(master->pid_file);
    master->pid_file = strdup(path);
    MUST(master->pid_file);
}

static void move_pid_file(struct master *master, const char *path) {
    if (master->pid_file && strcmp(master->pid_file, path) == 0)
        return;
    if (!pidfile_write(path))
        return; /* logged; nobody stops serving for it */
    if (master->pid_file)
        pidfile_remove(master->pid_file);
    set_pid_file(master, path);
}

void generation_takes_over(struct master *master, struct generation *generation) {
    int64_t now = clock_mono_ms();

    generation->was_ready = true;
    master->present = generation;
    if (master->ops->adopt)
        master->ops->adopt(generation->plan);
    for (struct generation *other = master->all; other; other = other->next) {
        const struct pool_plan *plan = other->plan ? other->plan : generation->plan;
        if (other != generation)
            children_order(other, SIGTERM, now + plan->shutdown_ms);
    }
    listen_keep(&master->sockets, generation->fds, false);
    listen_apply(&master->sockets, generation->plan, generation->fds);
    move_pid_file(master, generation->plan->pid_file);
    status_open(generation->plan->status_dir);
}

/* Generations without workers that nobody needs any more. */
static void sweep(struct master *master) {
    struct generation *next;

    for (struct generation *one = master->all; one; one = next) {
        struct pool_plan *plan = one->plan;
        next = one->next;
        if (one == master->present || one == master->coming || children_count(one) > 0)
            continue;
        generation_remove(master, one);
        if (plan)
            master->ops->unload(plan);
    }
}

/* Stopping ------------------------------------------------------------------------------------ */

/* They are closed: the numbers may be another descriptor's soon. */
static void forget_sockets(struct master *master) {
    for (struct generation *one = master->all; one; one = one->next)
        for (size_t i = 0; i < POOL_MAX; i++)
            one->fds[i] = -1;
}

static void stop(struct master *master, int signal_number) {
    int64_t patience = signal_number == SIGQUIT ? QUIT_MS : master->present->plan->shutdown_ms;

    if (!master->stopping) {
        log_info("stopping", F_INT("patience_ms", patience));
        notify_stopping(patience);
        upgrade_cancel(master);
        master->reload_wanted = false;
        /* No connection shall wait for somebody who will not come. */
        listen_close(&master->sockets);
        forget_sockets(master);
        board_end();
    }
    master->stopping = true;
    children_order(NULL, signal_number, clock_mono_ms() + patience);
}

/* The loop ------------------------------------------------------------------------------------ */

static void reap(struct master *master) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!upgrade_reap(master, pid, status))
            (void)children_reap(pid, status);
}

static void take_signals(struct master *master) {
    bool terminate = signals_taken(SIGTERM);
    bool interrupt = signals_taken(SIGINT);

    (void)signals_taken(SIGCHLD);
    if (signals_taken(SIGHUP))
        master->reload_wanted = !master->stopping;
    if (signals_taken(SIGUSR2))
        master->upgrade_wanted = !master->stopping;
    if (terminate || interrupt)
        stop(master, SIGTERM);
    if (signals_taken(SIGQUIT))
        stop(master, SIGQUIT);
}

void master_tells_ready(const struct master *master) {
    if (!master->stopping && master->present->was_ready)
        notify_ready(generation_text(master->present));
}

bool master_lacks(const struct master *master, size_t pool) {
    const struct generation *present = master->present;

    return listen_lacks(&master->sockets, present->plan, present->fds, pool);
}

static bool lacks_any(const struct master *master) {
    for (size_t i = 0; i < master->present->plan->count; i++)
        if (master_lacks(master, i))
            return true;
    return false;
}

/* Until then the workers of the program before serve, at their sockets. */
static void open_missing(struct master *master) {
    struct generation *present = master->present;

    if (master->coming || clock_mono_ms() < master->open_again_ms || !lacks_any(master))
        return;
    listen_open_missing(&master->sockets, present->plan, present->fds);
    master->open_again_ms = clock_mono_ms() + OPEN_AGAIN_MS;
}

/* Why the workers of the program before are still wanted, if that is worth a line. */
static const char *why_it_waits(const struct master *master) {
    if (lacks_any(master))
        return "a socket cannot be had, and is tried again every few seconds";
    if (master->present->deaths_before_ready >= READY_MAX_DEATHS)
        return "new workers die before they are ready";
    return clock_mono_ms() >= master->ready_until_ms ? "new workers do not get ready" : NULL;
}

static void tell_that_it_waits(struct master *master) {
    const char *why;

    if (!master->taken_over || master->present->was_ready || master->told_that_it_waits ||
        !(why = why_it_waits(master)))
        return;
    master->told_that_it_waits = true;
    log_error("the new program is not ready, the workers of the one before go on", F_STR("why", why),
              F_STR("cure", "mend what the lines above say, and reload; see gatehousectl status"));
}

static void first_ready(struct master *master) {
    struct generation *present = master->present;

    /* A reload that came this early decides first who takes over. */
    if (present->was_ready || master->coming || lacks_any(master) || children_wanted(present) == 0 ||
        !children_all_ready(present))
        return;
    generation_takes_over(master, present);
    log_info("ready", F_STR("workers", generation_text(present)),
             F_INT("generation", present->number));
    master_tells_ready(master);
}

/* The service manager's watchdog hears of us only while this loop runs and somebody serves; a pool
 * whose workers all die at once is no service, however well its master is.  Before the first
 * generation is ready nobody need serve: the manager limits the time of the start itself. */
static void tell_alive(struct master *master) {
    int64_t now = clock_mono_ms();

    if (master->alive_every_ms == 0 || now < master->alive_next_ms)
        return;
    master->alive_next_ms = now + master->alive_every_ms;
    if (master->stopping || !master->present->was_ready || children_serve(master->present))
        notify_alive();
}

static void serve(struct master *master) {
    first_ready(master);
    reload_go_on(master);
    upgrade_go_on(master);
    children_fill(master->present);
    if (master->coming)
        children_fill(master->coming);
}

static void look_at_queues(const struct generation *generation) {
    for (size_t i = 0; i < generation->plan->count; i++)
        if (generation->fds[i] >= 0)
            board_set_queue(generation->plan->pools[i].name, queue_length(generation->fds[i], NULL));
}

static void tick(struct master *master) {
    int64_t now = clock_mono_ms();

    if (now < master->tick_ms)
        return;
    /* Where the last tick is long ago, only one counts: perhaps the machine was paused, workers and all. */
    children_kill_hung(now - master->ticked_ms < 2 * POOL_TICK_MS ? now - master->ticked_ms
                                                                  : POOL_TICK_MS);
    if (master->ops->tick)
        master->ops->tick(master->present->plan);
    open_missing(master);
    tell_that_it_waits(master);
    look_at_queues(master->present);
    log_tell_left_out(false);
    master->ticked_ms = now;
    master->tick_ms = now + POOL_TICK_MS;
}

static void wait_for_events(const struct master *master) {
    int64_t now = clock_mono_ms();
    int64_t next = master->stopping ? children_next_ms(NULL, NULL)
                                    : children_next_ms(master->present, master->coming);
    struct pollfd fds[] = {{.fd = master->channels.poke[0], .events = POLLIN},
                           {.fd = status_fd(), .events = POLLIN}};
    struct timespec patience;
    char drained[256];

    if (master->coming && master->reload_until_ms < next)
        next = master->reload_until_ms;
    if (master->checker > 0 && master->check_until_ms < next)
        next = master->check_until_ms;
    if (master->alive_every_ms > 0 && master->alive_next_ms < next)
        next = master->alive_next_ms;
    if (!master->stopping && master->tick_ms < next)
        next = master->tick_ms;
    next = next <= now ? 0 : next - now;
    patience.tv_sec = (time_t)(next / 1000);
    patience.tv_nsec = (long)(next % 1000) * 1000000;
    if (ppoll(fds, 2, next < INT32_MAX ? &patience : NULL, signals_while_waiting()) > 0)
        while (read(fds[0].fd, drained, sizeof drained) > 0)
            ;
}

static void loop(struct master *master) {
    reap(master); /* who died while one program replaced the other */
    while (!master->stopping || children_count(NULL) > 0 || master->checker > 0) {
        wait_for_events(master);
        /* Signals first: workers that ended because all of us were told are no accidents then. */
        take_signals(master);
        reap(master);
        if (!master->stopping) {
            tick(master);
            serve(master);
        }
        children_kill_overdue();
        sweep(master);
        tell_alive(master);
        status_answer(master);
    }
}

/* Start and end ------------------------------------------------------------------------------- */

/* Opens /dev/null in place of standard descriptors that are closed: else a socket could get number 2, and be
 * sent our log. */
static void fill_standard_descriptors(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int open_channels(struct channels *channels) {
    if (channels->lifeline[0] < 0 && pipe2(channels->lifeline, O_CLOEXEC) != 0)
        return EX_OSERR;
    if (pipe2(channels->poke, O_CLOEXEC | O_NONBLOCK) != 0)
        return EX_OSERR;
    return 0;
}

/* Sockets and workers of the program before, or what a supervisor has opened. */
static int inherit(struct master *master, const struct pool_plan *plan) {
    struct generation *before = generation_add(master, NULL);
    struct handover more;

    children_init(master->ops, &master->sockets, &master->channels);
    master->taken_over = handover_take(&master->sockets, &master->channels, before, &more);
    if (!master->taken_over) {
        generation_remove(master, before);
        return listen_inherit(&master->sockets, plan);
    }
    master->last_number = more.number;
    if (more.pid_file)
        set_pid_file(master, more.pid_file);
    if (more.status_fd >= 0)
        status_take(more.status_fd, more.status_directory);
    log_info("taken over from the program before", F_INT("workers", children_count(NULL)),
             F_INT("sockets", (int64_t)master->sockets.count));
    return 0;
}

/* After a takeover there is no way back, and the process is the one that the file of before names. */
static bool write_pid_file(struct master *master, const char *path) {
    if (!master->pid_file || strcmp(master->pid_file, path) != 0)
        move_pid_file(master, path);
    else
        (void)pidfile_write(path);
    return master->taken_over || (master->pid_file && strcmp(master->pid_file, path) == 0);
}

static int start(struct master *master, struct pool_plan *plan) {
    int code = inherit(master, plan);

    if (code == 0 && (code = open_channels(&master->channels)) != 0)
        log_error("pipes cannot be made", F_ERRNO(errno), F_STR("cure", "see the limits on files"));
    if (code != 0)
        return code;
    if (!(master->present = generation_new(master, plan, &code)))
        return code;
    if (!write_pid_file(master, plan->pid_file))
        return EX_CANTCREAT;
    master->ready_until_ms = clock_mono_ms() + READY_MS;
    status_open(plan->status_dir);
    log_info("started", F_STR("workers", generation_text(master->present)), F_INT("pid", getpid()));
    children_fill(master->present);
    return 0;
}

static void close_channels(const struct channels *channels) {
    const int fds[] = {channels->lifeline[0], channels->lifeline[1], channels->poke[0],
                       channels->poke[1]};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void finish(struct master *master, struct pool_plan *plan) {
    bool owned = master->present != NULL;

    listen_close(&master->sockets);
    close_channels(&master->channels);
    status_close();
    if (master->pid_file)
        pidfile_remove(master->pid_file);
    free(master->pid_file);
    master->present = NULL;
    sweep(master);
    if (!owned)
        master->ops->unload(plan);
    program_free(&master->program);
}

int pool_run(const struct pool_ops *ops, struct pool_plan *plan, char **argv) {
    struct master master = {.ops = ops, .channels = {{-1, -1}, {-1, -1}}};
    int code;

    log_identity("master");
    /* It holds keys and passwords: no core file, and nobody of its own user looks into it. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    fill_standard_descriptors();
    signals_master();
    master.alive_every_ms = notify_alive_every_ms();
    program_find(&master.program, argv);
    master.started_ms = clock_wall_ms();
    code = start(&master, plan);
    if (code == 0) {
        loop(&master);
        log_tell_left_out(true);
        log_info("stopped");
    }
    finish(&master, plan);
    return code;
}
