#include "domain/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "domain/audit.h"
#include "domain/refresh.h"

/* Redis knows a session token only by this. */
static const char *sid_of(struct arena *arena, const char *token, size_t len) {
    uint8_t digest[SHA256_SIZE];
    char *sid = arena_alloc(arena, SID_SIZE);
    secret_sha256(token, len, digest);
    hex_encode(digest, sizeof digest, sid);
    return sid;
}

static bool is_session_token(const char *text, size_t len) {
    uint8_t bytes[SESSION_TOKEN_BYTES];
    return len == BASE64URL_SIZE(SESSION_TOKEN_BYTES) - 1 &&
           base64url_decode(text, len, bytes) == SESSION_TOKEN_BYTES;
}

static void set_credential(struct credential *credential, const char *sid, const char *jti,
                           const char *user_id, int64_t exp) {
    *credential =
        (struct credential){.sid = sid, .jti = jti, .user_id = user_id, .exp_ms = exp * 1000};
}

static enum token_verdict read_access_token(const struct realm *realm, struct arena *arena,
                                            const char *text, size_t len,
                                            struct credential *credential) {
    uint8_t digest[SHA256_SIZE];
    int64_t now_ms = clock_wall_ms();
    const struct token_cache_entry *known = token_cache_find(realm->tokens, text, len, digest);
    metrics_event(known != NULL ? EVENT_TOKEN_CACHED : EVENT_TOKEN_VERIFIED, 1);
    if (known != NULL) {
        set_credential(credential, arena_str(arena, known->sid), arena_str(arena, known->jti),
                       arena_str(arena, known->sub), known->exp);
        return token_is_expired(realm->conf, known->exp, now_ms) ? TOKEN_EXPIRED : TOKEN_GOOD;
    }
    struct token_claims claims;
    const char *why;
    enum token_verdict verdict =
        token_verify(realm->keys, realm->conf, arena, text, len, now_ms, &claims, &why);
    if (verdict == TOKEN_BAD) {
        log_debug("an access token is not good", F_STR("reason", why));
        return verdict;
    }
    set_credential(credential, claims.sid, claims.jti, claims.sub, claims.exp);
    if (verdict == TOKEN_GOOD)
        token_cache_add(realm->tokens, digest, claims.sub, claims.sid, claims.jti, claims.exp);
    return verdict;
}

enum token_verdict credential_read(const struct realm *realm, struct arena *arena,
                                   const char *text, size_t len, struct credential *credential) {
    memset(credential, 0, sizeof *credential);
    if (!is_session_token(text, len))
        return read_access_token(realm, arena, text, len, credential);
    credential->sid = sid_of(arena, text, len);
    return TOKEN_GOOD;
}

const char *credential_names(struct arena *arena, const char *text, size_t len) {
    const char *header, *claims, *why, *sid = NULL;
    if (is_session_token(text, len))
        return sid_of(arena, text, len);
    if (!token_peek(arena, text, len, &header, &claims))
        return NULL;
    json *payload = json_parse(claims, strlen(claims), &why);
    size_t sid_len = 0;
    if (payload != NULL && json_get_string(payload, "sid", &sid, &sid_len) == JSON_FOUND)
        sid = arena_dup(arena, sid, sid_len);
    json_free(payload);
    return sid;
}

struct token_end credential_end(const struct realm *realm, const struct credential *credential) {
    return (struct token_end){.jti = credential->jti,
                              .left_ms = credential->exp_ms + realm->conf->token_leeway -
                                         clock_wall_ms()};
}

struct session_lookup session_check_ask(const struct realm *realm, struct arena *arena,
                                        const struct credential *credential, bool dated) {
    return sessions_lookup_ask(realm->cache, arena, credential->sid, credential->jti, dated);
}

/* At most once in [session] touch, and four times in the idle time at least.  last is Redis's
 * clock, now is ours: however far apart they are, a session in use is touched. */
static bool touch_is_due(const struct realm *realm, int64_t last_ms) {
    int64_t touch = realm->conf->session_touch, quarter = realm->conf->session_idle / 4;
    return llabs(clock_wall_ms() - last_ms) >= (touch < quarter ? touch : quarter);
}

enum access session_check_answer(const struct realm *realm, struct arena *arena,
                                 const struct credential *credential,
                                 const struct session_lookup *lookup, struct session_who *who) {
    int64_t last_ms;
    switch (sessions_lookup_answer(lookup, arena, who, &last_ms)) {
    case SESSION_TOKEN_REVOKED:
        cache_told_no(realm->cache, arena);
        return ACCESS_TOKEN_REVOKED;
    case SESSION_GONE:
        cache_told_no(realm->cache, arena);
        return ACCESS_SESSION_EXPIRED;
    case SESSION_UNKNOWN:
        return ACCESS_UNKNOWN;
    case SESSION_LIVES:
        break;
    }
    if (credential->user_id != NULL && strcmp(credential->user_id, who->user_id) != 0)
        return ACCESS_TOKEN_INVALID;
    if (touch_is_due(realm, last_ms)) {
        struct session_lives lives = realm_lives(realm);
        sessions_touch_ask(realm->cache, arena, credential->sid, &lives);
    }
    return ACCESS_GRANTED;
}

