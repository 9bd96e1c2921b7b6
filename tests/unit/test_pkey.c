/* Keys as bytes that others wrote: which are taken, and which signatures they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/pkey.h"
#include "base/secret.h"
#include "pairs.h"

static struct pkey *taken(const char *pem, enum pkey_kind kind) {
    const char *why = "";
    struct pkey *key = pkey_read(pem, strlen(pem), kind, &why);
    if (key == NULL)
        fail_msg("%s\nwas refused: %s", pem, why);
    return key;
}

static void refused(const char *pem, size_t len, enum pkey_kind kind, const char *word) {
    const char *why = "";
    if (pkey_read(pem, len, kind, &why) != NULL)
        fail_msg("%.*s\nwas taken", (int)len, pem);
    if (strstr(why, word) == NULL)
        fail_msg("%.*s\n%s", (int)len, pem, why);
}

static void keys_that_are_taken(void **state) {
    (void)state;
    static const struct {
        const char *pem;
        enum pkey_kind kind;
        bool is_private;
    } rows[] = {
        {P256_SEC1, PKEY_P256, true},
        {P256_PKCS8, PKEY_P256, true},
        {P256_PUBLIC, PKEY_P256, false},
        {RSA2048_PUBLIC, PKEY_RSA, false},
        {"made by somebody\n" P256_PKCS8, PKEY_P256, true},
        {P256_PKCS8 "\n\n", PKEY_P256, true},
        /* What `openssl ecparam -genkey` writes. */
        {PEM("EC PARAMETERS", "BggqhkjOPQMBBw==\n") P256_SEC1, PKEY_P256, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pkey *key = taken(rows[i].pem, rows[i].kind);
        assert_int_equal(pkey_kind(key), rows[i].kind);
        assert_int_equal(pkey_is_private(key), rows[i].is_private);
        pkey_free(&key);
        assert_null(key);
        pkey_free(&key);
    }
}

static void keys_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *pem;
        enum pkey_kind kind;
        const char *word;
    } rows[] = {
        {"", PKEY_P256, "no PEM"},
        {"AAAA", PKEY_RSA, "no PEM"},
        {"-----BEGIN", PKEY_RSA, "no PEM"},
        {"-----BEGIN PUBLIC KEY-----", PKEY_RSA, "no private or public key"},
        {PEM("PUBLIC KEY", ""), PKEY_P256, "no private or public key"},
        {PEM("PUBLIC KEY", "AAAA\n"), PKEY_P256, "no private or public key"},
        {PEM("PRIVATE KEY", "MAA=\n"), PKEY_RSA, "no private or public key"},
        {P256_CERTIFICATE, PKEY_P256, "no private or public key"},
        /* More than one: whose tokens would these be? */
        {P256_PUBLIC P256_PUBLIC, PKEY_P256, "more than one"},
        {P256_PKCS8 P256_PUBLIC, PKEY_P256, "more than one"},
        {P256_CERTIFICATE P256_PKCS8, PKEY_P256, "more than one"},
        /* Nobody is asked for a passphrase. */
        {P256_ENCRYPTED, PKEY_P256, "encrypted"},
        {P256_ENCRYPTED_SEC1, PKEY_P256, "encrypted"},
        /* Another kind than its name says. */
        {P256_PUBLIC, PKEY_RSA, "no RSA"},
        {P256_PKCS8, PKEY_RSA, "no RSA"},
        {RSA2048_PUBLIC, PKEY_P256, "elliptic"},
        {RSA_PSS_PUBLIC, PKEY_RSA, "no RSA"},
        {ED25519_PUBLIC, PKEY_P256, "elliptic"},
        {ED25519_PRIVATE, PKEY_P256, "elliptic"},
        {ED25519_PRIVATE, PKEY_RSA, "no RSA"},
        /* Too weak, and curves that are not the algorithm's. */
        {RSA1024_PUBLIC, PKEY_RSA, "2048"},
        {RSA2040_PUBLIC, PKEY_RSA, "2048"},
        {P384_PRIVATE, PKEY_P256, "P-256"},
        {P384_PUBLIC, PKEY_P256, "P-256"},
        {P224_PUBLIC, PKEY_P256, "P-256"},
        {K256_PRIVATE, PKEY_P256, "P-256"},
        {K256_PUBLIC, PKEY_P256, "P-256"},
        {P256_GENERATOR, PKEY_P256, ""},
        {P256_OFF_CURVE, PKEY_P256, ""},
        {P256_MIXED, PKEY_P256, "private half"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].pem, strlen(rows[i].pem), rows[i].kind, rows[i].word);
}

