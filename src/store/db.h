/*
 * db: one connection to MariaDB for the life of a worker.  The door to libmariadb.
 *
 * Statements are prepared on first use, and anew after each reconnect.  Integers and texts are bound
 * as what they are, so that a number is never compared with a text.  A connection that broke before
 * the statement can have reached the server is made anew and the statement sent again; where the
 * server may have done it already, only what reads is repeated: the rest is "cannot tell".
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/answer.h"
#include "base/arena.h"
#include "base/conf.h"
#include "store/gate.h"
#include "store/sql.h"

struct db;

struct db_value {
    enum { DB_NULL, DB_INT, DB_TEXT } kind;
    int64_t number;
    const char *text; /* with a NUL behind */
    size_t len;
};

#define DB_NUMBER(value) ((struct db_value){.kind = DB_INT, .number = (value)})

/* text, which stays where it is, as a value; NULL is SQL's. */
static inline struct db_value db_text_or_null(const char *text) {
    return (struct db_value){.kind = text != NULL ? DB_TEXT : DB_NULL,
                             .text = text,
                             .len = text != NULL ? strlen(text) : 0};
}

/* A column's text, in the arena of its result; NULL: it has none. */
static inline const char *db_text(const struct db_value *value) {
    return value->kind == DB_TEXT ? value->text : NULL;
}

/* Whether a switch of the server's is off, by its text: "0", and the word where it has more than two states,
 * as read_only has in newer versions. */
static inline bool db_is_off(const char *text) {
    return strcmp(text, "0") == 0 || strcmp(text, "OFF") == 0;
}

#define DB_MAX_COLUMNS 12
#define DB_MAX_PARAMS  10

struct db_row {
    struct db_value columns[DB_MAX_COLUMNS];
};

struct db_result {
    struct db_row *rows; /* in the arena */
    size_t row_count;
    int64_t matched;       /* rows that a change matched, whether or not it changed them */
    int64_t insert_id;     /* of an AUTO_INCREMENT */
    char duplicate_key[64]; /* with ANSWER_NO: the name of the unique key */
};

/* A time, not before 1970, as a column takes it: "2026-11-20 12:30:22.123456", UTC; in arena. */
const char *db_time(struct arena *arena, int64_t wall_us);
/* A column's time, as RFC 3339 has it, in whole seconds: "2026-11-20T12:30:22Z"; in arena.  NULL: none. */
const char *db_rfc3339(struct arena *arena, const struct db_value *time);

/* gate is shared by the workers; conf and password (NULL: none) are borrowed for the db's life.
 * Opens nothing yet. */
struct db *db_new(const struct conf *conf, const char *password, struct gate *gate);
/* Closes the connection, and clears the pointer; what is in a transaction is undone.  db and *db may be
 * NULL. */
void db_free(struct db **db);

/* From now on, and on a new connection, statements may take as long as they take: for migrations. */
void db_be_patient(struct db *db);

/* ANSWER_YES or ANSWER_UNKNOWN; db_why says why. */
enum answer db_connect(struct db *db);
/* Why the last call did not succeed; a sentence, never NULL. */
const char *db_why(const struct db *db);

/*
 * Runs a statement.  ANSWER_YES: done, result is filled.  ANSWER_NO: a unique key is taken already,
 * result->duplicate_key says which.  ANSWER_UNKNOWN: MariaDB could not be asked, or refused; a
 * change may or may not have been made.  result may be NULL.
 */
enum answer db_run(struct db *db, struct arena *arena, enum statement statement,
                   const struct db_value *params, size_t param_count, struct db_result *result);
/* What is run from here to db_commit or db_rollback becomes true together or not at all; nothing of it
 * is repeated on another connection.  YES or UNKNOWN: for db_begin that nothing has begun, for
 * db_commit that it may or may not be so. */
enum answer db_begin(struct db *db);
enum answer db_commit(struct db *db);
void db_rollback(struct db *db);
/* Runs a statement for so many rows (at least 1), whose params follow each other; answers as db_run
 * does, but logs nothing, repeats nothing, and tells nobody that MariaDB is away: many rows may take long. */
enum answer db_run_wide(struct db *db, struct arena *arena, enum wide_statement which, size_t rows,
                        const struct db_value *params, struct db_result *result);
/* Whether another worker has just found that MariaDB does not answer.  Work for which nobody waits is then
 * put off, even where this connection still stands. */
bool db_is_away(const struct db *db);
/* Gives the connection up for a reason that the caller found; the next statement makes one to a host that
 * suits.  Not within a transaction. */
void db_leave(struct db *db, const char *why);
/* Prepares every statement of the service: whether the schema is the one the program was made for. */
enum answer db_prepare_all(struct db *db);

/* Migrations: one text of several statements; and one value of a query, in the arena (NULL: none or
 * null).  Only for the command line: nothing that is bound. */
enum answer db_execute_script(struct db *db, const char *text);
enum answer db_query_value(struct db *db, struct arena *arena, const char *query, const char **value);

#endif
