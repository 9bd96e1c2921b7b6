#include "store/db.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "store/db_bind.h"
#include "store/db_link.h"

struct db {
    struct db_link link;
    struct gate *gate;
    MYSQL_STMT *statements[STMT_COUNT];
    struct {
        MYSQL_STMT *stmt;
        size_t rows; /* that it was prepared for */
    } wide[WIDE_COUNT];
    bool down;           /* the last try failed, and that was logged */
    bool in_transaction; /* also when its connection broke: then nothing more can be run in it */
};

struct db *db_new(const struct conf *conf, const char *password, struct gate *gate) {
    struct db *db = calloc(1, sizeof *db);
    MUST(db != NULL);
    db->gate = gate;
    db_link_init(&db->link, conf, password);
    return db;
}

static void disconnect(struct db *db) {
    for (size_t i = 0; i < STMT_COUNT; i++) {
        if (db->statements[i] != NULL)
            mysql_stmt_close(db->statements[i]);
        db->statements[i] = NULL;
    }
    for (size_t i = 0; i < WIDE_COUNT; i++) {
        if (db->wide[i].stmt != NULL)
            mysql_stmt_close(db->wide[i].stmt);
        db->wide[i].stmt = NULL;
    }
    db_link_close(&db->link);
}

void db_free(struct db **db) {
    if (db == NULL || *db == NULL)
        return;
    disconnect(*db);
    secret_wipe(*db, sizeof **db); /* the address has a password */
    free(*db);
    *db = NULL;
}

const char *db_why(const struct db *db) {
    return db->link.why;
}

const char *db_time(struct arena *arena, int64_t wall_us) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_us / 1000, text);
    text[10] = ' ';
    return arena_printf(arena, "%.19s.%06d", text, (int)(wall_us % 1000000));
}

const char *db_rfc3339(struct arena *arena, const struct db_value *time) {
    const size_t len = sizeof "2026-11-20 12:30:22" - 1;
    if (time->kind != DB_TEXT || time->len < len)
        return NULL;
    char *text = arena_dup(arena, time->text, len + 1);
    text[10] = 'T';
    text[len] = 'Z';
    return text;
}

void db_be_patient(struct db *db) {
    disconnect(db);
    db->link.patient = true;
}

static void note(struct db *db, const char *why) {
    snprintf(db->link.why, sizeof db->link.why, "%s", why);
}

static void log_down(struct db *db) {
    metrics_event(EVENT_MARIADB_ERROR, 1);
    if (!db->down)
        log_error("MariaDB cannot be asked; requests that need it are answered 503 until it can",
                  F_STR("reason", db->link.why),
                  F_STR("cure", "start it, or mend [mariadb]; gatehousectl doctor looks closer"));
    db->down = true;
}

static bool ensure(struct db *db) {
    if (db->link.mysql != NULL)
        return true;
    if (db->in_transaction)
        return false;
    if (!gate_may_try(db->gate, db->link.conf->mariadb_timeout)) {
        note(db, "MariaDB did not answer a moment ago");
        return false;
    }
    if (!db_link_open(&db->link)) {
        gate_failed(db->gate);
        log_down(db);
        return false;
    }
    gate_opened(db->gate);
    metrics_event(EVENT_MARIADB_CONNECT, 1);
    if (db->down)
        log_info("MariaDB answers again");
    db->down = false;
    return true;
}

bool db_is_away(const struct db *db) {
    return gate_is_shut(db->gate);
}

enum answer db_connect(struct db *db) {
    return ensure(db) ? ANSWER_YES : ANSWER_UNKNOWN;
}

static MYSQL_STMT *prepare(struct db *db, const char *text, unsigned *error) {
    MYSQL_STMT *stmt = mysql_stmt_init(db->link.mysql);
    MUST(stmt != NULL);
    /* Lengths are known before the columns are fetched, so that nothing is cut. */
    my_bool yes = 1;
    MUST(mysql_stmt_attr_set(stmt, STMT_ATTR_UPDATE_MAX_LENGTH, &yes) == 0);
    if (mysql_stmt_prepare(stmt, text, strlen(text)) != 0) {
        *error = mysql_stmt_errno(stmt);
        note(db, mysql_stmt_error(stmt));
        mysql_stmt_close(stmt);
        return NULL;
    }
    return stmt;
}

/* The statement of this connection; NULL: error says why (0: out of memory). */
static MYSQL_STMT *prepared(struct db *db, enum statement which, unsigned *error) {
    if (db->statements[which] == NULL)
        db->statements[which] = prepare(db, sql_statements[which].text, error);
    return db->statements[which];
}

static unsigned execute_bound(struct db *db, struct arena *arena, MYSQL_STMT *stmt,
                              struct db_result *result) {
    if (mysql_stmt_execute(stmt) != 0 ||
        (mysql_stmt_field_count(stmt) > 0 && !db_take_rows(stmt, arena, result))) {
        unsigned error = mysql_stmt_errno(stmt);
        note(db, mysql_stmt_error(stmt));
        if (error == ER_DUP_ENTRY)
            db_name_duplicate_key(db->link.why, result);
        return error != 0 ? error : CR_UNKNOWN_ERROR;
    }
    result->matched = (int64_t)mysql_stmt_affected_rows(stmt);
    result->insert_id = (int64_t)mysql_stmt_insert_id(stmt);
    return 0;
}

