/*
 * rest: how what nobody waits for is written to MariaDB, after the answers were sent.  Many together, as
 * a statement and its commit cost more than the rows.  It must not take a worker's whole time where
 * MariaDB is slow, hangs, or has a table locked: after a try that failed and took long it is left alone
 * for five times as long.
 */
#ifndef DOMAIN_REST_H
#define DOMAIN_REST_H

#include <stdbool.h>
#include <stdint.h>

/* So many at the most share a statement, and wait so long at the most while others are served: all of
 * these are lost with a worker that is killed. */
#define REST_TOGETHER    64
#define REST_TOGETHER_MS 250

#define REST_MIN_MS 1000
#define REST_MAX_MS 10000

/* All zeros: no rest. */
struct rest {
    int64_t until; /* clock_mono_ms */
};

/* A try that began at that clock_mono_ms has failed just now; least_ms: how long it rests in any case,
 * 0: not at all after one that failed in less than a fifth of REST_MIN_MS. */
void rest_after(struct rest *rest, int64_t begun, int64_t least_ms);
/* Whether nothing is to be tried yet. */
bool rest_goes_on(const struct rest *rest);

#endif
