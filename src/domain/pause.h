/*
 * pause: when to try again what nobody waits for (domain/audit.c, domain/last_login.c), which is written to
 * MariaDB after the answers were sent.  Where MariaDB is slow, hangs, or has a table locked, such tries must
 * not take a worker's whole time: after one that failed and took long there is a pause of five times as long.
 */
#ifndef DOMAIN_PAUSE_H
#define DOMAIN_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* At most so many rows share a statement, since it and its commit cost more than the rows, and they wait at
 * most so long while others are served: all of these are lost with a worker that is killed. */
#define WRITE_TOGETHER    64
#define WRITE_TOGETHER_MS 250

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 10000

/* All zeros: there is none. */
struct pause {
    int64_t until; /* clock_mono_ms */
};

/* A try that began at that clock_mono_ms has failed just now.  least_ms: how long to pause (0: not at all)
 * where five times the try would be less than PAUSE_MIN_MS; in no case more than PAUSE_MAX_MS. */
void pause_after(struct pause *pause, int64_t begun, int64_t least_ms);
/* Whether nothing is to be tried yet. */
bool pause_goes_on(const struct pause *pause);

#endif
