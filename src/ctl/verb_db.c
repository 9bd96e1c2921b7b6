#include "ctl/ctl.h"
#include "store/migrate.h"

struct progress {
    const struct ctl *ctl;
    json *applied;
    size_t count;
};

static void applied(void *context, const char *name) {
    struct progress *progress = context;
    progress->count++;
    out_line(progress->ctl, "applied %s", name);
    json_append_string(progress->applied, name);
}

static int newer_schema(const char *step) {
    return fail(CTL_REFUSED,
                "the schema has the step %s, which this program does not know: install the "
                "gatehouse that made it",
                step);
}

/* A refused step is the operator's to correct; a connection that is lost has another exit code. */
static int migrate_failed(struct ctl *ctl) {
    const char *why = arena_str(ctl->arena, db_why(ctl->realm.db)), *unused;
    bool reached = db_query_value(ctl->realm.db, ctl->arena, "SELECT 1", &unused) == ANSWER_YES;
    return fail(reached ? CTL_REFUSED : CTL_NO_STORE,
                "MariaDB did not do a step: %s; correct that and run db migrate again, it goes on "
                "where it stopped",
                why);
}

/* Looked at first: where nothing is to be done, no right to change the schema is needed. */
static int look(struct ctl *ctl, bool *current) {
    size_t count;
    const char *newer;
    const struct migration *steps = migrate_status(ctl->realm.db, ctl->arena, &count, &newer);
    if (steps == NULL)
        return migrate_failed(ctl);
    *current = true;
    for (size_t i = 0; i < count; i++)
        *current &= steps[i].applied;
    return newer != NULL ? newer_schema(newer) : CTL_DONE;
}

static int record_migrated(struct ctl *ctl, const struct progress *progress) {
    struct audit_note note = {.event = AUDIT_DB_MIGRATE, .details = json_new_object()};
    json_add_int(note.details, "steps", (int64_t)progress->count);
    return record(ctl, &note);
}

int verb_db_migrate(struct ctl *ctl) {
    bool current;
    int code = look(ctl, &current);
    if (code != CTL_DONE)
        return code;
    json *answer = json_new_object();
    struct progress progress = {.ctl = ctl, .applied = json_new_array()};
    enum answer done =
        current ? ANSWER_YES : migrate_run(ctl->realm.db, ctl->arena, applied, &progress);
    json_add(answer, "applied", progress.applied);
    if (done != ANSWER_YES) {
        json_free(answer);
        return done == ANSWER_NO ? look(ctl, &current) : migrate_failed(ctl);
    }
    if (progress.count == 0)
        out_line(ctl, "the schema is current");
    else
        code = record_migrated(ctl, &progress);
    out_json(ctl, answer);
    return code;
}

static json *step_as_json(const struct migration *step) {
    json *object = json_new_object();
    json_add_string(object, "name", step->name);
    json_add_bool(object, "applied", step->applied);
    return object;
}

int verb_db_status(struct ctl *ctl) {
    size_t count;
    const char *newer;
    const struct migration *steps = migrate_status(ctl->realm.db, ctl->arena, &count, &newer);
    if (steps == NULL)
        return fail(CTL_NO_STORE, "MariaDB cannot be asked: %s", db_why(ctl->realm.db));
    bool current = newer == NULL;
    json *answer = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < count; i++) {
        current &= steps[i].applied;
        out_line(ctl, "%-8s %s", steps[i].applied ? "applied" : "pending", steps[i].name);
        json_append(list, step_as_json(&steps[i]));
    }
    if (newer != NULL)
        out_line(ctl, "%-8s %s", "newer", newer);
    json_add_bool(answer, "current", current);
    json_add(answer, "steps", list);
    json_add_string(answer, "newer", newer);
    out_json(ctl, answer);
    if (newer != NULL)
        return newer_schema(newer);
    return current ? CTL_DONE : fail(CTL_REFUSED, "steps are pending; run gatehousectl db migrate");
}
