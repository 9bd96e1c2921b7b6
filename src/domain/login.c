#include "domain/login.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/audit.h"
#include "domain/canon.h"
#include "domain/last_login.h"
#include "domain/password.h"
#include "domain/throttle.h"

/* How often a login begins again because the user was changed under it. */
#define TRIES 3

/* What all steps of one login are about. */
struct attempt {
    const struct realm *realm;
    struct arena *arena;
    const struct login_request *request;
    const char *name; /* what the user is looked up by; NULL: no such name can exist */
    struct throttle_result *limit;
    struct user *user;
    struct grant *grant;
    bool changed; /* the user was changed after they were read */
    bool left;    /* a host of MariaDB's that may be out of date was left, and another is to be asked */
    /* clock_boot_ms and cache_connections, both from before the user was read. */
    int64_t begun;
    uint64_t connections;
};

/* A login that took longer than this does not rely on the word that Redis keeps of a change, but asks
 * MariaDB. */
#define CERTAIN_MS 60000
_Static_assert(CERTAIN_MS * 5 < SESSIONS_CHANGED_MS, "the word is kept for much longer than that");

static const char *canonical_name(struct arena *arena, const struct login_request *request) {
    return request->email != NULL ? canon_email(arena, request->email)
                                  : canon_username(arena, request->username);
}

static enum answer find_user(const struct attempt *attempt) {
    struct db *db = attempt->realm->db;
    if (attempt->name == NULL)
        return ANSWER_NO;
    return attempt->request->email != NULL
               ? users_by_email(db, attempt->arena, attempt->name, attempt->user)
               : users_by_username(db, attempt->arena, attempt->name, attempt->user);
}

static enum login_result check_limits(const struct attempt *attempt) {
    struct throttle throttle = throttle_login_ask(attempt->realm, attempt->arena,
                                                  attempt->request->client.ip, attempt->name);
    cache_flush(attempt->realm->cache);
    switch (throttle_answer(attempt->realm, &throttle, attempt->limit)) {
    case ANSWER_YES:
        return LOGIN_DONE;
    case ANSWER_NO:
        return LOGIN_LIMITED;
    default:
        return LOGIN_UNKNOWN;
    }
}

/* The account's other name, under which the owner may come back to this address. */
static const char *other_name(const struct attempt *attempt) {
    const struct user *user = attempt->user;
    if (attempt->request->email == NULL)
        return canon_email(attempt->arena, user->email);
    return user->username != NULL ? canon_username(attempt->arena, user->username) : NULL;
}

/* The password was right; asked with what is asked next. */
static void forgive(const struct attempt *attempt) {
    throttle_forgive(attempt->realm, attempt->arena, attempt->request->client.ip, attempt->name,
                     other_name(attempt), attempt->limit);
}

/* A name that nobody has is not recorded: it may be a password, typed into the wrong field. */
static enum login_result refuse(const struct attempt *attempt, const char *reason,
                                const struct user *user) {
    struct audit_note note = {.event = AUDIT_LOGIN_REFUSED,
                              .user_id = user != NULL ? user->id_text : NULL,
                              .email = user != NULL ? user->email : NULL,
                              .details = audit_details("reason", reason, NULL)};
    log_event("login refused", F_STR("event", "login_refused"), F_STR("reason", reason),
             F_STR("user", user != NULL ? user->id_text : ""));
    return audit_record(attempt->realm, &note) ? LOGIN_REFUSED : LOGIN_UNKNOWN;
}

/* Why it is refused, for the log: nobody could sign in with a hash that is beyond the bounds. */
static const char *wrong_password(const struct conf *conf, const struct user *user) {
    return password_is_verifiable(conf, user->password_hash)
               ? "wrong password"
               : "stored hash of a kind or cost that is not accepted";
}

/* Today's parameters for a hash that was made with older ones; else the hash it has. */
static const char *todays_hash(const struct attempt *attempt) {
    char hash[PASSWORD_HASH_SIZE];
    const struct login_request *request = attempt->request;
    if (!password_is_outdated(attempt->realm->conf, attempt->user->password_hash) ||
        !password_hash(attempt->realm->conf, request->password, request->password_len, hash))
        return attempt->user->password_hash;
    return arena_str(attempt->arena, hash);
}

static bool record_login(const struct attempt *attempt) {
    const struct login_request *request = attempt->request;
    struct audit_note note = {.event = AUDIT_LOGIN,
                              .user_id = attempt->user->id_text,
                              .email = attempt->user->email,
                              .session = attempt->grant->sid,
                              .by_user = true,
                              .details = audit_details(
                                  "name", request->email != NULL ? "email" : "username",
                                  "userAgent", request->client.user_agent, NULL)};
    return audit_record(attempt->realm, &note);
}

/*
 * Whether the user is still as they were read.  Whoever disables, deletes or renames a user, or changes
 * their password or roles, does that first; then ends or renames their sessions and in the same step
 * leaves word of it in Redis.  So where a session was opened and no word was there, either the user was
 * read as they are, or the session is there to be found.  Otherwise, and where the word may have been
 * lost, MariaDB is asked, and confirms the user only as they were read.
 */