/* A copy that is under way, and one that went wrong: no part of a key is a key, whatever changed. */
static void parts_of_keys(void **state) {
    (void)state;
    static const char *const pems[] = {P256_PKCS8, P256_SEC1, P256_PUBLIC};
    for (size_t i = 0; i < sizeof pems / sizeof *pems; i++)
        for (size_t len = 0; len < strlen(pems[i]) - 2; len++)
            refused(pems[i], len, PKEY_P256, "");
    struct pkey *whole = taken(P256_PUBLIC, PKEY_P256), *other;
    uint8_t x[PKEY_NUMBER_MAX], y[PKEY_NUMBER_MAX];
    char pem[] = P256_PUBLIC;
    for (size_t i = 0; i < sizeof pem - 1; i++) {
        const char *why;
        pem[i] ^= 1;
        if ((other = pkey_read(pem, sizeof pem - 1, PKEY_P256, &why)) != NULL) {
            /* A letter of the last quantum that stands for no bit. */
            assert_int_equal(pkey_number(whole, 'x', x), pkey_number(other, 'x', y));
            assert_memory_equal(x, y, 32);
            pkey_free(&other);
        }
        pem[i] ^= 1;
    }
    pkey_free(&whole);
}

static void bytes_that_are_no_text(void **state) {
    (void)state;
    static const char nul[] = "\0" P256_PKCS8;
    struct pkey *key;
    const char *why;
    uint8_t random[2000];
    if ((key = pkey_read(nul, sizeof nul - 1, PKEY_P256, &why)) != NULL)
        pkey_free(&key);
    for (int i = 0; i < 200; i++) {
        secret_random(random, sizeof random);
        refused((const char *)random, sizeof random, PKEY_P256, "no PEM");
        memcpy(random, "-----BEGIN PUBLIC KEY-----\n", 27);
        refused((const char *)random, sizeof random, PKEY_RSA, "no private or public key");
    }
}

/* A number of len bytes, of which the first and the last are given. */
static const uint8_t *number(size_t len, uint8_t first, uint8_t last) {
    static uint8_t bytes[2000];
    memset(bytes, 0x5a, sizeof bytes);
    bytes[0] = first;
    bytes[len - 1] = last;
    return bytes;
}

