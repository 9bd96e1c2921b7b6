#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/secret.h"
#include "ctl/ctl.h"
#include "ctl/when.h"
#include "domain/introspect.h"
#include "domain/token.h"

static void free_both(json *header, json *claims) {
    json_free(header);
    json_free(claims);
}

/* Times are looked at, not judged. */
static void show_time(struct ctl *ctl, const json *claims, const char *name, json *times) {
    int64_t seconds;
    if (json_get_int(claims, name, &seconds) != JSON_FOUND)
        return;
    bool sane = seconds >= 0 && seconds <= INT64_C(253402300799);
    const char *text = sane ? out_time(ctl->arena, seconds * 1000) : "not a date";
    out_pair(ctl, name, text);
    json_add_string(times, name, text);
}

static void show(struct ctl *ctl, json *header, json *claims) {
    static const char *const names[] = {"iat", "nbf", "exp"};
    json *answer = json_new_object(), *times = json_new_object();
    size_t len;
    out_pair(ctl, "header", json_text(header, &len));
    out_pair(ctl, "claims", json_text(claims, &len));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        show_time(ctl, claims, names[i], times);
    out_line(ctl,
             "Nothing was checked, not even the signature: that is gatehousectl token verify.");
    json_add(answer, "header", header);
    json_add(answer, "claims", claims);
    json_add(answer, "times", times);
    json_add_bool(answer, "checked", false);
    out_json(ctl, answer);
}

int verb_token_inspect(struct ctl *ctl) {
    struct input token;
    const char *header_text, *claims_text, *why;
    int code = input_secret("Token: ", &token);
    if (code != CTL_DONE)
        return code;
    bool is_jwt = token_peek(ctl->arena, token.bytes, token.len, &header_text, &claims_text);
    input_free(&token);
    if (!is_jwt)
        return fail(CTL_REFUSED, "this is no JWT: three segments of base64url, at most 4 KiB");
    json *header = json_parse(header_text, strlen(header_text), &why);
    json *claims = header != NULL ? json_parse(claims_text, strlen(claims_text), &why) : NULL;
    if (!json_is_object(header) || !json_is_object(claims)) {
        free_both(header, claims);
        return fail(CTL_REFUSED, "this is no JWT: its header or its claims are no JSON object");
    }
    show(ctl, header, claims);
    return CTL_DONE;
}

/* What the service would say.  code: as in its answers, NULL when it would let the token in. */
struct finding {
    const char *code;
    const char *reason;
    const char *kind;
    struct token_claims claims; /* of an access token that is not bad */
    struct session_who who;     /* of a session that lives */
};

/* The token itself, as far as it could be read. */
static void show_token(struct ctl *ctl, const struct finding *finding, const char *sid,
                       json *answer) {
    out_pair(ctl, "kind", finding->kind);
    out_pair(ctl, "session", sid);
    json_add_string(answer, "kind", finding->kind);
    json_add_string(answer, "session", sid);
    if (finding->claims.jti == NULL)
        return;
    const char *expires = out_time(ctl->arena, finding->claims.exp * 1000);
    out_pair(ctl, "token", finding->claims.jti);
    out_pair(ctl, "expires", expires);
    json_add_string(answer, "token", finding->claims.jti);
    json_add_string(answer, "expiresAt", expires);
}

/* Whom the session acts for today, whatever the token says. */
static void show_who(struct ctl *ctl, const struct session_who *who, json *answer) {
    out_pair(ctl, "user", who->user_id);
    out_pair(ctl, "email", who->email);
    out_pair(ctl, "roles", who->roles);
    json_add_string(answer, "user", who->user_id);
    json_add_string(answer, "email", who->email);
    json_add(answer, "roles", json_new_words(who->roles));
}

static int show_finding(struct ctl *ctl, const struct finding *finding, const char *sid) {
    bool valid = finding->code == NULL;
    json *answer = json_new_object();
    out_line(ctl, "%s: %s", valid ? "valid" : finding->code, finding->reason);
    json_add_bool(answer, "valid", valid);
    json_add_string(answer, "code", finding->code);
    json_add_string(answer, "reason", finding->reason);
    if (sid != NULL)
        show_token(ctl, finding, sid, answer);
    if (valid)
        show_who(ctl, &finding->who, answer);
    out_json(ctl, answer);
    return valid ? CTL_DONE : CTL_REFUSED;
}

static void found(struct finding *finding, const char *code, const char *reason) {
    finding->code = code;
    finding->reason = reason;
}

