#include "domain/token.h"

#include <jwt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/jws.h"

#define JTI_BYTES  16
/* Times are counted in milliseconds elsewhere: beyond this they would overflow. */
#define MAX_TIME_S (INT64_MAX / 1000 - TOKEN_MAX_SKEW_S)

static const jwt_alg_t algs[KEY_ALGS] = {[KEY_HS256] = JWT_ALG_HS256,
                                         [KEY_HS384] = JWT_ALG_HS384,
                                         [KEY_HS512] = JWT_ALG_HS512,
                                         [KEY_RS256] = JWT_ALG_RS256,
                                         [KEY_ES256] = JWT_ALG_ES256};

/* What we write is JWT; at+jwt is what RFC 9068 section 2.1 has for access tokens, with or without the
 * prefix that RFC 7515 section 4.1.9 lets one leave out, and in any case. */
static bool is_access_token(const json *header) {
    const char *type;
    size_t len;
    switch (json_get_string(header, "typ", &type, &len)) {
    case JSON_MISSING:
        return true;
    case JSON_FOUND:
        return strcmp(type, "JWT") == 0 || strcasecmp(type, "at+jwt") == 0 ||
               strcasecmp(type, "application/at+jwt") == 0;
    default:
        return false;
    }
}

/* The key that the header names, if the header is one of ours: exactly the key's algorithm, and
 * nothing that we would have to understand.  kid is a name in a table, and nothing else. */
static const struct key *key_of(const struct keyring *keys, const json *header, const char **why) {
    const char *kid;
    size_t kid_len;
    if (!jws_header_is_plain(header, why))
        return NULL;
    *why = "typ is not JWT or at+jwt";
    if (!is_access_token(header))
        return NULL;
    *why = "kid names no key";
    if (json_get_string(header, "kid", &kid, &kid_len) != JSON_FOUND)
        return NULL;
    const struct key *key = keyring_find(keys, kid, kid_len);
    return key != NULL && jws_header_names(header, key->alg, why) ? key : NULL;
}

static const char *text_claim(const json *payload, struct arena *arena, const char *name) {
    const char *text;
    size_t len;
    if (json_get_string(payload, name, &text, &len) != JSON_FOUND || len == 0)
        return NULL;
    return arena_str(arena, text);
}

static const char *roles_claim(const json *payload, struct arena *arena) {
    json *array;
    if (json_get_array(payload, "roles", &array) != JSON_FOUND)
        return NULL;
    const char *roles = "";
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *role = json_array_string(array, i);
        if (role == NULL)
            return NULL;
        roles = arena_printf(arena, "%s%s%s", roles, i > 0 ? "," : "", role);
    }
    return roles;
}

static bool is_name(const char *text, size_t min, size_t max) {
    size_t len = strlen(text);
    return len >= min && len <= max &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* One name, or a list of names with ours among them (RFC 7519 section 4.1.3). */
static bool is_for(const json *payload, const char *audience) {
    json *list;
    bool found = false;
    if (json_get_array(payload, "aud", &list) != JSON_FOUND)
        return json_says(payload, "aud", audience);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_array_string(list, i);
        if (name == NULL)
            return false;
        found = found || strcmp(name, audience) == 0;
    }
    return found;
}

static bool read_claims(const json *payload, const struct conf *conf, struct arena *arena,
                        struct token_claims *claims, const char **why) {
    *why = "the claims are no object";
    if (!json_is_object(payload))
        return false;
    *why = "iss is another's";
    if (!json_says(payload, "iss", conf->token_issuer))
        return false;
    *why = "aud is another";
    if (!is_for(payload, conf->token_audience))
        return false;
    *why = "exp or iat is missing or no integer";
    if (json_get_int(payload, "exp", &claims->exp) != JSON_FOUND ||
        json_get_int(payload, "iat", &claims->iat) != JSON_FOUND)
        return false;
    *why = "sub, sid, jti, email or roles is missing or malformed";
    claims->sub = text_claim(payload, arena, "sub");
    claims->sid = text_claim(payload, arena, "sid");
    claims->jti = text_claim(payload, arena, "jti");
    claims->email = text_claim(payload, arena, "email");
    claims->roles = roles_claim(payload, arena);
    return claims->sub != NULL && claims->sid != NULL && claims->jti != NULL &&
           claims->email != NULL && claims->roles != NULL && is_name(claims->sub, 1, 64) &&
           hex_valid(claims->sid, SHA256_SIZE) && is_name(claims->jti, 1, 64);
}

bool token_is_expired(const struct conf *conf, int64_t exp, int64_t now_ms) {
    return exp <= now_ms / 1000 - conf->token_leeway / 1000;
}

