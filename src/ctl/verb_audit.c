/* The audit trail, read and cut short. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/when.h"
#include "store/audit.h"

#define PAGE_MAX    1000
#define PRUNE_STEP  1000
#define FIRST_SHOWN 10 /* of what was before one follows */

/* How far back one looks again for rows that were committed after later ones. */
#define LATE_MS 10000

/* The service's account may add rows, and do nothing else with them. */
static int trail_failed(const struct ctl *ctl) {
    const char *why = db_why(ctl->realm.db);
    if (strstr(why, "denied") == NULL)
        return store_failed(ctl);
    return fail(CTL_REFUSED,
                "the audit trail is not for the service's account (%s): name another one with "
                "GATEHOUSE_MARIADB_URL and GATEHOUSE_MARIADB_PASSWORD_FILE, as for db migrate",
                why);
}

/* A point in time, or how long ago: "24h".  last: what the database knows finer belongs to it. */
static bool read_time(struct ctl *ctl, const char *option, bool last, const char **out) {
    const char *text = args_option(ctl, option);
    int64_t ms;
    if (text == NULL)
        return true;
    if (when_age(text, &ms))
        ms = clock_wall_ms() - ms;
    else if (!when_parse(text, &ms))
        return false;
    *out = db_time(ctl->arena, (ms < 0 ? 0 : ms) * 1000 + (last ? 999 : 0));
    return true;
}

static int read_user(struct ctl *ctl, int64_t *id) {
    struct user user;
    const char *name = args_option(ctl, "--user");
    /* By their ids users are found that are gone. */
    if (name == NULL || number_read(name, 1, INT64_MAX, id))
        return CTL_DONE;
    int code = find_user(ctl, name, &user);
    if (code == CTL_DONE)
        *id = user.id;
    return code;
}

static int read_before(struct ctl *ctl, struct audit_filter *filter) {
    const char *text = args_option(ctl, "--before");
    if (text == NULL)
        return CTL_DONE;
    if (!number_read(text, 1, INT64_MAX, &filter->before))
        return fail(CTL_USAGE, "--before is the id of the last event seen, not \"%s\"", text);
    switch (audit_time_of(ctl->realm.db, ctl->arena, filter->before, &filter->until)) {
    case ANSWER_YES:
        return CTL_DONE;
    case ANSWER_NO:
        return fail(CTL_REFUSED, "there is no event %s: what is so old was removed", text);
    default:
        return trail_failed(ctl);
    }
}

static int read_filter(struct ctl *ctl, struct audit_filter *filter, int64_t *limit) {
    const char *limit_text = args_option(ctl, "--limit");
    *filter = (struct audit_filter){.event = args_option(ctl, "--event"),
                                    .since = AUDIT_FIRST_TIME,
                                    .until = AUDIT_LAST_TIME,
                                    .before = INT64_MAX};
    *limit = 100;
    if (limit_text != NULL && !number_read(limit_text, 1, PAGE_MAX, limit))
        return fail(CTL_USAGE, "--limit is 1 to %d, not \"%s\"", PAGE_MAX, limit_text);
    if (filter->event != NULL && !audit_event_is_known(filter->event))
        return fail(CTL_USAGE, "there is no event \"%s\"; gatehouse(8) lists them", filter->event);
    if (!read_time(ctl, "--since", false, &filter->since) ||
        !read_time(ctl, "--until", true, &filter->until))
        return fail(CTL_USAGE, "a time is 2026-11-20T12:30:22Z, or how long ago: 30m, 24h, 7d");
    if ((args_option(ctl, "--before") != NULL) + (args_option(ctl, "--until") != NULL) +
            (args_option(ctl, "--follow") != NULL) >
        1)
        return fail(CTL_USAGE, "--before, --until and --follow exclude each other");
    int code = read_user(ctl, &filter->user_id);
    return code == CTL_DONE ? read_before(ctl, filter) : code;
}

