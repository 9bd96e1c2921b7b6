#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "apiworld.h"

/* Browsers drop a cookie whose prefix promises what its attributes do not keep. */
static void names(void **state) {
    (void)state;
    static const struct {
        const char *name, *domain, *secure, *session, *refresh;
    } rows[] = {
        {"__Host-session", "", "yes", "__Host-session", "__Secure-refresh"},
        {"__Host-session", "example.org", "yes", "__Secure-session", "__Secure-refresh"},
        {"__Host-session", "", "no", "session", "refresh"},
        {"__Host-session", "example.org", "no", "session", "refresh"},
        {"__Secure-session", "", "yes", "__Secure-session", "__Secure-refresh"},
        {"__Secure-session", "example.org", "yes", "__Secure-session", "__Secure-refresh"},
        {"__Secure-session", "", "no", "session", "refresh"},
        {"session", "", "yes", "session", "__Secure-refresh"},
        {"session", "example.org", "no", "session", "refresh"},
        {"sid", "", "yes", "sid", "__Secure-sid-refresh"},
        {"sid", "", "no", "sid", "sid-refresh"},
        {"__Host-sid", "", "yes", "__Host-sid", "__Secure-sid-refresh"},
        {"__Host-sid", "example.org", "yes", "__Secure-sid", "__Secure-sid-refresh"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const settings[] = {"GATEHOUSE_COOKIE_NAME",   rows[i].name,
                                        "GATEHOUSE_COOKIE_DOMAIN", rows[i].domain,
                                        "GATEHOUSE_COOKIE_SECURE", rows[i].secure,
                                        NULL};
        struct world world;
        world_open(&world, settings);
        assert_string_equal(world.api.cookies.session, rows[i].session);
        assert_string_equal(world.api.cookies.refresh, rows[i].refresh);
        assert_string_not_equal(world.api.cookies.session, world.api.cookies.refresh);
        world_close(&world);
    }
}

static void parsing(void **state) {
    (void)state;
    static const struct {
        const char *cookie, *session; /* NULL: none */
    } rows[] = {
        {"__Host-session=abc", "abc"},
        {"a=1; __Host-session=abc; b=2", "abc"},
        {"a=1;__Host-session=abc;b=2", "abc"},
        /* A sibling domain may put what it likes into a cookie of its own. */
        {"a=1,__Host-session=evil; __Host-session=abc", "abc"},
        {"a=1, __Host-session=abc, b=2", NULL},
        {"__Host-session=abc,a=1", "abc,a=1"},
        {" \t__Host-session=abc \t", "abc"},
        {"__Host-session=abc; __Host-session=def", "abc"},
        {"__Host-session=a=b==", "a=b=="},
        {"__Host-session=\"abc\"", "\"abc\""},
        {"x__Host-session=abc", NULL},
        {"__Host-sessionx=abc", NULL},
        {"__Host-sessio=abc", NULL},
        {"__host-session=abc", NULL},
        {"session=abc", NULL},
        {"__Secure-session=abc", NULL},
        {"__Host-session", NULL},
        {"__Host-session=", NULL},
        {"__Host-session= ", NULL},
        {"__Host-session =abc", NULL},
        {"=abc", NULL},
        {";;; ;", NULL},
        {"a=__Host-session=abc", NULL},
        {"a=\"__Host-session=abc\"", NULL},
        {"a b __Host-session=abc", NULL},
        {"", NULL},
    };
    struct world world;
    world_open(&world, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin(&world);
        wire_pair(&world.params, "HTTP_COOKIE", rows[i].cookie);
        const char *session = cookie_session(world_read(&world));
        if (rows[i].session == NULL ? session != NULL
                                    : session == NULL || strcmp(session, rows[i].session) != 0)
            fail_msg("\"%s\": %s", rows[i].cookie, session != NULL ? session : "none");
    }
    world_begin(&world);
    assert_null(cookie_session(world_read(&world)));
    world_begin(&world);
    wire_pair(&world.params, "HTTP_COOKIE", "__Host-session=s; __Secure-refresh=r");
    assert_string_equal(cookie_refresh(world_read(&world)), "r");
    world_close(&world);
}

static void switched_off(void **state) {
    (void)state;
    static const char *const settings[] = {"GATEHOUSE_COOKIE_ENABLED", "no", NULL};
    struct world world;
    world_open(&world, settings);
    world_begin(&world);
    wire_pair(&world.params, "HTTP_COOKIE", "__Host-session=s; __Secure-refresh=r");
    assert_null(cookie_session(world_read(&world)));
    assert_null(cookie_refresh(&world.request));
    cookie_clear(&world.request);
    assert_int_equal(world.out.len, 0);
    world_close(&world);
}

static void setting(void **state) {
    (void)state;
    static const struct {
        const char *settings[7];
        const char *expected;
    } rows[] = {
        {{NULL},
         "Set-Cookie: __Host-session=st; Path=/; Max-Age=1000; Secure; HttpOnly; SameSite=Lax\r\n"
         "Set-Cookie: __Secure-refresh=rt; Path=/auth/refresh; Max-Age=500; Secure; HttpOnly; "
         "SameSite=Lax\r\n"},
        {{"GATEHOUSE_COOKIE_CARRIES", "jwt", "GATEHOUSE_COOKIE_DOMAIN", "example.org",
          "GATEHOUSE_SERVER_BASE_PATH", "/", NULL},
         "Set-Cookie: __Secure-session=at; Path=/; Max-Age=1000; Domain=example.org; Secure; "
         "HttpOnly; SameSite=Lax\r\n"
         "Set-Cookie: __Secure-refresh=rt; Path=/refresh; Max-Age=500; Domain=example.org; Secure; "
         "HttpOnly; SameSite=Lax\r\n"},
        {{"GATEHOUSE_COOKIE_SECURE", "no", "GATEHOUSE_COOKIE_NAME", "sid", NULL},
         "Set-Cookie: sid=st; Path=/; Max-Age=1000; HttpOnly; SameSite=Lax\r\n"
         "Set-Cookie: sid-refresh=rt; Path=/auth/refresh; Max-Age=500; HttpOnly; "
         "SameSite=Lax\r\n"},
    };
    struct grant grant = {.access_token = "at",
                          .refresh_token = "rt",
                          .session_token = "st",
                          .expires_in_s = 900,
                          .refresh_expires_in_s = 500,
                          .ends_in_s = 1000};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world;
        world_open(&world, rows[i].settings);
        world_begin(&world);
        cookie_set_session(&world.request, &grant);
        cookie_set_refresh(&world.request, &grant);
        assert_string_equal(world.out.data, rows[i].expected);
        world_close(&world);
    }
    /* A refresh has no session token to set: the client has it already. */
    struct world world;
    world_open(&world, NULL);
    world_begin(&world);
    grant.session_token = NULL;
    cookie_set_session(&world.request, &grant);
    assert_int_equal(world.out.len, 0);
    /* Cleared under the attributes that they were set with, or browsers keep them. */
    cookie_clear(&world.request);
    assert_string_equal(
        world.out.data,
        "Set-Cookie: __Host-session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax\r\n"
        "Set-Cookie: __Secure-refresh=; Path=/auth/refresh; Max-Age=0; Secure; HttpOnly; "
        "SameSite=Lax\r\n");
    world_close(&world);
}

