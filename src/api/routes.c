#include "api/routes.h"

#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "base/metrics.h"

#define GET    (1u << METHOD_GET | 1u << METHOD_HEAD)
#define POST   (1u << METHOD_POST)
#define PATCH  (1u << METHOD_PATCH)
#define DELETE (1u << METHOD_DELETE)

/* clang-format off */
static const struct route routes[] = {
    {GET,    "/verify",        handle_verify,          ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_STEPS},
    {GET,    "/session",       handle_session,         ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_STEPS},
    {GET,    "/sessions",      handle_sessions,        ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_STEPS},
    {DELETE, "/sessions",      handle_sessions_delete, ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_STEPS},
    {DELETE, "/sessions/{id}", handle_session_delete,  ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_STEPS},
    {POST,   "/refresh",       handle_refresh,         ROUTE_FOR_ANYONE,     BODY_OPTIONAL, ROUTE_STEPS},
    {POST,   "/logout",        handle_logout,          ROUTE_FOR_LEAVING,    BODY_OPTIONAL, ROUTE_STEPS},
    {GET,    "/profile",       handle_profile,         ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_PLAIN},
    {GET,    "/userinfo",      handle_profile,         ROUTE_FOR_CREDENTIAL, BODY_NONE,     ROUTE_PLAIN},
    {PATCH,  "/profile",       handle_profile_change,  ROUTE_FOR_CREDENTIAL, BODY_REQUIRED, ROUTE_PLAIN},
    {DELETE, "/profile",       handle_profile_delete,  ROUTE_FOR_CREDENTIAL, BODY_REQUIRED, ROUTE_HASHES},
    {POST,   "/password",      handle_password,        ROUTE_FOR_CREDENTIAL, BODY_REQUIRED, ROUTE_HASHES},
    {POST,   "/register",      handle_register,        ROUTE_FOR_ANYONE,     BODY_REQUIRED, ROUTE_HASHES},
    {POST,   "/login",         handle_login,           ROUTE_FOR_ANYONE,     BODY_REQUIRED, ROUTE_HASHES},
    {POST,   "/introspect",    handle_introspect,      ROUTE_FOR_ANYONE,     BODY_FORM,     ROUTE_PLAIN},
    {POST,   "/revoke",        handle_revoke,          ROUTE_FOR_ANYONE,     BODY_FORM,     ROUTE_PLAIN},
    {GET,    "/health",        handle_health,          ROUTE_FOR_ANYONE,     BODY_NONE,     ROUTE_PLAIN},
    {GET,    "/metrics",       handle_metrics,         ROUTE_FOR_ANYONE,     BODY_NONE,     ROUTE_STEPS},
    {GET,    "/.well-known/jwks.json", handle_jwks,    ROUTE_FOR_ANYONE,     BODY_NONE,     ROUTE_STEPS},
};
/* clang-format on */

#define COUNT (sizeof routes / sizeof *routes)
_Static_assert(COUNT < METRICS_ROUTES, "each route is counted by itself, and what is none");

const struct route *routes_all(size_t *count) {
    *count = COUNT;
    return routes;
}

unsigned routes_index(const struct route *route) {
    return route != NULL ? (unsigned)(route - routes) : COUNT;
}

const struct route *routes_verify(void) {
    return &routes[0];
}

/* The path below the base path; NULL: it is not below it. */
static const char *below_base(const struct request *request) {
    const char *base = request->realm->conf->server_base_path;
    size_t len = strlen(base);
    return strncmp(request->path, base, len) == 0 ? request->path + len : NULL;
}

bool routes_names_verify(const struct request *request) {
    const char *path = below_base(request);
    return path != NULL && strcmp(path, routes_verify()->path) == 0;
}

/* Whether a row's path is this one; {id} takes one segment that is not empty. */
static bool matches(const struct route *route, const char *path, const char **segment) {
    const char *brace = strchr(route->path, '{');
    if (brace == NULL)
        return strcmp(route->path, path) == 0;
    size_t fixed = (size_t)(brace - route->path);
    if (strncmp(route->path, path, fixed) != 0 || path[fixed] == '\0' ||
        strchr(path + fixed, '/') != NULL)
        return false;
    *segment = path + fixed;
    return true;
}

static void list_methods(unsigned methods, char *allow, size_t size) {
    size_t len = 0;
    methods |= 1u << METHOD_OPTIONS;
    for (enum method method = METHOD_GET; method < METHOD_OTHER; method++)
        if (methods & 1u << method)
            len += (size_t)snprintf(allow + len, size - len, "%s%s", len > 0 ? ", " : "",
                                    method_name(method));
}

enum route_found routes_find(struct request *request, char *allow, size_t allow_size) {
    const char *path = below_base(request);
    unsigned methods = 0;
    for (size_t i = 0; path != NULL && i < COUNT; i++) {
        if (!matches(&routes[i], path, &request->segment))
            continue;
        methods |= routes[i].methods;
        if (routes[i].methods & 1u << request->method) {
            request->route = &routes[i];
            return ROUTE_FOUND;
        }
    }
    if (methods == 0)
        return ROUTE_NO_SUCH_PATH;
    list_methods(methods, allow, allow_size);
    return ROUTE_NO_SUCH_METHOD;
}
