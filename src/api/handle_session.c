/* What asks nothing but Redis: the check, the session lists, and signing out. */
#include <string.h>

#include "api/cookie.h"
#include "api/handlers.h"
#include "api/origin.h"
#include "api/reply.h"
#include "api/role.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/audit.h"

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

static void add_identity(struct request *request, const char *const names[6]) {
    const struct session_who *who = &request->who;
    const char *user = who->username != NULL ? who->username : who->email;
    const char *values[6] = {user,      who->user_id, who->email, or_empty(who->display_name),
                             who->roles, request->credential.sid};
    for (size_t i = 0; i < 6; i++)
        reply_header(request, names[i], values[i]);
}

/* A responder answers nginx's auth_request; an authorizer tells Apache or lighttpd the variables. */
void handle_verify(struct request *request) {
    static const char *const headers[] = {"Remote-User", "Remote-User-Id", "Remote-Email",
                                          "Remote-Name", "Remote-Groups",  "Remote-Session"};
    static const char *const variables[] = {
        "Variable-REMOTE_USER", "Variable-AUTH_USER_ID", "Variable-AUTH_EMAIL",
        "Variable-AUTH_NAME",   "Variable-AUTH_GROUPS",  "Variable-AUTH_SESSION_ID"};
    if (!role_suffices(request)) {
        reply_error(request, ERROR_FORBIDDEN);
        return;
    }
    bool authorizer = request->fcgi->role == FCGI_ROLE_AUTHORIZER;
    add_identity(request, authorizer ? variables : headers);
    reply_empty(request, authorizer ? 200 : 204);
}

static json *item_json(const struct request *request, const struct session_item *item) {
    char text[CLOCK_RFC3339_SIZE];
    const char *why, *device = item->client.device_info;
    json *body = json_new_object();
    json_add_string(body, "id", item->sid);
    json_add_bool(body, "current", strcmp(item->sid, request->credential.sid) == 0);
    json_add_string(body, "createdAt", clock_rfc3339(item->created_ms, text));
    json_add_string(body, "lastActivity", clock_rfc3339(item->last_ms, text));
    json_add_string(body, "expiresAt", clock_rfc3339(clock_wall_ms() + item->left_ms, text));
    json_add_string(body, "ip", item->client.ip);
    json_add_string(body, "userAgent", item->client.user_agent);
    json_add(body, "deviceInfo", device != NULL ? json_parse(device, strlen(device), &why) : NULL);
    return body;
}

static void ask_list(struct request *request, void (*step)(struct request *request)) {
    request->state = sessions_list_ask(request->realm->cache, request->arena, request->who.user_id,
                                       request->credential.sid);
    request_then(request, step);
}

static bool read_list(struct request *request, struct session_item **items, size_t *count) {
    if (sessions_list_answer(request->state, request->arena, items, count) == ANSWER_YES)
        return true;
    reply_error(request, ERROR_UNAVAILABLE);
    return false;
}

static void answer_session(struct request *request) {
    struct session_item *items;
    size_t count;
    if (!read_list(request, &items, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].sid, request->credential.sid) == 0) {
            reply_json(request, 200, item_json(request, &items[i]));
            return;
        }
    }
    reply_error(request, ERROR_SESSION_EXPIRED);
}

void handle_session(struct request *request) {
    ask_list(request, answer_session);
}

static void answer_sessions(struct request *request) {
    struct session_item *items;
    size_t count;
    if (!read_list(request, &items, &count))
        return;
    json *body = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < count; i++)
        json_append(list, item_json(request, &items[i]));
    json_add(body, "sessions", list);
    reply_json(request, 200, body);
}

void handle_sessions(struct request *request) {
    ask_list(request, answer_sessions);
}

/* What ended; count: how many sessions at once, -1: one.  False: it had to be recorded and could not
 * be, and the answer says so. */
static bool record(struct request *request, enum audit_event event, const char *sid, int64_t count) {
    struct audit_note note = {.event = event,
                              .user_id = request->who.user_id,
                              .email = request->who.email,
                              .session = sid};
    if (sid != NULL)
        note.details = audit_details("by", request->credential.sid, NULL);
    if (count >= 0) {
        note.details = json_new_object();
        json_add_int(note.details, "count", count);
    }
    bool recorded = audit_record(request->realm, &note);
    if (!recorded)
        reply_error(request, ERROR_UNAVAILABLE);
    return recorded;
}

