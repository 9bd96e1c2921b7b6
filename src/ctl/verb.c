#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "store/migrate.h"

int reach_database(struct ctl *ctl) {
    if (db_connect(ctl->realm.db) == ANSWER_YES)
        return CTL_DONE;
    return fail(CTL_NO_STORE, "MariaDB cannot be reached: %s; start it, or mend [mariadb] in %s; "
                              "gatehousectl doctor looks closer",
                db_why(ctl->realm.db), ctl_conf_path(ctl));
}

int reach_redis(struct ctl *ctl) {
    if (cache_connect(ctl->realm.cache) == ANSWER_YES)
        return CTL_DONE;
    return fail(CTL_NO_STORE, "Redis cannot be reached: %s; start it, or mend [redis] in %s; "
                              "gatehousectl doctor looks closer",
                cache_why(ctl->realm.cache), ctl_conf_path(ctl));
}

/* Whether the schema lacks a step.  Where MariaDB cannot be asked, this is not known. */
static bool schema_is_behind(const struct ctl *ctl) {
    size_t count;
    const char *newer;
    const struct migration *steps = migrate_status(ctl->realm.db, ctl->arena, &count, &newer);
    for (size_t i = 0; steps != NULL && i < count; i++)
        if (!steps[i].applied)
            return true;
    return false;
}

bool blame_schema(const struct ctl *ctl) {
    const char *why = arena_str(ctl->arena, db_why(ctl->realm.db));
    if (why[0] == '\0' || !schema_is_behind(ctl))
        return false;
    fail(CTL_NO_STORE, "the schema is not this program's (MariaDB: %s): run gatehousectl db migrate", why);
    return true;
}

static const char *reasons(struct arena *arena, const char *mariadb, const char *redis) {
    if (mariadb[0] != '\0' && redis[0] != '\0')
        return arena_printf(arena, "MariaDB: %s; Redis: %s", mariadb, redis);
    return arena_printf(arena, mariadb[0] != '\0' ? "MariaDB: %s" : "Redis: %s",
                        mariadb[0] != '\0' ? mariadb : redis[0] != '\0' ? redis : "not what was expected");
}

int store_failed(const struct ctl *ctl) {
    const char *why = arena_str(ctl->arena, db_why(ctl->realm.db));
    if (blame_schema(ctl))
        return CTL_NO_STORE;
    return fail(CTL_NO_STORE, "a store failed on the way (%s): run the same command again when it answers",
                reasons(ctl->arena, why, cache_why(ctl->realm.cache)));
}

int find_user(struct ctl *ctl, const char *name, struct user *user) {
    switch (account_find(&ctl->realm, ctl->arena, name, user)) {
    case ANSWER_YES:
        return CTL_DONE;
    case ANSWER_NO:
        return fail(CTL_REFUSED,
                    "there is no user \"%s\"; give an id, an email address or a username", name);
    default:
        return store_failed(ctl);
    }
}

/* How the command line calls a field. */
static const char *field_name(const char *field) {
    return strcmp(field, "displayName") == 0 ? "display name" : field;
}

int account_outcome(const struct ctl *ctl, enum account_result result, const char *who,
                    const struct field_errors *errors) {
    switch (result) {
    case ACCOUNT_DONE:
        return CTL_DONE;
    case ACCOUNT_INVALID:
        for (size_t i = 0; errors != NULL && i < errors->count; i++)
            fail(CTL_REFUSED, "the %s %s", field_name(errors->list[i].field),
                 errors->list[i].sentence);
        return CTL_REFUSED;
    case ACCOUNT_EMAIL_TAKEN:
        return fail(CTL_REFUSED, "another user has the email address %s", who);
    case ACCOUNT_USERNAME_TAKEN:
        return fail(CTL_REFUSED, "another user has this username; choose a different one");
    case ACCOUNT_NOT_FOUND:
        return fail(CTL_REFUSED, "the user %s is not there any more", who);
    case ACCOUNT_UNKNOWN:
        return store_failed(ctl);
    case ACCOUNT_WRONG_PASSWORD:
    case ACCOUNT_LIMITED:
        break;
    }
    return fail(CTL_REFUSED, "refused");
}

bool number_read(const char *text, int64_t min, int64_t max, int64_t *out) {
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
        return false;
    *out = strtoll(text, NULL, 10);
    return *out >= min && *out <= max;
}
