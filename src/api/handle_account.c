/* The user's own account. */
#include <stdlib.h>

#include "api/cookie.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "domain/last_login.h"
#include "domain/throttle.h"

static int64_t user_id(const struct request *request) {
    return strtoll(request->who.user_id, NULL, 10);
}

static void show(struct request *request, struct user *user) {
    user->last_login_at =
        last_login_shown(request->arena, user->last_login_at, request->who.began_ms);
    reply_json(request, 200, reply_user(user));
}

void handle_profile(struct request *request) {
    struct user user;
    switch (users_by_id(request->realm->db, request->arena, user_id(request), &user)) {
    case ANSWER_YES:
        show(request, &user);
        return;
    case ANSWER_NO: /* deleted at this moment: so is the session */
        reply_error(request, ERROR_SESSION_EXPIRED);
        return;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

/* Absent: kept; null: cleared; a text: set. */
static enum name_change read_name(const struct request *request, const char *name,
                                  const char **text, struct field_errors *errors) {
    size_t len;
    switch (json_get_string(request->body, name, text, &len)) {
    case JSON_FOUND:
        return NAME_SET;
    case JSON_NULL:
        return NAME_CLEARED;
    case JSON_WRONG_TYPE:
        field_errors_add(errors, name, "must be a text or null");
        return NAME_KEPT;
    default:
        return NAME_KEPT;
    }
}

/* Each change is a row of the audit trail: nobody may write as many as they like. */
static bool may_change_profile(struct request *request) {
    struct throttle throttle =
        throttle_profile_ask(request->realm, request->arena, request->who.user_id);
    cache_flush(request->realm->cache);
    return reply_limit_allows(request, &throttle, false);
}

void handle_profile_change(struct request *request) {
    struct field_errors errors = {0};
    struct profile_change change = {0};
    struct user user;
    if (!may_change_profile(request))
        return;
    change.username_change = read_name(request, "username", &change.username, &errors);
    change.display_name_change =
        read_name(request, "displayName", &change.display_name, &errors);
    enum account_result result = account_change_profile(
        request->realm, request->arena, user_id(request), &change, &user, &errors);
    if (result == ACCOUNT_DONE)
        show(request, &user);
    else
        reply_account_error(request, result, &errors, NULL);
}

void handle_profile_delete(struct request *request) {
    struct field_errors errors = {0};
    struct throttle_result limit = {0};
    size_t len;
    const char *password = request_text(request, "password", true, &errors, &len);
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return;
    }
    enum account_result result =
        account_delete_own(request->realm, request->arena, user_id(request), password, len,
                           request->address, &limit);
    reply_limits(request, &limit);
    if (result != ACCOUNT_DONE) {
        reply_account_error(request, result, &errors, &limit);
        return;
    }
    cookie_clear(request);
    reply_empty(request, 204);
}

void handle_password(struct request *request) {
    struct field_errors errors = {0};
    struct throttle_result limit = {0};
    struct password_change change = {.sid = request->credential.sid, .address = request->address};
    change.old_password = request_text(request, "oldPassword", true, &errors, &change.old_len);
    change.new_password = request_text(request, "newPassword", true, &errors, &change.new_len);
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return;
    }
    enum account_result result = account_change_password(
        request->realm, request->arena, user_id(request), &change, &errors, &limit);
    reply_limits(request, &limit);
    if (result == ACCOUNT_DONE)
        reply_message(request, "Password changed");
    else
        reply_account_error(request, result, &errors, &limit);
}
