#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/secret.h"
#include "ctl/ctl.h"

static json *item_as_json(struct ctl *ctl, const struct session_item *item, int64_t now) {
    json *object = json_new_object(), *device = NULL;
    const char *info = item->client.device_info, *why;
    if (info != NULL)
        device = json_parse(info, strlen(info), &why);
    json_add_string(object, "id", item->sid);
    json_add_string(object, "createdAt", out_time(ctl->arena, item->created_ms));
    json_add_string(object, "lastActivity", out_time(ctl->arena, item->last_ms));
    json_add_string(object, "expiresAt", out_time(ctl->arena, now + item->left_ms));
    json_add_string(object, "ip", item->client.ip);
    json_add_string(object, "userAgent", item->client.user_agent);
    json_add(object, "deviceInfo", device);
    return object;
}

static void print_sessions(struct ctl *ctl, const struct session_item *items, size_t count) {
    static const char *const heads[] = {"ID",         "CREATED", "LAST ACTIVITY", "EXPIRES", "IP",
                                        "USER AGENT", NULL};
    struct table table = table_new(ctl->arena, heads, count);
    json *answer = json_new_object(), *list = json_new_array();
    int64_t now = clock_wall_ms();
    for (size_t i = 0; i < count; i++) {
        const struct session_item *item = &items[i];
        const char *cells[] = {item->sid,
                               out_time(ctl->arena, item->created_ms),
                               out_time(ctl->arena, item->last_ms),
                               out_time(ctl->arena, now + item->left_ms),
                               item->client.ip,
                               item->client.user_agent};
        table_row(&table, cells);
        json_append(list, item_as_json(ctl, item, now));
    }
    if (count > 0)
        table_print(ctl, &table);
    else
        out_line(ctl, "no sessions");
    json_add(answer, "sessions", list);
    out_json(ctl, answer);
}

int verb_session_list(struct ctl *ctl) {
    struct user user;
    struct session_item *items;
    size_t count;
    int code = find_user(ctl, ctl->operands[0], &user);
    if (code != CTL_DONE)
        return code;
    const struct ask *ask = sessions_list_ask(ctl->realm.cache, ctl->arena, user.id_text, NULL);
    cache_flush(ctl->realm.cache);
    if (sessions_list_answer(ask, ctl->arena, &items, &count) != ANSWER_YES)
        return store_failed(ctl);
    print_sessions(ctl, items, count);
    return CTL_DONE;
}

static int report_revoked(const struct ctl *ctl, int64_t count) {
    out_line(ctl, count == 1 ? "1 session revoked" : "%lld sessions revoked", (long long)count);
    json *answer = json_new_object();
    json_add_int(answer, "revoked", count);
    out_json(ctl, answer);
    return CTL_DONE;
}

static int revoke_all(struct ctl *ctl, const char *name) {
    struct user user;
    int64_t ended = 0;
    int code = reach_database(ctl);
    if (code != CTL_DONE || (code = find_user(ctl, name, &user)) != CTL_DONE)
        return code;
    if (session_end_all(&ctl->realm, ctl->arena, user.id_text, NULL, &ended) !=
        ANSWER_YES)
        return store_failed(ctl);
    if (ended == 0)
        return fail(CTL_REFUSED, "the user %s has no session", name);
    struct audit_note note = {.event = AUDIT_SESSION_REVOKE,
                              .user_id = user.id_text,
                              .email = user.email,
                              .details = json_new_object()};
    json_add_int(note.details, "count", ended);
    code = record(ctl, &note);
    return code != CTL_DONE ? code : report_revoked(ctl, ended);
}

static int revoke_one(struct ctl *ctl, const char *sid) {
    enum answer ended = ANSWER_NO;
    const char *user_id = NULL;
    if (hex_valid(sid, SHA256_SIZE))
        ended = session_end_of_anybody(&ctl->realm, ctl->arena, sid, &user_id);
    if (ended == ANSWER_UNKNOWN)
        return store_failed(ctl);
    if (ended == ANSWER_NO)
        return fail(CTL_REFUSED, "there is no such session; an id is 64 hex digits, as "
                                 "gatehousectl session list shows it");
    int code = record(ctl, &(struct audit_note){.event = AUDIT_SESSION_REVOKE,
                                                .user_id = user_id,
                                                .session = sid});
    return code != CTL_DONE ? code : report_revoked(ctl, 1);
}

int verb_session_revoke(struct ctl *ctl) {
    const char *user = args_option(ctl, "--user");
    if ((user == NULL) == (ctl->operand_count == 0))
        return fail(CTL_USAGE, "session revoke takes either a session's id or --user USER");
    int code = record_ready(ctl);
    if (code != CTL_DONE)
        return code;
    return user != NULL ? revoke_all(ctl, user) : revoke_one(ctl, ctl->operands[0]);
}
