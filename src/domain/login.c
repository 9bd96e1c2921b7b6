#include "domain/login.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/audit.h"
#include "domain/canon.h"
#include "domain/password.h"
#include "domain/throttle.h"

/* How often a login begins again because the user was changed under it. */
#define TRIES 3

/* What the user is looked up by; NULL: no such name can exist. */
static const char *canonical_name(struct arena *arena, const struct login_request *request) {
    return request->email != NULL ? canon_email(arena, request->email)
                                  : canon_username(arena, request->username);
}

static enum answer find_user(const struct realm *realm, struct arena *arena,
                             const struct login_request *request, const char *name,
                             struct user *user) {
    if (name == NULL)
        return ANSWER_NO;
    return request->email != NULL ? users_by_email(realm->db, arena, name, user)
                                  : users_by_username(realm->db, arena, name, user);
}

static enum login_result check_limits(const struct realm *realm, struct arena *arena,
                                      const struct login_request *request, const char *name,
                                      struct throttle_result *limit) {
    struct throttle throttle = throttle_login_ask(realm, arena, request->client.ip, name);
    cache_flush(realm->cache);
    switch (throttle_answer(realm, &throttle, limit)) {
    case ANSWER_YES:
        return LOGIN_DONE;
    case ANSWER_NO:
        return LOGIN_LIMITED;
    default:
        return LOGIN_UNKNOWN;
    }
}

/* The account's other name, under which the owner may come back to this address. */
static const char *other_name(struct arena *arena, const struct login_request *request,
                              const struct user *user) {
    if (request->email == NULL)
        return canon_email(arena, user->email);
    return user->username != NULL ? canon_username(arena, user->username) : NULL;
}

/* A name that nobody has is not recorded: it may be a password, typed into the wrong field. */
static enum login_result refuse(const struct realm *realm, const char *reason,
                                const struct user *user) {
    struct audit_note note = {.event = AUDIT_LOGIN_REFUSED,
                              .user_id = user != NULL ? user->id_text : NULL,
                              .email = user != NULL ? user->email : NULL,
                              .details = audit_details("reason", reason, NULL)};
    log_event("login refused", F_STR("event", "login_refused"), F_STR("reason", reason),
             F_STR("user", user != NULL ? user->id_text : ""));
    return audit_record(realm, &note) ? LOGIN_REFUSED : LOGIN_UNKNOWN;
}

/* Why it is refused, for the log: nobody could sign in with a hash that is beyond the bounds. */
static const char *wrong_password(const struct conf *conf, const struct user *user) {
    return password_is_verifiable(conf, user->password_hash)
               ? "wrong password"
               : "stored hash of a kind or cost that is not accepted";
}

/* Today's parameters for a hash that was made with older ones; else the hash it has. */
static const char *todays_hash(const struct realm *realm, struct arena *arena,
                               const struct login_request *request, const struct user *user) {
    char hash[PASSWORD_HASH_SIZE];
    if (!password_is_outdated(realm->conf, user->password_hash) ||
        !password_hash(realm->conf, request->password, request->password_len, hash))
        return user->password_hash;
    return arena_str(arena, hash);
}

static bool record_login(const struct realm *realm, const struct login_request *request,
                         const struct user *user, const struct grant *grant) {
    struct audit_note note = {.event = AUDIT_LOGIN,
                              .user_id = user->id_text,
                              .email = user->email,
                              .session = grant->sid,
                              .by_user = true,
                              .details = audit_details(
                                  "name", request->email != NULL ? "email" : "username",
                                  "userAgent", request->client.user_agent, NULL)};
    return audit_record(realm, &note);
}

/*
 * The session is opened first and confirmed after: the confirmation matches only the user as they
 * were read.  Whoever disables, deletes or renames a user, or changes their password or roles, does
 * that first and ends or renames their sessions after; so either the confirmation fails, or the
 * session is there for them to find.
 */
static enum login_result open_and_confirm(const struct realm *realm, struct arena *arena,
                                          const struct login_request *request,
                                          const struct user *user, struct grant *grant,
                                          bool *changed) {
    const char *hash = todays_hash(realm, arena, request, user);
    *changed = false;
    if (session_open(realm, arena, user, &request->client, grant) != ANSWER_YES)
        return LOGIN_UNKNOWN;
    enum answer confirmed = users_logged_in(realm->db, arena, user, hash);
    if (confirmed == ANSWER_YES && record_login(realm, request, user, grant))
        return LOGIN_DONE;
    *changed = confirmed == ANSWER_NO;
    bool ended = session_end(realm, arena, grant->sid, NULL, (struct token_end){0}) !=
                 ANSWER_UNKNOWN;
    /* Not ended, its tokens were never handed out: nobody can use it until it idles out. */
    if (!ended)
        log_warning("a session that nobody was given could not be ended",
                    F_STR("session", grant->sid));
    return *changed && ended ? LOGIN_REFUSED : LOGIN_UNKNOWN;
}

static enum login_result try_once(const struct realm *realm, struct arena *arena,
                                  const struct login_request *request, const char *name,
                                  struct user *user, struct grant *grant, bool *changed) {
    enum answer found = find_user(realm, arena, request, name, user);
    *changed = false;
    if (found == ANSWER_UNKNOWN)
        return LOGIN_UNKNOWN;
    /* Nobody there, or not allowed in: the same work, and the same answer. */
    bool enabled = found == ANSWER_YES && !user->disabled;
    bool right = password_verify(realm->conf, request->password, request->password_len,
                                 found == ANSWER_YES ? user->password_hash : NULL);
    if (found == ANSWER_NO)
        return refuse(realm, "unknown user", NULL);
    if (!right)
        return refuse(realm, wrong_password(realm->conf, user), user);
    if (!enabled) {
        password_refuse(realm->conf, request->password, request->password_len, user->password_hash);
        return refuse(realm, "disabled", user);
    }
    return open_and_confirm(realm, arena, request, user, grant, changed);
}

enum login_result login_with_password(const struct realm *realm, struct arena *arena,
                                      const struct login_request *request, struct user *user,
                                      struct grant *grant, struct throttle_result *limit) {
    const char *name = canonical_name(arena, request);
    enum login_result result = check_limits(realm, arena, request, name, limit);
    bool changed = true;
    if (result != LOGIN_DONE)
        return result;
    for (int tries = 0; changed && tries < TRIES; tries++)
        result = try_once(realm, arena, request, name, user, grant, &changed);
    if (result == LOGIN_REFUSED && changed)
        result = refuse(realm, "changed meanwhile", user);
    if (result == LOGIN_REFUSED && throttle_is_besieged(limit))
        return LOGIN_LIMITED;
    if (result != LOGIN_DONE)
        return result;
    throttle_forgive(realm, arena, request->client.ip, name, other_name(arena, request, user),
                     limit);
    cache_flush(realm->cache);
    /* As the database has just written it. */
    char now[CLOCK_RFC3339_SIZE];
    user->last_login_at = arena_str(arena, clock_rfc3339(clock_wall_ms(), now));
    log_event("logged in", F_STR("event", "login"), F_STR("user", user->id_text),
             F_STR("session", grant->sid));
    return LOGIN_DONE;
}
