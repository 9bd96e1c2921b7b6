/*
 * serve: one worker's life: stores, loop, api; between the pool that keeps it and what it serves.
 */
#ifndef SERVE_H
#define SERVE_H

#include "domain/key_board.h"
#include "domain/site.h"
#include "pool/pool.h"

/* One generation of the service: what main.c makes of a configuration. */
struct generation {
    struct pool_plan plan;
    struct site *site;
    struct site_gates *gates;
    const struct key_board *keys; /* what the master found among the keys since */
};

/* For struct pool_ops; the plan's world is the generation. */
int serve_work(const struct worker *worker);

#endif