struct session_who session_who_of(const struct user *user) {
    return (struct session_who){.user_id = user->id_text,
                                .email = user->email,
                                .username = user->username,
                                .display_name = user->display_name,
                                .roles = user->roles,
                                .version = user->version};
}

/* False: it had to be recorded and could not be. */
static bool tell_of_crowd(const struct realm *realm, const struct user *user, int64_t ended) {
    struct audit_note note = {.event = AUDIT_SESSION_REVOKE,
                              .user_id = user->id_text,
                              .email = user->email,
                              .details = audit_details("reason", "too many sessions", NULL)};
    json_add_int(note.details, "count", ended);
    log_event("a user has too many sessions, the oldest was ended", F_STR("event", "session_revoke"),
              F_STR("user", user->id_text), F_INT("count", ended));
    return audit_record(realm, &note);
}

enum answer session_open(const struct realm *realm, struct arena *arena, const struct user *user,
                         const struct session_client *client, struct grant *grant,
                         bool *user_changed) {
    uint8_t random[SESSION_TOKEN_BYTES];
    char *token = arena_alloc(arena, BASE64URL_SIZE(SESSION_TOKEN_BYTES));
    secret_random(random, sizeof random);
    size_t len = base64url_encode(random, sizeof random, token);
    secret_wipe(random, sizeof random);
    grant->session_token = token;
    grant->sid = sid_of(arena, token, len);

    struct refresh_token refresh;
    grant->refresh_token = refresh_token_new(arena, grant->sid, &refresh);
    struct session_who who = session_who_of(user);
    struct session_lives lives = realm_lives(realm);
    if (!grant_access_token(realm, arena, &who, grant->sid, grant))
        return ANSWER_UNKNOWN;
    const struct ask *ask =
        sessions_open_ask(realm->cache, arena, grant->sid, &who, client, &lives,
                          refresh.family_digest, refresh.secret_digest);
    cache_flush(realm->cache);
    grant_set_lives(realm, lives.max_ms, grant);
    struct session_opened opened;
    enum answer answer = sessions_open_answer(ask, &opened);
    grant->began_ms = opened.began_ms;
    *user_changed = opened.user_changed;
    return answer == ANSWER_YES && opened.ended > 0 &&
                   !tell_of_crowd(realm, user, opened.ended)
               ? ANSWER_UNKNOWN
               : answer;
}

enum answer session_end(const struct realm *realm, struct arena *arena, const char *sid,
                        const char *user_id, struct token_end token) {
    const struct ask *ask = sessions_end_ask(realm->cache, arena, sid, user_id, token);
    cache_flush(realm->cache);
    return sessions_end_answer(ask);
}

enum answer session_end_of_anybody(const struct realm *realm, struct arena *arena, const char *sid,
                                   const char **user_id) {
    const struct ask *ask =
        sessions_end_ask(realm->cache, arena, sid, NULL, (struct token_end){0});
    cache_flush(realm->cache);
    enum answer ended = sessions_end_answer(ask);
    if (ended == ANSWER_YES)
        *user_id = sessions_end_owner(ask, arena);
    return ended;
}

/* A page a round trip: all that Redis holds may be a lot. */
static enum answer sweep_all(const struct realm *realm, struct arena *arena,
                             struct session_sweep *sweep) {
    enum answer last = ANSWER_NO;
    snprintf(sweep->cursor, sizeof sweep->cursor, "0");
    while (last == ANSWER_NO) {
        cache_beat(realm->cache);
        const struct ask *ask = sessions_sweep_ask(realm->cache, arena, sweep);
        cache_flush(realm->cache);
        last = sessions_sweep_answer(realm->cache, ask, sweep);
    }
    return last;
}

enum answer session_end_all(const struct realm *realm, struct arena *arena, const char *user_id,
                            const char *except, int64_t *ended) {
    struct session_sweep sweep = {.user_id = user_id, .except = except};
    bool incomplete;
    const struct ask *ask = sessions_end_all_ask(realm->cache, arena, user_id, except);
    cache_flush(realm->cache);
    enum answer answer = sessions_end_all_answer(ask, &sweep.ended, &incomplete);
    if (answer == ANSWER_YES && incomplete)
        answer = sweep_all(realm, arena, &sweep);
    *ended = sweep.ended;
    return answer;
}

enum answer session_rename(const struct realm *realm, struct arena *arena, int64_t user_id) {
    struct user user;
    enum answer found = users_by_id(realm->db, arena, user_id, &user);
    if (found != ANSWER_YES)
        return found;
    struct session_who who = session_who_of(&user);
    struct session_sweep sweep = {.user_id = user.id_text, .who = &who};
    bool incomplete;
    const struct ask *ask = sessions_rename_ask(realm->cache, arena, &who);
    cache_flush(realm->cache);
    enum answer renamed = sessions_rename_answer(ask, &incomplete);
    return renamed == ANSWER_YES && incomplete ? sweep_all(realm, arena, &sweep) : renamed;
}
