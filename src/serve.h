/*
 * serve: one worker's life: stores, loop, api; between the pool that keeps it and what it serves.
 */
#ifndef SERVE_H
#define SERVE_H

#include "domain/key_board.h"
#include "domain/site.h"
#include "pool/pool.h"

/* What main.c makes of a configuration, at the start and at each reload; a generation of workers
 * (pool/children.h) runs it. */
struct service {
    struct pool_plan plan;
    struct site *site;
    struct site_gates *gates;
    const struct key_board *keys; /* what the master found among the keys since */
};

/* A worker's work for struct pool_ops; the plan's world is the service.  Returns the exit code. */
int serve_work(const struct worker *worker);

#endif