/* The session's record, without counting this as a use. */
static bool judge_session(struct ctl *ctl, const char *sid, struct finding *finding) {
    const char *sub = finding->claims.sub;
    int64_t last_ms;
    struct session_lookup lookup =
        sessions_lookup_ask(ctl->realm.cache, ctl->arena, sid, finding->claims.jti, false);
    cache_flush(ctl->realm.cache);
    switch (sessions_lookup_answer(&lookup, ctl->arena, &finding->who, &last_ms)) {
    case SESSION_UNKNOWN:
        return false;
    case SESSION_TOKEN_REVOKED:
        found(finding, "token_revoked", "this token was logged out");
        return true;
    case SESSION_GONE:
        found(finding, "session_expired", "its session has ended or was revoked");
        return true;
    case SESSION_LIVES:
        break;
    }
    if (sub != NULL && strcmp(sub, finding->who.user_id) != 0)
        found(finding, "token_invalid", "sub is not the session's user");
    else
        found(finding, NULL, "its session lives");
    return true;
}

/* The token by itself, as the service reads it first: what is bad or expired is refused without
 * asking Redis.  Its session; NULL: it is refused, and *finding says why. */
static const char *judge_token(struct ctl *ctl, const struct input *token, int64_t at_ms,
                               struct finding *finding) {
    struct credential credential;
    const char *why;
    if (credential_read(&ctl->realm, ctl->arena, token->bytes, token->len, &credential) ==
            TOKEN_GOOD &&
        credential.jti == NULL) {
        finding->kind = "session token";
        return credential.sid;
    }
    finding->kind = "access token";
    switch (token_verify(ctl->realm.keys, ctl->conf, ctl->arena, token->bytes, token->len, at_ms,
                         &finding->claims, &why)) {
    case TOKEN_BAD:
        finding->claims = (struct token_claims){0};
        found(finding, "token_invalid", why);
        return NULL;
    case TOKEN_EXPIRED:
        found(finding, "token_expired", why);
        return NULL;
    case TOKEN_GOOD:
        break;
    }
    return finding->claims.sid;
}

int verb_token_verify(struct ctl *ctl) {
    if (args_option(ctl, "--jws") != NULL)
        return verify_jws(ctl);
    if (args_option(ctl, "--alg") != NULL || args_option(ctl, "--key") != NULL)
        return fail(CTL_USAGE, "--alg and --key go with --jws: the algorithm and the key of an "
                               "access token are the configuration's");
    const char *at = args_option(ctl, "--at");
    int64_t at_ms = clock_wall_ms();
    struct finding finding = {0};
    struct input token;
    if (at != NULL && !when_parse(at, &at_ms))
        return fail(CTL_USAGE,
                    "--at is a time like 2026-11-20T12:30:22Z, or seconds since 1970, "
                    "not \"%s\"",
                    at);
    int code = input_secret("Token: ", &token);
    if (code != CTL_DONE)
        return code;
    const char *sid = judge_token(ctl, &token, at_ms, &finding);
    input_free(&token);
    if (sid != NULL && (reach_redis(ctl) != CTL_DONE))
        return CTL_NO_STORE;
    if (sid != NULL && !judge_session(ctl, sid, &finding))
        return store_failed(ctl);
    return show_finding(ctl, &finding, sid != NULL ? sid : finding.claims.sid);
}

/* The longest that an access token may have left by our clock: the most of [token] access_ttl and leeway. */
#define LONGEST_LIFE_MS (INT64_C(86400000) + 60000)

