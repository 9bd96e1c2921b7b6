#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "api/reply.h"
#include "api/role.h"
#include "apiworld.h"
#include "base/encode.h"
#include "domain/account.h"

static struct world world;

/* Pairs of a parameter's name and value, NULL at the end. */
static struct request *request_of(const char *const *pairs) {
    world_begin(&world);
    for (; *pairs != NULL; pairs += 2)
        wire_pair(&world.params, pairs[0], pairs[1]);
    return world_read(&world);
}

#define READ(...) request_of((const char *const[]){__VA_ARGS__, NULL})

static void everything(void **state) {
    (void)state;
    const struct request *r = READ(
        "REQUEST_METHOD", "PATCH", "REQUEST_URI", "/auth/x?y", "DOCUMENT_URI", "/auth/profile",
        "SCRIPT_NAME", "/other", "CONTENT_TYPE", "application/json", "CONTENT_LENGTH", "12",
        "HTTP_AUTHORIZATION", "Bearer x", "HTTP_X_SESSION_ID", "y", "HTTP_COOKIE", "a=b",
        "HTTP_ORIGIN", "https://a.example", "HTTP_SEC_FETCH_SITE", "none", "HTTP_HOST",
        "a.example", "HTTPS", "on", "HTTP_USER_AGENT", "curl", "REMOTE_ADDR", "192.0.2.1",
        "REQUEST_ID", "abc-123", "AUTH_REQUIRE_ROLE", "admin", "HTTP_X_FORWARDED_FOR", "6.6.6.6");
    assert_int_equal(r->method, METHOD_PATCH);
    assert_string_equal(r->path, "/auth/profile");
    assert_string_equal(r->content_type, "application/json");
    assert_string_equal(r->content_length, "12");
    assert_string_equal(r->authorization, "Bearer x");
    assert_string_equal(r->session_header, "y");
    assert_string_equal(r->cookie, "a=b");
    assert_string_equal(r->origin, "https://a.example");
    assert_string_equal(r->fetch_site, "none");
    assert_string_equal(r->host, "a.example");
    assert_true(r->https);
    assert_string_equal(r->user_agent, "curl");
    assert_string_equal(r->address, "192.0.2.1");
    assert_string_equal(r->id, "abc-123");
    assert_string_equal(r->required_roles, "admin");
}

static void nothing(void **state) {
    (void)state;
    world_begin(&world);
    const struct request *r = world_read(&world);
    assert_int_equal(r->method, METHOD_OTHER);
    assert_string_equal(r->path, "");
    assert_string_equal(r->address, "-");
    assert_int_equal(strlen(r->id), 32);
    const char *const absent[] = {r->content_type, r->content_length, r->authorization,
                                  r->session_header, r->cookie, r->origin, r->fetch_site, r->host,
                                  r->user_agent, r->required_roles};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(absent[i]);
    assert_false(r->https);
    /* Empty is absent: web servers set variables of headers that were not sent. */
    r = READ("HTTP_AUTHORIZATION", "", "HTTP_X_SESSION_ID", "", "HTTP_COOKIE", "", "HTTPS", "",
             "REMOTE_ADDR", "", "REQUEST_ID", "", "AUTH_REQUIRE_ROLE", "");
    assert_null(r->authorization);
    assert_null(r->session_header);
    assert_null(r->cookie);
    assert_null(r->required_roles);
    assert_string_equal(r->address, "-");
    assert_int_equal(strlen(r->id), 32);
    assert_false(r->https);
}

