/*
 * sessions: the sessions in Redis.  All that live together in Redis change together, in a script.
 *
 *   session:<sid>         hash: uid, who, version, client, created, last, end     lives while it is used
 *   refresh:<sid>         the same, and family, current, kept            lives while it is refreshed
 *   refresh_spent:<sid>:<digest>  the nonce of a token just spent        lives for the grace
 *   user_sessions:<uid>   sorted set of sids by their end
 *   user_changed:<uid>    somebody ended or renamed the user's sessions     lives for SESSIONS_CHANGED_MS
 *   blacklist:<jti>       an access token that was logged out            lives as long as the token
 *
 * Questions come in two halves: _ask begins one (it is asked with all others at the next
 * cache_flush), _answer reads what came.  Texts given to _ask are borrowed until the flush.
 */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "store/cache.h"

#define SID_SIZE 65 /* 64 hex digits and a NUL: the SHA-256 of the session token */

/* Who a session acts for, as it was told at login or since. */
struct session_who {
    const char *user_id;
    const char *email;
    const char *username;     /* NULL: none */
    const char *display_name; /* NULL: none */
    const char *roles;        /* separated by commas; "" for none */
    int64_t version;          /* of the user's row; not kept where a session is looked up */
    int64_t began_ms;         /* when a session was looked up dated: its login, by Redis's clock; else 0 */
};

struct session_lives {
    int64_t idle_ms, max_ms, refresh_ms, grace_ms;
    int64_t per_user; /* how many sessions one may have */
};

/* Opening ------------------------------------------------------------------------------------ */

struct session_client {
    const char *ip;
    const char *user_agent; /* NULL: none */
    const char *device_info; /* JSON text of an object; NULL: none */
};

/*
 * A new session of who, and its refresh record, both under sid.  family and current: the digests (hex) of
 * what its first refresh token holds, the family's secret and the token's own (see domain/refresh.h).  Of
 * more sessions than lives->per_user the oldest end.
 */
struct ask *sessions_open_ask(struct cache *cache, struct arena *arena, const char *sid,
                              const struct session_who *who, const struct session_client *client,
                              const struct session_lives *lives, const char *family,
                              const char *current);
struct session_opened {
    int64_t ended;     /* how many older sessions of the user had to go */
    int64_t began_ms;  /* by Redis's clock */
    bool user_changed; /* sessions_end_all or sessions_rename was asked in the last SESSIONS_CHANGED_MS */
};
#define SESSIONS_CHANGED_MS INT64_C(600000)
/* YES: it is open, and *opened is filled.  UNKNOWN: it may be open or not. */
enum answer sessions_open_answer(const struct ask *ask, struct session_opened *opened);

/* Looking up --------------------------------------------------------------------------------- */

enum session_state {
    SESSION_LIVES,
    SESSION_GONE,
    SESSION_TOKEN_REVOKED, /* the access token itself is blacklisted */
    SESSION_UNKNOWN        /* Redis could not be asked */
};

struct session_lookup {
    struct ask *session, *blacklist;
    const char *jti; /* of the access token that was presented; NULL: none was */
    bool dated;      /* when it began was asked, too */
};

/* jti: the access token's, NULL when the credential is the session token; dated: began_ms is wanted. */
struct session_lookup sessions_lookup_ask(struct cache *cache, struct arena *arena, const char *sid,
                                          const char *jti, bool dated);
/* SESSION_LIVES: *who (in arena) and *last_ms, its last use in milliseconds since 1970, are filled. */
enum session_state sessions_lookup_answer(const struct session_lookup *lookup, struct arena *arena,
                                          struct session_who *who, int64_t *last_ms);
/* A use, to be written. */
struct ask *sessions_touch_ask(struct cache *cache, struct arena *arena, const char *sid,
                               const struct session_lives *lives);

struct session_times_lookup {
    struct ask *created, *left;
};
/* When a session began, and when it dies if nobody uses it. */
struct session_times_lookup sessions_times_ask(struct cache *cache, struct arena *arena,
                                               const char *sid);
/* YES: both are filled, in seconds since 1970.  NO: there is no such session. */
enum answer sessions_times_answer(const struct session_times_lookup *lookup, int64_t *began,
                                  int64_t *ends);

/* Refreshing --------------------------------------------------------------------------------- */

enum refresh_state { REFRESH_ROTATED, REFRESH_UNKNOWN_TOKEN, REFRESH_REUSED, REFRESH_UNKNOWN };

struct refresh_request {
    const char *sid;
    /* Digests, in hex, of the secrets that make a token. */
    const char *family;    /* of the family's */
    const char *presented; /* of the token's own */
    const char *next;      /* of its successor's own, should this be the first use */
    const char *nonce;     /* from which that successor is derived; hex */
};

struct refresh_result {
    const char *user_id; /* also with REFRESH_REUSED */
    const char *nonce;   /* from which the successor is derived: ours, or that of the first use */
    struct session_who who;
    int64_t left_ms; /* until the session's end */
    bool kept;       /* the token was kept by sessions_refresh_keep_ask */
};

/* One use of a refresh token: the first one puts next in its place; one within the grace changes nothing
 * but the session's life; a later one is theft, and ends the session. */
struct ask *sessions_refresh_ask(struct cache *cache, struct arena *arena,
                                 const struct refresh_request *request,
                                 const struct session_lives *lives);
/* REFRESH_ROTATED: *result (in arena) is filled, for the first use and those within the grace alike.
 * REFRESH_UNKNOWN_TOKEN: there is no such session, or the family is not its.  REFRESH_REUSED: the session
 * was ended, *result has user_id alone.  REFRESH_UNKNOWN: Redis could not be asked. */
