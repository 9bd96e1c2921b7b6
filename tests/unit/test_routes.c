#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "api/handlers.h"
#include "apiworld.h"

static struct world world;

static enum route_found find(enum method method, const char *path, char *allow, size_t size) {
    world_begin(&world);
    world.request.method = method;
    world.request.path = path;
    memset(allow, 0, size);
    return routes_find(&world.request, allow, size);
}

static void found(void **state) {
    (void)state;
    static const struct {
        enum method method;
        const char *path;
        void (*handler)(struct request *request);
        enum route_access access;
        const char *segment;
    } rows[] = {
        {METHOD_GET, "/auth/verify", handle_verify, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_HEAD, "/auth/verify", handle_verify, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_GET, "/auth/session", handle_session, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_GET, "/auth/sessions", handle_sessions, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_DELETE, "/auth/sessions", handle_sessions_delete, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_DELETE, "/auth/sessions/abc", handle_session_delete, ROUTE_FOR_CREDENTIAL, "abc"},
        {METHOD_DELETE, "/auth/sessions/%2e%2e", handle_session_delete, ROUTE_FOR_CREDENTIAL, "%2e%2e"},
        {METHOD_DELETE, "/auth/sessions/{id}", handle_session_delete, ROUTE_FOR_CREDENTIAL, "{id}"},
        {METHOD_POST, "/auth/refresh", handle_refresh, ROUTE_FOR_ANYONE, NULL},
        {METHOD_POST, "/auth/logout", handle_logout, ROUTE_FOR_LEAVING, NULL},
        {METHOD_GET, "/auth/profile", handle_profile, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_GET, "/auth/userinfo", handle_profile, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_PATCH, "/auth/profile", handle_profile_change, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_DELETE, "/auth/profile", handle_profile_delete, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_POST, "/auth/password", handle_password, ROUTE_FOR_CREDENTIAL, NULL},
        {METHOD_POST, "/auth/register", handle_register, ROUTE_FOR_ANYONE, NULL},
        {METHOD_POST, "/auth/login", handle_login, ROUTE_FOR_ANYONE, NULL},
        {METHOD_POST, "/auth/introspect", handle_introspect, ROUTE_FOR_ANYONE, NULL},
        {METHOD_POST, "/auth/revoke", handle_revoke, ROUTE_FOR_ANYONE, NULL},
        {METHOD_GET, "/auth/health", handle_health, ROUTE_FOR_ANYONE, NULL},
    };
    char allow[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (find(rows[i].method, rows[i].path, allow, sizeof allow) != ROUTE_FOUND)
            fail_msg("row %zu: %s is not found", i, rows[i].path);
        assert_ptr_equal(world.request.route->handler, rows[i].handler);
        assert_int_equal(world.request.route->access, rows[i].access);
        if (rows[i].segment == NULL)
            assert_null(world.request.segment);
        else
            assert_string_equal(world.request.segment, rows[i].segment);
    }
}

static void not_found(void **state) {
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "/auth",
        "/auth/",
        "/auth/verify/",
        "/auth/verify/x",
        "/auth/Verify",
        "/AUTH/verify",
        "/authverify",
        "/auth//verify",
        "/verify",
        "/x/auth/verify",
        "auth/verify",
        "/auth/verify?x",
        "/auth/sessions/",
        "/auth/sessions/a/b",
        "/auth/sessions//",
        "/auth/sessionsx",
        "/auth/{id}",
        "/auth/login.php",
        "/auth/../auth/verify",
    };
    char allow[64];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (enum method method = METHOD_GET; method <= METHOD_OTHER; method++) {
            if (find(method, paths[i], allow, sizeof allow) != ROUTE_NO_SUCH_PATH)
                fail_msg("\"%s\" is found", paths[i]);
            assert_null(world.request.route);
        }
}