static const char *user_cell(struct arena *arena, const struct audit_row *row) {
    return row->user_id != 0 ? arena_printf(arena, "%lld", (long long)row->user_id) : NULL;
}

static const char *id_text(struct arena *arena, const struct audit_row *row) {
    return arena_printf(arena, "%lld", (long long)row->id);
}

static json *row_as_json(struct arena *arena, const struct audit_row *row) {
    json *object = json_new_object();
    const char *why;
    json_add_string(object, "id", id_text(arena, row));
    json_add_string(object, "at", row->at);
    json_add_string(object, "event", row->event);
    json_add_string(object, "user", user_cell(arena, row));
    json_add_string(object, "email", row->email);
    json_add_string(object, "actor", row->actor);
    json_add_string(object, "address", row->address);
    json_add_string(object, "session", row->session);
    json_add_string(object, "requestId", row->request_id);
    json_add(object, "details",
             row->details != NULL ? json_parse(row->details, strlen(row->details), &why) : NULL);
    return object;
}

/* Of a session's id enough to tell it from others. */
static const char *session_cell(struct arena *arena, const struct audit_row *row) {
    return row->session != NULL ? arena_printf(arena, "%.12s", row->session) : NULL;
}

static void show_page(struct ctl *ctl, const struct audit_row *rows, size_t count, bool more) {
    static const char *const heads[] = {"TIME",    "EVENT",   "USER",    "EMAIL", "ACTOR",
                                        "ADDRESS", "SESSION", "DETAILS", NULL};
    struct table table = table_new(ctl->arena, heads, count);
    json *answer = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < count; i++) {
        const struct audit_row *row = &rows[i];
        const char *cells[] = {
            row->at,    row->event,   user_cell(ctl->arena, row),    row->email,
            row->actor, row->address, session_cell(ctl->arena, row), row->details};
        table_row(&table, cells);
        json_append(list, row_as_json(ctl->arena, row));
    }
    if (count > 0)
        table_print(ctl, &table);
    else
        out_line(ctl, "no events");
    if (more)
        out_line(ctl, "There are more: the same with --before %lld", (long long)rows[count - 1].id);
    json_add(answer, "events", list);
    json_add_string(answer, "next", more ? id_text(ctl->arena, &rows[count - 1]) : NULL);
    out_json(ctl, answer);
}

static void show_line(struct ctl *ctl, struct arena *arena, const struct audit_row *row) {
    const char *user = user_cell(arena, row), *session = session_cell(arena, row);
    out_line(ctl, "%s %s user=%s email=%s actor=%s address=%s session=%s %s", row->at, row->event,
             user != NULL ? user : "-", row->email != NULL ? row->email : "-",
             row->actor[0] != '\0' ? row->actor : "-", row->address != NULL ? row->address : "-",
             session != NULL ? session : "-", row->details != NULL ? row->details : "");
    out_json(ctl, row_as_json(arena, row));
}

/* Following ------------------------------------------------------------------------------------ */

struct follower {
    struct audit_filter filter;
    int64_t *seen; /* ids of what was there when one looked last */
    size_t seen_count;
    size_t shown; /* of what was there at the first look */
};

static bool was_seen(const struct follower *follower, int64_t id) {
    for (size_t i = 0; i < follower->seen_count; i++)
        if (follower->seen[i] == id)
            return true;
    return false;
}

static void remember(struct follower *follower, const struct audit_row *rows, size_t count) {
    free(follower->seen);
    follower->seen = malloc((count + 1) * sizeof *follower->seen);
    MUST(follower->seen != NULL);
    for (size_t i = 0; i < count; i++)
        follower->seen[i] = rows[i].id;
    follower->seen_count = count;
}

/* Looks from a little before the newest row on, the next time. */
static void move_window(struct follower *follower, const struct audit_row *newest, char since[32]) {
    struct arena *arena = arena_new(256);
    int64_t ms;
    if (when_parse(newest->at, &ms)) {
        snprintf(since, 32, "%s", db_time(arena, ms > LATE_MS ? (ms - LATE_MS) * 1000 : 0));
        follower->filter.since = since;
    }
    arena_free(&arena);
}

