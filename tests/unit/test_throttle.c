#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "domain/throttle.h"

static struct arena *arena;

/* What a client can change at will must not make it another. */
static void subjects(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2::", "2001:db8:1:2::/64"},
        {"2001:DB8:0001:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"},
        {"2001:db8:1:3::1", "2001:db8:1:3::/64"},
        {"::1", "::/64"},
        {"fe80::1", "fe80::/64"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"64:ff9b::192.0.2.1", "64:ff9b::/64"},
        /* What is no address is a subject of its own: everybody behind a Unix socket. */
        {"-", "-"},
        {"unix:", "unix:"},
        {"", ""},
        {"192.0.2.1.5", "192.0.2.1.5"},
        {"fe80::1%eth0", "fe80::1%eth0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(throttle_subject(arena, rows[i][0]), rows[i][1]);
}

static struct conf *conf_with(const char *enabled) {
    char error[200];
    setenv("GATEHOUSE_LIMIT_ENABLED", enabled, 1);
    struct conf *conf = conf_read(NULL, error, sizeof error);
    unsetenv("GATEHOUSE_LIMIT_ENABLED");
    assert_non_null(conf);
    return conf;
}

/* Switched off, nothing is asked, and everything may. */
static void switched_off(void **state) {
    (void)state;
    struct conf *conf = conf_with("no");
    struct gate gate = {0};
    struct realm realm = {.conf = conf, .cache = cache_new(conf, NULL, &gate)};
    const struct throttle all[] = {
        throttle_login_ask(&realm, arena, "192.0.2.1", "a@b.example"),
        throttle_register_ask(&realm, arena, "192.0.2.1"),
        throttle_refresh_ask(&realm, arena, "192.0.2.1"),
        throttle_client_ask(&realm, arena, "192.0.2.1", "shop", 1),
    };
    struct throttle_result result = {0};
    throttle_forgive(&realm, arena, "192.0.2.1", "a@b.example", "ab", &result);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_null(all[i].ask);
        assert_int_equal(throttle_answer(&realm, &all[i], &result), ANSWER_YES);
        assert_int_equal(result.retry_after_ms, 0);
        assert_int_equal(result.all.count, 0);
        assert_false(throttle_is_besieged(&result));
    }
    cache_free(&realm.cache);
    conf_free(conf);
}

/* Whether any argument of the question holds the text. */
static bool mentions(const struct ask *ask, const char *text) {
    for (int i = 0; i < ask->argc; i++)
        if (memmem(ask->argv[i], ask->lens[i], text, strlen(text)) != NULL)
            return true;
    return false;
}

/* Names that somebody tried do not go to Redis, and an unanswered question is no permission. */
static void switched_on(void **state) {
    (void)state;
    struct conf *conf = conf_with("yes");
    struct gate gate = {0};
    struct throttle_result result;
    struct realm realm = {.conf = conf, .cache = cache_new(conf, NULL, &gate)};
    struct throttle throttle = throttle_login_ask(&realm, arena, "2001:db8::7", "a@b.example");
    assert_non_null(throttle.ask);
    assert_true(mentions(throttle.ask, "ratelimit:login_address:2001:db8::/64"));
    assert_false(mentions(throttle.ask, "a@b.example"));
    assert_true(mentions(throttle.ask, "ratelimit:login_account:"));
    assert_true(mentions(throttle.ask, "ratelimit:login_failures:"));
    assert_true(mentions(throttle.ask, "login_known:"));
    assert_int_equal(throttle_answer(&realm, &throttle, &result), ANSWER_UNKNOWN);
    throttle = throttle_login_ask(&realm, arena, "192.0.2.1", NULL);
    assert_false(mentions(throttle.ask, "login_known:"));
    assert_false(mentions(throttle.ask, "login_account"));
    throttle = throttle_client_ask(&realm, arena, "192.0.2.1", "shop", 0);
    assert_true(mentions(throttle.ask, "ratelimit:client_address:192.0.2.1:"));
    assert_false(mentions(throttle.ask, "shop"));
    assert_int_equal(throttle_answer(&realm, &throttle, &result), ANSWER_UNKNOWN);
    cache_forget(realm.cache);
    cache_free(&realm.cache);
    conf_free(conf);
}

/* What a wrong password is told at a known place, while strangers are refused. */
static void besieged(void **state) {
    (void)state;
    struct throttle_result result = {
        .all = {.known = true,
                .besieged = true,
                .count = 3,
                .limits = {{.name = "login_address", .remaining = 7},
                           {.name = "login_account", .remaining = 9},
                           {.name = "login_failures", .remaining = 99}},
                .strangers = {{.name = "login_account", .retry_after_ms = 5000},
                              {.name = "login_failures", .remaining = 20}}}};
    assert_true(throttle_is_besieged(&result));
    assert_int_equal(result.retry_after_ms, 5000);
    assert_int_equal(result.all.limits[0].remaining, 7);
    assert_int_equal(result.all.limits[1].remaining, 0);
    assert_int_equal(result.all.limits[2].remaining, 20);
    result.all.besieged = false;
    assert_false(throttle_is_besieged(&result));
}

static int make_arena(void **state) {
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int free_arena(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subjects),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(switched_on),
        cmocka_unit_test(besieged),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