static void numbers_of_rsa(void **state) {
    (void)state;
    static const struct {
        size_t n_len;
        uint8_t first;
        const char *e;
        size_t e_len;
        const char *word; /* NULL: taken */
    } rows[] = {
        {256, 0x80, "\1\0\1", 3, NULL},
        {1024, 0x80, "\3", 1, NULL},
        {256, 0x80, "\0\0\0\0\0\1\0\1", 8, NULL},
        /* 1: every text would be its own signature. */
        {256, 0x80, "\1", 1, "exponent"},
        {256, 0x80, "\0\0\1", 3, "exponent"},
        {256, 0x80, "\0", 1, "exponent"},
        {256, 0x80, "\2", 1, "exponent"},
        {256, 0x80, "\1\0\0", 3, "exponent"},
        {256, 0x80, "\1\0\0\0\0\0\0\0\1", 9, "out of range"},
        {256, 0x7f, "\1\0\1", 3, "2048"},
        {255, 0xff, "\1\0\1", 3, "2048"},
        {1, 0x80, "\1\0\1", 3, "2048"},
        {1025, 0x01, "\1\0\1", 3, "out of range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = "";
        struct pkey *key = pkey_from_rsa(number(rows[i].n_len, rows[i].first, 0x5b), rows[i].n_len,
                                         (const uint8_t *)rows[i].e, rows[i].e_len, &why);
        if ((key != NULL) != (rows[i].word == NULL) ||
            (key == NULL && strstr(why, rows[i].word) == NULL))
            fail_msg("row %zu: %s", i, key != NULL ? "taken" : why);
        pkey_free(&key);
    }
}

static void points_of_p256(void **state) {
    (void)state;
    const char *why;
    uint8_t x[33], y[33], zero[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(base64url_decode(RFC_X, strlen(RFC_X), x), 32);
    assert_int_equal(base64url_decode(RFC_Y, strlen(RFC_Y), y), 32);
    struct pkey *key = pkey_from_p256(x, y, &why);
    assert_non_null(key);
    pkey_free(&key);
    const struct {
        const uint8_t *x, *y;
    } rows[] = {{y, x}, {x, x}, {zero, zero}, {x, zero}, {zero, y}, {ones, ones}, {x, ones}, {ones, y}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_null(pkey_from_p256(rows[i].x, rows[i].y, &why));
        assert_non_null(strstr(why, "not on the curve"));
    }
    for (int bit = 0; bit < 256; bit++) {
        y[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(pkey_from_p256(x, y, &why));
        y[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void made_keys(void **state) {
    (void)state;
    static const enum pkey_kind kinds[] = {PKEY_P256, PKEY_RSA};
    for (size_t i = 0; i < 2; i++) {
        char *pem = pkey_generate(kinds[i]);
        struct pkey *key = taken(pem, kinds[i]);
        assert_true(pkey_is_private(key));
        uint8_t out[PKEY_NUMBER_MAX];
        if (kinds[i] == PKEY_RSA) {
            assert_int_equal(pkey_number(key, 'n', out), 3072 / 8);
            assert_int_equal(pkey_number(key, 'e', out), 3);
            assert_memory_equal(out, "\1\0\1", 3);
        }
        pkey_free(&key);
        free(pem);
    }
    char *pem = pkey_generate(PKEY_P256), *other = pkey_generate(PKEY_P256);
    assert_string_not_equal(pem, other);
    free(pem);
    free(other);
}

/* Signatures ------------------------------------------------------------------------------------- */

static bool verifies(const struct pkey *key, const char *text, const char *signature) {
    uint8_t bytes[PKEY_SIGNATURE_MAX + 3];
    long len = base64url_decode(signature, strlen(signature), bytes);
    assert_true(len >= 0);
    return pkey_verify(key, text, strlen(text), bytes, (size_t)len);
}

static struct pkey *rfc_key(void) {
    uint8_t x[33], y[33];
    const char *why;
    base64url_decode(RFC_X, strlen(RFC_X), x);
    base64url_decode(RFC_Y, strlen(RFC_Y), y);
    struct pkey *key = pkey_from_p256(x, y, &why);
    assert_non_null(key);
    return key;
}

/* Nothing but the whole signature, and nothing that was changed in it, verifies. */
static void changed_everywhere(const struct pkey *key, const char *text, const char *signature) {
    uint8_t good[PKEY_SIGNATURE_MAX + 3], longer[PKEY_SIGNATURE_MAX + 4];
    long decoded = base64url_decode(signature, strlen(signature), good);
    assert_true(decoded > 0);
    size_t len = (size_t)decoded;
    assert_true(pkey_verify(key, text, strlen(text), good, len));
    assert_false(pkey_verify(key, text, strlen(text) - 1, good, len));
    for (size_t i = 0; i < len; i++) {
        assert_false(pkey_verify(key, text, strlen(text), good, i));
        for (int bit = 0; bit < 8; bit += 7) {
            good[i] ^= (uint8_t)(1 << bit);
            assert_false(pkey_verify(key, text, strlen(text), good, len));
            good[i] ^= (uint8_t)(1 << bit);
        }
    }
    memcpy(longer + 1, good, len);
    longer[0] = longer[len + 1] = 0;
    assert_false(pkey_verify(key, text, strlen(text), longer, len + 1));
    assert_false(pkey_verify(key, text, strlen(text), longer + 1, len + 1));
    static const uint8_t fill[] = {0x00, 0x01, 0xff};
    for (size_t i = 0; i < sizeof fill; i++) {
        memset(good, fill[i], len);
        assert_false(pkey_verify(key, text, strlen(text), good, len));
    }
}

static void signatures_of_p256(void **state) {
    (void)state;
    static const char text[] = RFC_ES256 "." RFC_PAYLOAD;
    struct pkey *key = rfc_key(), *other = taken(P256_PUBLIC, PKEY_P256);
    changed_everywhere(key, text, RFC_ECDSA);
    assert_false(verifies(other, text, RFC_ECDSA));
    /* As good as the first by the arithmetic of ECDSA; so nothing may be keyed on the text of a token. */
    assert_true(verifies(key, text, RFC_ECDSA_TWIN));
    assert_false(verifies(key, text, RFC_ECDSA_DER));
    assert_false(verifies(key, text, RFC_ECDSA_ORDER));
    assert_false(verifies(key, text, RFC_ECDSA_WIDE));
    assert_false(verifies(key, text, RSA_SIGNATURE));
    assert_false(verifies(key, text, RFC_MAC));
    assert_false(verifies(key, text, ""));
    pkey_free(&key);
    pkey_free(&other);
}

static void signatures_of_rsa(void **state) {
    (void)state;
    static const char text[] = RSA_RS256 "." RFC_PAYLOAD;
    struct pkey *key = taken(RSA2048_PUBLIC, PKEY_RSA);
    changed_everywhere(key, text, RSA_SIGNATURE);
    assert_false(verifies(key, text, RSA_PSS));
    assert_false(verifies(key, text, RSA_SHA512));
    assert_false(verifies(key, text, RFC_ECDSA));
    assert_false(verifies(key, text, ""));
    pkey_free(&key);
}

int main(void) {
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_taken), cmocka_unit_test(keys_that_are_refused),
        cmocka_unit_test(parts_of_keys),       cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(numbers_of_rsa),      cmocka_unit_test(points_of_p256),
        cmocka_unit_test(made_keys),           cmocka_unit_test(signatures_of_p256),
        cmocka_unit_test(signatures_of_rsa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