/* Whether a write that the cookie alone authorises came from our pages. */
static void writes(void **state) {
    (void)state;
    static const struct {
        const char *fetch_site, *origin, *host, *https;
        bool ours;
    } rows[] = {
        {"same-origin", NULL, "a.example", "on", true},
        {"none", NULL, "a.example", "on", true},
        {"same-origin", "https://a.example", "a.example", "on", true},
        {"same-site", NULL, "a.example", "on", false},
        {"same-site", "https://b.a.example", "a.example", "on", false},
        {"cross-site", NULL, "a.example", "on", false},
        {"cross-site", "https://evil.example", "a.example", "on", false},
        /* Where both are sent the browser's own word counts. */
        {"cross-site", "https://a.example", "a.example", "on", false},
        {"same-site", "https://a.example", "a.example", "on", false},
        {"SAME-ORIGIN", NULL, "a.example", "on", false},
        {"same-origin ", NULL, "a.example", "on", false},
        {"x", "https://a.example", "a.example", "on", false},
        /* Listed origins, whatever the browser calls them. */
        {"same-site", "https://app.example", "a.example", "on", true},
        {"cross-site", "https://app.example", "a.example", "on", true},
        {"cross-site", "https://other.example:8443", "a.example", "on", true},
        {NULL, "https://app.example", "a.example", "on", true},
        {NULL, "https://APP.example", "a.example", "on", true},
        {"cross-site", "https://app.example:443", "a.example", "on", false},
        {"cross-site", "http://app.example", "a.example", "on", false},
        {"cross-site", "https://app.example.evil.example", "a.example", "on", false},
        {"cross-site", "https://app.exampl", "a.example", "on", false},
        {"cross-site", "app.example", "a.example", "on", false},
        {"cross-site", "https://other.example", "a.example", "on", false},
        {"cross-site", "https://xapp.example", "a.example", "on", false},
        {"cross-site", "null", "a.example", "on", false},
        {"cross-site", "https://app.example https://other.example:8443", "a.example", "on", false},
        {"cross-site", "https://app.example ", "a.example", "on", false},
        {"cross-site", "https://app.example, https://app.example", "a.example", "on", false},
        /* Older browsers: the origin of the page is where the request went. */
        {NULL, "https://a.example", "a.example", "on", true},
        {NULL, "https://A.Example", "a.example", "on", true},
        {NULL, "https://a.example:8443", "a.example:8443", "on", true},
        {NULL, "http://a.example", "a.example", NULL, true},
        {NULL, "http://a.example", "a.example", "off", true},
        {NULL, "http://a.example", "a.example", "on", false},
        {NULL, "https://a.example", "a.example", NULL, false},
        {NULL, "https://a.example:8443", "a.example", "on", false},
        {NULL, "https://a.example.evil.example", "a.example", "on", false},
        {NULL, "https://evil.example/a.example", "a.example", "on", false},
        {NULL, "https://", "a.example", "on", false},
        {NULL, "https://a.example", NULL, "on", false},
        {NULL, "null", "a.example", "on", false},
        {NULL, "null", "null", "on", false},
        {NULL, " https://a.example", "a.example", "on", false},
        /* Nothing shows where it came from. */
        {NULL, NULL, "a.example", "on", false},
        {NULL, NULL, NULL, NULL, false},
    };
    static const char *const settings[] = {
        "GATEHOUSE_COOKIE_ORIGINS", "https://app.example https://other.example:8443", NULL};
    struct world world;
    world_open(&world, settings);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const pairs[][2] = {{"HTTP_SEC_FETCH_SITE", rows[i].fetch_site},
                                        {"HTTP_ORIGIN", rows[i].origin},
                                        {"HTTP_HOST", rows[i].host},
                                        {"HTTPS", rows[i].https}};
        world_begin(&world);
        for (size_t p = 0; p < 4; p++)
            if (pairs[p][1] != NULL)
                wire_pair(&world.params, pairs[p][0], pairs[p][1]);
        if (origin_is_ours(world_read(&world)) != rows[i].ours)
            fail_msg("row %zu: %s %s", i, rows[i].fetch_site ? rows[i].fetch_site : "-",
                     rows[i].origin ? rows[i].origin : "-");
    }
    world_close(&world);
}

static void nothing_listed(void **state) {
    (void)state;
    static const char *const origins[] = {"https://a.example", "null", "*", "https://", " "};
    struct world world;
    world_open(&world, NULL);
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        world_begin(&world);
        wire_pair(&world.params, "HTTP_ORIGIN", origins[i]);
        assert_null(origin_listed(world_read(&world)));
    }
    world_begin(&world);
    assert_null(origin_listed(world_read(&world)));
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),   cmocka_unit_test(parsing), cmocka_unit_test(switched_off),
        cmocka_unit_test(setting), cmocka_unit_test(writes),  cmocka_unit_test(nothing_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
