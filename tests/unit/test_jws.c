/* Signed texts and keys as JSON: what others may have written of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/jwk.h"
#include "domain/jws.h"
#include "pairs.h"

#define OCT "{\"kty\":\"oct\",\"k\":\"" RFC_K "\"}"
#define EC  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y "\"}"
#define RSA "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"

#define GOOD_HS256 RFC_HS256 "." RFC_PAYLOAD "." RFC_MAC
#define GOOD_ES256 RFC_ES256 "." RFC_PAYLOAD "." RFC_ECDSA
#define GOOD_RS256 RSA_RS256 "." RFC_PAYLOAD "." RSA_SIGNATURE

static struct arena *arena;
static struct key oct, ec, rsa;

static bool read_jwk(const char *text, enum key_alg alg, struct key *key, const char **why) {
    json *jwk = json_parse(text, strlen(text), why);
    if (jwk == NULL)
        fail_msg("%s: %s", text, *why);
    bool read = jwk_read(jwk, alg, key, why);
    json_free(jwk);
    return read;
}

static int make_keys(void **state) {
    (void)state;
    const char *why;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    arena = arena_new(4096);
    return read_jwk(OCT, KEY_HS256, &oct, &why) && read_jwk(EC, KEY_ES256, &ec, &why) &&
                   read_jwk(RSA, KEY_RS256, &rsa, &why)
               ? 0
               : -1;
}

static int forget_keys(void **state) {
    (void)state;
    key_clear(&oct);
    key_clear(&ec);
    key_clear(&rsa);
    arena_free(&arena);
    return 0;
}

static bool good(const char *text, size_t len, const struct key *key) {
    struct jws jws;
    const char *why = NULL;
    bool verified = jws_verify(arena, text, len, key, &jws, &why);
    if (!verified)
        assert_non_null(why);
    arena_reset(arena, 65536);
    return verified;
}

static void assert_bad(const char *text, const struct key *key) {
    if (good(text, strlen(text), key))
        fail_msg("%s verifies", text);
}

/* header.payload with the MAC that whoever knows the bytes of `secret` can make. */
static const char *with_mac(const char *header, const void *secret, size_t secret_len) {
    char *text = arena_printf(arena, "%s." RFC_PAYLOAD, header);
    uint8_t mac[SECRET_HMAC_MAX];
    char encoded[BASE64URL_SIZE(SECRET_HMAC_MAX)];
    size_t len = secret_hmac(SECRET_SHA256, secret, secret_len, text, strlen(text), mac);
    base64url_encode(mac, len, encoded);
    static char out[8192];
    snprintf(out, sizeof out, "%s.%s", text, encoded);
    return out;
}

static const char *with_header(const char *header) {
    char encoded[2000];
    base64url_encode(header, strlen(header), encoded);
    return with_mac(encoded, oct.material, oct.material_len);
}

static void examples(void **state) {
    (void)state;
    struct jws jws;
    const char *why;
    static const struct {
        const char *text;
        const struct key *key;
    } rows[] = {{GOOD_HS256, &oct}, {GOOD_ES256, &ec}, {GOOD_RS256, &rsa}};
    for (size_t i = 0; i < 3; i++) {
        assert_true(jws_verify(arena, rows[i].text, strlen(rows[i].text), rows[i].key, &jws, &why));
        assert_memory_equal(jws.payload, "{\"iss\":\"joe\",\r\n", 15);
        assert_int_equal(strlen(jws.payload), jws.payload_len);
        /* A key of another kind takes none of them. */
        for (size_t other = 0; other < 3; other++)
            if (other != i)
                assert_bad(rows[i].text, rows[other].key);
    }
}

static void no_letter_may_change(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const struct key *key;
    } rows[] = {{GOOD_HS256, &oct}, {GOOD_ES256, &ec}, {GOOD_RS256, &rsa}};
    static const char others[] = "A_.=+/ \n%\x80";
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(rows[i].text);
        char *text = strdup(rows[i].text);
        for (size_t at = 0; at < len; at++) {
            char was = text[at];
            for (const char *other = others; *other != '\0'; other++) {
                text[at] = *other;
                if (*other != was)
                    assert_bad(text, rows[i].key);
            }
            text[at] = '\0'; /* a NUL in the middle: the length counts */
            assert_false(good(text, len, rows[i].key));
            text[at] = was;
            assert_false(good(text, at, rows[i].key));
        }
        free(text);
    }
}

