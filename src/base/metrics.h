/*
 * metrics: what is counted while the service runs, for /metrics.
 *
 * Each worker counts in a slot of its own, in memory that all of them share; a slot has one writer at
 * a time, so counting is a plain addition without a lock.  Whoever is asked adds the slots up.  A
 * worker's successor goes on where it ended, so sums never fall (but for SIGUSR2, after which all
 * start from zero; Prometheus knows such resets).
 *
 * With -DMETRICS_OFF nothing is counted and no time is taken: for `./dev bench metrics`, which says what
 * counting costs.
 *
 * This room counts by number; api/handle_metrics.c knows what the numbers stand for.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* How many routes, statuses and so on can be told apart; numbers beyond count as the last. */
#define METRICS_ROUTES   40
#define METRICS_STATUSES 20
#define METRICS_REASONS  48
#define METRICS_LIMITS   12

/* What durations are kept of, besides those of requests. */
enum metrics_timer { TIMER_REDIS, TIMER_MARIADB, TIMER_HASH, TIMER_COUNT };

/* Durations are sorted into those up to 100 µs, 250 µs, 500 µs, 1 ms … 5 s, and longer ones. */
#define METRICS_BOUNDS                                                                             \
    { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,       \
      2500000, 5000000 }
#define METRICS_BUCKETS 16

struct metrics_histogram {
    uint64_t buckets[METRICS_BUCKETS]; /* the last: longer than the last bound */
    uint64_t sum_us;
};

/* Events that have no dimension of their own. */
enum metrics_event {
    EVENT_REDIS_ERROR,     /* Redis could not be asked, or refused a command */
    EVENT_REDIS_CONNECT,   /* a connection was made */
    EVENT_MARIADB_ERROR,
    EVENT_MARIADB_CONNECT,
    EVENT_BATCH,           /* requests / batches: how much shares a round trip */
    EVENT_TOKEN_CACHED,    /* a token's signature was known */
    EVENT_TOKEN_VERIFIED,  /* … had to be checked */
    EVENT_LOG_LOST,        /* a log line could not be written */
    EVENT_AUDIT_LOST,      /* an event could not be recorded in the audit trail */
    EVENT_REDIS_WENT_BACK, /* Redis had lost what it had acknowledged */
    EVENT_DESCRIPTORS,     /* a connection was given up for want of file descriptors */
    EVENT_RELOAD_DONE,     /* the master's from here on: SIGHUP was followed */
    EVENT_RELOAD_REFUSED,  /* … or not, and the old configuration goes on */
    EVENT_UPGRADE_REFUSED, /* SIGUSR2 was not followed, and the old program goes on */
    EVENT_KEYS_REFUSED,    /* changed keys could not be taken up */
    EVENT_WORKER_HUNG,     /* a worker stood still and was killed */
    EVENT_CLOCK_SET,       /* the wall clock was set */
    EVENT_COUNT
};

/* All of it; one for each slot, and what sums are handed out in. */
struct metrics {
    uint64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    struct metrics_histogram durations[METRICS_ROUTES];
    uint64_t refusals[METRICS_REASONS];  /* errors by code, of all routes */
    uint64_t decisions[METRICS_REASONS]; /* of checks: 0 allowed, 1 + error code */
    uint64_t limits[METRICS_LIMITS][2];  /* by limit: passed, limited */
    struct metrics_histogram timers[TIMER_COUNT];
    uint64_t events[EVENT_COUNT];
};

/* How much shared, zeroed memory slots need; to be given to metrics_share before any fork.  Until
 * then, and in tools, counts go to memory of the process's own. */
size_t metrics_size(unsigned slots);
void metrics_share(void *memory, unsigned slots);
/* The master counts too; workers follow in the order of the board. */
#define METRICS_OF_MASTER          0
#define METRICS_OF_WORKER(on_board) (1 + (on_board))
/* This process counts in that slot from now on. */
void metrics_take_slot(unsigned slot);

/* The time by which counted durations are measured: clock_mono_us; 0 with -DMETRICS_OFF. */
int64_t metrics_clock(void);
/* A request was answered after us microseconds.  route: routes_index; status: reply_status_index. */
void metrics_request(unsigned route, unsigned status, int64_t us);
/* An error was answered; reason: its enum error_code. */
void metrics_refusal(unsigned reason);
/* A check was answered; reason: 0 where it was allowed, else 1 + its enum error_code. */
void metrics_decision(unsigned reason);
/* A limit was asked about; limit: its number as throttle_limit_name has it; limited: it refused. */
void metrics_limit(unsigned limit, int limited);
/* Around what is timed: this process is at it now; it is done and took so long. */
void metrics_begin(enum metrics_timer which);
void metrics_timer(enum metrics_timer which, int64_t us);
/* It happened count times. */
void metrics_event(enum metrics_event which, uint64_t count);
/* Microseconds of all durations counted in this slot so far: differences say what a piece of work
 * took. */
int64_t metrics_spent(enum metrics_timer which);

/* What the process of a slot is at, an enum metrics_timer; -1: none of them. */
int metrics_doing(unsigned slot);

/* Adds all slots up; *sum need not be zeroed. */
void metrics_sum(struct metrics *sum);
/* How many durations were counted. */
uint64_t metrics_histogram_count(const struct metrics_histogram *histogram);
/* The bound in microseconds that this percentage of the durations keeps; -1: none does, 0: there are
 * no durations. */
int64_t metrics_histogram_part(const struct metrics_histogram *histogram, unsigned percent);

#endif