static void answer_session_delete(struct request *request) {
    switch (sessions_end_answer(request->state)) {
    case ANSWER_YES:
        log_event("session revoked", F_STR("event", "session_revoke"),
                 F_STR("user", request->who.user_id), F_STR("session", request->segment));
        if (record(request, AUDIT_SESSION_REVOKE, request->segment, -1))
            reply_empty(request, 204);
        return;
    case ANSWER_NO:
        reply_error(request, ERROR_NOT_FOUND);
        return;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

void handle_session_delete(struct request *request) {
    const char *sid = request->segment;
    if (strlen(sid) != SID_SIZE - 1 || strspn(sid, "0123456789abcdef") != SID_SIZE - 1) {
        reply_error(request, ERROR_NOT_FOUND);
        return;
    }
    request->state = sessions_end_ask(request->realm->cache, request->arena, sid,
                                      request->who.user_id, (struct token_end){0});
    request_then(request, answer_session_delete);
}

/* Ending all of a user's sessions: with what their index knows, and then page by page where Redis may have
 * dropped it (store/sessions.h).  Each page shares its round trip with the batch, and the batch ends after
 * some of them: whatever has come meanwhile joins the next. */
#define PAGES_A_BATCH 16

struct ending {
    const struct ask *ask;
    struct session_sweep sweep;
    unsigned pages;
    void (*then)(struct request *request, int64_t ended);
};

/* What is kept from batch to batch. */
struct progress {
    char cursor[sizeof((struct session_sweep *)0)->cursor];
    int64_t ended;
};
_Static_assert(sizeof(struct progress) <= FCGI_KEPT_MAX, "it is kept by the request");

static void sweep_on(struct request *request);

static void answer_sweep(struct request *request) {
    struct ending *ending = request->state;
    switch (sessions_sweep_answer(request->realm->cache, ending->ask, &ending->sweep)) {
    case ANSWER_YES:
        ending->then(request, ending->sweep.ended);
        return;
    case ANSWER_NO:
        sweep_on(request);
        return;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

static void rest_for_others(struct request *request, const struct session_sweep *sweep) {
    struct progress progress = {.ended = sweep->ended};
    memcpy(progress.cursor, sweep->cursor, sizeof progress.cursor);
    request_go_on_later(request, &progress, sizeof progress);
}

static void sweep_on(struct request *request) {
    struct ending *ending = request->state;
    if (ending->pages++ == PAGES_A_BATCH) {
        rest_for_others(request, &ending->sweep);
        return;
    }
    ending->ask = sessions_sweep_ask(request->realm->cache, request->arena, &ending->sweep);
    request_then(request, answer_sweep);
}

static void answer_end_all(struct request *request) {
    struct ending *ending = request->state;
    int64_t ended;
    bool sweep;
    if (sessions_end_all_answer(ending->ask, &ended, &sweep) != ANSWER_YES) {
        reply_error(request, ERROR_UNAVAILABLE);
        return;
    }
    ending->sweep.ended += ended;
    if (!sweep)
        ending->then(request, ending->sweep.ended);
    else if (sessions_sweep_alone(request->realm->cache, &ending->sweep))
        sweep_on(request);
    else
        reply_error(request, ERROR_UNAVAILABLE); /* somebody else's is going on: in a moment */
}

/* From where the last batch has left off. */
static void resume(struct request *request) {
    struct ending *ending = request->state;
    struct progress progress;
    memcpy(&progress, request->fcgi->kept, sizeof progress);
    memcpy(ending->sweep.cursor, progress.cursor, sizeof progress.cursor);
    ending->sweep.ended = progress.ended;
    ending->sweep.alone = true;
    sweep_on(request);
}

/* All but the session that asks.  then is told how many have ended. */
static void end_others(struct request *request, void (*then)(struct request *request, int64_t ended)) {
    struct ending *ending = arena_zalloc(request->arena, sizeof *ending);
    const char *user = request->who.user_id, *own = request->credential.sid;
    ending->then = then;
    ending->sweep = (struct session_sweep){.user_id = user, .except = own, .cursor = "0"};
    request->state = ending;
    if (request->fcgi->kept_len > 0) {
        resume(request);
        return;
    }
    ending->ask = sessions_end_all_ask(request->realm->cache, request->arena, user, own);
    request_then(request, answer_end_all);
}

static void others_ended(struct request *request, int64_t ended) {
    if (ended > 0) {
        log_event("other sessions revoked", F_STR("event", "session_revoke"),
                  F_STR("user", request->who.user_id), F_INT("count", ended));
        if (!record(request, AUDIT_SESSION_REVOKE, NULL, ended))
            return;
    }
    json *body = json_new_object();
    json_add_int(body, "revoked", ended);
    reply_json(request, 200, body);
}

void handle_sessions_delete(struct request *request) {
    end_others(request, others_ended);
}

/* Signing out -------------------------------------------------------------------------------------- */

/* ended: how many sessions; -1: the one. */
static void signed_out(struct request *request, int64_t ended) {
    log_event("logged out", F_STR("event", "logout"), F_STR("user", request->who.user_id),
              F_STR("session", request->credential.sid));
    if (!record(request, AUDIT_LOGOUT, NULL, ended))
        return;
    cookie_clear(request);
    reply_message(request, "Logged out successfully");
}

/* Its own session is gone, with its refresh token. */
static void refuse_logout(struct request *request) {
    if (request->carrier == CARRIED_BY_COOKIE)
        cookie_clear(request);
    reply_error(request, ERROR_SESSION_EXPIRED);
}

static void answer_logout(struct request *request) {
    const struct ask *own = request->state;
    bool was_there = request->who.user_id != NULL;
    switch (sessions_end_answer(own)) {
    case ANSWER_YES:
        /* Where it had idled out, only its refresh token still said whose it was. */
        if (!was_there)
            request->who.user_id = sessions_end_owner(own, request->arena);
        signed_out(request, -1);
        return;
    case ANSWER_NO:
        refuse_logout(request);
        return;
    case ANSWER_UNKNOWN:
        /* Asked twice: it was there a moment ago, and is not now. */
        if (own->reply != NULL && was_there)
            signed_out(request, -1);
        else
            reply_error(request, ERROR_UNAVAILABLE);
    }
}

static struct ask *ask_own_end(struct request *request) {
    return sessions_end_ask(request->realm->cache, request->arena, request->credential.sid, NULL,
                            credential_end(request->realm, &request->credential));
}

/* Its own session goes last, and by its name: as long as others could not be ended, whoever asks can ask
 * again. */
struct everywhere {
    const struct ask *own;
    int64_t others;
};

static void answer_own_of_all(struct request *request) {
    const struct everywhere *all = request->state;
    enum answer own = sessions_end_answer(all->own);
    if (all->own->reply == NULL)
        reply_error(request, ERROR_UNAVAILABLE);
    else
        signed_out(request, all->others + (own != ANSWER_NO));
}

static void end_own_too(struct request *request, int64_t others) {
    struct everywhere *all = arena_zalloc(request->arena, sizeof *all);
    *all = (struct everywhere){.own = ask_own_end(request), .others = others};
    request->state = all;
    request_then(request, answer_own_of_all);
}

static void log_out_everywhere(struct request *request) {
    end_others(request, end_own_too);
}

/* A session that has idled out is known by its refresh token alone. */
static void answer_owner(struct request *request) {
    switch (sessions_owner_answer(request->state, request->arena, &request->who.user_id)) {
    case ANSWER_YES:
        log_out_everywhere(request);
        return;
    case ANSWER_NO:
        refuse_logout(request);
        return;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

void handle_logout(struct request *request) {
    struct field_errors errors = {0};
    bool everywhere = request_flag(request, "everywhere", &errors);
    if (errors.count > 0) {
        reply_fields(request, &errors);
        return;
    }
    if (request->credential.sid == NULL) {
        if (origin_is_ours(request))
            cookie_clear(request);
        reply_message(request, "Already logged out");
    } else if (!everywhere) {
        request->state = ask_own_end(request);
        request_then(request, answer_logout);
    } else if (request->who.user_id != NULL) {
        log_out_everywhere(request);
    } else {
        request->state = sessions_owner_ask(request->realm->cache, request->arena,
                                            request->credential.sid);
        request_then(request, answer_owner);
    }
}
