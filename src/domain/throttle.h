/*
 * throttle: how often whom may try what.  Counted for all hosts together in Redis; an IPv6 client
 * is its /64, since it can have as many addresses in there as it likes.
 */
#ifndef DOMAIN_THROTTLE_H
#define DOMAIN_THROTTLE_H

#include "domain/realm.h"
#include "store/limits.h"

/* A limit that was asked about; all ask NULL when limits are off. */
struct throttle {
    struct ask *by_address, *by_account;
};

/* address: the client's; account: canonical email or username, NULL where none is at stake. */
struct throttle throttle_login_ask(const struct realm *realm, struct arena *arena,
                                   const char *address, const char *account);
struct throttle throttle_register_ask(const struct realm *realm, struct arena *arena,
                                      const char *address);
struct throttle throttle_refresh_ask(const struct realm *realm, struct arena *arena,
                                     const char *address);
/* A client's id (as it was given) with a wrong secret.  By both, since many services may share one
 * address.  cost 0 only looks whether a further failure would be allowed. */
struct throttle throttle_client_ask(const struct realm *realm, struct arena *arena,
                                    const char *address, const char *id, int cost);
/* After cache_flush.  NO: not now; *result says for how long. */
enum answer throttle_answer(const struct throttle *throttle, struct limit_result *result);

/* The right password was given: the account's count begins anew.  Asked at the next flush. */
void throttle_forgive(const struct realm *realm, struct arena *arena, const char *account);

/* The subject that an address is counted as: itself, or its /64 ("2001:db8:1:2::/64"). */
const char *throttle_subject(struct arena *arena, const char *address);

#endif
