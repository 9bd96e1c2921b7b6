#include "store/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Answers of scripts that end something begin with the mark and how many it may have ended (script_ends). */

/*
 * "who" and "client" are texts of fields separated by tabs: one look-up brings them, operators can
 * read them, and Redis keeps one short value instead of many.  No field can hold a tab: names are
 * checked when they are given, and the user agent is cleaned here.
 */
#define WHO_FIELDS    5
#define CLIENT_FIELDS 3

static char *join(struct arena *arena, const char *const *fields, size_t count) {
    size_t len = count;
    for (size_t i = 0; i < count; i++)
        len += fields[i] != NULL ? strlen(fields[i]) : 0;
    char *text = arena_alloc(arena, len), *at = text;
    for (size_t i = 0; i < count; i++) {
        for (const char *from = fields[i] != NULL ? fields[i] : ""; *from != '\0'; from++)
            *at++ = *from == '\t' ? ' ' : *from;
        *at++ = i + 1 < count ? '\t' : '\0';
    }
    return text;
}

/* false: not that many fields.  Empty fields become NULL. */
static bool split(char *text, const char **fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text == NULL)
            return false;
        char *tab = strchr(text, '\t');
        if (tab != NULL)
            *tab++ = '\0';
        fields[i] = *text != '\0' ? text : NULL;
        text = tab;
    }
    return text == NULL;
}

static const char *pack_who(struct arena *arena, const struct session_who *who) {
    const char *fields[WHO_FIELDS] = {who->user_id, who->email, who->username, who->display_name,
                                      who->roles};
    return join(arena, fields, WHO_FIELDS);
}

static bool unpack_who(struct arena *arena, const char *text, struct session_who *who) {
    const char *fields[WHO_FIELDS];
    if (text == NULL || !split(arena_str(arena, text), fields, WHO_FIELDS) || fields[0] == NULL ||
        fields[1] == NULL)
        return false;
    *who = (struct session_who){.user_id = fields[0],
                                .email = fields[1],
                                .username = fields[2],
                                .display_name = fields[3],
                                .roles = fields[4] != NULL ? fields[4] : ""};
    return true;
}

static const char *pack_client(struct arena *arena, const struct session_client *client) {
    const char *fields[CLIENT_FIELDS] = {client->ip, client->user_agent, client->device_info};
    return join(arena, fields, CLIENT_FIELDS);
}

static bool unpack_client(struct arena *arena, const char *text, struct session_client *client) {
    const char *fields[CLIENT_FIELDS];
    if (text == NULL || !split(arena_str(arena, text), fields, CLIENT_FIELDS))
        return false;
    *client = (struct session_client){
        .ip = fields[0], .user_agent = fields[1], .device_info = fields[2]};
    return true;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

struct ask *sessions_open_ask(struct cache *cache, struct arena *arena, const char *sid,
                              const struct session_who *who, const struct session_client *client,
                              const struct session_lives *lives, const char *family,
                              const char *current) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSION_OPEN);
    ask_key(cache, arena, ask, "session:", sid);
    ask_key(cache, arena, ask, "refresh:", sid);
    ask_key(cache, arena, ask, "user_sessions:", who->user_id);
    ask_key(cache, arena, ask, "user_changed:", who->user_id);
    ask_writer(cache, ask);
    ask_text(ask, sid);
    ask_text(ask, who->user_id);
    ask_text(ask, pack_who(arena, who));
    ask_text(ask, pack_client(arena, client));
    ask_int(arena, ask, least(lives->idle_ms, lives->max_ms));
    ask_int(arena, ask, lives->max_ms);
    ask_int(arena, ask, least(lives->refresh_ms, lives->max_ms));
    ask_text(ask, family);
    ask_text(ask, current);
    ask_int(arena, ask, who->version);
    ask_int(arena, ask, lives->per_user);
    ask_prefix(cache, ask);
    return ask;
}

enum answer sessions_open_answer(const struct ask *ask, struct session_opened *opened) {
    opened->ended = reply_int(reply_at(ask->reply, 1), 0);
    opened->began_ms = reply_int(reply_at(ask->reply, 2), 0);
    opened->user_changed = reply_int(reply_at(ask->reply, 3), 1) != 0;
    return opened->began_ms > 0 ? ANSWER_YES : ANSWER_UNKNOWN;
}