/* One look; first: shows the last few alone.  False: MariaDB could not be asked. */
static bool look(struct ctl *ctl, struct follower *follower, char since[32], bool first) {
    struct arena *arena = arena_new(64 * 1024);
    size_t count = 0;
    const struct audit_row *rows =
        audit_list(ctl->realm.db, arena, &follower->filter, PAGE_MAX, &count);
    for (size_t i = rows != NULL ? count : 0; i-- > 0;)
        if (first ? i < follower->shown : !was_seen(follower, rows[i].id))
            show_line(ctl, arena, &rows[i]);
    if (!first && count == PAGE_MAX && !was_seen(follower, rows[count - 1].id))
        fail(CTL_DONE, "more events came at once than are shown here; see --until");
    if (rows != NULL && count > 0) {
        remember(follower, rows, count);
        move_window(follower, &rows[0], since);
    }
    arena_free(&arena);
    return rows != NULL;
}

static int follow(struct ctl *ctl, const struct audit_filter *filter, size_t shown) {
    struct follower follower = {.filter = *filter, .shown = shown};
    char since[32];
    bool first = true;
    while (look(ctl, &follower, since, first)) {
        first = false;
        if (fflush(stdout) != 0) {
            free(follower.seen);
            return CTL_DONE;
        }
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    free(follower.seen);
    return trail_failed(ctl);
}

static size_t first_shown(const struct ctl *ctl, int64_t limit) {
    bool told = args_option(ctl, "--limit") != NULL || args_option(ctl, "--since") != NULL;
    return told ? (size_t)limit : FIRST_SHOWN;
}

int verb_audit(struct ctl *ctl) {
    struct audit_filter filter;
    int64_t limit;
    size_t count;
    int code = read_filter(ctl, &filter, &limit);
    if (code != CTL_DONE)
        return code;
    if (args_option(ctl, "--follow") != NULL)
        return follow(ctl, &filter, first_shown(ctl, limit));
    /* One more than is shown tells whether there is a next page. */
    const struct audit_row *rows =
        audit_list(ctl->realm.db, ctl->arena, &filter, limit + 1, &count);
    if (rows == NULL)
        return trail_failed(ctl);
    bool more = count > (size_t)limit;
    show_page(ctl, rows, more ? (size_t)limit : count, more);
    return CTL_DONE;
}

static int record_prune(struct ctl *ctl, const char *before, int64_t removed) {
    struct audit_note note = {.event = AUDIT_PRUNE,
                              .details = audit_details("before", before, NULL)};
    json_add_int(note.details, "count", removed);
    return record(ctl, &note);
}

/* In small steps, so that nothing waits for it, and what was removed stays so when it is stopped.
 */
int verb_audit_prune(struct ctl *ctl) {
    const char *age_text = args_option(ctl, "--older-than");
    int64_t age, removed = 0, step;
    if (age_text == NULL || !when_age(age_text, &age))
        return fail(CTL_USAGE, "--older-than is an age: 90d, 24h, 30m");
    int64_t before_ms = clock_wall_ms() - age;
    const char *before = db_time(ctl->arena, before_ms > 0 ? before_ms * 1000 : 0);
    enum answer answered;
    do {
        answered = audit_prune(ctl->realm.db, ctl->arena, before, PRUNE_STEP, &step);
        removed += answered == ANSWER_YES ? step : 0;
    } while (answered == ANSWER_YES && step == PRUNE_STEP);
    int failed = answered == ANSWER_YES ? CTL_DONE : trail_failed(ctl);
    int code = removed > 0 ? record_prune(ctl, before, removed) : CTL_DONE;
    if (failed != CTL_DONE)
        return failed;
    out_line(ctl, removed == 1 ? "1 event removed" : "%lld events removed", (long long)removed);
    json *answer = json_new_object();
    json_add_int(answer, "removed", removed);
    out_json(ctl, answer);
    return code;
}
