/*
 * children: the master's workers.  Forks them, notices their deaths, replaces them, sends them off.
 *
 * A generation is what one plan has brought to life: a reload starts a new one beside the present
 * one, and the old one ends with its last worker.
 */
#ifndef POOL_CHILDREN_H
#define POOL_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pool/listen.h"
#include "pool/pool.h"
#include "pool/privileges.h"
#include "pool/proto.h"

/* How long a pool waits before the next birth. */
struct back_off {
    int64_t delay_ms;
    int64_t not_before_ms;
    int64_t last_death_ms; /* of a young one; 0: none yet */
};

struct generation {
    struct generation *next; /* the master's list */
    uint32_t number;
    struct pool_plan *plan; /* NULL: workers taken over from the program before */
    struct privileges privileges;
    int fds[POOL_MAX]; /* -1: the pool is off */
    struct back_off back_off[POOL_MAX];
    unsigned deaths_before_ready;
    bool was_ready;
};

struct child {
    pid_t pid; /* 0: the slot is free */
    struct generation *generation;
    unsigned pool;
    unsigned number; /* in its pool, from 1 */
    int64_t born_ms;
    int64_t kill_ms; /* 0: no end is set */
    bool ordered;    /* to drain or to quit */
    uint64_t beats;  /* what its slot said last … */
    int64_t still_ms; /* … and for how long */
    char identity[48];
};

/* What all children share with the master. */
struct channels {
    int lifeline[2];
    int poke[2];
};

/* Remembers what workers need; the arguments outlive all children. */
void children_init(const struct pool_ops *ops, const struct listen_set *set,
                   const struct channels *channels);

/* Forks what the generation lacks and its back-off permits. */
void children_fill(struct generation *generation);
/* A process that waitpid returned; false: no worker of ours. */
bool children_reap(pid_t pid, int status);
/* Orders workers of one generation (NULL: of all): SIGTERM once, or SIGQUIT; they are killed at
 * kill_ms (clock_mono_ms), which a later order never postpones. */
void children_order(const struct generation *generation, int signal_number, int64_t kill_ms);
/* Kills workers that were ordered to end and have not by their kill_ms. */
void children_kill_overdue(void);
/* Kills workers that stand still, also before they are ready: a deadlock, a library that waits without end,
 * a process that somebody stopped.  passed_ms: the time since the last call, as far as this process ran in
 * it: a machine that was paused is no reason. */
void children_kill_hung(int64_t passed_ms);

/* How many exist (NULL: of all generations), how many the plan wants in pools that are on, how many
 * slots are free. */
unsigned children_count(const struct generation *generation);
unsigned children_wanted(const struct generation *generation);
unsigned children_free_slots(void);
/* Whether everyone whom the plan wants exists and has called worker_ready. */
bool children_all_ready(const struct generation *generation);
/* Whether each pool that is on has a worker that can serve. */
bool children_serve(const struct generation *generation);
/* The next time (clock_mono_ms) that something is due here, or INT64_MAX. */
int64_t children_next_ms(const struct generation *present, const struct generation *coming);

/* The slot's child, or NULL when it is free; slot is below POOL_MAX_WORKERS. */
const struct child *children_at(unsigned slot);
/* Takes over a worker that the program before has forked. */
void children_adopt(struct generation *generation, const struct child *worker);

/* worker.c: what a child is from fork to exit. */
_Noreturn void worker_main(const struct pool_ops *ops, const struct listen_set *set,
                           const struct channels *channels, const struct child *child,
                           unsigned slot);

#endif