struct session_lookup sessions_lookup_ask(struct cache *cache, struct arena *arena, const char *sid,
                                          const char *jti, bool dated) {
    struct session_lookup lookup = {.jti = jti, .dated = dated};
    lookup.session = cache_ask(cache, arena, "HMGET");
    ask_key(cache, arena, lookup.session, "session:", sid);
    ask_text(lookup.session, "who");
    ask_text(lookup.session, "last");
    if (dated)
        ask_text(lookup.session, "created");
    if (jti != NULL) {
        /* Seldom there, so that Redis looks through the whole record for it. */
        ask_text(lookup.session, "revoked");
        lookup.blacklist = cache_ask(cache, arena, "EXISTS");
        ask_key(cache, arena, lookup.blacklist, "blacklist:", jti);
    }
    return lookup;
}

enum session_state sessions_lookup_answer(const struct session_lookup *lookup, struct arena *arena,
                                          struct session_who *who, int64_t *last_ms) {
    const struct reply *session = lookup->session->reply;
    const size_t created = 2, revoked_at = lookup->dated ? 3 : 2,
                 count = lookup->jti != NULL ? revoked_at + 1 : revoked_at;
    if (session == NULL || session->kind != REPLY_LIST || session->count != count)
        return SESSION_UNKNOWN;
    if (lookup->blacklist != NULL) {
        const struct reply *blacklisted = lookup->blacklist->reply;
        if (blacklisted == NULL || blacklisted->kind != REPLY_INT)
            return SESSION_UNKNOWN;
        const char *revoked = reply_text(reply_at(session, revoked_at));
        if (blacklisted->number != 0 || (revoked != NULL && strstr(revoked, lookup->jti) != NULL))
            return SESSION_TOKEN_REVOKED;
    }
    if (reply_at(session, 0)->kind == REPLY_NIL)
        return SESSION_GONE;
    *last_ms = reply_int(reply_at(session, 1), 0);
    if (!unpack_who(arena, reply_text(reply_at(session, 0)), who))
        return SESSION_UNKNOWN;
    who->began_ms = lookup->dated ? reply_int(reply_at(session, created), 0) : 0;
    return SESSION_LIVES;
}

struct ask *sessions_touch_ask(struct cache *cache, struct arena *arena, const char *sid,
                               const struct session_lives *lives) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_SESSION_TOUCH);
    ask_key(cache, arena, ask, "session:", sid);
    ask_key(cache, arena, ask, "refresh:", sid);
    ask_int(arena, ask, lives->idle_ms);
    ask_prefix(cache, ask);
    ask_text(ask, sid);
    return ask;
}

static struct ask *ask_pttl(struct cache *cache, struct arena *arena, const char *kind,
                            const char *sid) {
    struct ask *ask = cache_ask(cache, arena, "PTTL");
    ask_key(cache, arena, ask, kind, sid);
    return ask;
}

struct session_times_lookup sessions_times_ask(struct cache *cache, struct arena *arena,
                                               const char *sid) {
    struct session_times_lookup lookup = {.created = cache_ask(cache, arena, "HGET")};
    ask_key(cache, arena, lookup.created, "session:", sid);
    ask_text(lookup.created, "created");
    lookup.left = ask_pttl(cache, arena, "session:", sid);
    return lookup;
}

enum answer sessions_times_answer(const struct session_times_lookup *lookup, int64_t *began,
                                  int64_t *ends) {
    if (lookup->created->reply == NULL || lookup->left->reply == NULL)
        return ANSWER_UNKNOWN;
    int64_t left_ms = reply_int(lookup->left->reply, -1);
    *began = reply_int(lookup->created->reply, 0) / 1000;
    *ends = (clock_wall_ms() + left_ms) / 1000;
    return left_ms > 0 ? ANSWER_YES : ANSWER_NO;
}

static void ask_spent_key(struct cache *cache, struct arena *arena, struct ask *ask, const char *sid,
                          const char *presented) {
    ask_key(cache, arena, ask, "refresh_spent:", arena_printf(arena, "%s:%s", sid, presented));
}

