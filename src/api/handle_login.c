/* Registration, login and refresh: the routes by which a client comes to its tokens. */
#include <string.h>

#include "api/cookie.h"
#include "api/handlers.h"
#include "api/origin.h"
#include "api/reply.h"
#include "base/log.h"
#include "domain/login.h"
#include "domain/refresh.h"
#include "domain/throttle.h"

#define DEVICE_INFO_MAX 2048

/* Registration ----------------------------------------------------------------------------------- */

/* Whether this address may register now; answers when not. */
static bool may_register(struct request *request) {
    struct throttle throttle =
        throttle_register_ask(request->realm, request->arena, request->address);
    cache_flush(request->realm->cache);
    return reply_limit_allows(request, &throttle, true);
}

void handle_register(struct request *request) {
    struct field_errors errors = {0};
    struct account_request wanted = {0};
    struct user user;
    if (request->realm->conf->register_mode == REGISTER_CLOSED) {
        reply_error(request, ERROR_REGISTRATION_CLOSED);
        return;
    }
    wanted.email = request_text(request, "email", true, &errors, NULL);
    wanted.password = request_text(request, "password", true, &errors, &wanted.password_len);
    wanted.username = request_text(request, "username", false, &errors, NULL);
    wanted.display_name = request_text(request, "displayName", false, &errors, NULL);
    account_check(request->realm, &wanted, &errors);
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return;
    }
    if (!may_register(request))
        return;
    enum account_result result =
        account_register(request->realm, request->arena, &wanted, &user, &errors);
    if (result != ACCOUNT_DONE) {
        reply_account_error(request, result, &errors, NULL);
        return;
    }
    json *body = json_new_object();
    json_add_string(body, "message", "Registered");
    json_add(body, "user", reply_user(&user));
    reply_json(request, 201, body);
}

/* What a grant looks like ------------------------------------------------------------------------- */

static json *grant_json(const struct grant *grant, const char *message, bool tokens) {
    json *body = json_new_object();
    json_add_string(body, "message", message);
    json_add_string(body, "tokenType", "Bearer");
    if (tokens)
        json_add_string(body, "accessToken", grant->access_token);
    json_add_int(body, "expiresIn", grant->expires_in_s);
    if (tokens)
        json_add_string(body, "refreshToken", grant->refresh_token);
    json_add_int(body, "refreshExpiresIn", grant->refresh_expires_in_s);
    return body;
}

/* Login ------------------------------------------------------------------------------------------- */

static enum transport read_transport(const struct request *request, struct field_errors *errors) {
    static const char *const words[] = {[TRANSPORT_BOTH] = "both",
                                        [TRANSPORT_BEARER] = "bearer",
                                        [TRANSPORT_COOKIE] = "cookie"};
    const struct conf *conf = request->realm->conf;
    size_t before = errors->count;
    const char *word = request_text(request, "transport", false, errors, NULL);
    enum transport transport = (enum transport)conf->login_transport;
    if (word != NULL) {
        size_t i = 0;
        while (i < 3 && strcmp(words[i], word) != 0)
            i++;
        if (i == 3)
            field_errors_add(errors, "transport", "must be both, bearer or cookie");
        transport = (enum transport)i;
    }
    if (errors->count == before && transport == TRANSPORT_COOKIE && !conf->cookie_enabled)
        field_errors_add(errors, "transport", "must be bearer: cookies are off");
    return transport;
}

static const char *read_device_info(const struct request *request, struct field_errors *errors) {
    json *device;
    size_t len;
    switch (json_get_object(request->body, "deviceInfo", &device)) {
    case JSON_FOUND:
        break;
    case JSON_WRONG_TYPE:
        field_errors_add(errors, "deviceInfo", "must be an object");
        return NULL;
    default:
        return NULL;
    }
    const char *text = json_text(device, &len);
    if (len > DEVICE_INFO_MAX) {
        field_errors_add(errors, "deviceInfo", "must be at most 2 KiB");
        return NULL;
    }
    return arena_dup(request->arena, text, len);
}

static void read_login(const struct request *request, struct login_request *login,
                       struct field_errors *errors) {
    login->email = request_text(request, "email", false, errors, NULL);
    login->username = request_text(request, "username", false, errors, NULL);
    if (errors->count == 0 && (login->email == NULL) == (login->username == NULL))
        field_errors_add(errors, login->email == NULL ? "email" : "username",
                         login->email == NULL ? "or username is required"
                                              : "and email exclude each other");
    login->password = request_text(request, "password", true, errors, &login->password_len);
    login->client = request_client(request);
    login->client.device_info = read_device_info(request, errors);
}

static void answer_login(struct request *request, enum transport transport,
                         const struct user *user, const struct grant *grant) {
    bool in_body = transport != TRANSPORT_COOKIE;
    request->log_user = user->id_text;
    request->log_session = grant->sid;
    json *body = grant_json(grant, "Logged in", in_body);
    if (in_body)
        json_add_string(body, "sessionId", grant->session_token);
    json_add(body, "user", reply_user(user));
    if (transport != TRANSPORT_BEARER && request->realm->conf->cookie_enabled)
        cookie_set_session(request, grant);
    if (transport == TRANSPORT_COOKIE)
        cookie_set_refresh(request, grant);
    reply_json(request, 200, body);
}

