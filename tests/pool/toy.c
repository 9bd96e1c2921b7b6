/*
 * toy: a program of the pool whose workers answer lines, for test_pool.py.
 *
 *   toy PLAN [-T]      -T reads the plan and exits: 0, or 78 when it is refused
 *
 * PLAN is read anew for each reload; a line is a word and its arguments:
 *   pool NAME LISTEN WORKERS [MODE [OWNER [GROUP]]]   LISTEN "-": the pool is off
 *   tag TEXT, pid_file PATH, status_dir PATH, shutdown MS, user NAME, group NAME
 *   refuse             this plan is refused
 *   hang MS            a worker that stands still for so long is killed
 *   die                work() returns 3 at once, before it is ready
 *   die_if PATH        the same, while there is a file PATH
 *   never              work() never calls worker_ready
 *   stall_if PATH      work() stands still before it is ready, while there is a file PATH
 *
 * A worker answers one line for each connection: "hello" and "slow MS" (answered that much later)
 * with "POOL PID TAG UID", "deaths" with how many workers of its pool ended unasked, "scribble" after
 * writing all over what it shares with the master, "exit CODE" with nothing.  Of a slow one the log says
 * when it has begun.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/board.h"

struct toy {
    struct pool_plan plan;
    char texts[POOL_MAX][4][256];
    char tag[32], pid_file[128], status_dir[128], user[32], group[32], die_if[128], stall_if[128];
    bool refuse, die, never;
};

static const char *plan_path;

static void read_pool(struct toy *toy, const char *line) {
    struct pool_spec *pool = &toy->plan.pools[toy->plan.count];
    char(*text)[256] = toy->texts[toy->plan.count];
    unsigned mode = 0600;

    if (toy->plan.count == POOL_MAX || sscanf(line, "pool %255s %255s %u %o %255s %255s", text[0],
                                              text[1], &pool->workers, &mode, text[2], text[3]) < 3)
        return;
    if (strcmp(text[1], "-") == 0)
        text[1][0] = '\0';
    pool->name = text[0];
    pool->listen = text[1];
    pool->owner = text[2];
    pool->group = text[3];
    pool->mode = (mode_t)mode;
    pool->backlog = 128;
    toy->plan.count++;
}

static void read_line(struct toy *toy, const char *line) {
    long long ms;

    read_pool(toy, line);
    (void)sscanf(line, "tag %31s", toy->tag);
    (void)sscanf(line, "pid_file %127s", toy->pid_file);
    (void)sscanf(line, "status_dir %127s", toy->status_dir);
    (void)sscanf(line, "user %31s", toy->user);
    (void)sscanf(line, "group %31s", toy->group);
    if (sscanf(line, "shutdown %lld", &ms) == 1)
        toy->plan.shutdown_ms = ms;
    if (sscanf(line, "hang %lld", &ms) == 1)
        toy->plan.hang_ms = ms;
    toy->refuse |= strncmp(line, "refuse", 6) == 0;
    (void)sscanf(line, "die_if %127s", toy->die_if);
    (void)sscanf(line, "stall_if %127s", toy->stall_if);
    toy->die |= strcmp(line, "die\n") == 0;
    toy->never |= strncmp(line, "never", 5) == 0;
}

static void unload(struct pool_plan *plan) {
    free(plan->world);
}

static struct pool_plan *load(void) {
    struct toy *toy = calloc(1, sizeof *toy);
    FILE *file = fopen(plan_path, "re");
    char line[1200];

    MUST(toy && file);
    toy->plan.shutdown_ms = 5000;
    toy->plan.world = toy;
    toy->plan.user = toy->user;
    toy->plan.group = toy->group;
    toy->plan.pid_file = toy->pid_file;
    toy->plan.status_dir = toy->status_dir;
    while (fgets(line, sizeof line, file))
        read_line(toy, line);
    fclose(file);
    if (toy->refuse) {
        log_error("toy refuses");
        free(toy);
        return NULL;
    }
    return &toy->plan;
}

/* Sleeps on although orders come: a request that has begun is finished, unless told to quit. */
static bool busy(const struct worker *worker, long ms) {
    int64_t until = clock_mono_ms() + ms;
    struct pollfd told = {.fd = worker->control_fd, .events = POLLIN};
    int64_t left;

    while ((left = until - clock_mono_ms()) > 0)
        if (poll(&told, 1, (int)left) > 0 && worker_told(worker) == WORKER_QUIT)
            return false;
    return true;
}

static unsigned long deaths_in(const char *pool) {
    struct pool_state states[BOARD_POOLS];
    size_t count = pool_states(states, BOARD_POOLS);

    for (size_t i = 0; i < count; i++)
        if (strcmp(states[i].name, pool) == 0)
            return states[i].deaths;
    return 0;
}

static void answer(const struct worker *worker, int fd, const char *line) {
    const struct toy *toy = worker->plan->world;
    char text[256];
    long ms = 0;
    int code;

    if (sscanf(line, "exit %d", &code) == 1)
        _exit(code);
    if (strncmp(line, "scribble", 8) == 0)
        memset((void *)board_slot(0), 0xff, sizeof(struct board_slot) * POOL_MAX_WORKERS);
    if (sscanf(line, "slow %ld", &ms) == 1)
        log_info("a slow request has begun");
    if (ms > 0 && !busy(worker, ms))
        return;
    snprintf(text, sizeof text, "%s %ld %s %ld\n", worker->pool->name, (long)getpid(), toy->tag,
             (long)getuid());
    if (strncmp(line, "deaths", 6) == 0)
        snprintf(text, sizeof text, "%lu\n", deaths_in(worker->pool->name));
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* False: nobody waits. */
static bool serve_one(const struct worker *worker, uint64_t *served) {
    char line[256];
    int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return false;
    worker_busy(worker, clock_mono_ms());
    if ((len = recv(fd, line, sizeof line - 1, 0)) > 0) {
        line[len] = '\0';
        answer(worker, fd, line);
        worker_served(worker, ++*served);
    }
    close(fd);
    worker_busy(worker, 0);
    return true;
}

static int work(const struct worker *worker) {
    const struct toy *toy = worker->plan->world;
    struct pollfd fds[] = {{.fd = worker->listen_fd, .events = POLLIN},
                           {.fd = worker->control_fd, .events = POLLIN}};
    uint64_t served = 0;

    if (toy->die || (toy->die_if[0] && access(toy->die_if, F_OK) == 0))
        return 3;
    while (toy->stall_if[0] && access(toy->stall_if, F_OK) == 0)
        (void)poll(NULL, 0, 20);
    if (!toy->never)
        worker_ready(worker);
    while (worker_told(worker) == WORKER_GO_ON) {
        int wait_ms = toy->plan.hang_ms > 0 ? (int)toy->plan.hang_ms / 4 : -1;
        worker_beat(worker);
        if (poll(fds, 2, wait_ms) > 0 && fds[0].revents && !fds[1].revents)
            (void)serve_one(worker, &served);
    }
    while (worker_told(worker) == WORKER_CLOSE && serve_one(worker, &served))
        ;
    return 0;
}

int main(int argc, char **argv) {
    const struct pool_ops ops = {.load = load, .unload = unload, .work = work};
    struct pool_plan *plan;

    if (argc < 2)
        return EX_USAGE;
    plan_path = argv[1];
    if (!(plan = load()))
        return EX_CONFIG;
    if (strcmp(argv[argc - 1], "-T") == 0) {
        int code = pool_check(plan);
        unload(plan);
        return code;
    }
    return pool_run(&ops, plan, argv);
}