struct refresh_lookup sessions_refresh_lookup_ask(struct cache *cache, struct arena *arena,
                                                  const char *sid, const char *presented) {
    static const char *const members[] = {"family", "current", "who", "created"};
    struct refresh_lookup lookup = {.record = cache_ask(cache, arena, "HMGET")};
    ask_key(cache, arena, lookup.record, "refresh:", sid);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        ask_text(lookup.record, members[i]);
    lookup.left = ask_pttl(cache, arena, "refresh:", sid);
    lookup.spent = cache_ask(cache, arena, "EXISTS");
    ask_spent_key(cache, arena, lookup.spent, sid, presented);
    return lookup;
}

enum answer sessions_refresh_lookup_answer(const struct refresh_lookup *lookup,
                                           struct arena *arena, struct refresh_record *record) {
    const struct reply *reply = lookup->record->reply;
    if (reply == NULL || lookup->left->reply == NULL || lookup->spent->reply == NULL)
        return ANSWER_UNKNOWN;
    record->family = arena_str(arena, reply_text(reply_at(reply, 0)));
    record->current = arena_str(arena, reply_text(reply_at(reply, 1)));
    record->created_ms = reply_int(reply_at(reply, 3), 0);
    record->left_ms = reply_int(lookup->left->reply, -1);
    record->in_grace = reply_int(lookup->spent->reply, 0) == 1;
    if (record->family == NULL || record->left_ms <= 0)
        return ANSWER_NO;
    return record->current != NULL &&
                   unpack_who(arena, reply_text(reply_at(reply, 2)), &record->who)
               ? ANSWER_YES
               : ANSWER_UNKNOWN;
}

struct ask *sessions_refresh_ask(struct cache *cache, struct arena *arena,
                                 const struct refresh_request *request,
                                 const struct session_lives *lives) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSION_REFRESH);
    ask_key(cache, arena, ask, "refresh:", request->sid);
    ask_key(cache, arena, ask, "session:", request->sid);
    ask_spent_key(cache, arena, ask, request->sid, request->presented);
    ask_writer(cache, ask);
    ask_text(ask, request->family);
    ask_text(ask, request->presented);
    ask_text(ask, request->next);
    ask_text(ask, request->nonce);
    ask_int(arena, ask, lives->refresh_ms);
    ask_int(arena, ask, lives->idle_ms);
    ask_int(arena, ask, lives->grace_ms);
    ask_prefix(cache, ask);
    ask_text(ask, request->sid);
    return ask;
}

enum refresh_state sessions_refresh_answer(const struct ask *ask, struct arena *arena,
                                           struct refresh_result *result) {
    const char *outcome = reply_text(reply_at(ask->reply, 2));
    memset(result, 0, sizeof *result);
    if (outcome == NULL)
        return REFRESH_UNKNOWN;
    if (strcmp(outcome, "unknown") == 0)
        return REFRESH_UNKNOWN_TOKEN;
    if (strcmp(outcome, "reused") == 0) {
        result->user_id = arena_str(arena, reply_text(reply_at(ask->reply, 3)));
        return REFRESH_REUSED;
    }
    result->nonce = arena_str(arena, reply_text(reply_at(ask->reply, 3)));
    result->user_id = arena_str(arena, reply_text(reply_at(ask->reply, 4)));
    result->left_ms = reply_int(reply_at(ask->reply, 6), 0);
    result->kept = reply_int(reply_at(ask->reply, 7), 0) != 0;
    bool whole = result->nonce != NULL && result->user_id != NULL && result->left_ms > 0 &&
                 unpack_who(arena, reply_text(reply_at(ask->reply, 5)), &result->who);
    return whole ? REFRESH_ROTATED : REFRESH_UNKNOWN;
}

void sessions_refresh_keep_ask(struct cache *cache, struct arena *arena,
                               const struct refresh_request *request, int64_t life_ms) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_SESSION_REFRESH_KEEP);
    ask_key(cache, arena, ask, "refresh:", request->sid);
    ask_spent_key(cache, arena, ask, request->sid, request->presented);
    ask_text(ask, request->presented);
    ask_text(ask, request->next);
    ask_text(ask, request->nonce);
    ask_int(arena, ask, life_ms);
}

