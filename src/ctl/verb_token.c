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

/* The longest that any access token may have left: the bounds of [token] access_ttl and leeway. */
#define LONGEST_LIFE_MS (INT64_C(86400000) + 60000)

static bool is_jti(const char *id) {
    size_t len = strlen(id);
    return len >= 1 && len <= 64 &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* Nobody can say whether an access token with this id exists, or how long it would live. */
static enum answer revoke_jti(struct ctl *ctl, const char *jti) {
    const struct ask *ask =
        sessions_revoke_token_ask(ctl->realm.cache, ctl->arena, NULL,
                                  (struct token_end){.jti = jti, .left_ms = LONGEST_LIFE_MS});
    cache_flush(ctl->realm.cache);
    return ask->reply != NULL ? ANSWER_YES : ANSWER_UNKNOWN;
}

static int revoke_by_id(struct ctl *ctl, const char *id, enum answer *ended,
                        struct introspection *facts) {
    if (!is_jti(id))
        return fail(CTL_USAGE, "an id is the jti of an access token, or the 64 hex digits of a "
                               "session; a token itself is read from standard input");
    bool is_sid = hex_valid(id, SHA256_SIZE);
    facts->kind = is_sid ? TOKEN_SESSION : TOKEN_ACCESS;
    facts->sid = is_sid ? id : NULL;
    facts->jti = is_sid ? NULL : id;
    *ended = is_sid
                 ? session_end_of_anybody(&ctl->realm, ctl->arena, id, &facts->who.user_id)
                 : revoke_jti(ctl, id);
    return CTL_DONE;
}

static int revoke_by_token(struct ctl *ctl, enum answer *ended, struct introspection *facts) {
    struct input token;
    int code = input_secret("Token: ", &token);
    if (code != CTL_DONE)
        return code;
    *ended = introspect_revoke(&ctl->realm, ctl->arena, token.bytes, token.len, facts);
    input_free(&token);
    return CTL_DONE;
}

int verb_token_revoke(struct ctl *ctl) {
    struct introspection facts = {0};
    enum answer ended = ANSWER_NO;
    int code = record_ready(ctl);
    if (code == CTL_DONE)
        code = ctl->operand_count > 0 ? revoke_by_id(ctl, ctl->operands[0], &ended, &facts)
                                      : revoke_by_token(ctl, &ended, &facts);
    if (code != CTL_DONE)
        return code;
    if (ended == ANSWER_UNKNOWN)
        return store_failed(ctl);
    if (ended == ANSWER_NO)
        return fail(CTL_REFUSED, "nothing to revoke: the token is dead already, or none of ours");
    bool whole = facts.kind != TOKEN_ACCESS;
    struct audit_note note = {.event = AUDIT_TOKEN_REVOKE,
                              .user_id = facts.who.user_id,
                              .email = facts.who.email,
                              .session = facts.sid,
                              .details = audit_details("jti", whole ? NULL : facts.jti, NULL)};
    code = record(ctl, &note);
    if (code != CTL_DONE)
        return code;
    if (whole)
        out_line(ctl, "the session %s and all its tokens are revoked", facts.sid);
    else
        out_line(ctl, "the access token %s is revoked; its session goes on", facts.jti);
    json *answer = json_new_object();
    json_add_string(answer, "revoked", whole ? "session" : "access token");
    json_add_string(answer, "id", whole ? facts.sid : facts.jti);
    out_json(ctl, answer);
    return CTL_DONE;
}