enum refresh_state sessions_refresh_answer(const struct ask *ask, struct arena *arena,
                                           struct refresh_result *result);

/* A token that was spent, but whose client is not given the successor, goes on bringing it, by the nonce that
 * sessions_refresh_answer told: for life_ms, whatever the grace, and no longer than until the successor is
 * used.  request: family is not needed. */
void sessions_refresh_keep_ask(struct cache *cache, struct arena *arena,
                               const struct refresh_request *request, int64_t life_ms);
/* Its client is given the successor at last: from now on it has the grace. */
void sessions_refresh_settle_ask(struct cache *cache, struct arena *arena, const char *sid,
                                 const char *presented, int64_t grace_ms);

/* A refresh token is looked at, not used. */
struct refresh_lookup {
    struct ask *record, *left, *spent;
};
struct refresh_record {
    const char *family, *current; /* hex digests */
    struct session_who who;
    int64_t created_ms, left_ms;
    bool in_grace; /* the presented one was spent a moment ago and still brings its successor */
};
/* presented: the hex digest of the token's own secret. */
struct refresh_lookup sessions_refresh_lookup_ask(struct cache *cache, struct arena *arena,
                                                  const char *sid, const char *presented);
/* NO: there is no such record. */
enum answer sessions_refresh_lookup_answer(const struct refresh_lookup *lookup,
                                           struct arena *arena, struct refresh_record *record);

/* Ending ------------------------------------------------------------------------------------- */

/* An access token to be blacklisted along with it; jti NULL: none. */
struct token_end {
    const char *jti;
    int64_t left_ms;
};

/* Ends one session and its refresh token.  user_id: whose it must be; NULL: anybody's. */
struct ask *sessions_end_ask(struct cache *cache, struct arena *arena, const char *sid,
                             const char *user_id, struct token_end token);
/* YES: it was ended.  NO: there was no such session, or it is somebody else's.  UNKNOWN also where it had to
 * be asked twice and the second time found none (ask->again): then it has ended, or there was none. */
enum answer sessions_end_answer(const struct ask *ask);
/* Where that is YES: the id of the user whose it was, in arena; before the next cache_flush. */
const char *sessions_end_owner(const struct ask *ask, struct arena *arena);
/* Whose a session is that has idled out, of which the refresh token lives.  NO: that is gone, too; YES:
 * *user_id, in arena. */
struct ask *sessions_owner_ask(struct cache *cache, struct arena *arena, const char *sid);
enum answer sessions_owner_answer(const struct ask *ask, struct arena *arena, const char **user_id);
/* Ends all sessions of a user that their index knows, and leaves word for logins that are under way
 * (user_changed).  except: a sid that goes on; NULL: none does. */
struct ask *sessions_end_all_ask(struct cache *cache, struct arena *arena, const char *user_id,
                                 const char *except);
/* YES: *ended of them there were, which may be 0; *sweep: this Redis drops keys when it is full, the index
 * may have lacked some, and nobody can tell that all have ended before a sweep is done.  UNKNOWN: some or all
 * of them may still be there.  Never NO. */
enum answer sessions_end_all_answer(const struct ask *ask, int64_t *ended, bool *sweep);

struct session_sweep {
    const char *user_id;
    const char *except;            /* a sid that goes on; NULL: none */
    const struct session_who *who; /* who the user is now; NULL: the sessions are ended */
    char cursor[24];               /* of Redis's SCAN: "0" before the first page */
    int64_t ended;                 /* how many, so far */
    bool alone;                    /* sessions_sweep_alone said so; lasts until the last page */
};
/* Whether it may begin as the only one of all workers: for whatever users may ask for as often as they like,
 * so that it never holds up more than one worker. */
bool sessions_sweep_alone(struct cache *cache, struct session_sweep *sweep);
/* A look at every key there is, page by page, for sessions of a user that their index lacks. */
struct ask *sessions_sweep_ask(struct cache *cache, struct arena *arena,
                               const struct session_sweep *sweep);
/* YES: that was the last page; NO: there are more, sweep is ready to ask for the next. */
enum answer sessions_sweep_answer(struct cache *cache, const struct ask *ask, struct session_sweep *sweep);

/* An access token alone: it is refused from now on, its session goes on.  sid: its session's, NULL where
 * nobody knows; jti must not be NULL. */
struct ask *sessions_revoke_token_ask(struct cache *cache, struct arena *arena, const char *sid,
                                      struct token_end token);

/* Listing ------------------------------------------------------------------------------------ */

struct session_item {
    const char *sid;
    int64_t created_ms, last_ms;
    int64_t left_ms; /* until it is dead if nobody uses or refreshes it */
    struct session_client client;
};

/* The sessions of a user that live, or could be brought back by their refresh token.  current: the session
 * that asks, which is listed in any case; NULL: none does. */
struct ask *sessions_list_ask(struct cache *cache, struct arena *arena, const char *user_id,
                              const char *current);
/* YES: *count of them, the newest activity first, in arena; UNKNOWN: Redis could not be asked.  Never NO. */
enum answer sessions_list_answer(const struct ask *ask, struct arena *arena,
                                 struct session_item **items, size_t *count);

/* A user's names or roles have changed: every session of theirs says so, unless it knows a later version.
 * Leaves word for logins that are under way, as sessions_end_all_ask does. */
struct ask *sessions_rename_ask(struct cache *cache, struct arena *arena,
                                const struct session_who *who);
/* YES, however many there were, or UNKNOWN; *sweep as in sessions_end_all_answer. */
enum answer sessions_rename_answer(const struct ask *ask, bool *sweep);

#endif
