/*
 * throttle: how often something may be tried, by one address, for one account, by one user.  Counted in
 * Redis, for all hosts together.  IPv6 addresses of one /64 count as one: a client can have as many of them
 * as it likes.
 *
 * An account is named by what was typed, whether there is such an account or not, so that a limit
 * tells nobody who exists.  Guessing slows it down for strangers; addresses that signed in to it
 * before are counted apart, each for itself, so that no stranger can lock its owner out.
 */
#ifndef DOMAIN_THROTTLE_H
#define DOMAIN_THROTTLE_H

#include "domain/realm.h"
#include "store/limits.h"

/* A limit that was asked about; ask is NULL when limits are off. */
struct throttle {
    struct ask *ask;
    bool login;             /* the several limits of a login; else the one limit below */
    bool looks;             /* nothing was taken from it, or not by itself: counted where it refuses */
    struct limit_result of; /* name and rate of the one limit */
};

struct throttle_result {
    struct login_limits all; /* the limits of this try; only one where it is no login */
    int64_t retry_after_ms;  /* where it was refused: how long to wait until the next try */
};

/* address: the client's; account: canonical email or username, NULL where none is at stake. */
struct throttle throttle_login_ask(const struct realm *realm, struct arena *arena,
                                   const char *address, const char *account);
struct throttle throttle_register_ask(const struct realm *realm, struct arena *arena,
                                      const char *address);
struct throttle throttle_refresh_ask(const struct realm *realm, struct arena *arena,
                                     const char *address);
struct throttle throttle_profile_ask(const struct realm *realm, struct arena *arena,
                                     const char *user_id);
/* A client's id (as it was given, whether there is such a client or not) with a wrong secret.  By both,
 * since many services may share one address; NULL: all ids from there together.  cost 0 only looks
 * whether a further failure would be allowed. */
struct throttle throttle_client_ask(const struct realm *realm, struct arena *arena,
                                    const char *address, const char *id, int cost);
/* After cache_flush.  NO: not now; *result says for how long.  It is filled with YES too, and holds no limit
 * where limits are off or nobody can tell. */
enum answer throttle_answer(const struct realm *realm, const struct throttle *throttle,
                            struct throttle_result *result);

/*
 * The password was wrong.  True: a stranger would have been refused without a look at it, and *result
 * says now what a stranger is told; whoever shares an address with the owner shall not learn more.
 */
bool throttle_is_besieged(struct throttle_result *result);

/* The right password was given: this way's count begins anew, and the address is known from now on.
 * other: another name of the same account, or NULL.  Asked at the next flush. */
void throttle_forgive(const struct realm *realm, struct arena *arena, const char *address,
                      const char *account, const char *other,
                      const struct throttle_result *result);

/* An administrator lets the account's owner in again, under each of its names (NULL: it has no such name).
 * Asked at the next flush. */
void throttle_lift(const struct realm *realm, struct arena *arena, const char *account,
                   const char *other);

/* The limits by the number that metrics know them by; NULL: there are no more. */
const char *throttle_limit_name(unsigned number);

/* The subject that an address is counted as: itself, or its /64 ("2001:db8:1:2::/64"). */
const char *throttle_subject(struct arena *arena, const char *address);

#endif
