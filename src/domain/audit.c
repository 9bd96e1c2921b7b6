#include "domain/audit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "domain/pause.h"
#include "store/audit.h"

#define ARENA_BLOCK (8 * 1024)
#define ARENA_KEEP  (64 * 1024)

static const char *const names[AUDIT_EVENT_COUNT] = {
    [AUDIT_REGISTER] = "register",
    [AUDIT_USER_IMPORT] = "user_import",
    [AUDIT_LOGIN] = "login",
    [AUDIT_LOGIN_REFUSED] = "login_refused",
    [AUDIT_LIMITED] = "limited",
    [AUDIT_LOGOUT] = "logout",
    [AUDIT_REFRESH] = "refresh",
    [AUDIT_REFRESH_REUSED] = "refresh_reused",
    [AUDIT_SESSION_REVOKE] = "session_revoke",
    [AUDIT_TOKEN_REVOKE] = "token_revoke",
    [AUDIT_CONFIRM_REFUSED] = "confirm_refused",
    [AUDIT_PASSWORD_CHANGE] = "password_change",
    [AUDIT_PROFILE_CHANGE] = "profile_change",
    [AUDIT_ROLE_CHANGE] = "role_change",
    [AUDIT_USER_DISABLE] = "user_disable",
    [AUDIT_USER_ENABLE] = "user_enable",
    [AUDIT_USER_DELETE] = "user_delete",
    [AUDIT_CLIENT_ADD] = "client_add",
    [AUDIT_CLIENT_DELETE] = "client_delete",
    [AUDIT_CLIENT_REFUSED] = "client_refused",
    [AUDIT_KEY_NEW] = "key_new",
    [AUDIT_KEY_ROTATE] = "key_rotate",
    [AUDIT_KEY_RETIRE] = "key_retire",
    [AUDIT_DB_MIGRATE] = "db_migrate",
    [AUDIT_PRUNE] = "audit_prune",
};

struct pending {
    struct audit_row row;
    struct pending *next;
};

struct audit {
    enum audit_mode mode;
    struct db *db;
    struct audit_scene scene;
    struct arena *arena; /* of what is to be written */
    struct pending *first, **end;
    size_t count;  /* of them */
    int64_t since; /* clock_mono_ms of the first */
    uint64_t lost;
    int64_t quiet_until, left_out; /* of what is recorded seldom */
    struct pause pause;            /* while it goes on nothing is tried */
};