static void methods(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum method method;
    } rows[] = {
        {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},     {"POST", METHOD_POST},
        {"PATCH", METHOD_PATCH},   {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS},
        {"get", METHOD_OTHER},     {"PUT", METHOD_OTHER},     {"TRACE", METHOD_OTHER},
        {"GETX", METHOD_OTHER},    {"GE", METHOD_OTHER},      {" GET", METHOD_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(READ("REQUEST_METHOD", rows[i].name)->method, rows[i].method);
}

/* nginx before 1.23 passes a repeated header on as a repeated parameter; then it reads as from Apache,
 * which joins them. */
static void doubled(void **state) {
    (void)state;
    const struct request *r =
        READ("HTTP_COOKIE", "a=1", "HTTP_COOKIE", "b=2", "HTTP_COOKIE", "c=3");
    assert_string_equal(r->cookie, "a=1, b=2, c=3");
    r = READ("HTTP_COOKIE", "", "HTTP_COOKIE", "b=2", "HTTP_COOKIE", "");
    assert_string_equal(r->cookie, ", b=2, ");

    /* Nobody makes us copy the same text without end. */
    world_begin(&world);
    for (int i = 0; i < 4000; i++)
        wire_pair(&world.params, "HTTP_COOKIE", "a=1");
    wire_pair(&world.params, "HTTP_X_SESSION_ID", "one");
    wire_pair(&world.params, "HTTP_X_SESSION_ID", "two");
    r = world_read(&world);
    assert_int_equal(strlen(r->cookie), 3 + 16 * 5);
    assert_string_equal(r->session_header, "one, two");

    r = READ("HTTP_AUTHORIZATION", "Bearer a", "HTTP_AUTHORIZATION", "Bearer b");
    assert_string_equal(r->authorization, "Bearer a, Bearer b");
    r = READ("HTTP_AUTHORIZATION", "x", "HTTP_AUTHORIZATION", "");
    assert_string_equal(r->authorization, "x, ");
    r = READ("HTTP_AUTHORIZATION", "", "HTTP_AUTHORIZATION", "x");
    assert_string_equal(r->authorization, ", x");
    r = READ("HTTP_X_SESSION_ID", "", "HTTP_X_SESSION_ID", "x");
    assert_string_equal(r->session_header, ", x");
    r = READ("HTTP_ORIGIN", "https://a.example", "HTTP_ORIGIN", "https://b.example",
             "HTTP_X_SESSION_ID", "one", "HTTP_X_SESSION_ID", "two");
    assert_string_equal(r->origin, "https://a.example, https://b.example");
    assert_string_equal(r->session_header, "one, two");

    /* Of all else the first counts: what an operator wrote first is not overridden behind. */
    r = READ("REQUEST_METHOD", "GET", "REQUEST_METHOD", "DELETE", "DOCUMENT_URI", "/a",
             "DOCUMENT_URI", "/b", "REMOTE_ADDR", "192.0.2.1", "REMOTE_ADDR", "192.0.2.2",
             "AUTH_REQUIRE_ROLE", "admin", "AUTH_REQUIRE_ROLE", "guest");
    assert_int_equal(r->method, METHOD_GET);
    assert_string_equal(r->path, "/a");
    assert_string_equal(r->address, "192.0.2.1");
    /* … nor is a demand that was made before. */
    assert_string_equal(r->required_roles, "admin\nguest");
    assert_string_equal(READ("AUTH_REQUIRE_ROLE", "", "AUTH_REQUIRE_ROLE", "a")->required_roles, "a");
    assert_string_equal(READ("AUTH_REQUIRE_ROLE", "a", "AUTH_REQUIRE_ROLE", "")->required_roles, "a");
}

static void roles(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *had;
        bool suffices;
    } rows[] = {
        {"", "", "", true},
        {"a", "", "a", true},
        {"a", "", "", false},
        {"a", "", "aa", false},
        {"aa", "", "a", false},
        {"a,b", "", "b", true},
        {" a , b ", "", "c,b", true},
        {",", "", "a", false},
        {"a", "b", "a", false},
        {"a", "b", "b", false},
        {"a", "b", "b,a", true},
        {"a,b", "b,c", "b", true},
        {"a,b", "c,d", "a,b", false},
        {"a,b", "c,d", "d,a", true},
        {"a,", ",b", "a,b", true},
        {"a", ",", "a,b", false},
        {"", "b", "a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request *r = READ("AUTH_REQUIRE_ROLE", rows[i].first, "AUTH_REQUIRE_ROLE", rows[i].second);
        r->who.roles = rows[i].had;
        if (role_suffices(r) != rows[i].suffices)
            fail_msg("row %zu", i);
    }
}

/* Names are whole names: neither another case, nor a beginning, nor more of it. */
static void other_names(void **state) {
    (void)state;
    const struct request *r =
        READ("http_authorization", "x", "HTTP_AUTHORIZATION_", "x", "HTTP_AUTHORIZATIO", "x",
             "AUTHORIZATION", "x", "HTTP_AUTH_REQUIRE_ROLE", "x", "HTTP_REMOTE_ADDR", "6.6.6.6",
             "HTTP_HTTPS", "on", "", "x", "HTTP_PROXY", "x");
    assert_null(r->authorization);
    assert_null(r->required_roles);
    assert_string_equal(r->address, "-");
    assert_false(r->https);
}

static void authorization(void **state) {
    (void)state;
    assert_string_equal(READ("REDIRECT_HTTP_AUTHORIZATION", "r")->authorization, "r");
    assert_string_equal(
        READ("REDIRECT_HTTP_AUTHORIZATION", "r", "HTTP_AUTHORIZATION", "a")->authorization, "a");
    assert_string_equal(
        READ("HTTP_AUTHORIZATION", "", "REDIRECT_HTTP_AUTHORIZATION", "r")->authorization, "r");
}

/* Apache names its own part in a check beside the protocol's role, which alone makes it one. */
static void apache(void **state) {
    (void)state;
    assert_false(READ("FCGI_APACHE_ROLE", "AUTHENTICATOR")->apache_check);
    world_begin(&world);
    world.fcgi.role = FCGI_ROLE_AUTHORIZER;
    assert_false(world_read(&world)->apache_check);
    world_begin(&world);
    world.fcgi.role = FCGI_ROLE_AUTHORIZER;
    wire_pair(&world.params, "FCGI_APACHE_ROLE", "AUTHENTICATOR");
    struct request *r = world_read(&world);
    assert_true(r->apache_check);
    reply_error(r, ERROR_TOKEN_MISSING);
    buf_addc(&world.out, '\0');
    assert_non_null(strstr(world.out.data, "Status: 401 Unauthorized\r\n"));
    assert_non_null(strstr(world.out.data, "WWW-Authenticate: Bearer realm=\"gatehouse\"\r\n"));
    assert_null(strstr(world.out.data, "Content-"));
    assert_string_equal(strstr(world.out.data, "\r\n\r\n"), "\r\n\r\n");
    assert_non_null(strstr(world.out.data, "\r\nX-Request-Id: "));
    assert_null(strstr(world.out.data, "Variable-"));

    /* No header of a yes may reach the page. */
    world_begin(&world);
    world.fcgi.role = FCGI_ROLE_AUTHORIZER;
    wire_pair(&world.params, "FCGI_APACHE_ROLE", "AUTHENTICATOR");
    wire_pair(&world.params, "REQUEST_ID", "abc");
    reply_empty(world_read(&world), 200);
    buf_addc(&world.out, '\0');
    assert_string_equal(world.out.data, "Status: 200 OK\r\nVariable-REQUEST_ID: abc\r\n\r\n");
}

/* Where a person is led who may not go on: back to this site alone. */
static void way_back(void **state) {
    (void)state;
    static const struct {
        const char *uri, *next;
    } rows[] = {
        {"/members/?page=2&x=//y", "/members/?page=2&x=//y"},
        {"/", "/"},
        {"", "/"},
        {"//evil.example/../members/", "/"},
        {"/\\evil.example/../members/", "/"},
        {"///evil.example/", "/"},
        {"http://evil.example/members/", "/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin(&world);
        world.fcgi.role = FCGI_AUTHORIZER;
        wire_pair(&world.params, "REQUEST_METHOD", "GET");
        wire_pair(&world.params, "REQUEST_URI", rows[i].uri);
        wire_pair(&world.params, "HTTP_ACCEPT", "text/html,*/*");
        wire_pair(&world.params, "AUTH_LOGIN_PAGE", "/login.html");
        reply_error(world_read(&world), ERROR_TOKEN_MISSING);
        buf_addc(&world.out, '\0');
        char expected[80];
        snprintf(expected, sizeof expected, "\r\nLocation: /login.html?next=%s\r\n", rows[i].next);
        assert_non_null(strstr(world.out.data, "Status: 302 "));
        assert_non_null(strstr(world.out.data, expected));
    }
}

/* Who is led to the login page, where the web server names one; all others are told 401. */
static void who_opens_a_page(void **state) {
    (void)state;
    static const struct {
        const char *method, *mode, *with, *accept;
        bool led;
    } rows[] = {
        {"GET", "", "", "text/html", true},
        {"HEAD", "", "", "*/*, text/html;q=0.1", true},
        {"POST", "", "", "text/html", false},
        {"GET", "", "", "*/*", false},
        {"GET", "", "", "", false},
        {"GET", "", "XMLHttpRequest", "text/html", false},
        {"GET", "", "org.example.app", "text/html", true},
        {"GET", "navigate", "", "", true},
        {"HEAD", "navigate", "XMLHttpRequest", "*/*", true},
        {"POST", "navigate", "", "text/html", false},
        {"OPTIONS", "navigate", "", "text/html", false},
        {"GET", "cors", "", "text/html", false},
        {"GET", "navigated", "", "text/html", false},
        {"GET", "navigate, navigate", "", "text/html", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin(&world);
        world.fcgi.role = FCGI_AUTHORIZER;
        wire_pair(&world.params, "REQUEST_METHOD", rows[i].method);
        wire_pair(&world.params, "HTTP_SEC_FETCH_MODE", rows[i].mode);
        wire_pair(&world.params, "HTTP_X_REQUESTED_WITH", rows[i].with);
        wire_pair(&world.params, "HTTP_ACCEPT", rows[i].accept);
        wire_pair(&world.params, "AUTH_LOGIN_PAGE", "/login.html");
        reply_error(world_read(&world), ERROR_TOKEN_MISSING);
        buf_addc(&world.out, '\0');
        if ((strstr(world.out.data, "Status: 302 ") != NULL) != rows[i].led)
            fail_msg("row %zu", i);
    }
}

static void secrets(void **state) {
    (void)state;
    const struct request *r = READ("GATEHOUSE_SECRET", "s");
    assert_string_equal(r->secret, "s");
    assert_false(r->secret_repeated);
    assert_true(READ("GATEHOUSE_SECRET", "s", "GATEHOUSE_SECRET", "s")->secret_repeated);
    assert_null(READ("REDIRECT_GATEHOUSE_SECRET", "s", "HTTP_GATEHOUSE_SECRET", "s",
                     "gatehouse_secret", "s", "GATEHOUSE_SECRET", "")->secret);
}

static void paths(void **state) {
    (void)state;
    static const struct {
        const char *document, *script, *info, *path;
    } rows[] = {
        {"/auth/verify", "", "", "/auth/verify"},
        {"/auth/verify", "/page", "/x", "/auth/verify"},
        {"", "/auth/verify", "", "/auth/verify"},
        {"", "/auth", "/verify", "/auth/verify"},
        {"", "", "/auth/verify", "/auth/verify"},
        {"", "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(READ("REQUEST_URI", "/original?x=1", "DOCUMENT_URI", rows[i].document,
                                 "SCRIPT_NAME", rows[i].script, "PATH_INFO", rows[i].info)
                                ->path,
                            rows[i].path);
}

static void https(void **state) {
    (void)state;
    assert_true(READ("HTTPS", "on")->https);
    assert_true(READ("HTTPS", "1")->https);
    assert_false(READ("HTTPS", "off")->https);
}

/* An id goes into headers, answers and log lines: only what is harmless in all of them. */
static void ids(void **state) {
    (void)state;
    static const struct {
        const char *given;
        bool kept;
    } rows[] = {
        {"a", true},
        {"4bf92f3577b34da6a3ce929d0e0e4736", true},
        {"Abc.1_2-3", true},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
        {"a b", false},
        {"a\r\nSet-Cookie: x=y", false},
        {"a\"b", false},
        {"a=b", false},
        {"<b>", false},
        {"\xc3\xa4", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *id = READ("REQUEST_ID", rows[i].given)->id;
        if (rows[i].kept) {
            assert_string_equal(id, rows[i].given);
        } else {
            assert_int_equal(strlen(id), 32);
            assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        }
    }
    assert_string_not_equal(arena_str(world.api.arena, READ("A", "b")->id), READ("A", "b")->id);
}

/* What a session remembers of its client is one line of UTF-8, no longer than 512 bytes. */
static void clients(void **state) {
    (void)state;
    static const struct {
        const char *sent, *kept;
    } rows[] = {
        {"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"},
        {"K\xc3\xa4se", "K\xc3\xa4se"},
        {"K\xe4se", "K?se"},
        {"a\tb\x1b[2J\x7f" "c", "a?b?[2J?c"},
        {"a\r\nb", "a??b"},
        {"\xed\xa0\x80", "???"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(request_client(READ("HTTP_USER_AGENT", rows[i].sent)).user_agent,
                            rows[i].kept);
    struct session_client client = request_client(READ("REMOTE_ADDR", "192.0.2.1"));
    assert_null(client.user_agent);
    assert_null(client.device_info);
    assert_string_equal(client.ip, "192.0.2.1");

    char sent[700];
    memset(sent, 'x', sizeof sent);
    sent[699] = '\0';
    assert_int_equal(strlen(request_client(READ("HTTP_USER_AGENT", sent)).user_agent), 512);
    memcpy(sent + 511, "\xc3\xa4", 2); /* cut before a letter, never within */
    const char *kept = request_client(READ("HTTP_USER_AGENT", sent)).user_agent;
    assert_int_equal(strlen(kept), 511);
    assert_true(utf8_valid(kept, 511));
}

static void body_members(void **state) {
    (void)state;
    static const char text[] = "{\"a\":\"b\",\"n\":null,\"i\":1,\"e\":\"\",\"t\":true,\"f\":false}";
    static const struct {
        const char *name, *value; /* NULL: none */
        bool required, good;
    } rows[] = {
        {"a", "b", true, true},    {"a", "b", false, true},   {"e", "", true, true},
        {"n", NULL, false, true},  {"n", NULL, true, false},  {"x", NULL, false, true},
        {"x", NULL, true, false},  {"i", NULL, false, false}, {"i", NULL, true, false},
        {"t", NULL, false, false},
    };
    const char *why;
    struct request *r = READ("A", "b");
    r->body = json_parse(text, strlen(text), &why);
    assert_non_null(r->body);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct field_errors errors = {.count = 0};
        size_t len = 99;
        const char *value = request_text(r, rows[i].name, rows[i].required, &errors, &len);
        assert_int_equal(errors.count, rows[i].good ? 0 : 1);
        if (!rows[i].good)
            assert_string_equal(errors.list[0].field, rows[i].name);
        if (rows[i].value == NULL)
            assert_null(value);
        else
            assert_string_equal(value, rows[i].value);
        assert_int_equal(len, rows[i].value != NULL ? strlen(rows[i].value) : 0);
    }
    struct field_errors errors = {.count = 0};
    assert_true(request_flag(r, "t", &errors));
    assert_false(request_flag(r, "f", &errors));
    assert_false(request_flag(r, "x", &errors));
    assert_false(request_flag(r, "n", &errors));
    assert_int_equal(errors.count, 0);
    assert_false(request_flag(r, "i", &errors));
    assert_false(request_flag(r, "a", &errors));
    assert_int_equal(errors.count, 2);
    json_free(r->body);
    r->body = NULL;
    /* No body is one without members. */
    errors.count = 0;
    assert_null(request_text(r, "a", false, &errors, NULL));
    assert_false(request_flag(r, "a", &errors));
    assert_int_equal(errors.count, 0);
    assert_null(request_text(r, "a", true, &errors, NULL));
    assert_int_equal(errors.count, 1);
}

static int open_world(void **state) {
    (void)state;
    world_open(&world, NULL);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static void one_line(void **state) {
    (void)state;
    static const char *const rows[] = {"a\r\nX-Injected: b", "a\nX-Injected: b", "a\rX-Injected: b",
                                       "\r\n\r\nX-Injected: b"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin(&world);
        reply_header(world_read(&world), "Remote-Name", rows[i]);
        buf_addc(&world.out, '\0');
        const char *end = strpbrk(world.out.data, "\r\n");
        assert_non_null(end);
        assert_string_equal(end, "\r\n");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything), cmocka_unit_test(nothing),       cmocka_unit_test(methods),
        cmocka_unit_test(doubled),    cmocka_unit_test(other_names),   cmocka_unit_test(authorization),
        cmocka_unit_test(paths),      cmocka_unit_test(https),         cmocka_unit_test(ids),
        cmocka_unit_test(clients),    cmocka_unit_test(body_members),  cmocka_unit_test(apache),
        cmocka_unit_test(secrets),    cmocka_unit_test(roles),         cmocka_unit_test(way_back),
        cmocka_unit_test(who_opens_a_page), cmocka_unit_test(one_line),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
