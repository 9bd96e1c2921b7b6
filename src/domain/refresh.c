#include "domain/refresh.h"

#include <string.h>

#include "base/log.h"
#include "domain/audit.h"

#define SID_BYTES   SHA256_SIZE
#define BOUND_BYTES (SID_BYTES + REFRESH_FAMILY_BYTES + REFRESH_SECRET_BYTES)
#define TOKEN_BYTES (BOUND_BYTES + REFRESH_TAG_BYTES)
#define NONCE_BYTES 32

static void fill_digests(struct refresh_token *token) {
    secret_sha256_hex(token->family, sizeof token->family, token->family_digest);
    secret_sha256_hex(token->secret, sizeof token->secret, token->secret_digest);
}

/* HMAC-SHA-256 of the rest under the family's secret, cut to its first half (RFC 2104 section 5). */
static void make_tag(const uint8_t bytes[BOUND_BYTES], uint8_t tag[SHA256_SIZE]) {
    secret_hmac_sha256(bytes + SID_BYTES, REFRESH_FAMILY_BYTES, bytes, BOUND_BYTES, tag);
}

static const char *token_text(struct arena *arena, const struct refresh_token *token) {
    uint8_t bytes[TOKEN_BYTES];
    char *text = arena_alloc(arena, BASE64URL_SIZE(TOKEN_BYTES));
    MUST(hex_decode(token->sid, bytes, SID_BYTES));
    memcpy(bytes + SID_BYTES, token->family, sizeof token->family);
    memcpy(bytes + SID_BYTES + sizeof token->family, token->secret, sizeof token->secret);
    uint8_t tag[SHA256_SIZE];
    make_tag(bytes, tag);
    memcpy(bytes + BOUND_BYTES, tag, REFRESH_TAG_BYTES);
    base64url_encode(bytes, sizeof bytes, text);
    secret_wipe(bytes, sizeof bytes);
    return text;
}

const char *refresh_token_new(struct arena *arena, const char *sid, struct refresh_token *token) {
    memcpy(token->sid, sid, SID_SIZE);
    secret_random(token->family, sizeof token->family);
    secret_random(token->secret, sizeof token->secret);
    fill_digests(token);
    return token_text(arena, token);
}

bool refresh_token_read(const char *text, size_t len, struct refresh_token *token) {
    uint8_t bytes[TOKEN_BYTES + 3], tag[SHA256_SIZE];
    if (len != BASE64URL_SIZE(TOKEN_BYTES) - 1 ||
        base64url_decode(text, len, bytes) != TOKEN_BYTES)
        return false;
    make_tag(bytes, tag);
    if (!secret_equal(tag, bytes + BOUND_BYTES, REFRESH_TAG_BYTES))
        return false;
    hex_encode(bytes, SID_BYTES, token->sid);
    memcpy(token->family, bytes + SID_BYTES, sizeof token->family);
    memcpy(token->secret, bytes + SID_BYTES + sizeof token->family, sizeof token->secret);
    secret_wipe(bytes, sizeof bytes);
    fill_digests(token);
    return true;
}

/* The token after this one, for a nonce; false: the nonce is none of ours. */
static bool successor(const struct refresh_token *token, const char *nonce,
                      struct refresh_token *next) {
    uint8_t bytes[NONCE_BYTES];
    if (strlen(nonce) != 2 * NONCE_BYTES || !hex_decode(nonce, bytes, NONCE_BYTES))
        return false;
    *next = *token;
    secret_hmac_sha256(token->secret, sizeof token->secret, bytes, sizeof bytes, next->secret);
    fill_digests(next);
    return true;
}

