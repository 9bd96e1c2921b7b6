/*
 * limits: how often something may happen, counted in Redis for all hosts together (the generic cell
 * rate algorithm, in one script).
 *
 *   ratelimit:<limit>:<subject>  the time in microseconds at which the limit is unused again
 *   login_known:<account>        sorted set of places by when somebody last signed in from there
 */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

#include "store/cache.h"

struct limit_result {
    const char *name; /* of the limit, as its option in [limit] */
    struct conf_rate rate;
    bool allowed;
    int64_t remaining;      /* how many more are allowed right now */
    int64_t retry_after_ms; /* until one more is, when none is */
    int64_t reset_ms;       /* until all are again */
};

/* name: of the limit ("login_address"); subject: an address or a canonical account name.
 * cost: how many to take; 0 only looks whether one would be allowed. */
struct ask *limits_ask(struct cache *cache, struct arena *arena, const char *name,
                       const char *subject, struct conf_rate rate, int64_t cost);
/* NO: not allowed now.  name and rate of the result are the caller's to fill. */
enum answer limits_answer(const struct ask *ask, struct limit_result *result);

/* Whom a login is counted for; a place is an account seen from an address, as one digest. */
struct login_subject {
    const char *address;
    const char *account, *place; /* NULL: no account is at stake */
};
struct login_rates {
    struct conf_rate address, account, failures;
};
struct login_limits {
    bool known;    /* somebody signed in to the account from this place before */
    bool besieged; /* known, and a stranger would be refused */
    size_t count;  /* of limits: 3, or 1 where no account is at stake */
    struct limit_result limits[3];    /* address, account, failures */
    struct limit_result strangers[2]; /* account and failures for a place that is not known */
};
/* Counts one login against all its limits, in one question.  life_ms: for how long a place is known. */
struct ask *limits_login_ask(struct cache *cache, struct arena *arena,
                             const struct login_subject *subject, const struct login_rates *rates,
                             int64_t life_ms);
/* YES: every limit that counts for this way in has let it pass; NO: one has not.  Either way *limits is
 * filled, with the rates that it was asked with; UNKNOWN: Redis could not be asked, and *limits says
 * nothing. */
enum answer limits_login_answer(const struct ask *ask, const struct login_rates *rates,
                                struct login_limits *limits);

/* Somebody signed in from this place: it is known from now on, and at most `most` places are.  counted: what
 * this way in has used up of its limits is given back; known: it was the way of a known place, not that of
 * strangers. */
void limits_login_good(struct cache *cache, struct arena *arena,
                       const struct login_subject *subject, bool counted, bool known,
                       int64_t life_ms, int64_t most);

/* What was used up of the account's limits, from whatever place, is given back. */
void limits_login_lift(struct cache *cache, struct arena *arena, const char *account);

#endif