static bool is_jti(const char *id) {
    size_t len = strlen(id);
    return len >= 1 && len <= 64 &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* What became of it. */
struct revocation {
    enum answer ended;          /* NO: there was nothing to end */
    const char *dead;           /* why it was dead already, where that is known; else NULL */
    bool goes_on;               /* whether the session of the access token was seen to live */
    struct introspection facts;
};

/* Of an access token, before it is revoked; sid "": nobody knows its session.  False: Redis could not be
 * asked. */
static bool look_at(struct ctl *ctl, const char *sid, const char *jti, struct revocation *revocation) {
    struct session_who who;
    int64_t last_ms;
    struct session_lookup lookup = sessions_lookup_ask(ctl->realm.cache, ctl->arena, sid, jti, false);
    cache_flush(ctl->realm.cache);
    switch (sessions_lookup_answer(&lookup, ctl->arena, &who, &last_ms)) {
    case SESSION_UNKNOWN:
        return false;
    case SESSION_TOKEN_REVOKED:
        revocation->dead = "it was revoked before";
        break;
    case SESSION_GONE:
        revocation->dead = sid[0] != '\0' ? "its session has ended" : NULL;
        break;
    case SESSION_LIVES:
        revocation->goes_on = true;
    }
    return true;
}

/* Nobody can say whether an access token with this id exists, or how long it would live. */
static void revoke_jti(struct ctl *ctl, const char *jti, struct revocation *revocation) {
    struct token_end end = {.jti = jti, .left_ms = token_left_anywhere(LONGEST_LIFE_MS)};
    revocation->ended = ANSWER_UNKNOWN;
    if (!look_at(ctl, "", jti, revocation))
        return;
    const struct ask *ask = sessions_revoke_token_ask(ctl->realm.cache, ctl->arena, NULL, end);
    cache_flush(ctl->realm.cache);
    if (ask->reply != NULL)
        revocation->ended = ANSWER_YES;
}

static int revoke_by_id(struct ctl *ctl, const char *id, struct revocation *revocation) {
    struct introspection *facts = &revocation->facts;
    if (!is_jti(id))
        return fail(CTL_USAGE, "an id is the jti of an access token, or the 64 hex digits of a "
                               "session; a token itself is read from standard input");
    if (hex_valid(id, SHA256_SIZE)) {
        facts->kind = TOKEN_SESSION;
        facts->sid = id;
        revocation->ended = session_end_of_anybody(&ctl->realm, ctl->arena, id, &facts->who.user_id);
    } else {
        facts->kind = TOKEN_ACCESS;
        facts->jti = id;
        revoke_jti(ctl, id, revocation);
    }
    return CTL_DONE;
}

/* One that is dead is revoked all the same: another host's clock may be behind ours, and a refresh token
 * may bring its session back. */
static void revoke_token(struct ctl *ctl, const struct input *token, struct revocation *revocation) {
    struct credential credential;
    enum token_verdict verdict =
        credential_read(&ctl->realm, ctl->arena, token->bytes, token->len, &credential);
    revocation->ended = ANSWER_UNKNOWN;
    if (verdict != TOKEN_BAD && credential.jti != NULL &&
        !look_at(ctl, credential.sid, credential.jti, revocation))
        return;
    if (verdict == TOKEN_EXPIRED)
        revocation->dead = "it has expired";
    revocation->ended =
        introspect_revoke(&ctl->realm, ctl->arena, token->bytes, token->len, &revocation->facts);
}

static int revoke_by_token(struct ctl *ctl, struct revocation *revocation) {
    struct input token;
    int code = input_secret("Token: ", &token);
    if (code != CTL_DONE)
        return code;
    revoke_token(ctl, &token, revocation);
    input_free(&token);
    return CTL_DONE;
}

static void show_revoked(struct ctl *ctl, const struct revocation *revocation) {
    const struct introspection *facts = &revocation->facts;
    bool whole = facts->kind != TOKEN_ACCESS;
    if (whole)
        out_line(ctl, "the session %s and all its tokens are revoked", facts->sid);
    else
        out_line(ctl, "the access token %s is revoked%s", facts->jti,
                 revocation->goes_on ? "; its session goes on" : "");
    json *answer = json_new_object();
    json_add_string(answer, "revoked", whole ? "session" : "access token");
    json_add_string(answer, "id", whole ? facts->sid : facts->jti);
    out_json(ctl, answer);
}

int verb_token_revoke(struct ctl *ctl) {
    struct revocation revocation = {.ended = ANSWER_NO};
    const struct introspection *facts = &revocation.facts;
    int code = record_ready(ctl);
    if (code == CTL_DONE)
        code = ctl->operand_count > 0 ? revoke_by_id(ctl, ctl->operands[0], &revocation)
                                      : revoke_by_token(ctl, &revocation);
    if (code != CTL_DONE)
        return code;
    if (revocation.ended == ANSWER_UNKNOWN)
        return store_failed(ctl);
    if (revocation.dead != NULL)
        return fail(CTL_REFUSED, "nothing to revoke: the access token %s is dead already: %s", facts->jti,
                    revocation.dead);
    if (revocation.ended == ANSWER_NO)
        return fail(CTL_REFUSED, "nothing to revoke: the token is dead already, or none of ours");
    struct audit_note note = {
        .event = AUDIT_TOKEN_REVOKE,
        .user_id = facts->who.user_id,
        .email = facts->who.email,
        .session = facts->sid,
        .details = audit_details("jti", facts->kind == TOKEN_ACCESS ? facts->jti : NULL, NULL)};
    code = record(ctl, &note);
    if (code == CTL_DONE)
        show_revoked(ctl, &revocation);
    return code;
}