bool refresh_ask(const struct realm *realm, struct arena *arena, const char *text, size_t len,
                 struct refresh_use *use) {
    uint8_t random[NONCE_BYTES];
    struct refresh_token next;
    if (!refresh_token_read(text, len, &use->token))
        return false;
    char *nonce = arena_alloc(arena, HEX_SIZE(NONCE_BYTES));
    secret_random(random, sizeof random);
    hex_encode(random, sizeof random, nonce);
    use->nonce = nonce;
    MUST(successor(&use->token, nonce, &next));
    struct refresh_request request = {.sid = use->token.sid,
                                      .family = use->token.family_digest,
                                      .presented = use->token.secret_digest,
                                      .next = arena_str(arena, next.secret_digest),
                                      .nonce = nonce};
    struct session_lives lives = realm_lives(realm);
    use->ask = sessions_refresh_ask(realm->cache, arena, &request, &lives);
    secret_wipe(&next, sizeof next);
    return true;
}

static enum refresh_state make_grant(const struct realm *realm, struct arena *arena,
                                     const struct refresh_use *use,
                                     const struct refresh_result *result, struct grant *grant) {
    struct refresh_token next;
    memset(grant, 0, sizeof *grant);
    grant->sid = arena_str(arena, use->token.sid);
    if (!successor(&use->token, result->nonce, &next) ||
        !grant_access_token(realm, arena, &result->who, grant->sid, grant))
        return REFRESH_UNKNOWN;
    grant->refresh_token = token_text(arena, &next);
    secret_wipe(&next, sizeof next);
    grant_set_lives(realm, result->left_ms, grant);
    return REFRESH_ROTATED;
}

/* The session has ended, whether or not that can be recorded. */
static enum refresh_state record_theft(const struct realm *realm, const struct refresh_use *use,
                                       const char *user_id) {
    struct audit_note note = {
        .event = AUDIT_REFRESH_REUSED, .user_id = user_id, .session = use->token.sid};
    log_alarm("a spent refresh token was presented again: its session was ended, the token may have "
              "been stolen",
              F_STR("event", "refresh_reused"), F_STR("session", use->token.sid),
              F_STR("user", user_id));
    return audit_record(realm, &note) ? REFRESH_REUSED : REFRESH_UNKNOWN;
}

/* False: it had to be recorded ([audit] mode = strict) and could not be.  Nobody is given the successor then,
 * and the client keeps the token that it has: that is spent already, and brings the same successor for as
 * long as the outage may last, until the client has it. */
static bool record_refresh(const struct realm *realm, struct arena *arena, const struct refresh_use *use,
                           const struct refresh_result *result) {
    const struct session_who *who = &result->who;
    struct audit_note note = {.event = AUDIT_REFRESH,
                              .user_id = who->user_id,
                              .email = who->email,
                              .session = use->token.sid,
                              .by_user = true};
    if (!realm->conf->audit_refreshes || audit_record(realm, &note))
        return true;
    struct refresh_token next;
    if (successor(&use->token, result->nonce, &next)) {
        struct refresh_request request = {.sid = use->token.sid,
                                          .presented = use->token.secret_digest,
                                          .next = arena_str(arena, next.secret_digest),
                                          .nonce = result->nonce};
        sessions_refresh_keep_ask(realm->cache, arena, &request, realm->conf->refresh_ttl);
        secret_wipe(&next, sizeof next);
    }
    return false;
}

enum refresh_state refresh_answer(const struct realm *realm, struct arena *arena,
                                  const struct refresh_use *use, struct grant *grant,
                                  struct session_who *who) {
    struct refresh_result result;
    enum refresh_state state = sessions_refresh_answer(use->ask, arena, &result);
    if (state == REFRESH_REUSED)
        return record_theft(realm, use, result.user_id);
    if (state != REFRESH_ROTATED)
        return state;
    *who = result.who;
    if (!record_refresh(realm, arena, use, &result))
        return REFRESH_UNKNOWN;
    if (result.kept)
        sessions_refresh_settle_ask(realm->cache, arena, use->token.sid, use->token.secret_digest,
                                    realm->conf->refresh_grace);
    return make_grant(realm, arena, use, &result, grant);
}
