/*
 * sql: every statement that the service sends to MariaDB, on one page (sql.c).  All are prepared,
 * and their values always bound.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <stdbool.h>

enum statement {
    STMT_USER_BY_ID,
    STMT_USER_BY_EMAIL,
    STMT_USER_BY_USERNAME,
    STMT_USER_LIST,
    STMT_USER_INSERT,
    STMT_USER_LOGGED_IN,
    STMT_USER_SET_PROFILE,
    STMT_USER_CHANGE_PASSWORD,
    STMT_USER_SET_PASSWORD,
    STMT_USER_DISABLE,
    STMT_USER_ENABLE,
    STMT_USER_DELETE,
    STMT_ROLE_ADD,
    STMT_ROLE_REMOVE,
    STMT_USER_NEXT_VERSION,
    STMT_CLIENT_BY_ID,
    STMT_CLIENT_LIST,
    STMT_CLIENT_INSERT,
    STMT_CLIENT_DELETE,
    STMT_PING,
    STMT_READ_ONLY,
    STMT_AUDIT_INSERT,
    STMT_AUDIT_LIST,
    STMT_AUDIT_LIST_USER,
    STMT_AUDIT_LIST_EVENT,
    STMT_AUDIT_LIST_USER_EVENT,
    STMT_AUDIT_TIME,
    STMT_AUDIT_PRUNE,
    STMT_COUNT
};

/* From here on they are an administrator's: the service's account may not run them. */
#define SQL_FIRST_OF_ADMINISTRATOR STMT_AUDIT_LIST

struct sql {
    const char *text;
    bool reads; /* changes nothing, so that it may be asked again after a broken connection */
};

extern const struct sql sql_statements[STMT_COUNT];

/* Statements for any number of rows: head, then tuple for each with commas between, then tail. */
enum wide_statement {
    WIDE_USERS_BY_EMAIL,
    WIDE_USERS_BY_USERNAME,
    WIDE_USERS_INSERT,
    WIDE_USERS_LAST_LOGIN,
    WIDE_ROLES_INSERT,
    WIDE_AUDIT_INSERT,
    WIDE_COUNT
};

struct sql_wide {
    const char *head, *tuple, *tail;
};

extern const struct sql_wide sql_wides[WIDE_COUNT];

#endif
