#include "domain/jws.h"

#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

static const enum secret_digest digests[] = {
    [KEY_HS256] = SECRET_SHA256, [KEY_HS384] = SECRET_SHA384, [KEY_HS512] = SECRET_SHA512};

static bool decode_segment(struct arena *arena, const char *text, size_t len, const char **out,
                           size_t *out_len) {
    char *bytes = arena_alloc(arena, len + 1);
    long decoded = base64url_decode(text, len, bytes);
    if (decoded < 0)
        return false;
    bytes[decoded] = '\0';
    *out = bytes;
    *out_len = (size_t)decoded;
    return true;
}

bool jws_take_apart(struct arena *arena, const char *text, size_t len, struct jws *jws) {
    const char *end = text + len, *dot = memchr(text, '.', len);
    if (dot == NULL)
        return false;
    const char *dot2 = memchr(dot + 1, '.', (size_t)(end - dot - 1));
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
        return false;
    jws->input = text;
    jws->input_len = (size_t)(dot2 - text);
    return decode_segment(arena, text, (size_t)(dot - text), &jws->header, &jws->header_len) &&
           decode_segment(arena, dot + 1, (size_t)(dot2 - dot - 1), &jws->payload,
                          &jws->payload_len) &&
           decode_segment(arena, dot2 + 1, (size_t)(end - dot2 - 1), &jws->signature,
                          &jws->signature_len) &&
           jws->header_len > 0 && jws->signature_len > 0;
}

bool jws_header_is_plain(const json *header, const char **why) {
    *why = "the header is no object";
    if (!json_is_object(header))
        return false;
    *why = "crit asks for something that is not understood";
    if (json_has(header, "crit"))
        return false;
    *why = "b64 is not understood";
    return !json_has(header, "b64");
}

bool jws_header_names(const json *header, enum key_alg alg, const char **why) {
    *why = "alg is not the key's";
    return json_says(header, "alg", key_alg_name(alg));
}

bool jws_signature_is_good(const struct jws *jws, const struct key *key) {
    uint8_t mac[SECRET_HMAC_MAX];
    if (key->pair != NULL)
        return pkey_verify(key->pair, jws->input, jws->input_len,
                           (const uint8_t *)jws->signature, jws->signature_len);
    /* An empty secret would be everybody's. */
    MUST(key_alg_is_symmetric(key->alg) && key->material_len >= key_alg_min_secret(key->alg));
    size_t len = secret_hmac(digests[key->alg], key->material, key->material_len, jws->input,
                             jws->input_len, mac);
    return len == jws->signature_len && secret_equal(mac, jws->signature, len);
}

bool jws_verify(struct arena *arena, const char *text, size_t len, const struct key *key,
                struct jws *jws, const char **why) {
    *why = "not three segments of base64url";
    if (!jws_take_apart(arena, text, len, jws))
        return false;
    json *header = json_parse(jws->header, jws->header_len, why);
    bool ok = header != NULL && jws_header_is_plain(header, why) &&
              jws_header_names(header, key->alg, why);
    json_free(header);
    if (!ok)
        return false;
    *why = "the signature is not the key's";
    return jws_signature_is_good(jws, key);
}
