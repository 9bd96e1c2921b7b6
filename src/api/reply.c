#include "api/reply.h"

#include <string.h>

#include "api/origin.h"
#include "base/log.h"
#include "base/metrics.h"
#include "domain/audit.h"

/* What a client is asked to wait before it tries a store that was away again. */
#define RETRY_AFTER_S 1

static const struct {
    int status;
    const char *code, *sentence;
} errors[] = {
    [ERROR_INVALID_JSON] = {400, "invalid_json", "The body is not a JSON object"},
    [ERROR_INVALID_REQUEST] = {400, "invalid_request", "The request is not valid"},
    [ERROR_TOKEN_MISSING] = {401, "token_missing", "Access token required"},
    [ERROR_TOKEN_REVOKED] = {401, "token_revoked", "Token has been revoked"},
    [ERROR_SESSION_EXPIRED] = {401, "session_expired", "Session expired"},
    [ERROR_TOKEN_EXPIRED] = {401, "token_expired", "Token expired"},
    [ERROR_TOKEN_INVALID] = {401, "token_invalid", "Invalid token"},
    [ERROR_INVALID_CREDENTIALS] = {401, "invalid_credentials", "Invalid credentials"},
    [ERROR_INVALID_CLIENT] = {401, "invalid_client", "Client authentication failed"},
    [ERROR_REFRESH_INVALID] = {401, "refresh_invalid", "Invalid refresh token"},
    [ERROR_REFRESH_REUSED] = {401, "refresh_reused", "Refresh token was already used"},
    [ERROR_FORBIDDEN] = {403, "forbidden", "You may not do this"},
    [ERROR_CSRF_REJECTED] = {403, "csrf_rejected", "The request did not come from this site"},
    [ERROR_REGISTRATION_CLOSED] = {403, "registration_closed", "Registration is closed"},
    [ERROR_NOT_FOUND] = {404, "not_found", "Not found"},
    [ERROR_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", "Method not allowed"},
    [ERROR_EMAIL_TAKEN] = {409, "email_taken", "This email address is taken"},
    [ERROR_USERNAME_TAKEN] = {409, "username_taken", "This username is taken"},
    [ERROR_BODY_TOO_LARGE] = {413, "body_too_large", "The body is too large"},
    [ERROR_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type",
                                      "The body must be application/json"},
    [ERROR_RATE_LIMITED] = {429, "rate_limited", "Too many requests"},
    [ERROR_UNAVAILABLE] = {503, "unavailable", "The service is unavailable, try again"},
    [ERROR_INTERNAL] = {500, "internal", "Something went wrong"},
};

static const struct {
    int status;
    const char *line;
} statuses[] = {
    {500, "Status: 500 Internal Server Error\r\n"}, /* also for what is not listed */
    {200, "Status: 200 OK\r\n"},
    {201, "Status: 201 Created\r\n"},
    {204, "Status: 204 No Content\r\n"},
    {302, "Status: 302 Found\r\n"},
    {400, "Status: 400 Bad Request\r\n"},
    {401, "Status: 401 Unauthorized\r\n"},
    {403, "Status: 403 Forbidden\r\n"},
    {404, "Status: 404 Not Found\r\n"},
    {405, "Status: 405 Method Not Allowed\r\n"},
    {409, "Status: 409 Conflict\r\n"},
    {413, "Status: 413 Content Too Large\r\n"},
    {415, "Status: 415 Unsupported Media Type\r\n"},
    {429, "Status: 429 Too Many Requests\r\n"},
    {503, "Status: 503 Service Unavailable\r\n"},
};
#define STATUSES (sizeof statuses / sizeof *statuses)
_Static_assert(STATUSES <= METRICS_STATUSES, "each status is counted by itself");

unsigned reply_status_index(int status) {
    for (unsigned i = 1; i < STATUSES; i++)
        if (statuses[i].status == status)
            return i;
    return 0;
}

int reply_status_at(unsigned index) {
    return index < STATUSES ? statuses[index].status : 0;
}

const char *reply_error_name(unsigned code) {
    return code < sizeof errors / sizeof *errors ? errors[code].code : NULL;
}

/* A header line must stay one: what could end it is left out.  Values are checked long before they
 * come here; this is the last door. */
static void add_value(struct buf *out, const char *value) {
    size_t plain = strcspn(value, "\r\n");
    buf_add(out, value, plain);
    for (value += plain; *value != '\0'; value++)
        if (*value != '\r' && *value != '\n')
            buf_addc(out, *value);
}

void reply_header(struct request *request, const char *name, const char *value) {
    struct buf *out = request->fcgi->out;
    buf_adds(out, name);
    buf_add(out, ": ", 2);
    add_value(out, value);
    buf_add(out, "\r\n", 2);
}

/* An origin that is on the list may read the answer. */
static void add_cors(struct request *request) {
    const char *origin = origin_listed(request);
    if (origin == NULL)
        return;
    reply_header(request, "Access-Control-Allow-Origin", origin);
    reply_header(request, "Access-Control-Allow-Credentials", "true");
    reply_header(request, "Access-Control-Expose-Headers",
                 "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy");
    reply_header(request, "Vary", "Origin");
}

/* In front of what the handler has added: of an authorizer's answer lighttpd drops every header
 * that comes before a status other than 200. */
static void put_status_first(struct request *request, int status) {
    struct buf *out = request->fcgi->out;
    const char *line = statuses[reply_status_index(status)].line;
    size_t len = strlen(line);
    size_t at = request->head_at, behind = out->len - at;
    request->status = status;
    buf_add(out, line, len);
    memmove(out->data + at + len, out->data + at, behind);
    memcpy(out->data + at, line, len);
}

static void add_status(struct request *request, int status) {
    static const char always[] = "X-Content-Type-Options: nosniff\r\n";
    struct buf *out = request->fcgi->out;
    put_status_first(request, status);
    buf_add(out, always, sizeof always - 1);
    reply_header(request, "X-Request-Id", request->id);
}

static void add_head(struct request *request, int status) {
    add_status(request, status);
    reply_header(request, "Cache-Control", "no-store");
    if (request->origin != NULL)
        add_cors(request);
}

/* The headers of a check's answer alone, for Apache: it adds every header of the check to the page that it
 * then serves, beside the page's own.  With a yes the id is a variable: Apache may still refuse for want of a
 * role. */
static void add_check_head(struct request *request, int status) {
    put_status_first(request, status);
    reply_header(request, status >= 300 ? "X-Request-Id" : "Variable-REQUEST_ID", request->id);
}

void reply_empty(struct request *request, int status) {
    if (request->apache_check)
        add_check_head(request, status);
    else
        add_head(request, status);
    buf_add(request->fcgi->out, "\r\n", 2);
    request->answered = true;
}

/* The headers of a body, and the body. */
static void add_body(struct request *request, const char *content_type, const char *text,
                     size_t len) {
    struct buf *out = request->fcgi->out;
    buf_addf(out,
             "Content-Type: %s\r\nContent-Length: %zu\r\n"
             "Referrer-Policy: no-referrer\r\n"
             "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n",
             content_type, len);
    if (request->method != METHOD_HEAD)
        buf_add(out, text, len);
    request->answered = true;
}

void reply_json(struct request *request, int status, json *body) {
    size_t len;
    const char *text = json_text(body, &len);
    /* Apache would send the body as text/html, at most 8 KiB of it, and in place of the page that
     * ErrorDocument names. */
    if (request->apache_check) {
        json_free(body);
        reply_empty(request, status);
        return;
    }
    add_head(request, status);
    add_body(request, "application/json", text, len);
    json_free(body);
}

void reply_plain(struct request *request, const char *content_type, const char *text, size_t len) {
    add_head(request, 200);
    add_body(request, content_type, text, len);
}

/* One copy in a cache serves every origin: it says nothing of who asked. */
void reply_public(struct request *request, const char *text, int64_t max_age_s) {
    const char *kept = "no-store";
    if (max_age_s > 0)
        kept = arena_printf(request->arena, "public, max-age=%lld", (long long)max_age_s);
    add_status(request, 200);
    reply_header(request, "Cache-Control", kept);
    reply_header(request, "Access-Control-Allow-Origin", "*");
    add_body(request, "application/json", text, strlen(text));
}

void reply_message(struct request *request, const char *message) {
    json *body = json_new_object();
    json_add_string(body, "message", message);
    reply_json(request, 200, body);
}

static json *error_body(struct request *request, enum error_code code,
                        const char *sentence) {
    json *body = json_new_object();
    request->reason = 1 + (unsigned)code;
    json_add_string(body, "error", sentence);
    json_add_string(body, "code", errors[code].code);
    json_add_string(body, "requestId", request->id);
    return body;
}

/* RFC 6750 section 3: no error where no credential was sent, or where it is not the credential that
 * was wrong (a password, a refresh token). */
static void add_challenge(struct request *request, enum error_code code) {
    bool credential_is_bad = code == ERROR_TOKEN_REVOKED || code == ERROR_SESSION_EXPIRED ||
                             code == ERROR_TOKEN_EXPIRED || code == ERROR_TOKEN_INVALID;
    if (code == ERROR_INVALID_CLIENT)
        reply_header(request, "WWW-Authenticate", "Basic realm=\"gatehouse\"");
    else if (errors[code].status == 401)
        reply_header(request, "WWW-Authenticate",
                     credential_is_bad ? "Bearer realm=\"gatehouse\", error=\"invalid_token\""
                                       : "Bearer realm=\"gatehouse\"");
}

static void add_retry(struct request *request, int64_t seconds) {
    reply_header(request, "Retry-After",
                 arena_printf(request->arena, "%lld", (long long)seconds));
}

/* Browsers say whether a page is opened, where the connection is one to be trusted. */
static bool opens_a_page(const struct request *request) {
    if (request->method != METHOD_GET && request->method != METHOD_HEAD)
        return false;
    if (request->fetch_mode != NULL)
        return strcmp(request->fetch_mode, "navigate") == 0;
    if (request->requested_with != NULL && strcmp(request->requested_with, "XMLHttpRequest") == 0)
        return false;
    return request->accept != NULL && strstr(request->accept, "text/html") != NULL;
}

void reply_retry(struct request *request) {
    add_retry(request, RETRY_AFTER_S);
}

/* An authorizer's refusal is what the browser gets to see.  A person who opened a page is led to the
 * login page where the web server names one (only its configuration can); the way back is the last
 * parameter and is not encoded, as in conf/nginx. */
static bool leads_to_login(const struct request *request, enum error_code code) {
    return errors[code].status == 401 && request->fcgi->role == FCGI_ROLE_AUTHORIZER &&
           !request->apache_check && request->login_page != NULL && opens_a_page(request);
}

/* Not what a browser would take for the address of another site. */
static bool is_path_of_this_site(const char *uri) {
    return uri != NULL && uri[0] == '/' && uri[1] != '/' && uri[1] != '\\';
}

static void reply_login_page(struct request *request) {
    reply_header(request, "Location",
                 arena_printf(request->arena, "%s?next=%s", request->login_page,
                              is_path_of_this_site(request->uri) ? request->uri : "/"));
    reply_empty(request, 302);
}

void reply_error_because(struct request *request, enum error_code code, const char *sentence) {
    request->reason = 1 + (unsigned)code;
    if (leads_to_login(request, code)) {
        reply_login_page(request);
        return;
    }
    add_challenge(request, code);
    if (code == ERROR_UNAVAILABLE)
        reply_retry(request);
    if (code == ERROR_INTERNAL)
        log_error("a request failed by a fault of ours", F_STR("path", request->path));
    reply_json(request, errors[code].status, error_body(request, code, sentence));
}

void reply_error(struct request *request, enum error_code code) {
    reply_error_because(request, code, errors[code].sentence);
}

void reply_fields(struct request *request, const struct field_errors *fields) {
    json *body = error_body(request, ERROR_INVALID_REQUEST, errors[ERROR_INVALID_REQUEST].sentence);
    json *list = json_new_object();
    for (size_t i = 0; i < fields->count; i++)
        json_add_string(list, fields->list[i].field,
                        arena_printf(request->arena, "%s %s", fields->list[i].field,
                                     fields->list[i].sentence));
    json_add(body, "fields", list);
    reply_json(request, 400, body);
}

/* q, w: how many in how many seconds; r, t: how many are left, and in how many seconds all are. */
void reply_limits(struct request *request, const struct throttle_result *limit) {
    const char *policy = "", *state = "";
    for (size_t i = 0; i < limit->all.count; i++) {
        const struct limit_result *one = &limit->all.limits[i];
        const char *comma = i > 0 ? ", " : "";
        policy = arena_printf(request->arena, "%s%s\"%s\";q=%lld;w=%lld", policy, comma, one->name,
                              (long long)one->rate.count, (long long)(one->rate.period_ms / 1000));
        state = arena_printf(request->arena, "%s%s\"%s\";r=%lld;t=%lld", state, comma, one->name,
                             (long long)one->remaining, (long long)((one->reset_ms + 999) / 1000));
    }
    if (limit->all.count == 0)
        return;
    reply_header(request, "RateLimit-Policy", policy);
    reply_header(request, "RateLimit", state);
}

void reply_limited(struct request *request, const struct throttle_result *limit) {
    log_warning("a request was over its limit", F_STR("event", "limited"),
                F_STR("path", request->path));
    audit_record_seldom(request->realm,
                        &(struct audit_note){
                            .event = AUDIT_LIMITED,
                            .details = audit_details("route", request->route->path, NULL)});
    add_retry(request, (limit->retry_after_ms + 999) / 1000);
    reply_error(request, ERROR_RATE_LIMITED);
}

bool reply_limit_allows(struct request *request, const struct throttle *throttle, bool tell) {
    struct throttle_result limit;
    enum answer allowed = throttle_answer(request->realm, throttle, &limit);
    if (tell || allowed == ANSWER_NO)
        reply_limits(request, &limit);
    if (allowed == ANSWER_NO)
        reply_limited(request, &limit);
    if (allowed == ANSWER_UNKNOWN)
        reply_error(request, ERROR_UNAVAILABLE);
    return allowed == ANSWER_YES;
}

void reply_account_error(struct request *request, enum account_result result,
                         const struct field_errors *fields, const struct throttle_result *limit) {
    switch (result) {
    case ACCOUNT_INVALID:
        reply_fields(request, fields);
        return;
    case ACCOUNT_EMAIL_TAKEN:
        reply_error(request, ERROR_EMAIL_TAKEN);
        return;
    case ACCOUNT_USERNAME_TAKEN:
        reply_error(request, ERROR_USERNAME_TAKEN);
        return;
    case ACCOUNT_WRONG_PASSWORD:
        reply_error(request, ERROR_INVALID_CREDENTIALS);
        return;
    case ACCOUNT_NOT_FOUND: /* deleted at this moment: so is the session */
        reply_error(request, ERROR_SESSION_EXPIRED);
        return;
    case ACCOUNT_LIMITED:
        reply_limited(request, limit);
        return;
    case ACCOUNT_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
        return;
    case ACCOUNT_DONE:
        break;
    }
    DIE("an account result that is no error");
}

json *reply_user(const struct user *user) {
    json *body = json_new_object();
    json_add_string(body, "id", user->id_text);
    json_add_string(body, "email", user->email);
    json_add_string(body, "username", user->username);
    json_add_string(body, "displayName", user->display_name);
    json_add(body, "roles", json_new_words(user->roles));
    json_add_bool(body, "emailVerified", user->email_verified);
    json_add_string(body, "createdAt", user->created_at);
    json_add_string(body, "lastLoginAt", user->last_login_at);
    return body;
}
