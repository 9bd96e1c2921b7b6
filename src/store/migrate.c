#include "store/migrate.h"

#include <stdlib.h>
#include <string.h>

#include "store/embedded.h"

static const char table[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations (\n"
    "  name VARCHAR(64) NOT NULL COMMENT 'the step, as its file in sql is named',\n"
    "  applied_at DATETIME(3) NOT NULL COMMENT 'UTC',\n"
    "  PRIMARY KEY (name)\n"
    ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin\n"
    "  COMMENT 'which steps the schema has taken';\n";

/* The applied names, one a line; "" when the table is not there yet. */
static enum answer applied_names(struct db *db, struct arena *arena, const char **names) {
    const char *there;
    *names = "";
    if (db_query_value(db, arena,
                       "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = "
                       "DATABASE() AND table_name = 'schema_migrations'",
                       &there) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    if (strcmp(there, "0") == 0)
        return ANSWER_YES;
    const char *value;
    if (db_query_value(db, arena,
                       "SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR '\\n') "
                       "FROM schema_migrations",
                       &value) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    if (value != NULL)
        *names = value;
    return ANSWER_YES;
}

static bool has_line(const char *lines, const char *line) {
    size_t len = strlen(line);
    for (const char *at = lines; (at = strstr(at, line)) != NULL; at += len)
        if ((at == lines || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0'))
            return true;
    return false;
}

/* A step that the database has taken and the program has never heard of. */
static const char *unknown_step(const char *names, struct arena *arena) {
    char *copy = arena_str(arena, names), *rest = NULL;
    for (char *name = strtok_r(copy, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest)) {
        bool known = false;
        for (unsigned i = 0; i < embedded_sql_count; i++)
            known |= strcmp(embedded_sql[i].name, name) == 0;
        if (!known)
            return name;
    }
    return NULL;
}

struct migration *migrate_status(struct db *db, struct arena *arena, size_t *count,
                                 const char **newer) {
    const char *names;
    if (applied_names(db, arena, &names) != ANSWER_YES)
        return NULL;
    struct migration *steps = arena_array(arena, embedded_sql_count, sizeof *steps);
    for (unsigned i = 0; i < embedded_sql_count; i++) {
        steps[i].name = embedded_sql[i].name;
        steps[i].applied = has_line(names, steps[i].name);
    }
    *count = embedded_sql_count;
    *newer = unknown_step(names, arena);
    return steps;
}

static enum answer apply(struct db *db, struct arena *arena, unsigned step) {
    if (db_execute_script(db, embedded_sql[step].text) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    const char *record =
        arena_printf(arena, "INSERT INTO schema_migrations VALUES ('%s', UTC_TIMESTAMP(3));\n",
                     embedded_sql[step].name);
    return db_execute_script(db, record);
}

static enum answer run_locked(struct db *db, struct arena *arena,
                              void (*report)(void *context, const char *name), void *context) {
    if (db_execute_script(db, table) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    size_t count;
    const char *newer;
    struct migration *steps = migrate_status(db, arena, &count, &newer);
    if (steps == NULL)
        return ANSWER_UNKNOWN;
    if (newer != NULL)
        return ANSWER_NO;
    for (unsigned i = 0; i < count; i++) {
        if (steps[i].applied)
            continue;
        if (apply(db, arena, i) != ANSWER_YES)
            return ANSWER_UNKNOWN;
        report(context, steps[i].name);
    }
    return ANSWER_YES;
}

enum answer migrate_run(struct db *db, struct arena *arena,
                        void (*report)(void *context, const char *name), void *context) {
    const char *locked;
    /* A step may take long on a large table, and so may a migration that is running already. */
    db_be_patient(db);
    if (db_query_value(db, arena, "SELECT GET_LOCK('gatehouse_migrate', 3600)", &locked) !=
            ANSWER_YES ||
        locked == NULL || strcmp(locked, "1") != 0)
        return ANSWER_UNKNOWN;
    enum answer answer = run_locked(db, arena, report, context);
    const char *released;
    db_query_value(db, arena, "SELECT RELEASE_LOCK('gatehouse_migrate')", &released);
    return answer;
}
