/*
 * session: credentials, and the sessions they stand for.
 *
 * An access token is good only while its session's record exists: what Redis has lost is refused.
 * Looking a session up comes in two halves, so that a batch of requests shares one round trip.
 */
#ifndef DOMAIN_SESSION_H
#define DOMAIN_SESSION_H

#include "domain/grant.h"
#include "domain/realm.h"
#include "domain/token.h"
#include "store/users.h"

#define SESSION_TOKEN_BYTES 32

/* Reading a credential ----------------------------------------------------------------------- */

struct credential {
    const char *sid;
    const char *jti;     /* NULL: the session token */
    const char *user_id; /* the access token's sub; NULL: the session token */
    int64_t exp_ms;      /* the access token's */
};

/* The verdicts are those of an access token; a session token is good if it has the shape of one. */
enum token_verdict credential_read(const struct realm *realm, struct arena *arena,
                                   const char *text, size_t len, struct credential *credential);
/* The sid of the session that a credential names, in arena, be it good or not, and nothing that anybody may
 * be let in for: its key may be retired, its issuer another.  NULL: it names none. */
const char *credential_names(struct arena *arena, const char *text, size_t len);
/* The access token's jti and remaining life, for the blacklist; none for a session token. */
struct token_end credential_end(const struct realm *realm, const struct credential *credential);

/* Checking it -------------------------------------------------------------------------------- */

enum access {
    ACCESS_GRANTED,
    ACCESS_TOKEN_REVOKED,
    ACCESS_SESSION_EXPIRED,
    ACCESS_TOKEN_INVALID, /* the token's user is not the session's */
    ACCESS_UNKNOWN        /* Redis could not be asked */
};

/* dated: who->began_ms is wanted. */
struct session_lookup session_check_ask(const struct realm *realm, struct arena *arena,
                                        const struct credential *credential, bool dated);
/* ACCESS_GRANTED: *who is filled, and when the session's last activity is due to be written, that
 * is begun (it goes with the next flush). */
enum access session_check_answer(const struct realm *realm, struct arena *arena,
                                 const struct credential *credential,
                                 const struct session_lookup *lookup, struct session_who *who);

/* Opening one -------------------------------------------------------------------------------- */

/* UNKNOWN: Redis could not be asked, nobody has a session.  *user_changed: whether somebody told Redis
 * of a change of the user a moment ago: then user may be out of date. */
enum answer session_open(const struct realm *realm, struct arena *arena, const struct user *user,
                         const struct session_client *client, struct grant *grant,
                         bool *user_changed);

/* What a session says of its user; texts are borrowed from user. */
struct session_who session_who_of(const struct user *user);

/* Ending, each in one round trip (and a look at every key there is, page by page, where Redis drops keys
 * when it is full) ------------------------------------------------------------------------------- */

/* One session and its refresh token.  user_id: whose it must be; NULL: anybody's.  token: blacklisted along
 * with it.  NO: there was no such session, or it is somebody else's; UNKNOWN: Redis could not be asked. */
enum answer session_end(const struct realm *realm, struct arena *arena, const char *sid,
                        const char *user_id, struct token_end token);
/* The same, whosever it is; YES: *user_id (in arena) says whose it was. */
enum answer session_end_of_anybody(const struct realm *realm, struct arena *arena, const char *sid,
                                   const char **user_id);
/* All of a user's; except: a sid that goes on, NULL: none.  YES: *ended of them there were, which may be 0;
 * UNKNOWN: some or all of them may still be there. */
enum answer session_end_all(const struct realm *realm, struct arena *arena, const char *user_id,
                            const char *except, int64_t *ended);
/* After names or roles changed: reads the user anew and tells every session.  NO: there is no such user. */
enum answer session_rename(const struct realm *realm, struct arena *arena, int64_t user_id);

#endif
