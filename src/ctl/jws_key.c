#include "ctl/jws_key.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/jwk.h"

static bool holds(const struct input *file, const char *text) {
    return memmem(file->bytes, file->len, text, strlen(text)) != NULL;
}

static void keep(struct jws_keys *keys, struct key *key) {
    if (keys->count < JWS_KEY_READINGS)
        keys->keys[keys->count++] = *key;
    else
        key_clear(key);
}

static void add_jwk(struct jws_keys *keys, const json *jwk, enum key_alg alg, const char **why) {
    struct key key;
    if (jwk_read(jwk, alg, &key, why))
        keep(keys, &key);
}

/* Keys of several kinds may have one kid (RFC 7517 section 4.5). */
static void add_set(struct jws_keys *keys, const json *set, enum key_alg alg, const char *kid,
                    const char **why) {
    size_t size = json_array_size(set);
    bool named = false;
    *why = "the text names none of its keys";
    for (size_t i = 0; kid != NULL && i < size; i++) {
        const json *jwk = json_array_object(set, i);
        if (!json_says(jwk, "kid", kid))
            continue;
        named = true;
        add_jwk(keys, jwk, alg, why);
    }
    if (!named && size == 1)
        add_jwk(keys, json_array_object(set, 0), alg, why);
}

static void add_json(struct jws_keys *keys, const json *document, enum key_alg alg, const char *kid,
                     const char **why) {
    json *set;
    if (json_get_array(document, "keys", &set) == JSON_FOUND)
        add_set(keys, set, alg, kid, why);
    else
        add_jwk(keys, document, alg, why);
}

static void add_secret(struct jws_keys *keys, const void *bytes, size_t len, enum key_alg alg,
                       const char **why) {
    struct key key;
    if (key_from_secret(alg, bytes, len, &key, why))
        keep(keys, &key);
}

static size_t without_padding(const char *text, size_t len) {
    bool whole = len % 4 == 0;
    for (int padding = 0; whole && padding < 2 && len > 0 && text[len - 1] == '='; padding++)
        len--;
    return len;
}

/* Both alphabets, with or without padding; the lines that openssl breaks it into are joined. */
static void add_base64(struct jws_keys *keys, const struct input *file, enum key_alg alg,
                       const char **why) {
    char *text = malloc(file->len + 1);
    size_t len = 0;
    MUST(text != NULL);
    for (size_t i = 0; i < file->len; i++)
        if (!isspace((unsigned char)file->bytes[i]))
            text[len++] = file->bytes[i] == '+' ? '-' : file->bytes[i] == '/' ? '_' : file->bytes[i];
    long size = base64url_decode(text, without_padding(text, len), text);
    if (size >= 0)
        add_secret(keys, text, (size_t)size, alg, why);
    secret_wipe(text, file->len);
    free(text);
}

/* Made with an editor or by openssl rand: the end of a line is part of it or is not. */
static void add_bytes(struct jws_keys *keys, const struct input *file, enum key_alg alg,
                      const char **why) {
    size_t len = file->len;
    add_secret(keys, file->bytes, len, alg, why);
    if (len == 0 || file->bytes[len - 1] != '\n')
        return;
    add_secret(keys, file->bytes, --len, alg, why);
    if (len > 0 && file->bytes[len - 1] == '\r')
        add_secret(keys, file->bytes, len - 1, alg, why);
}

static void add_secrets(struct jws_keys *keys, const struct input *file, enum key_alg alg,
                        const char **why) {
    *why = "it is a key in PEM, and no secret";
    if (holds(file, "-----BEGIN "))
        return;
    add_base64(keys, file, alg, why);
    add_bytes(keys, file, alg, why);
}

static void add_pem(struct jws_keys *keys, const struct input *file, enum key_alg alg,
                    const char **why) {
    struct key key;
    if (key_from_bytes(alg, file->bytes, file->len, &key, why))
        keep(keys, &key);
}

bool jws_keys_read(const struct input *file, enum key_alg alg, const char *kid, struct jws_keys *keys,
                   const char **why) {
    bool symmetric = key_alg_is_symmetric(alg);
    bool braces = file->bytes[strspn(file->bytes, " \t\r\n")] == '{';
    json *document = braces ? json_parse(file->bytes, file->len, why) : NULL;
    /* A JWK with a mistake in it; one byte of a random secret in 256 is a brace, too. */
    bool damaged = braces && document == NULL &&
                   (!symmetric || holds(file, "\"kty\"") || holds(file, "\"keys\""));
    keys->count = 0;
    if (document != NULL)
        add_json(keys, document, alg, kid, why);
    else if (symmetric && !damaged)
        add_secrets(keys, file, alg, why);
    else if (!damaged)
        add_pem(keys, file, alg, why);
    json_free(document);
    return keys->count > 0;
}

void jws_keys_clear(struct jws_keys *keys) {
    while (keys->count > 0)
        key_clear(&keys->keys[--keys->count]);
}