bool audit_event_is_known(const char *name) {
    for (size_t i = 0; i < AUDIT_EVENT_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

struct audit *audit_new(const struct conf *conf, struct db *db) {
    struct audit *audit = calloc(1, sizeof *audit);
    MUST(audit != NULL);
    audit->mode = (enum audit_mode)conf->audit_mode;
    audit->db = db;
    audit->arena = arena_new(ARENA_BLOCK);
    audit->end = &audit->first;
    return audit;
}

void audit_set_scene(struct audit *audit, const struct audit_scene *scene) {
    if (audit != NULL)
        audit->scene = *scene;
}

json *audit_details(const char *name, ...) {
    json *details = json_new_object();
    va_list args;
    va_start(args, name);
    while (name != NULL) {
        const char *value = va_arg(args, const char *);
        if (value != NULL)
            json_add_string(details, name, value);
        name = va_arg(args, const char *);
    }
    va_end(args);
    return details;
}

/* One line with all that the row would have said. */
static void lose(struct audit *audit, const struct audit_row *row, const char *why) {
    const char *user =
        row->user_id != 0 ? arena_printf(audit->arena, "%lld", (long long)row->user_id) : "";
    audit->lost++;
    metrics_event(EVENT_AUDIT_LOST, 1);
    log_alarm("an event could not be recorded in the audit trail", F_STR("event", "audit_lost"),
              F_STR("lost", row->event), F_STR("user", user), F_STR("email", row->email),
              F_STR("actor", row->actor), F_STR("from", row->address),
              F_STR("session", row->session), F_STR("request", row->request_id),
              F_STR("details", row->details), F_STR("reason", why),
              F_STR("cure", "keep this line, the event is nowhere else; gatehousectl doctor"));
}

static const char *actor_of(const struct audit *audit, const struct audit_note *note) {
    if (note->actor != NULL)
        return arena_str(audit->arena, note->actor);
    if (audit->scene.actor != NULL)
        return arena_str(audit->arena, audit->scene.actor);
    const char *user = note->by_user ? note->user_id : audit->scene.user_id;
    return user != NULL ? arena_printf(audit->arena, "user:%s", user) : "";
}

/* Copies every text, since the row is written when the request has gone. */
static struct audit_row row_of(const struct audit *audit, const struct audit_note *note) {
    struct arena *arena = audit->arena;
    const struct audit_scene *scene = &audit->scene;
    const char *session = note->session != NULL ? note->session : scene->session;
    size_t len;
    return (struct audit_row){
        .at_us = clock_wall_us(),
        .event = names[note->event],
        .user_id = note->user_id != NULL ? strtoll(note->user_id, NULL, 10) : 0,
        .email = arena_str(arena, note->email),
        .actor = actor_of(audit, note),
        .address = arena_str(arena, scene->address),
        .session = arena_str(arena, session),
        .request_id = arena_str(arena, scene->request_id),
        .details = note->details != NULL ? arena_str(arena, json_text(note->details, &len)) : NULL};
}

static void keep(struct audit *audit, const struct audit_row *row) {
    struct pending *pending = arena_zalloc(audit->arena, sizeof *pending);
    pending->row = *row;
    if (audit->count++ == 0)
        audit->since = clock_mono_ms();
    *audit->end = pending;
    audit->end = &pending->next;
}

/* Takes the arena's memory back, unless notes that still wait to be written lie in it. */
static void clean_up(struct audit *audit) {
    if (audit->first == NULL)
        arena_reset(audit->arena, ARENA_KEEP);
}

static bool write_now(struct audit *audit, const struct audit_row *row) {
    bool written = audit_insert(audit->db, audit->arena, row) == ANSWER_YES;
    if (!written)
        lose(audit, row, db_why(audit->db));
    clean_up(audit);
    return written;
}

bool audit_record(const struct realm *realm, const struct audit_note *note) {
    struct audit *audit = realm->audit;
    bool wanted = audit != NULL && audit->mode != AUDIT_OFF, done = true;
    if (wanted) {
        struct audit_row row = row_of(audit, note);
        if (audit->mode == AUDIT_STRICT)
            done = write_now(audit, &row);
        else
            keep(audit, &row);
    }
    json_free(note->details);
    return done;
}

void audit_record_seldom(const struct realm *realm, const struct audit_note *note) {
    struct audit *audit = realm->audit;
    if (audit == NULL || audit->mode == AUDIT_OFF || !log_seldom(&audit->quiet_until)) {
        if (audit != NULL)
            audit->left_out++;
        json_free(note->details);
        return;
    }
    if (note->details != NULL && audit->left_out > 0)
        json_add_int(note->details, "leftOut", audit->left_out);
    audit->left_out = 0;
    struct audit_row row = row_of(audit, note);
    keep(audit, &row);
    json_free(note->details);
}

static bool is_strict(const struct realm *realm) {
    return realm->audit != NULL && realm->audit->mode == AUDIT_STRICT;
}

bool audit_begin(const struct realm *realm) {
    return !is_strict(realm) || db_begin(realm->db) == ANSWER_YES;
}

/* False: the change was not kept: that was not wanted, or the commit failed, and it may be there or not. */
static bool end(const struct realm *realm, bool keep_it) {
    if (!is_strict(realm))
        return keep_it;
    if (keep_it)
        return db_commit(realm->db) == ANSWER_YES;
    db_rollback(realm->db);
    return false;
}

enum answer audit_settle(const struct realm *realm, enum answer changed,
                         const struct audit_note *note) {
    bool good = changed == ANSWER_YES && audit_record(realm, note);
    if (changed != ANSWER_YES)
        json_free(note->details);
    if (!end(realm, good) && changed == ANSWER_YES)
        return ANSWER_UNKNOWN;
    return changed;
}

enum answer audit_commit(const struct realm *realm, const struct audit_note *note) {
    if (is_strict(realm) && !audit_record(realm, note)) {
        db_rollback(realm->db);
        return ANSWER_UNKNOWN;
    }
    enum answer done = db_commit(realm->db);
    if (!is_strict(realm) && done == ANSWER_YES)
        audit_record(realm, note);
    else if (!is_strict(realm))
        json_free(note->details);
    return done;
}

static bool is_paused(const struct audit *audit) {
    return pause_goes_on(&audit->pause) || db_is_away(audit->db);
}

static void write_one(struct audit *audit, const struct audit_row *row) {
    int64_t begun = clock_mono_ms();
    if (is_paused(audit)) {
        lose(audit, row, "MariaDB did not answer in time a moment ago");
        return;
    }
    if (audit_insert(audit->db, audit->arena, row) == ANSWER_YES)
        return;
    pause_after(&audit->pause, begun, 0);
    lose(audit, row, db_why(audit->db));
}

/* In one statement, so that many rows have no more time than one: the timeout is that of a statement. */
static bool insert_all(struct audit *audit, const struct pending *pending, size_t count) {
    const struct audit_row **rows = arena_array(audit->arena, count, sizeof *rows);
    for (size_t i = 0; i < count; i++, pending = pending->next)
        rows[i] = &pending->row;
    return audit_insert_all(audit->db, audit->arena, rows, count) == ANSWER_YES;
}

/* False: none was written.  Then each is to be tried by itself, since one bad row may have kept the others
 * out.  Where a commit failed, the rows may be there or not: they count as lost, which is better than having
 * them twice. */
static bool write_together(struct audit *audit, const struct pending *first, size_t count) {
    int64_t begun = clock_mono_ms();
    if (is_paused(audit))
        return false;
    if (db_begin(audit->db) != ANSWER_YES || !insert_all(audit, first, count)) {
        db_rollback(audit->db);
        pause_after(&audit->pause, begun, 0);
        return false;
    }
    if (db_commit(audit->db) != ANSWER_YES) {
        pause_after(&audit->pause, begun, 0);
        for (const struct pending *pending = first; pending != NULL; pending = pending->next)
            lose(audit, &pending->row, db_why(audit->db));
    }
    return true;
}

bool audit_has_notes(const struct realm *realm) {
    return realm->audit != NULL && realm->audit->first != NULL;
}

void audit_flush(const struct realm *realm) {
    struct audit *audit = realm->audit;
    if (!audit_has_notes(realm))
        return;
    struct pending *first = audit->first;
    size_t count = audit->count;
    audit->first = NULL;
    audit->end = &audit->first;
    audit->count = 0;
    if (count == 1 || !write_together(audit, first, count))
        for (struct pending *pending = first; pending != NULL; pending = pending->next)
            write_one(audit, &pending->row);
    clean_up(audit);
}

void audit_flush_due(const struct realm *realm) {
    const struct audit *audit = realm->audit;
    if (audit_has_notes(realm) &&
        (audit->count >= WRITE_TOGETHER || clock_mono_ms() - audit->since >= WRITE_TOGETHER_MS))
        audit_flush(realm);
}

void audit_free(struct audit **audit) {
    if (audit == NULL || *audit == NULL)
        return;
    audit_flush(&(struct realm){.audit = *audit});
    arena_free(&(*audit)->arena);
    free(*audit);
    *audit = NULL;
}

uint64_t audit_lost(const struct realm *realm) {
    return realm->audit != NULL ? realm->audit->lost : 0;
}
