#include "api/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/api_private.h"
#include "api/cookie.h"
#include "api/origin.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "domain/audit.h"
#include "domain/last_login.h"

/* What a batch's arena keeps; larger requests give it back. */
#define ARENA_BLOCK (64 * 1024)
#define ARENA_KEEP  (1024 * 1024)

struct api *api_new(const struct realm *realm, api_pools *pools, size_t batch) {
    struct api *api = calloc(1, sizeof *api);
    MUST(api != NULL);
    api->realm = realm;
    api->pools = pools;
    api->arena = arena_new(ARENA_BLOCK);
    api->requests = calloc(batch, sizeof *api->requests);
    MUST(api->requests != NULL);
    cookie_names_make(&api->cookies, realm->conf);
    return api;
}

void api_on_step(struct api *api, void (*beat)(void *context), void *context) {
    api->beat = beat;
    api->beat_context = context;
}

void api_want_secret(struct api *api, const char *secret) {
    api->wants_secret = secret != NULL;
    if (secret != NULL)
        secret_sha256(secret, strlen(secret), api->secret);
}

void api_free(struct api **api) {
    if (api == NULL || *api == NULL)
        return;
    arena_free(&(*api)->arena);
    secret_wipe((*api)->secret, sizeof (*api)->secret);
    free((*api)->requests);
    free(*api);
    *api = NULL;
}

/* The front door, step by step; each step refuses with one reply, or lets the next go on. ------- */

/* A preflight (Fetch standard, section 3.2.2) is answered for origins on the list; anybody may ask
 * what methods there are. */
static void answer_options(struct request *request, const char *allow) {
    reply_header(request, "Allow", allow);
    if (origin_listed(request) != NULL) {
        reply_header(request, "Access-Control-Allow-Methods", allow);
        reply_header(request, "Access-Control-Allow-Headers",
                     "Authorization, Content-Type, X-Session-Id");
        reply_header(request, "Access-Control-Max-Age", "600");
    }
    reply_empty(request, 204);
}

/* Whether the path is the very one that the client asked for.  What it wrote may be meant to mislead, so
 * nothing in it is decoded or mended: another spelling is another page. */
static bool asked_for_itself(const struct request *request) {
    size_t len = strlen(request->path);
    return request->uri != NULL && strncmp(request->uri, request->path, len) == 0 &&
           (request->uri[len] == '\0' || request->uri[len] == '?');
}

/* On the path of the check: whether this is one, by a method that is not its own.  nginx's auth_request takes
 * method and REQUEST_URI from the page that is to be seen, and any 2xx for a yes.  So OPTIONS is a check as
 * well, unless a browser asks about the check itself; and always where a role is demanded, or where it does
 * not show which of the two it is. */
static bool is_check(const struct request *request) {
    bool itself = asked_for_itself(request);
    if (request->method == METHOD_OPTIONS)
        return !itself || request->required_roles != NULL || request->wanted_method == NULL ||
               origin_listed(request) == NULL;
    return request->uri != NULL && !itself;
}

static bool route_is_known(struct request *request) {
    char allow[64];
    if (request->fcgi->role == FCGI_ROLE_AUTHORIZER) {
        request->route = routes_verify();
        return true;
    }
    switch (routes_find(request, allow, sizeof allow)) {
    case ROUTE_FOUND:
        return true;
    case ROUTE_NO_SUCH_PATH:
        reply_error(request, ERROR_NOT_FOUND);
        return false;
    case ROUTE_NO_SUCH_METHOD:
        break;
    }
    if (routes_names_verify(request) && is_check(request)) {
        request->route = routes_verify();
        return true;
    }
    if (request->method == METHOD_OPTIONS) {
        answer_options(request, allow);
    } else {
        reply_header(request, "Allow", allow);
        reply_error(request, ERROR_METHOD_NOT_ALLOWED);
    }
    return false;
}

/* Parameters may follow. */
static bool is_type(const char *content_type, const char *wanted) {
    size_t len = strlen(wanted);
    return content_type != NULL && strncasecmp(content_type, wanted, len) == 0 &&
           (content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL);
}