static void more_than_there_should_be(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", ".", "..", "...", "a.b", "a.b.c",
        GOOD_HS256 ".", GOOD_HS256 "." RFC_MAC, "." GOOD_HS256, GOOD_HS256 "=", GOOD_HS256 "A",
        GOOD_HS256 "AAAA", GOOD_HS256 "\n", " " GOOD_HS256, GOOD_HS256 " ", "Bearer " GOOD_HS256,
        RFC_HS256 "=." RFC_PAYLOAD "." RFC_MAC, RFC_HS256 "." RFC_PAYLOAD "=." RFC_MAC,
        RFC_HS256 "." RFC_PAYLOAD ".", RFC_HS256 "." RFC_PAYLOAD, RFC_HS256 ".." RFC_MAC,
        "." RFC_PAYLOAD "." RFC_MAC, RFC_PAYLOAD "." RFC_HS256 "." RFC_MAC,
        /* The JSON serialization, and the five segments of a JWE. */
        "{\"payload\":\"" RFC_PAYLOAD "\",\"protected\":\"" RFC_HS256 "\",\"signature\":\"" RFC_MAC "\"}",
        GOOD_HS256 ".AAAA.AAAA",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_bad(texts[i], &oct);
}

/* All of them with the right MAC: what the header says is refused, not its signature. */
static void headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool good;
    } rows[] = {
        {"{\"alg\":\"HS256\"}", true},
        {" {\"alg\" : \"HS256\" , \"typ\":\"anything\",\"kid\":\"../../etc/passwd\"} ", true},
        {"{\"jku\":\"https://example.org\",\"alg\":\"HS256\"}", true}, /* not looked at */
        {"{\"alg\":\"none\"}", false},
        {"{\"alg\":\"None\"}", false},
        {"{\"alg\":\"\"}", false},
        {"{\"alg\":null}", false},
        {"{\"alg\":256}", false},
        {"{\"alg\":[\"HS256\"]}", false},
        {"{\"alg\":{\"HS256\":1}}", false},
        {"{\"alg\":\"hs256\"}", false},
        {"{\"alg\":\"HS256 \"}", false},
        {"{\"alg\":\"HS256\\u0000\"}", false},
        {"{\"alg\":\"HS384\"}", false},
        {"{\"alg\":\"HS512\"}", false},
        {"{\"alg\":\"RS256\"}", false},
        {"{\"alg\":\"ES256\"}", false},
        {"{\"ALG\":\"HS256\"}", false},
        {"{\"typ\":\"JWT\"}", false},
        {"{}", false},
        {"[]", false},
        {"[\"HS256\"]", false},
        {"\"HS256\"", false},
        {"null", false},
        {"HS256", false},
        {"{\"alg\":\"HS256\"", false},
        {"{\"alg\":\"HS256\"}x", false},
        {"{\"alg\":\"HS256\"}{}", false},
        {"{\"alg\":\"HS256\",}", false},
        {"{'alg':'HS256'}", false},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", false},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", false},
        {"{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", false},
        {"{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}", false},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", false},
        {"{\"alg\":\"HS256\",\"crit\":[]}", false},
        {"{\"alg\":\"HS256\",\"crit\":null}", false},
        {"{\"alg\":\"HS256\",\"crit\":\"exp\"}", false},
        {"{\"alg\":\"HS256\",\"b64\":false}", false},
        {"{\"alg\":\"HS256\",\"b64\":true}", false},
        {"{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", false},
        {"\xef\xbb\xbf{\"alg\":\"HS256\"}", false},
        {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", false},
        {"{\"alg\":\"HS256\",\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = with_header(rows[i].header);
        if (good(text, strlen(text), &oct) != rows[i].good)
            fail_msg("%s", rows[i].header);
    }
}

/* The public half of a pair is known to all: as a secret of HMAC, in whatever form, it opens nothing. */
static void public_keys_are_no_secrets(void **state) {
    (void)state;
    static const char *const forms[] = {
        P256_PUBLIC, RSA2048_PUBLIC, EC, RSA, RFC_X, RFC_Y, RSA_N, "",
    };
    static const char *const names[] = {"HS256", "RS256", "ES256"};
    const char *why;
    struct key pem;
    assert_true(key_from_bytes(KEY_ES256, P256_PUBLIC, strlen(P256_PUBLIC), &pem, &why));
    const struct key *const keys[] = {&ec, &rsa, &pem, &oct};
    for (size_t n = 0; n < 3; n++) {
        char header[64], encoded[128];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[n]);
        base64url_encode(header, strlen(header), encoded);
        for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
                assert_bad(with_mac(encoded, forms[f], strlen(forms[f])), keys[k]);
    }
    key_clear(&pem);
}

