#include "domain/introspect.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

/* When an access token was issued (iat).  The token was verified before, so it has one. */
static int64_t issued_at(struct arena *arena, const char *text, size_t len) {
    const char *header, *claims, *why;
    int64_t iat = 0;
    if (!token_peek(arena, text, len, &header, &claims))
        return 0;
    json *payload = json_parse(claims, strlen(claims), &why);
    if (payload != NULL)
        json_get_int(payload, "iat", &iat);
    json_free(payload);
    return iat;
}

static enum answer of_session(const struct realm *realm, struct arena *arena,
                              const struct credential *credential, struct introspection *facts) {
    struct session_lookup lookup = session_check_ask(realm, arena, credential, false);
    struct session_times_lookup times = {0};
    if (credential->jti == NULL)
        times = sessions_times_ask(realm->cache, arena, credential->sid);
    cache_flush(realm->cache);
    if (credential->jti == NULL) {
        enum answer answer = sessions_times_answer(&times, &facts->iat, &facts->exp);
        if (answer != ANSWER_YES)
            return answer;
    }
    switch (session_check_answer(realm, arena, credential, &lookup, &facts->who)) {
    case ACCESS_GRANTED:
        return ANSWER_YES;
    case ACCESS_UNKNOWN:
        return ANSWER_UNKNOWN;
    default:
        return ANSWER_NO;
    }
}

static enum answer of_credential(const struct realm *realm, struct arena *arena, const char *text,
                                 size_t len, struct introspection *facts) {
    struct credential credential;
    if (credential_read(realm, arena, text, len, &credential) != TOKEN_GOOD)
        return ANSWER_NO;
    facts->kind = credential.jti != NULL ? TOKEN_ACCESS : TOKEN_SESSION;
    facts->sid = credential.sid;
    facts->jti = credential.jti;
    if (credential.jti != NULL) {
        facts->iat = issued_at(arena, text, len);
        facts->exp = credential.exp_ms / 1000;
    }
    return of_session(realm, arena, &credential, facts);
}

/* spent: whether a token that was used already counts, too. */
static enum answer of_refresh(const struct realm *realm, struct arena *arena,
                              const struct refresh_token *token, bool spent,
                              struct introspection *facts) {
    struct refresh_record record;
    facts->kind = TOKEN_REFRESH;
    facts->sid = arena_str(arena, token->sid);
    struct refresh_lookup lookup =
        sessions_refresh_lookup_ask(realm->cache, arena, facts->sid, token->secret_digest);
    cache_flush(realm->cache);
    enum answer answer = sessions_refresh_lookup_answer(&lookup, arena, &record);
    if (answer != ANSWER_YES)
        return answer;
    if (strcmp(record.family, token->family_digest) != 0)
        return ANSWER_NO;
    facts->who = record.who;
    facts->iat = record.created_ms / 1000;
    facts->exp = (clock_wall_ms() + record.left_ms) / 1000;
    bool usable = strcmp(record.current, token->secret_digest) == 0 || record.in_grace;
    return spent || usable ? ANSWER_YES : ANSWER_NO;
}

enum answer introspect_token(const struct realm *realm, struct arena *arena, const char *text,
                             size_t len, struct introspection *facts) {
    struct refresh_token refresh;
    memset(facts, 0, sizeof *facts);
    if (refresh_token_read(text, len, &refresh))
        return of_refresh(realm, arena, &refresh, false, facts);
    return of_credential(realm, arena, text, len, facts);
}

/* The session goes on, so that only the blacklist refuses the token.  It stays there for as long as any host
 * could accept the token, whose clock may be behind ours.  NO: no host accepts it any more. */
static enum answer revoke_access_token(const struct realm *realm, struct arena *arena,
                                       const struct credential *credential) {
    struct token_end end = credential_end(realm, credential);
    end.left_ms = token_left_anywhere(end.left_ms);
    if (end.left_ms <= 0)
        return ANSWER_NO;
    const struct ask *ask = sessions_revoke_token_ask(realm->cache, arena, credential->sid, end);
    cache_flush(realm->cache);
    return ask->reply != NULL ? ANSWER_YES : ANSWER_UNKNOWN;
}

enum answer introspect_revoke(const struct realm *realm, struct arena *arena, const char *text,
                              size_t len, struct introspection *facts) {
    struct refresh_token refresh;
    struct credential credential;
    memset(facts, 0, sizeof *facts);
    if (refresh_token_read(text, len, &refresh)) {
        enum answer known = of_refresh(realm, arena, &refresh, true, facts);
        return known == ANSWER_YES
                   ? session_end_of_anybody(realm, arena, facts->sid, &facts->who.user_id)
                   : known;
    }
    if (credential_read(realm, arena, text, len, &credential) == TOKEN_BAD)
        return ANSWER_NO;
    facts->kind = credential.jti != NULL ? TOKEN_ACCESS : TOKEN_SESSION;
    facts->sid = credential.sid;
    facts->jti = credential.jti;
    facts->who.user_id = credential.user_id;
    return credential.jti != NULL ? revoke_access_token(realm, arena, &credential)
                                  : session_end_of_anybody(realm, arena, credential.sid,
                                                           &facts->who.user_id);
}
