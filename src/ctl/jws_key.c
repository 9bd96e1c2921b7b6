#include "ctl/jws_key.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/jwk.h"

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

static bool holds(const char *bytes, size_t len, const char *text) {
    return memmem(bytes, len, text, strlen(text)) != NULL;
}

static bool begins_an_object(const struct input *text) {
    return text->bytes[strspn(text->bytes, " \t\r\n")] == '{';
}

/* NULL: it is neither PEM nor JSON, whole or damaged, with other text around it, quoted once more, or in
 * UTF-16.  mistake: what makes it no JSON. */
static const char *why_no_secret(const struct input *text, const char *mistake) {
    char *plain = malloc(text->len + 1);
    size_t len = 0;
    MUST(plain != NULL);
    for (size_t i = 0; i < text->len; i++)
        if (text->bytes[i] != '\0' && text->bytes[i] != '\\')
            plain[len++] = text->bytes[i];
    bool jwk = holds(plain, len, "\"kty\"") || holds(plain, len, "'kty'");
    bool set = begins_an_object(text) && holds(plain, len, "\"keys\"");
    const char *why = holds(plain, len, "-----BEGIN ")           ? "it is a key in PEM, and no secret"
                      : (jwk || set) && begins_an_object(text) ? mistake
                      : jwk ? "there is a JWK in it, which has to stand alone, in UTF-8"
                            : NULL;
    secret_wipe(plain, text->len);
    free(plain);
    return why;
}

/* text: the file without a byte order mark, which a secret's very bytes may begin with. */
static void add_secrets(struct jws_keys *keys, const struct input *file, const struct input *text,
                        enum key_alg alg, const char **why) {
    const char *none = why_no_secret(text, *why);
    if (none != NULL) {
        *why = none;
        return;
    }
    add_base64(keys, text, alg, why);
    add_bytes(keys, file, alg, why);
}

static void add_pem(struct jws_keys *keys, const struct input *file, enum key_alg alg,
                    const char **why) {
    struct key key;
    if (key_from_bytes(alg, file->bytes, file->len, &key, why))
        keep(keys, &key);
}

/* Editors put U+FEFF in front. */
static struct input without_mark(const struct input *file) {
    struct input text = *file;
    if (text.len >= 3 && memcmp(text.bytes, "\xef\xbb\xbf", 3) == 0) {
        text.bytes += 3;
        text.len -= 3;
    }
    return text;
}

/* A number is JSON too, and may be a secret. */
bool jws_keys_read(const struct input *file, enum key_alg alg, const char *kid, struct jws_keys *keys,
                   const char **why) {
    const struct input text = without_mark(file);
    json *document = json_parse(text.bytes, text.len, why);
    keys->count = 0;
    if (json_is_object(document))
        add_json(keys, document, alg, kid, why);
    else if (json_is_array(document))
        *why = "it is a JSON array; a JWK Set is an object with the member \"keys\"";
    else if (json_is_string(document))
        *why = "it is a text in JSON; a key stands there without quotes around it";
    else if (key_alg_is_symmetric(alg))
        add_secrets(keys, file, &text, alg, why);
    else if (!begins_an_object(&text))
        add_pem(keys, &text, alg, why);
    json_free(document);
    return keys->count > 0;
}

void jws_keys_clear(struct jws_keys *keys) {
    while (keys->count > 0)
        key_clear(&keys->keys[--keys->count]);
}
