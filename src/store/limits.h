/*
 * limits: how often something may happen, counted in Redis for all hosts together (the generic cell
 * rate algorithm, in one script).
 */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

#include "store/cache.h"

struct limit_result {
    int64_t remaining;      /* how many more are allowed right now */
    int64_t retry_after_ms; /* until one more is, when none is */
    int64_t reset_ms;       /* until all are again */
};

/* name: of the limit ("login_address"); subject: an address or a canonical account name.
 * cost: how many to take; 0 only looks whether one would be allowed. */
struct ask *limits_ask(struct cache *cache, struct arena *arena, const char *name,
                       const char *subject, struct conf_rate rate, int64_t cost);
/* NO: not allowed now. */
enum answer limits_answer(const struct ask *ask, struct limit_result *result);

#endif
