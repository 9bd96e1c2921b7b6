/*
 * Signed texts of every algorithm, and keys as JSON and as PEM.  A text that verifies has one spelling
 * and names its key's algorithm; a key that is accepted survives being written as a JWK.
 *
 * The first byte: its lower three bits choose the algorithm; with 8 the rest is a JWK, with 16 a PEM text
 * or a secret, else a signed text.
 */
#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/jwk.h"
#include "domain/jws.h"
#include "fuzz.h"

/* Public halves; nobody has the private ones any more.  The corpus holds texts that they signed. */
static const char rsa_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA56wjWFAJ0GrgR7qpTq5A\n"
    "XXwNQLoDXnEaNyjufHSmOwSwcl80qJbIQKQkGfj7PyVKgyWyn5dU2n69LumT3wLS\n"
    "poneKEF2YlBIFWDXAGNNee8ZuTvzlZB6AcQCEqvs9QaiBXuOSmHO5cK/qm/D1Djz\n"
    "n5QC1gKfC8E8ItSbh8OHXNpB3J6DNgC9lxwpF3sZ819Hx2p0m3KGMmHy1NPFuzrB\n"
    "1uSkJoPZFPD69zu2lM2llfgf5EleI5fA7vYvh7HqGNpSPekg+47wuy7oR3UJ0ubj\n"
    "Mpo26dGeFynD4pDDos+1EIMTgIFMQuxKmCjuiRVWJuBffMQzMCzGGHIeORsNemM5\n"
    "AwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
static const char p256_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZBNjiSx0XQWt0ur3CeoloB0CtWZ7\n"
    "aTQJOdqVSAUf5FKLGD+nBUzIl48ygL3EJ9xb/i0o3On6b1XXHldPQkudGg==\n"
    "-----END PUBLIC KEY-----\n";
static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct key keys[KEY_ALGS];
static struct arena *arena;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *why = NULL;
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    arena = arena_new(4096);
    for (int alg = 0; alg < KEY_ALGS; alg++) {
        const char *text = alg == KEY_RS256 ? rsa_pem : alg == KEY_ES256 ? p256_pem : secret;
        PROMISE(key_from_bytes((enum key_alg)alg, text, strlen(text), &keys[alg], &why));
    }
    return 0;
}

static void signed_text(enum key_alg alg, const char *text, size_t len) {
    struct jws jws, other;
    const char *why = NULL;
    if (!jws_verify(arena, text, len, &keys[alg], &jws, &why)) {
        PROMISE(why != NULL);
        return;
    }
    json *header = json_parse(jws.header, jws.header_len, &why);
    PROMISE(header != NULL && jws_header_names(header, alg, &why));
    json_free(header);
    for (int wrong = 0; wrong < KEY_ALGS; wrong++)
        PROMISE(wrong == (int)alg || !jws_verify(arena, text, len, &keys[wrong], &other, &why));
    char *changed = arena_dup(arena, text, len);
    for (size_t i = len > 40 ? len - 40 : 0; i < len; i++) {
        changed[i] = text[i] == 'A' ? 'B' : 'A';
        PROMISE(!jws_verify(arena, changed, len, &keys[alg], &other, &why));
        changed[i] = text[i];
    }
    PROMISE(!jws_verify(arena, text, len - 1, &keys[alg], &other, &why));
}

/* Accepted, it can be written and read again, unless it is a secret, which is never written. */
static void accepted(enum key_alg alg, struct key *key) {
    struct key again = {0};
    const char *why = NULL;
    PROMISE(key->alg == alg);
    if (key_alg_is_symmetric(alg)) {
        PROMISE(key->material_len >= key_alg_min_secret(alg));
    } else {
        json *jwk = jwk_of(key);
        PROMISE(jwk_read(jwk, alg, &again, &why));
        uint8_t one[PKEY_NUMBER_MAX], two[PKEY_NUMBER_MAX];
        char number = alg == KEY_RS256 ? 'n' : 'x';
        size_t len = pkey_number(key->pair, number, one);
        PROMISE(pkey_number(again.pair, number, two) == len && memcmp(one, two, len) == 0);
        key_clear(&again);
        json_free(jwk);
    }
    key_clear(key);
}

static void json_key(enum key_alg alg, const char *text, size_t len) {
    struct key key = {0};
    const char *why = NULL;
    json *jwk = json_parse(text, len, &why);
    if (jwk != NULL && jwk_read(jwk, alg, &key, &why))
        accepted(alg, &key);
    else
        PROMISE(why != NULL);
    json_free(jwk);
}

static void bytes_key(enum key_alg alg, const char *text, size_t len) {
    struct key key = {0};
    const char *why = NULL;
    if (key_from_bytes(alg, text, len, &key, &why))
        accepted(alg, &key);
    else
        PROMISE(why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    unsigned first = input_byte(&input);
    enum key_alg alg = (enum key_alg)((first & 7) % KEY_ALGS);
    const char *text = input_left(&input) > 0 ? (const char *)input.at : "";
    if (first & 8)
        json_key(alg, text, input_left(&input));
    else if (first & 16)
        bytes_key(alg, text, input_left(&input));
    else
        signed_text(alg, text, input_left(&input));
    arena_reset(arena, 64 * 1024);
    return 0;
}
