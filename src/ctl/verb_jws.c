/* token verify --jws: one signature and nothing else, judged as the service judges it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "ctl/ctl.h"
#include "domain/jwk.h"
#include "domain/jws.h"

#define JWS_MAX_BYTES (64 * 1024)
#define KEY_MAX_BYTES (64 * 1024)

static bool read_jwk(const struct input *file, enum key_alg alg, struct key *key,
                     const char **why) {
    json *jwk = json_parse(file->bytes, file->len, why);
    bool ok = jwk != NULL && jwk_read(jwk, alg, key, why);
    json_free(jwk);
    return ok;
}

/* As in a file of the directory of keys. */
static bool read_secret(const struct input *file, enum key_alg alg, struct key *key,
                        const char **why) {
    uint8_t secret[KEY_MAX_BYTES];
    size_t len = file->len;
    while (len > 0 && isspace((unsigned char)file->bytes[len - 1]))
        len--;
    long size = base64url_decode(file->bytes, len, secret);
    *why = "it is no base64url text of a secret";
    bool ok = size >= 0 && key_from_bytes(alg, secret, (size_t)size, key, why);
    secret_wipe(secret, sizeof secret);
    return ok;
}

/* A JWK, a PEM text or the base64url text of a secret, told apart by how it begins. */
static bool read_key(const struct input *file, enum key_alg alg, struct key *key,
                     const char **why) {
    size_t blank = strspn(file->bytes, " \t\r\n");
    if (file->bytes[blank] == '{')
        return read_jwk(file, alg, key, why);
    if (!key_alg_is_symmetric(alg))
        return key_from_bytes(alg, file->bytes, file->len, key, why);
    return read_secret(file, alg, key, why);
}

static int load_key(const char *path, enum key_alg alg, struct key *key) {
    struct input file;
    const char *why;
    int code = input_file(path, KEY_MAX_BYTES, &file);
    if (code != CTL_DONE)
        return code;
    bool ok = read_key(&file, alg, key, &why);
    input_free(&file);
    return ok ? CTL_DONE
              : fail(CTL_REFUSED, "%s is no key for %s: %s", path, key_alg_name(alg), why);
}

static size_t without_line_end(const struct input *text) {
    size_t len = text->len;
    if (len > 0 && text->bytes[len - 1] == '\n')
        len--;
    if (len < text->len && len > 0 && text->bytes[len - 1] == '\r')
        len--;
    return len;
}

static int judge(struct ctl *ctl, const struct key *key) {
    struct input text;
    struct jws jws;
    const char *why = NULL;
    int code = input_all(JWS_MAX_BYTES, &text);
    if (code != CTL_DONE)
        return code;
    bool valid = text.len <= JWS_MAX_BYTES &&
                 jws_verify(ctl->arena, text.bytes, without_line_end(&text), key, &jws, &why);
    if (text.len > JWS_MAX_BYTES)
        why = "longer than 64 KiB";
    input_free(&text);
    out_line(ctl, "%s%s", valid ? "valid" : "invalid: ", valid ? "" : why);
    json *answer = json_new_object();
    json_add_bool(answer, "valid", valid);
    json_add_string(answer, "reason", valid ? NULL : why);
    out_json(ctl, answer);
    return valid ? CTL_DONE : CTL_REFUSED;
}

int verify_jws(struct ctl *ctl) {
    const char *name = args_option(ctl, "--alg"), *path = args_option(ctl, "--key");
    enum key_alg alg;
    struct key key;
    if (name == NULL || path == NULL || args_option(ctl, "--at") != NULL)
        return fail(CTL_USAGE, "--jws goes with --alg and --key, and without --at");
    if (!key_alg_read(name, &alg))
        return fail(CTL_USAGE,
                    "--alg %s is not supported; use HS256, HS384, HS512, RS256 or ES256", name);
    int code = load_key(path, alg, &key);
    if (code != CTL_DONE)
        return code;
    code = judge(ctl, &key);
    key_clear(&key);
    return code;
}