void sessions_refresh_settle_ask(struct cache *cache, struct arena *arena, const char *sid,
                                 const char *presented, int64_t grace_ms) {
    struct ask *spent = cache_ask(cache, arena, "PEXPIRE");
    ask_spent_key(cache, arena, spent, sid, presented);
    ask_int(arena, spent, grace_ms);
    struct ask *kept = cache_ask(cache, arena, "HDEL");
    ask_key(cache, arena, kept, "refresh:", sid);
    ask_text(kept, "kept");
}

struct ask *sessions_end_ask(struct cache *cache, struct arena *arena, const char *sid,
                             const char *user_id, struct token_end token) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSION_END);
    bool blacklist = token.jti != NULL && token.left_ms > 0;
    ask_key(cache, arena, ask, "session:", sid);
    ask_key(cache, arena, ask, "refresh:", sid);
    if (blacklist)
        ask_key(cache, arena, ask, "blacklist:", token.jti);
    ask_writer(cache, ask);
    ask_text(ask, sid);
    ask_prefix(cache, ask);
    ask_text(ask, user_id != NULL ? user_id : "");
    ask_int(arena, ask, blacklist ? token.left_ms : 0);
    return ask;
}

enum answer sessions_end_answer(const struct ask *ask) {
    const struct reply *owner = reply_at(ask->reply, 2);
    if (owner == NULL || (owner->kind != REPLY_INT && owner->kind != REPLY_TEXT))
        return ANSWER_UNKNOWN;
    if (owner->kind == REPLY_TEXT)
        return ANSWER_YES;
    /* The first time, whose answer was lost, may have ended it. */
    return ask->again ? ANSWER_UNKNOWN : ANSWER_NO;
}

const char *sessions_end_owner(const struct ask *ask, struct arena *arena) {
    const struct reply *owner = reply_at(ask->reply, 2);
    return arena_dup(arena, owner->text, owner->len);
}

struct ask *sessions_owner_ask(struct cache *cache, struct arena *arena, const char *sid) {
    struct ask *ask = cache_ask(cache, arena, "HGET");
    ask_key(cache, arena, ask, "refresh:", sid);
    ask_text(ask, "uid");
    return ask;
}

enum answer sessions_owner_answer(const struct ask *ask, struct arena *arena, const char **user_id) {
    if (ask->reply == NULL)
        return ANSWER_UNKNOWN;
    *user_id = arena_str(arena, reply_text(ask->reply));
    return *user_id != NULL ? ANSWER_YES : ANSWER_NO;
}

struct ask *sessions_end_all_ask(struct cache *cache, struct arena *arena, const char *user_id,
                                 const char *except) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSIONS_END);
    ask_key(cache, arena, ask, "user_sessions:", user_id);
    ask_key(cache, arena, ask, "user_changed:", user_id);
    ask_writer(cache, ask);
    ask_prefix(cache, ask);
    ask_text(ask, except != NULL ? except : "");
    ask_int(arena, ask, SESSIONS_CHANGED_MS);
    return ask;
}

/* What sessions_end and sessions_rename answer: a number, and whether a sweep has to follow. */
static enum answer counted_answer(const struct ask *ask, int64_t *count, bool *sweep) {
    *count = reply_int(reply_at(ask->reply, 2), -1);
    *sweep = reply_int(reply_at(ask->reply, 3), 1) != 0;
    return *count >= 0 ? ANSWER_YES : ANSWER_UNKNOWN;
}

enum answer sessions_end_all_answer(const struct ask *ask, int64_t *ended, bool *sweep) {
    return counted_answer(ask, ended, sweep);
}

bool sessions_sweep_alone(struct cache *cache, struct session_sweep *sweep) {
    sweep->alone = gate_may_sweep(cache_gate(cache));
    return sweep->alone;
}

struct ask *sessions_sweep_ask(struct cache *cache, struct arena *arena,
                               const struct session_sweep *sweep) {
    if (sweep->alone)
        gate_sweeps_on(cache_gate(cache), cache_timeout(cache));
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSIONS_SWEEP);
    ask_key(cache, arena, ask, "user_sessions:", sweep->user_id);
    ask_writer(cache, ask);
    ask_prefix(cache, ask);
    ask_text(ask, sweep->user_id);
    ask_text(ask, sweep->cursor);
    ask_text(ask, sweep->except != NULL ? sweep->except : "");
    ask_text(ask, sweep->who != NULL ? pack_who(arena, sweep->who) : "");
    ask_int(arena, ask, sweep->who != NULL ? sweep->who->version : 0);
    return ask;
}

