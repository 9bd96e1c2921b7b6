/* As far as it goes without Redis: shapes, and what would be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/log.h"
#include "domain/refresh.h"

static const char sid[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static struct conf *conf;
static struct arena *arena;
static struct gate gate;
static struct realm realm;

static bool ask(const char *text, size_t len, struct refresh_use *use) {
    bool begun = refresh_ask(&realm, arena, text, len, use);
    cache_forget(realm.cache);
    return begun;
}

static bool is_one(const char *text, size_t len) {
    struct refresh_use use;
    return ask(text, len, &use);
}

static size_t token_len(void) {
    return BASE64URL_SIZE(SHA256_SIZE + REFRESH_FAMILY_BYTES + REFRESH_SECRET_BYTES +
                          REFRESH_TAG_BYTES) - 1;
}

static void new_tokens(void **state) {
    (void)state;
    struct refresh_token a, b;
    const char *one = refresh_token_new(arena, sid, &a), *two = refresh_token_new(arena, sid, &b);
    assert_int_equal(strlen(one), token_len());
    assert_string_not_equal(one, two);
    assert_string_equal(a.sid, sid);
    assert_memory_not_equal(a.family, b.family, sizeof a.family);
    assert_memory_not_equal(a.secret, b.secret, sizeof a.secret);
    assert_string_not_equal(a.family_digest, b.family_digest);
    assert_string_not_equal(a.secret_digest, b.secret_digest);
    assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     strlen(one));
}

static void read_back(void **state) {
    (void)state;
    struct refresh_token token;
    struct refresh_use use;
    const char *text = refresh_token_new(arena, sid, &token);
    assert_true(ask(text, strlen(text), &use));
    assert_string_equal(use.token.sid, sid);
    assert_memory_equal(use.token.family, token.family, sizeof token.family);
    assert_memory_equal(use.token.secret, token.secret, sizeof token.secret);
    assert_string_equal(use.token.family_digest, token.family_digest);
    assert_string_equal(use.token.secret_digest, token.secret_digest);
    assert_int_equal(strlen(use.nonce), 64);
    assert_non_null(use.ask);
}

static bool says(const struct ask *asked, const char *text) {
    for (int i = 0; i < asked->argc; i++)
        if (memmem(asked->argv[i], asked->lens[i], text, strlen(text)) != NULL)
            return true;
    return false;
}

/* Redis learns digests and a nonce, neither the token nor a secret of it. */
static void what_redis_learns(void **state) {
    (void)state;
    struct refresh_token token;
    struct refresh_use use;
    const char *text = refresh_token_new(arena, sid, &token);
    char family[HEX_SIZE(REFRESH_FAMILY_BYTES)], secret[HEX_SIZE(REFRESH_SECRET_BYTES)];
    hex_encode(token.family, sizeof token.family, family);
    hex_encode(token.secret, sizeof token.secret, secret);
    assert_true(refresh_ask(&realm, arena, text, strlen(text), &use));
    assert_true(says(use.ask, sid));
    assert_true(says(use.ask, token.family_digest));
    assert_true(says(use.ask, token.secret_digest));
    assert_true(says(use.ask, use.nonce));
    assert_false(says(use.ask, text));
    assert_false(says(use.ask, family));
    assert_false(says(use.ask, secret));
    /* The successor's digest is HMAC-SHA-256 of the nonce under the old secret. */
    uint8_t nonce[32], next[SHA256_SIZE], digest[SHA256_SIZE];
    char hex[HEX_SIZE(SHA256_SIZE)];
    assert_true(hex_decode(use.nonce, nonce, sizeof nonce));
    secret_hmac_sha256(token.secret, sizeof token.secret, nonce, sizeof nonce, next);
    hex_encode(next, sizeof next, hex);
    assert_false(says(use.ask, hex));
    secret_sha256(next, sizeof next, digest);
    hex_encode(digest, sizeof digest, hex);
    assert_true(says(use.ask, hex));
    cache_forget(realm.cache);
    /* Each use has a nonce of its own. */
    struct refresh_use again;
    assert_true(ask(text, strlen(text), &again));
    assert_string_not_equal(again.nonce, use.nonce);
}

/* What was mangled on its way is no token, and so no theft. */
static void every_other_character(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                                 "=+/. \n\r\t%\x7f\xff";
    struct refresh_token token;
    char *text = arena_str(arena, refresh_token_new(arena, sid, &token));
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char right = text[i];
        for (size_t d = 0; d < sizeof digits; d++) { /* the NUL too */
            if (digits[d] == right)
                continue;
            text[i] = digits[d];
            if (is_one(text, len))
                fail_msg("another character %zu is taken", i);
        }
        text[i] = right;
        arena_reset(arena, 0);
        text = arena_str(arena, refresh_token_new(arena, sid, &token));
    }
    assert_true(is_one(text, len));
}

static void other_shapes(void **state) {
    (void)state;
    struct refresh_token token, other;
    const char *text = refresh_token_new(arena, sid, &token);
    const char *second = refresh_token_new(arena, sid, &other);
    size_t len = strlen(text);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(is_one(text, cut));
    static const char *const behind[] = {"=", "==", "A", "AA", "AAAA", " ", "\n"};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        const char *longer = arena_printf(arena, "%s%s", text, behind[i]);
        assert_false(is_one(longer, strlen(longer)));
    }
    assert_false(is_one(arena_dup(arena, text, len + 1), len + 1));
    assert_false(is_one(arena_printf(arena, " %s", text), len + 1));
    /* Two characters changed places; halves of two tokens. */
    for (size_t i = 0; i + 1 < len; i++) {
        char *swapped = arena_str(arena, text);
        swapped[i] = text[i + 1];
        swapped[i + 1] = text[i];
        if (text[i] != text[i + 1])
            assert_false(is_one(swapped, len));
    }
    /* Both begin with the same sid: from there on each belongs to its own.  Where they share the
     * characters on one side of the cut by chance, nothing was spliced. */
    for (size_t at = 44; at < len; at++) {
        const char *spliced = arena_printf(arena, "%.*s%s", (int)at, text, second + at);
        if (strcmp(spliced, text) != 0 && strcmp(spliced, second) != 0)
            assert_false(is_one(spliced, len));
    }
    char *letters = arena_alloc(arena, len + 1);
    memset(letters, 'A', len);
    letters[len] = '\0';
    assert_false(is_one(letters, len));
    assert_true(is_one(text, len));
}

/* Redis that cannot be asked is neither yes nor no. */
static void unanswered(void **state) {
    (void)state;
    struct refresh_token token;
    struct refresh_use use;
    struct grant grant;
    struct session_who who;
    const char *text = refresh_token_new(arena, sid, &token);
    assert_true(ask(text, strlen(text), &use));
    assert_int_equal(refresh_answer(&realm, arena, &use, &grant, &who), REFRESH_UNKNOWN);
}

static int make_world(void **state) {
    (void)state;
    char error[200];
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    conf = conf_read(NULL, error, sizeof error);
    if (conf == NULL)
        return -1;
    arena = arena_new(65536);
    realm = (struct realm){.conf = conf, .cache = cache_new(conf, NULL, &gate)};
    return 0;
}

static int free_world(void **state) {
    (void)state;
    cache_free(&realm.cache);
    arena_free(&arena);
    conf_free(conf);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_tokens),
        cmocka_unit_test(read_back),
        cmocka_unit_test(what_redis_learns),
        cmocka_unit_test(every_other_character),
        cmocka_unit_test(other_shapes),
        cmocka_unit_test(unanswered),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
