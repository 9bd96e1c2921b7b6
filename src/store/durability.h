/*
 * durability: whether Redis keeps what it is told.  The service works with any settings of Redis; with
 * some, people are signed out when its memory is full or when it crashes, which its administrator should
 * know.
 */
#ifndef STORE_DURABILITY_H
#define STORE_DURABILITY_H

#include "store/cache.h"

struct durability {
    char policy[32]; /* maxmemory-policy */
    bool evicts;     /* it is one that drops keys */
    bool appends;    /* there is an append-only file */
};

/* Asks Redis; false: it does not say (INFO is forbidden to us, or it is away).  Logs nothing. */
bool durability_ask(struct cache *cache, struct arena *arena, struct durability *out);
/* A warning in the log for each setting that loses something, with what to do. */
void durability_warn(const struct durability *durability);

#endif