void handle_login(struct request *request) {
    struct field_errors errors = {0};
    struct login_request login = {0};
    struct throttle_result limit = {0};
    struct user user;
    struct grant grant;
    read_login(request, &login, &errors);
    enum transport transport = read_transport(request, &errors);
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return;
    }
    enum login_result result =
        login_with_password(request->realm, request->arena, &login, &user, &grant, &limit);
    reply_limits(request, &limit);
    switch (result) {
    case LOGIN_DONE:
        answer_login(request, transport, &user, &grant);
        return;
    case LOGIN_REFUSED:
        reply_error(request, ERROR_INVALID_CREDENTIALS);
        return;
    case LOGIN_LIMITED:
        reply_limited(request, &limit);
        return;
    case LOGIN_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

/* Refresh ----------------------------------------------------------------------------------------- */

struct refresh_state_of {
    struct throttle throttle;
    struct refresh_use use;
    const char *token;
    bool by_cookie;
};

static void answer_refreshed(struct request *request, const struct grant *grant, bool by_cookie) {
    bool jwt = request->realm->conf->cookie_carries == COOKIE_CARRIES_JWT;
    /* A cookie that holds an access token follows it; one that holds the session token stays. */
    if (jwt && (by_cookie || cookie_session(request) != NULL))
        cookie_set_session(request, grant);
    if (by_cookie)
        cookie_set_refresh(request, grant);
    reply_json(request, 200, grant_json(grant, "Token refreshed", !by_cookie));
}

static void finish_refresh(struct request *request) {
    struct refresh_state_of *state = request->state;
    struct grant grant;
    struct session_who who;
    switch (refresh_answer(request->realm, request->arena, &state->use, &grant, &who)) {
    case REFRESH_ROTATED:
        log_info("refreshed", F_STR("event", "refresh"), F_STR("user", who.user_id),
                 F_STR("session", grant.sid));
        request->log_user = who.user_id;
        request->log_session = grant.sid;
        answer_refreshed(request, &grant, state->by_cookie);
        return;
    case REFRESH_UNKNOWN_TOKEN:
        reply_error(request, ERROR_REFRESH_INVALID);
        return;
    case REFRESH_REUSED:
        if (state->by_cookie)
            cookie_clear(request);
        reply_error(request, ERROR_REFRESH_REUSED);
        return;
    case REFRESH_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

/* Begins the use itself; a token of another shape is refused without asking. */
static void begin_refresh(struct request *request) {
    struct refresh_state_of *state = request->state;
    if (refresh_ask(request->realm, request->arena, state->token, strlen(state->token),
                    &state->use))
        request_then(request, finish_refresh);
    else
        reply_error(request, ERROR_REFRESH_INVALID);
}

static void check_refresh_limit(struct request *request) {
    struct refresh_state_of *state = request->state;
    if (reply_limit_allows(request, &state->throttle, true))
        begin_refresh(request);
}

/* A sibling domain may set a refresh cookie, whose path forbids the prefix __Host-, but no session
 * cookie that has it.  Where that one names a session, the refresh token has to be of the same: an access
 * token that comes of it is going to take that cookie's place, and would sign a person in as somebody else.
 * Whether the cookie is still good does not matter, since nobody else can have set it. */
static const char *refresh_of_this_session(const struct request *request, const char *token) {
    const char *present = cookie_session(request), *sid = NULL;
    if (request->realm->conf->cookie_carries == COOKIE_CARRIES_JWT && present != NULL)
        sid = credential_names(request->arena, present, strlen(present));
    return sid != NULL ? cookie_refresh_of(request, sid) : token;
}

/* The token in the body, else the one in the cookie; NULL: answered already. */
static const char *find_refresh_token(struct request *request, bool *by_cookie) {
    struct field_errors errors = {0};
    const char *token = request_text(request, "refreshToken", false, &errors, NULL);
    *by_cookie = token == NULL && errors.count == 0;
    if (*by_cookie)
        token = cookie_refresh(request);
    if (token == NULL && errors.count == 0)
        field_errors_add(&errors, "refreshToken", "is required");
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return NULL;
    }
    if (*by_cookie && !origin_is_ours(request)) {
        reply_error(request, ERROR_CSRF_REJECTED);
        return NULL;
    }
    if (*by_cookie && (token = refresh_of_this_session(request, token)) == NULL)
        reply_error(request, ERROR_REFRESH_INVALID);
    return token;
}

void handle_refresh(struct request *request) {
    bool by_cookie;
    const char *token = find_refresh_token(request, &by_cookie);
    if (token == NULL)
        return;
    struct refresh_state_of *state = arena_zalloc(request->arena, sizeof *state);
    state->token = token;
    state->by_cookie = by_cookie;
    state->throttle = throttle_refresh_ask(request->realm, request->arena, request->address);
    request->state = state;
    if (state->throttle.ask != NULL)
        request_then(request, check_refresh_limit);
    else
        begin_refresh(request);
}