static void signatures_of_another_length(void **state) {
    (void)state;
    static const char *const texts[] = {
        RFC_ES256 "." RFC_PAYLOAD "." RFC_ECDSA_DER,
        RFC_ES256 "." RFC_PAYLOAD "." RFC_ECDSA_WIDE,
        RFC_ES256 "." RFC_PAYLOAD "." RFC_ECDSA_ORDER,
        RFC_ES256 "." RFC_PAYLOAD "." RFC_MAC,
        RFC_ES256 "." RFC_PAYLOAD ".AA",
        RSA_RS256 "." RFC_PAYLOAD "." RSA_PSS,
        RSA_RS256 "." RFC_PAYLOAD "." RSA_SHA512,
        RSA_RS256 "." RFC_PAYLOAD "." RFC_MAC,
        RFC_HS256 "." RFC_PAYLOAD ".AA",
        RFC_HS256 "." RFC_PAYLOAD "." RFC_ECDSA,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_bad(texts[i], &ec);
        assert_bad(texts[i], &rsa);
        assert_bad(texts[i], &oct);
    }
}

/* Keys as JSON ------------------------------------------------------------------------------------ */

static void jwks(void **state) {
    (void)state;
#define EC_WITH(more)  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y "\"," more "}"
#define OCT_WITH(more) "{\"kty\":\"oct\",\"k\":\"" RFC_K "\"," more "}"
#define RSA_WITH(e)    "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":" e "}"
#define HALF           "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLw"
    static const struct {
        const char *text;
        enum key_alg alg;
        const char *word; /* NULL: taken */
    } rows[] = {
        {OCT, KEY_HS256, NULL},
        {OCT, KEY_HS512, NULL},
        {OCT_WITH("\"alg\":\"HS256\",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"]"), KEY_HS256, NULL},
        {EC_WITH("\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"x\""), KEY_ES256, NULL},
        {EC_WITH("\"d\":\"not looked at\""), KEY_ES256, NULL},
        {RSA_WITH("\"Aw\""), KEY_RS256, NULL},
        /* For something else than it is used for. */
        {OCT_WITH("\"use\":\"enc\""), KEY_HS256, "use"},
        {OCT_WITH("\"use\":null"), KEY_HS256, "use"},
        {OCT_WITH("\"use\":[\"sig\"]"), KEY_HS256, "use"},
        {EC_WITH("\"key_ops\":[\"sign\"]"), KEY_ES256, "key_ops"},
        {EC_WITH("\"key_ops\":[]"), KEY_ES256, "key_ops"},
        {EC_WITH("\"key_ops\":\"verify\""), KEY_ES256, "key_ops"},
        {EC_WITH("\"key_ops\":[null,1,[\"verify\"]]"), KEY_ES256, "key_ops"},
        {OCT_WITH("\"alg\":\"HS512\""), KEY_HS256, "alg"},
        {OCT_WITH("\"alg\":\"none\""), KEY_HS256, "alg"},
        {OCT_WITH("\"alg\":null"), KEY_HS256, "alg"},
        {EC_WITH("\"alg\":\"ES384\""), KEY_ES256, "alg"},
        /* Of another kind. */
        {OCT, KEY_RS256, "RSA"},
        {OCT, KEY_ES256, "EC"},
        {EC, KEY_HS256, "oct"},
        {EC, KEY_RS256, "RSA"},
        {RSA, KEY_ES256, "EC"},
        {RSA, KEY_HS256, "oct"},
        {"{}", KEY_HS256, "oct"},
        {"{\"k\":\"" RFC_K "\"}", KEY_HS256, "oct"},
        {"{\"kty\":\"OCT\",\"k\":\"" RFC_K "\"}", KEY_HS256, "oct"},
        {"{\"kty\":[\"oct\"],\"k\":\"" RFC_K "\"}", KEY_HS256, "oct"},
        /* Secrets that are none. */
        {"{\"kty\":\"oct\"}", KEY_HS256, "base64url"},
        {"{\"kty\":\"oct\",\"k\":\"\"}", KEY_HS256, "shorter"},
        {"{\"kty\":\"oct\",\"k\":null}", KEY_HS256, "base64url"},
        {"{\"kty\":\"oct\",\"k\":5}", KEY_HS256, "base64url"},
        {"{\"kty\":\"oct\",\"k\":\"" HALF "\"}", KEY_HS256, "shorter"},
        {"{\"kty\":\"oct\",\"k\":\"" HALF "B\"}", KEY_HS256, "base64url"}, /* leftover bits */
        {"{\"kty\":\"oct\",\"k\":\"" RFC_K "==\"}", KEY_HS256, "base64url"},
        {"{\"kty\":\"oct\",\"k\":\"" RFC_K "+/\"}", KEY_HS256, "base64url"},
        {"{\"kty\":\"oct\",\"k\":\"" RFC_K HALF HALF "A\"}", KEY_HS256, NULL}, /* 1024 bits */
        {"{\"kty\":\"oct\",\"k\":\"" RFC_K RFC_K "\"}", KEY_HS256, NULL},
        {"{\"kty\":\"oct\",\"k\":\"" RSA_N "\"}", KEY_HS512, NULL},
        /* Points and numbers that are none. */
        {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y "\"}", KEY_ES256, "crv"},
        {"{\"kty\":\"EC\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y "\"}", KEY_ES256, "crv"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_Y "\",\"y\":\"" RFC_X "\"}", KEY_ES256, "curve"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\"}", KEY_ES256, "256 bits"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"" RFC_Y "\"}", KEY_ES256, "256 bits"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_K "\",\"y\":\"" RFC_Y "\"}", KEY_ES256, "256 bits"},
        {RSA_WITH("\"AQ\""), KEY_RS256, "exponent"},
        {RSA_WITH("\"AA\""), KEY_RS256, "exponent"},
        {RSA_WITH("\"\""), KEY_RS256, "out of range"},
        {RSA_WITH("65537"), KEY_RS256, "out of range"},
        {RSA_WITH("\"AQAB=\""), KEY_RS256, "out of range"},
        {RSA_WITH("\"" RFC_K "\""), KEY_RS256, "out of range"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC_K "\",\"e\":\"AQAB\"}", KEY_RS256, "2048"},
        {"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}", KEY_RS256, "out of range"},
        {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", KEY_RS256, "out of range"},
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N RSA_N RSA_N RSA_N RSA_N "\",\"e\":\"AQAB\"}", KEY_RS256,
         "out of range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key key = {0};
        const char *why = "";
        bool read = read_jwk(rows[i].text, rows[i].alg, &key, &why);
        if (read != (rows[i].word == NULL) || (!read && strstr(why, rows[i].word) == NULL))
            fail_msg("row %zu, %s: %s", i, rows[i].text, read ? "taken" : why);
        if (read)
            key_clear(&key);
    }
}

/* What is published is the public half, and reads as the same key. */
static void published(void **state) {
    (void)state;
    static const enum key_alg algs[] = {KEY_ES256, KEY_RS256};
    for (size_t i = 0; i < 2; i++) {
        struct key key, again;
        const char *why;
        size_t len;
        char *pem = pkey_generate(algs[i] == KEY_RS256 ? PKEY_RSA : PKEY_P256);
        assert_true(key_from_bytes(algs[i], pem, strlen(pem), &key, &why));
        strcpy(key.kid, "a-kid");
        json *jwk = jwk_of(&key);
        const char *text = json_text(jwk, &len);
        assert_non_null(strstr(text, "\"kid\":\"a-kid\""));
        assert_null(strstr(text, "\"d\""));
        assert_null(strstr(text, "\"p\""));
        assert_true(jwk_read(jwk, algs[i], &again, &why));
        assert_false(key_can_sign(&again));
        json *second = jwk_of(&again);
        assert_null(strstr(json_text(second, &len), "a-kid")); /* a kid is the caller's to set */
        strcpy(again.kid, "a-kid");
        json_free(second);
        second = jwk_of(&again);
        assert_string_equal(json_text(jwk, &len), json_text(second, &len));
        json_free(jwk);
        json_free(second);
        key_clear(&key);
        key_clear(&again);
        free(pem);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(no_letter_may_change),
        cmocka_unit_test(more_than_there_should_be),
        cmocka_unit_test(headers),
        cmocka_unit_test(public_keys_are_no_secrets),
        cmocka_unit_test(signatures_of_another_length),
        cmocka_unit_test(jwks),
        cmocka_unit_test(published),
    };
    return cmocka_run_group_tests(tests, make_keys, forget_keys);
}