static enum answer confirm(const struct attempt *attempt, const char *hash, bool user_changed) {
    const struct realm *realm = attempt->realm;
    bool rehashed = strcmp(hash, attempt->user->password_hash) != 0;
    if (!user_changed && !rehashed && clock_boot_ms() - attempt->begun < CERTAIN_MS &&
        cache_connections(realm->cache) == attempt->connections)
        return ANSWER_YES;
    return users_logged_in(realm->db, attempt->arena, attempt->user, hash);
}

/* The session is opened first and confirmed after. */
static enum login_result open_and_confirm(struct attempt *attempt) {
    const struct realm *realm = attempt->realm;
    const char *hash = todays_hash(attempt);
    bool user_changed;
    forgive(attempt);
    if (session_open(realm, attempt->arena, attempt->user, &attempt->request->client,
                     attempt->grant, &user_changed) != ANSWER_YES)
        return LOGIN_UNKNOWN;
    enum answer confirmed = confirm(attempt, hash, user_changed);
    if (confirmed == ANSWER_YES && record_login(attempt))
        return LOGIN_DONE;
    attempt->changed = confirmed == ANSWER_NO;
    const char *sid = attempt->grant->sid;
    bool ended = session_end(realm, attempt->arena, sid, NULL, (struct token_end){0}) !=
                 ANSWER_UNKNOWN;
    /* Nobody can use it all the same, until it idles out: its tokens were never handed out. */
    if (!ended)
        log_warning("a session that nobody was given could not be ended", F_STR("session", sid));
    return attempt->changed && ended ? LOGIN_REFUSED : LOGIN_UNKNOWN;
}

/* This host of MariaDB's takes no writes, so it may be an earlier primary whose users are out of date:
 * another is to be asked.  Once: where there is no other, a second connection would lead to the same host. */
static enum login_result leave_host(struct attempt *attempt, bool may_retry) {
    if (may_retry)
        db_leave(attempt->realm->db, "the server is read-only");
    attempt->left = may_retry;
    return LOGIN_UNKNOWN;
}

/* Refuses, unless another host of MariaDB's may know better.  That is asked before every refusal, so that its
 * time does not show whether there is such a user. */
static enum login_result refuse_if_known(struct attempt *attempt, bool may_retry, const char *reason,
                                         const struct user *user) {
    switch (users_may_be_elsewhere(attempt->realm->db, attempt->arena)) {
    case ANSWER_YES:
        return leave_host(attempt, may_retry);
    case ANSWER_NO:
        return refuse(attempt, reason, user);
    default:
        return LOGIN_UNKNOWN;
    }
}

static enum login_result try_once(struct attempt *attempt, bool may_retry) {
    const struct login_request *request = attempt->request;
    const struct conf *conf = attempt->realm->conf;
    const struct user *user = attempt->user;
    attempt->begun = clock_boot_ms();
    attempt->connections = cache_connections(attempt->realm->cache);
    attempt->changed = attempt->left = false;
    enum answer found = find_user(attempt);
    if (found == ANSWER_UNKNOWN)
        return LOGIN_UNKNOWN;
    /* Nobody there, or not allowed in: the same work, and the same answer. */
    bool enabled = found == ANSWER_YES && !user->disabled;
    bool right = password_verify(conf, request->password, request->password_len,
                                 found == ANSWER_YES ? user->password_hash : NULL);
    if (found == ANSWER_NO)
        return refuse_if_known(attempt, may_retry, "unknown user", NULL);
    if (!right)
        return refuse_if_known(attempt, may_retry, wrong_password(conf, user), user);
    if (user->may_be_old)
        return leave_host(attempt, may_retry);
    if (!enabled) {
        password_refuse(conf, request->password, request->password_len, user->password_hash);
        return refuse_if_known(attempt, may_retry, "disabled", user);
    }
    return open_and_confirm(attempt);
}

enum login_result login_with_password(const struct realm *realm, struct arena *arena,
                                      const struct login_request *request, struct user *user,
                                      struct grant *grant, struct throttle_result *limit) {
    struct attempt attempt = {.realm = realm,
                              .arena = arena,
                              .request = request,
                              .name = canonical_name(arena, request),
                              .limit = limit,
                              .user = user,
                              .grant = grant};
    enum login_result result = check_limits(&attempt);
    if (result != LOGIN_DONE)
        return result;
    int tries = 0;
    do {
        result = try_once(&attempt, tries == 0);
    } while ((attempt.changed || attempt.left) && ++tries < TRIES);
    if (result == LOGIN_REFUSED && attempt.changed)
        result = refuse(&attempt, "changed meanwhile", user);
    if (result == LOGIN_REFUSED && throttle_is_besieged(limit))
        return LOGIN_LIMITED;
    if (result != LOGIN_DONE)
        return result;
    last_login_note(realm->last_logins, user->id, grant->began_ms);
    user->last_login_at = last_login_shown(arena, NULL, grant->began_ms);
    log_event("logged in", F_STR("event", "login"), F_STR("user", user->id_text),
             F_STR("session", grant->sid));
    return LOGIN_DONE;
}
