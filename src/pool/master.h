/*
 * master: what its parts share (master.c the loop, reload.c SIGHUP, upgrade.c SIGUSR2).
 */
#ifndef POOL_MASTER_H
#define POOL_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pool/children.h"
#include "pool/listen.h"
#include "pool/pool.h"
#include "pool/program.h"

struct master {
    const struct pool_ops *ops;
    struct program program;
    struct listen_set sockets;
    struct channels channels;
    char *pid_file;

    struct generation *all;     /* every one that still has a worker or will have */
    struct generation *present; /* the one that serves, or will when it is ready */
    struct generation *coming;  /* a reload's, until it is ready */
    uint32_t last_number;
    bool taken_over; /* the first generation follows workers of the program before … */
    bool told_that_it_waits; /* … and is not ready to take their place */
    int64_t ready_until_ms, open_again_ms;

    bool reload_wanted;
    int64_t reload_until_ms;

    bool upgrade_wanted;
    bool upgrade_checked; /* the new program may be executed */
    pid_t checker;        /* 0: none */
    int64_t check_until_ms;

    int64_t alive_every_ms; /* 0: no watchdog is to be told */
    int64_t alive_next_ms;

    int64_t tick_ms;   /* when the next tick is due */
    int64_t ticked_ms; /* when the last one was */

    int64_t started_ms; /* clock_wall_ms */

    bool stopping;
};

/* master.c: a generation of this plan, at the head of the list, with sockets; right after a takeover
 * perhaps without some.  Owns the plan on success.  NULL: code says why, logged. */
struct generation *generation_new(struct master *master, struct pool_plan *plan, int *code);
/* Everyone of this generation is ready: all others are told to finish; their sockets go. */
void generation_takes_over(struct master *master, struct generation *generation);
/* "web 4, login 2", for the log and the service manager. */
const char *generation_text(const struct generation *generation);
/* Whether this pool of the present plan has no socket although it is to have one. */
bool master_lacks(const struct master *master, size_t pool);
/* Ready again, or still. */
void master_tells_ready(const struct master *master);

/* reload.c: called in every turn of the loop. */
void reload_go_on(struct master *master);
/* upgrade.c: the same for SIGUSR2. */
void upgrade_go_on(struct master *master);
/* A process that waitpid returned; false: it is not the one that checks the new program. */
bool upgrade_reap(struct master *master, pid_t pid, int status);
/* Ends a check that is under way. */
void upgrade_cancel(struct master *master);

#endif