/* How long the body was announced to be; what cannot be read is taken for too long. */
static size_t announced(const struct request *request) {
    const char *text = request->content_length;
    if (text == NULL)
        return request->fcgi->body_len;
    return strlen(text) <= 15 && strspn(text, "0123456789") == strlen(text)
               ? (size_t)strtoull(text, NULL, 10)
               : SIZE_MAX;
}

/* Routes without a body look at none of this: a check may be told of a body that it is not sent. */
static bool body_is_acceptable(struct request *request) {
    if (request->route->body == BODY_NONE)
        return true;
    if (request->fcgi->body_dropped ||
        announced(request) > (size_t)request->realm->conf->server_max_body) {
        reply_error(request, ERROR_BODY_TOO_LARGE);
        return false;
    }
    bool form = request->route->body == BODY_FORM;
    if (announced(request) != request->fcgi->body_len) {
        struct field_errors errors = {0};
        field_errors_add(&errors, "body", "is incomplete");
        if (form)
            reply_fields(request, &errors);
        else
            reply_error_because(request, ERROR_INVALID_JSON, "The body is incomplete");
        return false;
    }
    const char *wanted = form ? "application/x-www-form-urlencoded" : "application/json";
    if (request->fcgi->body_len == 0 || is_type(request->content_type, wanted))
        return true;
    reply_error_because(request, ERROR_UNSUPPORTED_MEDIA_TYPE,
                        arena_printf(request->arena, "The body must be %s", wanted));
    return false;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* The credential in an Authorization header; NULL: there is none of ours.  A scheme other than
 * Basic is taken for a credential, and fails; so does a header that was sent twice, which the comma
 * tells: no credential of ours has one, nor has Basic's. */
static const char *from_authorization(const struct request *request) {
    const char *text = request->authorization;
    if (text == NULL)
        return NULL;
    while (is_space(*text))
        text++;
    if (strchr(text, ',') != NULL)
        return "";
    if (strncasecmp(text, "Basic", 5) == 0 && (text[5] == '\0' || is_space(text[5])))
        return NULL;
    if (strncasecmp(text, "Bearer", 6) == 0 && (text[6] == '\0' || is_space(text[6])))
        text += 6;
    while (is_space(*text))
        text++;
    return text;
}

/* The first that is present counts, good or bad. */
static const char *find_credential(struct request *request) {
    const char *text = from_authorization(request);
    if (text != NULL) {
        request->carrier = CARRIED_BY_AUTHORIZATION;
        return text;
    }
    if (request->session_header != NULL) {
        request->carrier = CARRIED_BY_HEADER;
        return request->session_header;
    }
    text = cookie_session(request);
    if (text != NULL)
        request->carrier = CARRIED_BY_COOKIE;
    return text;
}

static bool is_for_leaving(const struct request *request) {
    return request->route->access == ROUTE_FOR_LEAVING;
}

static void refuse_credential(struct request *request, enum error_code code) {
    /* Whoever wants to be signed out is, whatever the cookie was worth. */
    if (request->carrier == CARRIED_BY_COOKIE && is_for_leaving(request))
        cookie_clear(request);
    reply_error(request, code);
}

/* A check changes nothing, and its method may be that of the page. */
static bool is_write(const struct request *request) {
    return request->method != METHOD_GET && request->method != METHOD_HEAD &&
           request->route != routes_verify();
}

static void run_handler(struct request *request);

/* After the flush: what became of the credential. */
static void check_session(struct request *request) {
    switch (session_check_answer(request->realm, request->arena, &request->credential,
                                 &request->lookup, &request->who)) {
    case ACCESS_GRANTED:
        run_handler(request);
        return;
    case ACCESS_TOKEN_REVOKED:
        refuse_credential(request, ERROR_TOKEN_REVOKED);
        return;
    case ACCESS_SESSION_EXPIRED:
        /* It may have idled out only, with a refresh token left that could bring it back. */
        if (is_for_leaving(request))
            run_handler(request);
        else
            refuse_credential(request, ERROR_SESSION_EXPIRED);
        return;
    case ACCESS_TOKEN_INVALID:
        refuse_credential(request, ERROR_TOKEN_INVALID);
        return;
    case ACCESS_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

/* Reads the credential, and asks for its session. */
static void ask_session(struct request *request) {
    const char *text = find_credential(request);
    if (text == NULL) {
        if (is_for_leaving(request))
            run_handler(request);
        else
            reply_error(request, ERROR_TOKEN_MISSING);
        return;
    }
    if (request->carrier == CARRIED_BY_COOKIE && is_write(request) &&
        !origin_is_ours(request)) {
        reply_error(request, ERROR_CSRF_REJECTED);
        return;
    }
    switch (credential_read(request->realm, request->arena, text, strlen(text),
                            &request->credential)) {
    case TOKEN_BAD:
        refuse_credential(request, ERROR_TOKEN_INVALID);
        return;
    case TOKEN_EXPIRED:
        /* A cookie may carry an access token that expired while nobody looked; it still says whose
         * browser wants to be signed out. */
        if (!is_for_leaving(request) || request->carrier != CARRIED_BY_COOKIE) {
            refuse_credential(request, ERROR_TOKEN_EXPIRED);
            return;
        }
        break;
    case TOKEN_GOOD:
        break;
    }
    /* Plain handlers may show when the user last signed in: not before this session began, which MariaDB may
     * not know yet (last_login.h). */
    request->lookup = session_check_ask(request->realm, request->arena, &request->credential,
                                        request->route->kind == ROUTE_PLAIN);
    request_then(request, check_session);
}

static bool body_is_object(struct request *request) {
    const struct fcgi_request *fcgi = request->fcgi;
    const char *why = "it is empty";
    if (request->route->body == BODY_NONE || request->route->body == BODY_FORM ||
        (request->route->body == BODY_OPTIONAL && fcgi->body_len == 0))
        return true;
    if (fcgi->body_len > 0)
        request->body = json_parse(fcgi->body, fcgi->body_len, &why);
    if (request->body != NULL && json_is_object(request->body))
        return true;
    log_debug("a body was refused", F_STR("reason", request->body != NULL ? "no object" : why));
    if (request->body != NULL)
        reply_error(request, ERROR_INVALID_JSON);
    else
        reply_error_because(request, ERROR_INVALID_JSON,
                            arena_printf(request->arena, "The body is refused: %s", why));
    return false;
}

/* The last step. */
static void run_handler(struct request *request) {
    if (!body_is_object(request))
        return;
    if (request->route->kind == ROUTE_STEPS)
        request->route->handler(request);
    /* A plain handler waits until all that need not wait for it are answered. */
}

/* Digests are compared, so that neither the secret's length nor its beginning shows in the time. */
static bool came_through_the_web_server(struct request *request) {
    static int64_t quiet_until;
    const struct api *api = request->api;
    uint8_t digest[SHA256_SIZE] = {0};
    if (!api->wants_secret)
        return true;
    if (request->secret != NULL && !request->secret_repeated) {
        secret_sha256(request->secret, strlen(request->secret), digest);
        if (secret_equal(digest, api->secret, sizeof digest))
            return true;
    }
    if (log_seldom(&quiet_until))
        log_warning("a request without the pool's secret was refused (secret_file, GATEHOUSE_SECRET)",
                    F_STR("secret", request->secret == NULL    ? "missing"
                                    : request->secret_repeated ? "repeated"
                                                               : "wrong"));
    reply_error(request, ERROR_FORBIDDEN);
    return false;
}

static bool headers_were_read(struct request *request) {
    if (!request->fcgi->params_dropped)
        return true;
    log_info("a request had more headers than are read");
    reply_error_because(request, ERROR_INVALID_REQUEST, "The headers are too long");
    return false;
}

static void enter(struct request *request) {
    if (!headers_were_read(request))
        return;
    if (!came_through_the_web_server(request))
        return;
    if (!route_is_known(request) || !body_is_acceptable(request))
        return;
    if (request->route->access == ROUTE_FOR_ANYONE)
        run_handler(request);
    else
        ask_session(request);
}

/* Batches ---------------------------------------------------------------------------------------- */

static void count(const struct request *request) {
    unsigned route = routes_index(request->route);
    int64_t us = metrics_clock() - request->api->batch_us;
    metrics_request(route, reply_status_index(request->status), us);
    access_log(request, us);
    if (request->reason != 0)
        metrics_refusal(request->reason - 1);
    if (request->route == routes_verify())
        metrics_decision(request->reason);
}

static void finish(struct request *request) {
    count(request);
    json_wipe(request->body);
    request->body = NULL;
    fcgi_finish(request->fcgi);
    request->fcgi = NULL;
}

static void speak_for(const struct request *request) {
    log_context(request->id, request->address);
    struct audit_scene scene = {.user_id = request->who.user_id,
                                .session = request->credential.sid,
                                .address = request->address,
                                .request_id = request->id};
    audit_set_scene(request->realm->audit, &scene);
}

/* Does what is next for a request, and adds up where the time went. */
static void run_step(struct request *request, void (*step)(struct request *)) {
    int64_t before[TIMER_COUNT];
    for (int i = 0; i < TIMER_COUNT; i++)
        before[i] = metrics_spent((enum metrics_timer)i);
    speak_for(request);
    if (request->api->beat != NULL)
        request->api->beat(request->api->beat_context);
    step(request);
    for (int i = 0; i < TIMER_COUNT; i++)
        request->spent_us[i] += metrics_spent((enum metrics_timer)i) - before[i];
    if (request->answered)
        finish(request);
}

static void begin(struct api *api, struct request *request, struct fcgi_request *fcgi) {
    memset(request, 0, sizeof *request);
    request->api = api;
    request->realm = api->realm;
    request->arena = api->arena;
    request_read(request, fcgi);
    speak_for(request);
    enter(request);
    if (request->answered)
        finish(request);
}

/* All that asked something share one round trip; then each takes its next step.  Whether any did. */
static bool take_steps(struct api *api, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= api->requests[i].next != NULL;
    if (!any)
        return false;
    int64_t before = metrics_spent(TIMER_REDIS);
    cache_flush(api->realm->cache);
    int64_t flush_us = metrics_spent(TIMER_REDIS) - before;
    for (size_t i = 0; i < count; i++) {
        struct request *request = &api->requests[i];
        void (*step)(struct request *) = request->next;
        if (step == NULL)
            continue;
        request->next = NULL;
        request->spent_us[TIMER_REDIS] += flush_us;
        run_step(request, step);
    }
    return true;
}

/* It comes again. */
static void leave(struct request *request) {
    json_wipe(request->body);
    request->body = NULL;
    request->fcgi = NULL;
    request->api->put_off++;
}

void request_go_on_later(struct request *request, const void *kept, size_t len) {
    fcgi_go_on_later(request->fcgi, kept, len);
    leave(request);
}

/* A request that has to hash a password and has no turn is put off: it stands in line, and comes through the
 * front door again when it has its turn.  Where the line is full it is answered 503 at once. */
static void put_off(struct request *request) {
    static int64_t quiet_until;
    speak_for(request);
    if (fcgi_put_off(request->fcgi)) {
        leave(request);
        return;
    }
    if (log_seldom(&quiet_until))
        log_warning("too many passwords are to be checked at once: 503 (batch and queue of the pool "
                    "say how many may wait)");
    reply_error(request, ERROR_UNAVAILABLE);
    finish(request);
}

static void run_plain(struct request *request) {
    if (request->route->kind == ROUTE_HASHES && !request->fcgi->has_turn) {
        put_off(request);
        return;
    }
    run_step(request, request->route->handler);
    MUST(request->fcgi == NULL);
}

size_t api_serve(struct api *api, struct fcgi_request **batch, size_t count) {
    api->put_off = 0;
    api->batch_us = metrics_clock();
    metrics_event(EVENT_BATCH, 1);
    for (size_t i = 0; i < count; i++)
        begin(api, &api->requests[i], batch[i]);
    while (take_steps(api, count))
        continue;
    for (size_t i = 0; i < count; i++)
        if (api->requests[i].fcgi != NULL)
            run_plain(&api->requests[i]);
    log_context(NULL, NULL);
    /* Sends what nobody waits for (sessions' last activities), before its texts go with the arena. */
    cache_flush(api->realm->cache);
    audit_set_scene(api->realm->audit, &(struct audit_scene){0});
    audit_flush_due(api->realm);
    last_login_flush_due(api->realm->last_logins);
    arena_reset(api->arena, ARENA_KEEP);
    return count - api->put_off;
}

bool api_has_left(const struct api *api) {
    return audit_has_notes(api->realm) || last_login_has_notes(api->realm->last_logins);
}

void api_catch_up(struct api *api) {
    audit_flush(api->realm);
    last_login_flush(api->realm->last_logins);
}