/* RFC 7519 sections 4.1.4 to 4.1.6. */
static enum token_verdict judge_times(const json *payload, const struct conf *conf,
                                      const struct token_claims *claims, int64_t now_ms,
                                      const char **why) {
    int64_t now = now_ms / 1000, leeway = conf->token_leeway / 1000, nbf;
    *why = "iat is in the future";
    if (claims->iat < 0 || claims->iat > now + TOKEN_MAX_SKEW_S + leeway)
        return TOKEN_BAD;
    *why = "exp is out of range";
    if (claims->exp < 0 || claims->exp > MAX_TIME_S)
        return TOKEN_BAD;
    *why = "nbf is in the future or no integer";
    enum json_found found = json_get_int(payload, "nbf", &nbf);
    if (found != JSON_MISSING && (found != JSON_FOUND || nbf > now + leeway))
        return TOKEN_BAD;
    *why = "exp has passed";
    return token_is_expired(conf, claims->exp, now_ms) ? TOKEN_EXPIRED : TOKEN_GOOD;
}

static enum token_verdict judge_claims(const struct jws *jws, const struct conf *conf,
                                       struct arena *arena, int64_t now_ms,
                                       struct token_claims *claims, const char **why) {
    json *payload = json_parse(jws->payload, jws->payload_len, why);
    if (payload == NULL)
        return TOKEN_BAD;
    enum token_verdict verdict = TOKEN_BAD;
    if (read_claims(payload, conf, arena, claims, why))
        verdict = judge_times(payload, conf, claims, now_ms, why);
    json_free(payload);
    return verdict;
}

enum token_verdict token_verify(const struct keyring *keys, const struct conf *conf,
                                struct arena *arena, const char *token, size_t len, int64_t now_ms,
                                struct token_claims *claims, const char **why) {
    struct jws jws;
    *why = "longer than 4 KiB";
    if (len > TOKEN_MAX_SIZE)
        return TOKEN_BAD;
    *why = "not three segments of base64url";
    if (!jws_take_apart(arena, token, len, &jws))
        return TOKEN_BAD;
    json *header = json_parse(jws.header, jws.header_len, why);
    if (header == NULL)
        return TOKEN_BAD;
    const struct key *key = key_of(keys, header, why);
    json_free(header);
    if (key == NULL)
        return TOKEN_BAD;
    *why = "the signature is not the key's";
    if (!jws_signature_is_good(&jws, key))
        return TOKEN_BAD;
    return judge_claims(&jws, conf, arena, now_ms, claims, why);
}

bool token_peek(struct arena *arena, const char *token, size_t len, const char **header,
                const char **claims) {
    struct jws jws;
    if (len > TOKEN_MAX_SIZE || !jws_take_apart(arena, token, len, &jws))
        return false;
    *header = jws.header;
    *claims = jws.payload;
    return true;
}

static void add_members(jwt_t *jwt, json *object) {
    size_t len;
    MUST(jwt_add_grants_json(jwt, json_text(object, &len)) == 0);
    json_free(object);
}

/* libjwt takes UTF-8 only; JSON text is that, whatever the text was. */
static void add_text(jwt_t *jwt, const char *name, const char *text) {
    if (jwt_add_grant(jwt, name, text) == 0)
        return;
    json *object = json_new_object();
    json_add_string(object, name, text);
    add_members(jwt, object);
}

/* Texts by themselves, which is a third of the work that all of them as JSON are. */
static void add_claims(jwt_t *jwt, const struct conf *conf, const struct token_claims *claims) {
    json *object = json_new_object();
    json_add(object, "roles", json_new_words(claims->roles));
    json_add_int(object, "iat", claims->iat);
    json_add_int(object, "exp", claims->exp);
    add_members(jwt, object);
    add_text(jwt, "iss", conf->token_issuer);
    add_text(jwt, "sub", claims->sub);
    add_text(jwt, "aud", conf->token_audience);
    add_text(jwt, "jti", claims->jti);
    add_text(jwt, "sid", claims->sid);
    add_text(jwt, "email", claims->email);
}

/* What libjwt makes of it, as a copy in the arena.  Without a key it would make a token that nobody
 * has signed, so that is looked at before and after. */
static const char *encode(const struct key *key, const struct conf *conf,
                          const struct token_claims *claims, struct arena *arena) {
    jwt_t *jwt = NULL;
    MUST(jwt_new(&jwt) == 0);
    MUST(jwt_add_header(jwt, "kid", key->kid) == 0);
    add_claims(jwt, conf, claims);
    MUST(jwt_set_alg(jwt, algs[key->alg], key->material, (int)key->material_len) == 0);
    MUST(jwt_get_alg(jwt) == algs[key->alg] && key->material_len > 0);
    char *text = jwt_encode_str(jwt);
    MUST(text != NULL && text[strlen(text) - 1] != '.');
    const char *token = arena_str(arena, text);
    free(text);
    jwt_free(jwt);
    return token;
}

const char *token_sign(const struct keyring *keys, const struct conf *conf, struct arena *arena,
                       struct token_claims *claims) {
    uint8_t random[JTI_BYTES];
    char *jti = arena_alloc(arena, BASE64URL_SIZE(JTI_BYTES));
    secret_random(random, sizeof random);
    base64url_encode(random, sizeof random, jti);
    claims->jti = jti;
    claims->iat = clock_wall_ms() / 1000;
    claims->exp = claims->iat + conf->token_access_ttl / 1000;
    const char *token = encode(keyring_signing(keys), conf, claims, arena);
    return strlen(token) <= TOKEN_MAX_SIZE ? token : NULL;
}
