#include "domain/jwk.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

/* Writing ---------------------------------------------------------------------------------------- */

static void add_number(json *jwk, const struct pkey *pair, char name) {
    const char member[2] = {name, '\0'};
    uint8_t number[PKEY_NUMBER_MAX];
    char text[BASE64URL_SIZE(PKEY_NUMBER_MAX)];
    base64url_encode(number, pkey_number(pair, name, number), text);
    json_add_string(jwk, member, text);
}

json *jwk_of(const struct key *key) {
    json *jwk = json_new_object();
    bool rsa = pkey_kind(key->pair) == PKEY_RSA;
    json_add_string(jwk, "kty", rsa ? "RSA" : "EC");
    json_add_string(jwk, "use", "sig");
    json_add_string(jwk, "alg", key_alg_name(key->alg));
    json_add_string(jwk, "kid", key->kid);
    if (!rsa)
        json_add_string(jwk, "crv", "P-256");
    for (const char *name = rsa ? "ne" : "xy"; *name != '\0'; name++)
        add_number(jwk, key->pair, *name);
    return jwk;
}

/* Reading ---------------------------------------------------------------------------------------- */

static bool may_verify(const json *jwk) {
    json *operations;
    if (!json_has(jwk, "key_ops"))
        return true;
    if (json_get_array(jwk, "key_ops", &operations) != JSON_FOUND)
        return false;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *operation = json_array_string(operations, i);
        if (operation != NULL && strcmp(operation, "verify") == 0)
            return true;
    }
    return false;
}

/* The bytes of a member; -1: it is missing or not base64url, or longer than out. */
static long read_bytes(const json *jwk, const char *name, uint8_t *out, size_t size) {
    const char *text;
    size_t len;
    if (json_get_string(jwk, name, &text, &len) != JSON_FOUND || len * 3 / 4 > size)
        return -1;
    return base64url_decode(text, len, out);
}

static bool read_secret(const json *jwk, enum key_alg alg, struct key *key, const char **why) {
    const char *text;
    size_t len;
    *why = "kty is not oct, or k is not base64url";
    if (!json_says(jwk, "kty", "oct") || json_get_string(jwk, "k", &text, &len) != JSON_FOUND)
        return false;
    size_t size = len * 3 / 4;
    uint8_t *secret = malloc(size + 1);
    MUST(secret != NULL);
    long decoded = base64url_decode(text, len, secret);
    bool ok = decoded >= 0 && key_from_secret(alg, secret, (size_t)decoded, key, why);
    secret_wipe(secret, size);
    free(secret);
    return ok;
}

static struct pkey *read_rsa(const json *jwk, const char **why) {
    uint8_t n[PKEY_NUMBER_MAX], e[8];
    *why = "kty is not RSA, or n or e is missing or out of range";
    long n_len = read_bytes(jwk, "n", n, sizeof n), e_len = read_bytes(jwk, "e", e, sizeof e);
    if (!json_says(jwk, "kty", "RSA") || n_len < 1 || e_len < 1)
        return NULL;
    return pkey_from_rsa(n, (size_t)n_len, e, (size_t)e_len, why);
}

static struct pkey *read_p256(const json *jwk, const char **why) {
    uint8_t x[32], y[32];
    *why = "kty is not EC, crv is not P-256, or x or y does not have 256 bits";
    if (!json_says(jwk, "kty", "EC") || !json_says(jwk, "crv", "P-256") ||
        read_bytes(jwk, "x", x, sizeof x) != sizeof x ||
        read_bytes(jwk, "y", y, sizeof y) != sizeof y)
        return NULL;
    return pkey_from_p256(x, y, why);
}

bool jwk_read(const json *jwk, enum key_alg alg, struct key *key, const char **why) {
    *why = "use is not sig";
    if (json_has(jwk, "use") && !json_says(jwk, "use", "sig"))
        return false;
    *why = "key_ops does not hold verify";
    if (!may_verify(jwk))
        return false;
    *why = "alg is another";
    if (json_has(jwk, "alg") && !json_says(jwk, "alg", key_alg_name(alg)))
        return false;
    if (key_alg_is_symmetric(alg))
        return read_secret(jwk, alg, key, why);
    *key = (struct key){.alg = alg,
                        .pair = alg == KEY_RS256 ? read_rsa(jwk, why) : read_p256(jwk, why)};
    return key->pair != NULL;
}
