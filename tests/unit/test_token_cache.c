#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "domain/token_cache.h"

static const char sid[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void found_again(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new();
    uint8_t digest[SHA256_SIZE], expected[SHA256_SIZE];
    secret_sha256("a.b.c", 5, expected);
    assert_null(token_cache_find(cache, "a.b.c", 5, digest));
    assert_memory_equal(digest, expected, sizeof digest);
    token_cache_add(cache, digest, "42", sid, sid, 1800000000);
    const struct token_cache_entry *entry = token_cache_find(cache, "a.b.c and more", 5, digest);
    assert_non_null(entry);
    assert_string_equal(entry->sub, "42");
    assert_string_equal(entry->sid, sid);
    assert_string_equal(entry->jti, sid);
    assert_int_equal(entry->exp, 1800000000);
    /* That very token, and no other. */
    assert_null(token_cache_find(cache, "a.b.d", 5, digest));
    assert_null(token_cache_find(cache, "a.b.c", 4, digest));
    assert_null(token_cache_find(cache, "a.b.c", 6, digest));
    assert_null(token_cache_find(cache, "", 0, digest));
    token_cache_free(&cache);
    assert_null(cache);
    token_cache_free(&cache);
}

/* Many more than there is room for: whatever is found is the token's own. */
static void never_anothers(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new();
    size_t found = 0;
    char token[32], name[32];
    uint8_t digest[SHA256_SIZE];
    for (int i = 0; i < 10000; i++) {
        int len = snprintf(token, sizeof token, "token %d", i);
        snprintf(name, sizeof name, "%d", i);
        assert_null(token_cache_find(cache, token, (size_t)len, digest));
        token_cache_add(cache, digest, name, sid, name, 1 + i);
        assert_non_null(token_cache_find(cache, token, (size_t)len, digest));
    }
    for (int i = 0; i < 10000; i++) {
        int len = snprintf(token, sizeof token, "token %d", i);
        snprintf(name, sizeof name, "%d", i);
        const struct token_cache_entry *entry =
            token_cache_find(cache, token, (size_t)len, digest);
        if (entry == NULL)
            continue;
        found++;
        assert_string_equal(entry->sub, name);
        assert_string_equal(entry->jti, name);
        assert_int_equal(entry->exp, 1 + i);
    }
    assert_in_range(found, 1, 9999);
    token_cache_free(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_again),
        cmocka_unit_test(never_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