static void wrong_methods(void **state) {
    (void)state;
    static const struct {
        enum method method;
        const char *path, *allow;
    } rows[] = {
        {METHOD_POST, "/auth/verify", "GET, HEAD, OPTIONS"},
        {METHOD_OTHER, "/auth/verify", "GET, HEAD, OPTIONS"},
        {METHOD_OPTIONS, "/auth/verify", "GET, HEAD, OPTIONS"},
        {METHOD_GET, "/auth/login", "POST, OPTIONS"},
        {METHOD_HEAD, "/auth/login", "POST, OPTIONS"},
        {METHOD_OPTIONS, "/auth/login", "POST, OPTIONS"},
        {METHOD_POST, "/auth/profile", "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {METHOD_OPTIONS, "/auth/profile", "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {METHOD_POST, "/auth/sessions", "GET, HEAD, DELETE, OPTIONS"},
        {METHOD_GET, "/auth/sessions/abc", "DELETE, OPTIONS"},
        {METHOD_PATCH, "/auth/logout", "POST, OPTIONS"},
    };
    char allow[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(find(rows[i].method, rows[i].path, allow, sizeof allow),
                         ROUTE_NO_SUCH_METHOD);
        assert_string_equal(allow, rows[i].allow);
        assert_null(world.request.route);
    }
}

/* Every row can be reached by each of its methods, none twice, and who may is never left open. */
static void every_row(void **state) {
    (void)state;
    size_t count;
    char allow[64], path[100];
    const struct route *all = routes_all(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(all[i].methods != 0);
        assert_true((all[i].methods & (1u << METHOD_OPTIONS | 1u << METHOD_OTHER)) == 0);
        /* HEAD is where GET is. */
        assert_int_equal((all[i].methods >> METHOD_GET & 1), (all[i].methods >> METHOD_HEAD & 1));
        if (all[i].methods >> METHOD_GET & 1)
            assert_int_equal(all[i].body, BODY_NONE);
        snprintf(path, sizeof path, "/auth%s", all[i].path);
        for (enum method method = METHOD_GET; method < METHOD_OPTIONS; method++)
            if (all[i].methods >> method & 1) {
                assert_int_equal(find(method, path, allow, sizeof allow), ROUTE_FOUND);
                assert_ptr_equal(world.request.route, &all[i]);
            }
    }
}

/* The check of an authorizer, and of auth_request: of a credential, with no body, and no waiting. */
static void verify_row(void **state) {
    (void)state;
    const struct route *verify = routes_verify();
    assert_string_equal(verify->path, "/verify");
    assert_ptr_equal(verify->handler, handle_verify);
    assert_int_equal(verify->access, ROUTE_FOR_CREDENTIAL);
    assert_int_equal(verify->body, BODY_NONE);
    assert_int_equal(verify->kind, ROUTE_STEPS);

    static const char *const others[] = {"/auth/verify/", "/auth/session", "/auth", "/verify", ""};
    world_begin(&world);
    world.request.method = METHOD_POST;
    world.request.path = "/auth/verify";
    assert_true(routes_names_verify(&world.request));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        world.request.path = others[i];
        assert_false(routes_names_verify(&world.request));
    }
}

static void other_base_paths(void **state) {
    (void)state;
    static const struct {
        const char *base, *path;
        enum route_found expected;
    } rows[] = {
        {"/", "/verify", ROUTE_FOUND},
        {"/", "/auth/verify", ROUTE_NO_SUCH_PATH},
        {"/", "verify", ROUTE_NO_SUCH_PATH},
        {"/api/v1", "/api/v1/verify", ROUTE_FOUND},
        {"/api/v1", "/api/v10/verify", ROUTE_NO_SUCH_PATH},
        {"/api/v1", "/verify", ROUTE_NO_SUCH_PATH},
        {"/api/v1", "/api/v1", ROUTE_NO_SUCH_PATH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const settings[] = {"GATEHOUSE_SERVER_BASE_PATH", rows[i].base, NULL};
        struct world other;
        char allow[64];
        world_open(&other, settings);
        world_begin(&other);
        other.request.method = METHOD_GET;
        other.request.path = rows[i].path;
        if (routes_find(&other.request, allow, sizeof allow) != rows[i].expected)
            fail_msg("row %zu: %s below %s", i, rows[i].path, rows[i].base);
        world_close(&other);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),     cmocka_unit_test(not_found),  cmocka_unit_test(wrong_methods),
        cmocka_unit_test(every_row), cmocka_unit_test(verify_row), cmocka_unit_test(other_base_paths),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