static unsigned execute(struct db *db, struct arena *arena, enum statement which,
                        const struct db_value *params, size_t count, struct db_result *result) {
    unsigned error = CR_UNKNOWN_ERROR;
    MYSQL_STMT *stmt = prepared(db, which, &error);
    if (stmt == NULL)
        return error;
    MYSQL_BIND binds[DB_MAX_PARAMS];
    MUST(count <= DB_MAX_PARAMS);
    db_bind_params(stmt, binds, params, count);
    return execute_bound(db, arena, stmt, result);
}

/* The server answered, and the connection can be used on. */
static bool connection_is_sound(unsigned error) {
    return error == ER_DUP_ENTRY || error == ER_LOCK_WAIT_TIMEOUT || error == ER_LOCK_DEADLOCK ||
           error == ER_NO_SUCH_TABLE || error == ER_BAD_FIELD_ERROR ||
           error == ER_TABLEACCESS_DENIED_ERROR || error == ER_DATA_TOO_LONG;
}

/* CR_SERVER_GONE_ERROR means that the statement was not sent; CR_SERVER_LOST that it was, and the server may
 * have run it.  Where the server closed the connection while it was idle, either may be reported. */
static bool may_repeat(unsigned error, enum statement which) {
    return error == CR_SERVER_GONE_ERROR || error == ER_LOCK_DEADLOCK ||
           (error == CR_SERVER_LOST && sql_statements[which].reads);
}

/* Whether what began then took all the time it had. */
static bool is_late(const struct db *db, int64_t started) {
    return clock_mono_ms() - started >= db->link.conf->mariadb_timeout - 50;
}

/* The connection failed under what began then.  Where that was late the server hangs, and the other workers
 * need not find out for themselves. */
static void give_up(struct db *db, int64_t started) {
    disconnect(db);
    if (is_late(db, started))
        gate_failed(db->gate);
}

static void log_refused(struct db *db, unsigned error) {
    metrics_event(EVENT_MARIADB_ERROR, 1);
    log_error("MariaDB refused a statement; a request that needs it is answered 503",
              F_STR("error", db->link.why), F_INT("code", error),
              F_STR("cure", error == ER_NO_SUCH_TABLE || error == ER_BAD_FIELD_ERROR
                                ? "run gatehousectl db migrate"
                            : error == ER_TABLEACCESS_DENIED_ERROR
                                ? "give the account the rights of sql/grants.sql"
                                : ""));
}

enum answer db_run(struct db *db, struct arena *arena, enum statement statement,
                   const struct db_value *params, size_t param_count, struct db_result *result) {
    struct db_result unused;
    if (result == NULL)
        result = &unused;
    unsigned error = 0;
    for (int tries = 0; tries < 2; tries++) {
        memset(result, 0, sizeof *result);
        if (!ensure(db))
            return ANSWER_UNKNOWN;
        int64_t started = clock_mono_ms(), begun = metrics_clock();
        metrics_begin(TIMER_MARIADB);
        error = execute(db, arena, statement, params, param_count, result);
        metrics_timer(TIMER_MARIADB, metrics_clock() - begun);
        /* With TLS this is how libmariadb reports a connection that broke. */
        if (error == CR_SSL_CONNECTION_ERROR)
            error = CR_SERVER_LOST;
        if (error == 0) {
            gate_opened(db->gate);
            return ANSWER_YES;
        }
        if (error == ER_DUP_ENTRY)
            return ANSWER_NO;
        if (!connection_is_sound(error))
            give_up(db, started);
        if (is_late(db, started) || db->in_transaction || !may_repeat(error, statement))
            break;
    }
    if (db->link.mysql == NULL)
        log_down(db);
    else
        log_refused(db, error);
    return ANSWER_UNKNOWN;
}

void db_leave(struct db *db, const char *why) {
    MUST(!db->in_transaction);
    disconnect(db);
    note(db, why);
    log_down(db);
}

/* Tries twice: the server may have closed the connection while it was idle. */
enum answer db_begin(struct db *db) {
    static const char text[] = "START TRANSACTION";
    for (int tries = 0; tries < 2; tries++) {
        if (!ensure(db))
            return ANSWER_UNKNOWN;
        int64_t started = clock_mono_ms();
        db->in_transaction = mysql_real_query(db->link.mysql, text, sizeof text - 1) == 0;
        if (db->in_transaction)
            return ANSWER_YES;
        note(db, mysql_error(db->link.mysql));
        give_up(db, started);
        if (is_late(db, started))
            break;
    }
    log_down(db);
    return ANSWER_UNKNOWN;
}

