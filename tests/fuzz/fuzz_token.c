/*
 * Access tokens, as text and as a header and claims that are signed with a real key.  Whatever is
 * called good has every claim in its form, was not changed by a byte, and is not good a second
 * after its end.
 *
 * The first byte says which: even, the rest is a token; odd, header and claims, with 0xff between.
 */
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/key_dir.h"
#include "domain/token.h"
#include "fuzz.h"

#define NOW_MS INT64_C(1800000000000)

static const char secret[33] = "the only secret of thirty-two b.";
static struct keyring *keys;
static struct conf *conf;
static struct arena *arena;

static void write_file(const char *directory, const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    PROMISE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0);
}

static void remove_file(const char *directory, const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char directory[] = "/tmp/fuzz_token.XXXXXX", text[BASE64URL_SIZE(32)], why[300] = "";
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    PROMISE(mkdtemp(directory) != NULL);
    base64url_encode(secret, 32, text);
    write_file(directory, "k1.hs256.key", text);
    write_file(directory, "signing", "k1\n");
    keys = keyring_read(directory, why, sizeof why);
    remove_file(directory, "k1.hs256.key");
    remove_file(directory, "signing");
    rmdir(directory);
    if (keys == NULL)
        fprintf(stderr, "%s\n", why);
    PROMISE(keys != NULL);
    conf = conf_read(NULL, why, sizeof why);
    PROMISE(conf != NULL);
    arena = arena_new(4096);
    return 0;
}

static const char *signed_token(const char *header, size_t header_len, const char *claims,
                                size_t claims_len) {
    char *first = arena_alloc(arena, BASE64URL_SIZE(header_len));
    char *second = arena_alloc(arena, BASE64URL_SIZE(claims_len));
    uint8_t mac[SHA256_SIZE];
    char third[BASE64URL_SIZE(SHA256_SIZE)];
    base64url_encode(header, header_len, first);
    base64url_encode(claims, claims_len, second);
    const char *input = arena_printf(arena, "%s.%s", first, second);
    secret_hmac_sha256(secret, 32, input, strlen(input), mac);
    base64url_encode(mac, sizeof mac, third);
    return arena_printf(arena, "%s.%s", input, third);
}

static void check_good(const struct token_claims *claims) {
    PROMISE(claims->sub != NULL && claims->sub[0] != '\0');
    PROMISE(claims->jti != NULL && claims->jti[0] != '\0');
    PROMISE(claims->sid != NULL && strlen(claims->sid) == 64);
    PROMISE(strspn(claims->sid, "0123456789abcdef") == 64);
    PROMISE(claims->email != NULL && claims->roles != NULL);
    PROMISE(claims->exp > 0 && claims->iat >= 0);
}

/* Its header and its claims, read by themselves: an access token, and for us. */
static void check_kind(const char *header_text, const char *payload_text) {
    const char *why, *text;
    size_t len;
    json *list, *header = json_parse(header_text, strlen(header_text), &why);
    json *payload = json_parse(payload_text, strlen(payload_text), &why);
    PROMISE(header != NULL && payload != NULL);
    enum json_found type = json_get_string(header, "typ", &text, &len);
    PROMISE(type == JSON_MISSING || type == JSON_FOUND);
    PROMISE(type == JSON_MISSING || (len >= 3 && strcasecmp(text + len - 3, "jwt") == 0));
    if (json_get_array(payload, "aud", &list) == JSON_FOUND)
        PROMISE(json_array_size(list) > 0);
    else
        PROMISE(json_get_string(payload, "aud", &text, &len) == JSON_FOUND &&
                strcmp(text, conf->token_audience) == 0);
    json_free(header);
    json_free(payload);
}

static void one(const char *token, size_t len) {
    struct token_claims claims, later;
    const char *why = NULL, *header, *payload;
    enum token_verdict verdict =
        token_verify(keys, conf, arena, token, len, NOW_MS, &claims, &why);
    token_peek(arena, token, len, &header, &payload);
    if (verdict == TOKEN_BAD) {
        PROMISE(why != NULL);
        return;
    }
    check_good(&claims);
    check_kind(header, payload);
    PROMISE((verdict == TOKEN_EXPIRED) == (claims.exp * 1000 <= NOW_MS));
    if (claims.exp < INT64_C(1) << 40)
        PROMISE(token_verify(keys, conf, arena, token, len, claims.exp * 1000 + 1000, &later,
                             &why) != TOKEN_GOOD);
    /* No other spelling of it. */
    char *other = arena_dup(arena, token, len);
    other[len - 1] = other[len - 1] == 'A' ? 'B' : 'A';
    PROMISE(token_verify(keys, conf, arena, other, len, NOW_MS, &later, &why) == TOKEN_BAD);
    PROMISE(token_verify(keys, conf, arena, token, len - 1, NOW_MS, &later, &why) == TOKEN_BAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    if (input_byte(&input) % 2 == 0) {
        one((const char *)input.at, input_left(&input));
    } else {
        size_t header_len, claims_len;
        char *header = input_text(&input, &header_len), *claims = input_text(&input, &claims_len);
        const char *token = signed_token(header, header_len, claims, claims_len);
        one(token, strlen(token));
        free(header);
        free(claims);
    }
    arena_reset(arena, 64 * 1024);
    return 0;
}
