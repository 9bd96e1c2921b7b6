/*
 * pool: keeps workers alive.  The master opens sockets, forks, watches, reloads and stops; it opens
 * no store and never reads a byte that came from the network.
 *
 * main.c gives it the callbacks of struct pool_ops; the pool knows nothing else of what workers do.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POOL_MAX         8
#define POOL_TICK_MS     250
#define POOL_MAX_WORKERS 1024 /* of all pools together, two generations included */

/* One pool of alike workers on a socket of its own.  Texts are borrowed from the plan's world. */
struct pool_spec {
    const char *name;
    const char *listen; /* "/path", "ADDRESS:PORT", "[ADDRESS]:PORT"; empty: the pool is off */
    unsigned workers;   /* at least 1 */
    int backlog;
    const char *owner, *group; /* of a Unix socket; empty: unchanged */
    mode_t mode;
};

/* What the master is to keep running; one for each generation of the configuration. */
struct pool_plan {
    struct pool_spec pools[POOL_MAX];
    size_t count;
    const char *user, *group; /* what workers of a root master become; empty user: see conf */
    const char *pid_file;     /* empty: none */
    const char *status_dir;   /* where the master says how it is; empty or NULL: nowhere */
    int64_t shutdown_ms;      /* how long a stopping worker may take; then it is killed */
    int64_t hang_ms;          /* a worker without worker_beat for so long is killed, START_HANGS times that
                                 before it is ready; 0: none is */
    void *world;              /* main.c's own */
};

/* What a worker is told when it starts. */
struct worker {
    const struct pool_plan *plan;
    const struct pool_spec *pool;
    unsigned slot;   /* of the board */
    int listen_fd;   /* non-blocking, close-on-exec; shared with the pool's other workers */
    /* Where workers that are retired by a reload send the connections they kept, one descriptor a
     * message (SCM_RIGHTS): out to send, in to take them; both may be -1.  When nobody succeeds them
     * sending fails with EPIPE. */
    int pass_in_fd, pass_out_fd;
    int control_fd;  /* readable when there is something to be told: see worker_told */
    unsigned number;      /* in its pool, from 1; a successor takes the number of the dead */
    const char *identity; /* "web/3", for the log */
};

struct json_object;

struct pool_ops {
    /* Master: reads the configuration anew and makes everything ready that can fail; NULL: refused,
     * and the log says why.  Called for each reload; the first plan is given to pool_run. */
    struct pool_plan *(*load)(void);
    void (*unload)(struct pool_plan *plan);
    /* What a process has only once, such as its log, is from now on as this plan says: in the master when
     * the plan takes over, in a child when it is born.  NULL: there is nothing. */
    void (*adopt)(const struct pool_plan *plan);
    /* Master: called every POOL_TICK_MS or so while it serves, with the plan in force, for what has to
     * be watched with the master's rights; it must be quick.  NULL: nothing is. */
    void (*tick)(const struct pool_plan *plan);
    /* Master: adds to what the pool says about itself (status.h) what main.c knows.  NULL: nothing. */
    void (*report)(struct json_object *object);
    /* Child: privileges are dropped already.  Calls worker_ready, serves until worker_told says to
     * stop; what it returns is the exit code (0: as told). */
    int (*work)(const struct worker *worker);
};

/*
 * Runs until stopped; returns the exit code (0, or a sysexits code when nothing could be started).
 * The plan is unloaded in any case.  Workers never return from here: they end with _exit.  argv is
 * the program's own, for SIGUSR2.  The signals:
 *   SIGHUP   load anew; start a new generation of workers, then retire the old; all or nothing
 *   SIGUSR2  check the program file with -T, then execute it in place, keeping sockets and workers
 *   SIGTERM, SIGINT  stop: workers finish what they have begun, at most shutdown_ms
 *   SIGQUIT  stop at once
 */
int pool_run(const struct pool_ops *ops, struct pool_plan *plan, char **argv);

/*
 * What can be known of a plan without serving: worker counts, and as root the workers' user and group;
 * where a master that was sent SIGUSR2 has started this check, also whether the sockets that the master
 * does not have yet can be had.  0, or a sysexits code after an error was logged.  For -T, so that it is
 * found out while the old program still serves.
 */
int pool_check(const struct pool_plan *plan);
/* Whether this process is such a check: what it has to say belongs into the service's log. */
bool pool_checks_for_master(void);

/* Master: whether workers of the program before, which SIGUSR2 has replaced, still live.  Nothing that this
 * process shares with its workers reaches them. */
bool pool_has_former_workers(void);

/* In a worker -------------------------------------------------------------------------------- */

enum worker_order { WORKER_GO_ON, WORKER_DRAIN, WORKER_CLOSE, WORKER_QUIT };

/* The latest order; call when control_fd is readable.  WORKER_DRAIN: accept nothing more, close
 * listen_fd (after a master's death its successor needs the address), finish what has begun,
 * return.  WORKER_CLOSE: the same, but nobody comes after: what waits at listen_fd by now is accepted
 * first, or nobody ever does.  WORKER_QUIT: return now.  The master's death is WORKER_DRAIN. */
enum worker_order worker_told(const struct worker *worker);
/* This worker can serve now; the master waits for it before it retires another generation. */
void worker_ready(const struct worker *worker);
/* The worker goes on: at least every hang_ms / 4, with or without work; before it is ready now and then. */
void worker_beat(const struct worker *worker);
/* For the board: how many requests it has answered since its birth. */
void worker_served(const struct worker *worker, uint64_t requests);
/* For the board: since when it has been at a request (clock_mono_ms); 0: it is idle. */
void worker_busy(const struct worker *worker, int64_t since_mono_ms);
/*
 * Long work goes by turns, so that one of several workers is always there for short work: all but
 * one of a pool's workers may have a turn at a time (a single one always has), and who waited
 * longest is next.  Ends the turn that was had; wanted: asks for another, false if that has to
 * wait.  A worker that goes on waiting asks again every few milliseconds; one that is dead holds
 * nobody up, and one that is stuck not for long.
 */
bool worker_turn(const struct worker *worker, bool wanted);

/*
 * What fills a processor for a while: at most so many workers of all pools and generations do it at once.
 * Returns when this one may, after PERMIT_WAIT_MS in any case: nobody is locked out by one that is stuck.
 * Beats while it waits.
 */
void worker_permit(const struct worker *worker, unsigned most);
/* It is done; nothing happens where none was had. */
void worker_permit_end(const struct worker *worker);

/* How many connections wait at the worker's listening socket; -1: the system does not say. */
int64_t worker_waiting(const struct worker *worker);

/* The shared board -------------------------------------------------------------------------- */

/*
 * Memory that is zeroed, shared by the master and every worker, and survives their generations
 * (not SIGUSR2, after which it starts from zero).  Call before pool_run; never freed.
 */
void *pool_shared_memory(size_t size);

/* A pool as it is now, for whoever reports on it; any of the processes may ask. */
struct pool_state {
    char name[32];
    unsigned workers; /* alive, of every generation */
    unsigned busy;    /* … with a request at hand */
    uint64_t deaths;  /* of workers, unasked, since the master started or was replaced */
    int64_t queue;    /* connections that wait to be accepted, as of the last tick; -1: not known */
};
/* Fills at most max; returns how many. */
size_t pool_states(struct pool_state *out, size_t max);

#endif