enum answer db_commit(struct db *db) {
    db->in_transaction = false;
    if (db->link.mysql == NULL)
        return ANSWER_UNKNOWN;
    int64_t started = clock_mono_ms(), begun = metrics_clock();
    metrics_begin(TIMER_MARIADB);
    bool done = mysql_commit(db->link.mysql) == 0;
    metrics_timer(TIMER_MARIADB, metrics_clock() - begun);
    if (done)
        return ANSWER_YES;
    note(db, mysql_error(db->link.mysql));
    give_up(db, started);
    log_down(db);
    return ANSWER_UNKNOWN;
}

/* A connection that is closed takes its transaction along. */
void db_rollback(struct db *db) {
    int64_t started = clock_mono_ms();
    db->in_transaction = false;
    if (db->link.mysql != NULL && mysql_rollback(db->link.mysql) != 0)
        give_up(db, started);
}

enum answer db_prepare_all(struct db *db) {
    if (!ensure(db))
        return ANSWER_UNKNOWN;
    for (int i = 0; i < SQL_FIRST_OF_ADMINISTRATOR; i++) {
        unsigned error = 0;
        if (prepared(db, (enum statement)i, &error) == NULL)
            return ANSWER_UNKNOWN;
    }
    return ANSWER_YES;
}

/* The statement for so many rows: that of the time before, if there were as many. */
static MYSQL_STMT *prepared_wide(struct db *db, enum wide_statement which, size_t rows,
                                 unsigned *error) {
    const struct sql_wide *sql = &sql_wides[which];
    struct buf text = {0};
    if (db->wide[which].stmt != NULL && db->wide[which].rows == rows)
        return db->wide[which].stmt;
    if (db->wide[which].stmt != NULL)
        mysql_stmt_close(db->wide[which].stmt);
    buf_adds(&text, sql->head);
    for (size_t i = 0; i < rows; i++) {
        buf_adds(&text, i > 0 ? ", " : "");
        buf_adds(&text, sql->tuple);
    }
    buf_adds(&text, sql->tail);
    db->wide[which].stmt = prepare(db, text.data, error);
    db->wide[which].rows = rows;
    buf_free(&text);
    return db->wide[which].stmt;
}

static unsigned execute_wide(struct db *db, struct arena *arena, enum wide_statement which, size_t rows,
                             const struct db_value *params, struct db_result *result) {
    unsigned error = CR_UNKNOWN_ERROR;
    MYSQL_STMT *stmt = prepared_wide(db, which, rows, &error);
    if (stmt == NULL)
        return error;
    size_t count = mysql_stmt_param_count(stmt);
    MYSQL_BIND *binds = arena_array(arena, count, sizeof *binds);
    db_bind_params(stmt, binds, params, count);
    return execute_bound(db, arena, stmt, result);
}

enum answer db_run_wide(struct db *db, struct arena *arena, enum wide_statement which, size_t rows,
                        const struct db_value *params, struct db_result *result) {
    struct db_result unused;
    if (result == NULL)
        result = &unused;
    memset(result, 0, sizeof *result);
    if (!ensure(db))
        return ANSWER_UNKNOWN;
    int64_t begun = metrics_clock();
    metrics_begin(TIMER_MARIADB);
    unsigned error = execute_wide(db, arena, which, rows, params, result);
    metrics_timer(TIMER_MARIADB, metrics_clock() - begun);
    if (error == 0 || error == ER_DUP_ENTRY)
        return error == 0 ? ANSWER_YES : ANSWER_NO;
    if (!connection_is_sound(error))
        disconnect(db);
    return ANSWER_UNKNOWN;
}

/* Ends a statement at a semicolon that ends a line; steps are written so. */
static const char *statement_end(const char *text) {
    for (const char *at = text; *at != '\0'; at++)
        if (*at == ';' && (at[1] == '\n' || at[1] == '\0'))
            return at;
    return NULL;
}

enum answer db_execute_script(struct db *db, const char *text) {
    const char *end;
    if (!ensure(db))
        return ANSWER_UNKNOWN;
    for (; (end = statement_end(text)) != NULL; text = end + 1) {
        if (mysql_real_query(db->link.mysql, text, (unsigned long)(end - text)) != 0) {
            note(db, mysql_error(db->link.mysql));
            return ANSWER_UNKNOWN;
        }
        MYSQL_RES *rows = mysql_store_result(db->link.mysql);
        if (rows != NULL)
            mysql_free_result(rows);
    }
    return ANSWER_YES;
}

enum answer db_query_value(struct db *db, struct arena *arena, const char *query,
                           const char **value) {
    *value = NULL;
    if (!ensure(db))
        return ANSWER_UNKNOWN;
    MYSQL_RES *rows = NULL;
    if (mysql_real_query(db->link.mysql, query, strlen(query)) != 0 ||
        (rows = mysql_store_result(db->link.mysql)) == NULL) {
        note(db, mysql_error(db->link.mysql));
        return ANSWER_UNKNOWN;
    }
    MYSQL_ROW row = mysql_fetch_row(rows);
    if (row != NULL && row[0] != NULL)
        *value = arena_str(arena, row[0]);
    mysql_free_result(rows);
    return ANSWER_YES;
}