static enum answer take_page(const struct ask *ask, struct session_sweep *sweep) {
    const char *cursor = reply_text(reply_at(ask->reply, 2));
    if (cursor == NULL || strlen(cursor) >= sizeof sweep->cursor)
        return ANSWER_UNKNOWN;
    snprintf(sweep->cursor, sizeof sweep->cursor, "%s", cursor);
    sweep->ended += reply_int(reply_at(ask->reply, 3), 0);
    return strcmp(cursor, "0") == 0 ? ANSWER_YES : ANSWER_NO;
}

enum answer sessions_sweep_answer(struct cache *cache, const struct ask *ask, struct session_sweep *sweep) {
    enum answer last = take_page(ask, sweep);
    if (sweep->alone && last != ANSWER_NO) {
        gate_has_swept(cache_gate(cache));
        sweep->alone = false;
    }
    return last;
}

struct ask *sessions_revoke_token_ask(struct cache *cache, struct arena *arena, const char *sid,
                                      struct token_end token) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_TOKEN_REVOKE);
    ask_key(cache, arena, ask, "blacklist:", token.jti);
    if (sid != NULL) {
        ask_key(cache, arena, ask, "session:", sid);
        ask_key(cache, arena, ask, "refresh:", sid);
    }
    ask_writer(cache, ask);
    ask_text(ask, token.jti);
    ask_int(arena, ask, token.left_ms > 0 ? token.left_ms : 1);
    return ask;
}

struct ask *sessions_list_ask(struct cache *cache, struct arena *arena, const char *user_id,
                              const char *current) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_SESSIONS_LIST);
    ask_key(cache, arena, ask, "user_sessions:", user_id);
    ask_prefix(cache, ask);
    ask_text(ask, current != NULL ? current : "");
    return ask;
}

static int by_activity(const void *a, const void *b) {
    const struct session_item *left = a, *right = b;
    if (left->last_ms != right->last_ms)
        return left->last_ms > right->last_ms ? -1 : 1;
    if (left->created_ms != right->created_ms)
        return left->created_ms > right->created_ms ? -1 : 1;
    return strcmp(left->sid, right->sid);
}

enum answer sessions_list_answer(const struct ask *ask, struct arena *arena,
                                 struct session_item **items, size_t *count) {
    const struct reply *list = ask->reply;
    if (list == NULL || list->kind != REPLY_LIST)
        return ANSWER_UNKNOWN;
    struct session_item *item = *items = arena_zalloc(arena, list->count * sizeof *item + 1);
    for (size_t i = 0; i < list->count; i++, item++) {
        const struct reply *member = list->members[i];
        item->sid = arena_str(arena, reply_text(reply_at(member, 0)));
        item->created_ms = reply_int(reply_at(member, 2), 0);
        item->last_ms = reply_int(reply_at(member, 3), 0);
        item->left_ms = reply_int(reply_at(member, 4), 0);
        if (item->sid == NULL ||
            !unpack_client(arena, reply_text(reply_at(member, 1)), &item->client))
            return ANSWER_UNKNOWN;
    }
    *count = list->count;
    qsort(*items, *count, sizeof **items, by_activity);
    return ANSWER_YES;
}

struct ask *sessions_rename_ask(struct cache *cache, struct arena *arena,
                                const struct session_who *who) {
    struct ask *ask = cache_ask_ending(cache, arena, SCRIPT_SESSIONS_RENAME);
    ask_key(cache, arena, ask, "user_sessions:", who->user_id);
    ask_key(cache, arena, ask, "user_changed:", who->user_id);
    ask_writer(cache, ask);
    ask_prefix(cache, ask);
    ask_text(ask, pack_who(arena, who));
    ask_int(arena, ask, who->version);
    ask_int(arena, ask, SESSIONS_CHANGED_MS);
    return ask;
}

enum answer sessions_rename_answer(const struct ask *ask, bool *sweep) {
    int64_t changed;
    return counted_answer(ask, &changed, sweep);
}
