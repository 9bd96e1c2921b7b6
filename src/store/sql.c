#include "store/sql.h"

/* What read_user (store/users.c) reads, in its order; a column for the roles goes between
 * USER_COLUMNS and USER_COLUMNS_ON. */
#define USER_COLUMNS                                                                               \
    "SELECT u.id, u.email, u.username, u.display_name, u.password_hash, u.email_verified, "        \
    "u.disabled_at IS NOT NULL, u.created_at, u.last_login_at, "
#define USER_COLUMNS_ON ", u.version, @@global.read_only FROM users u "
/* One user is a row for each role, and one row where there is no role: a join costs MariaDB three
 * quarters of what a subquery does that gathers them, and each login and each profile asks for it. */
#define USER_BY                                                                                    \
    USER_COLUMNS "r.role" USER_COLUMNS_ON                                                          \
    "LEFT JOIN user_roles r ON r.user_id = u.id WHERE "

/* The columns of struct client (store/clients.h), in its order. */
#define CLIENT_COLUMNS "id, secret_sha256, DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%SZ')"

/* What fill_in (store/audit.c) gives, in its order. */
#define AUDIT_INSERT                                                                               \
    "INSERT INTO audit (at, event, user_id, email, actor, address, session, request_id, details) "   \
    "VALUES "
#define AUDIT_TUPLE "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
/* The columns of struct audit_row (store/audit.h), in its order. */
#define AUDIT_COLUMNS                                                                              \
    "SELECT id, DATE_FORMAT(at, '%Y-%m-%dT%H:%i:%S.%fZ'), event, user_id, email, actor, address, " \
    "session, request_id, details FROM audit WHERE "
/* Newest first: since, until, and of those at until itself only what is older than an id. */
#define AUDIT_PAGE                                                                                 \
    "at >= ? AND at <= ? AND (at < ? OR id < ?) ORDER BY at DESC, id DESC LIMIT ?"

const struct sql sql_statements[STMT_COUNT] = {
    [STMT_USER_BY_ID] = {USER_BY "u.id = ?", true},
    [STMT_USER_BY_EMAIL] = {USER_BY "u.email_canonical = ?", true},
    [STMT_USER_BY_USERNAME] = {USER_BY "u.username_canonical = ?", true},
    /* After an id, so that pages stay cheap however far one turns; a row for each user. */
    [STMT_USER_LIST] = {USER_COLUMNS
                        "(SELECT GROUP_CONCAT(r.role ORDER BY r.role SEPARATOR ',') "
                        "FROM user_roles r WHERE r.user_id = u.id)" USER_COLUMNS_ON
                        "WHERE u.id > ? ORDER BY u.id LIMIT ?",
                        true},
    [STMT_USER_INSERT] = {"INSERT INTO users (email, email_canonical, username, "
                          "username_canonical, display_name, password_hash, created_at) "
                          "VALUES (?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3))",
                          false},
    /* Matches nothing when the user was disabled, deleted, renamed or given another password or role
     * since the row was read: then the session just opened must not stand.  A hash with old
     * parameters is replaced in the same step. */
    [STMT_USER_LOGGED_IN] = {"UPDATE users SET last_login_at = UTC_TIMESTAMP(3), password_hash = ? "
                             "WHERE id = ? AND password_hash = ? AND version = ? AND disabled_at IS NULL",
                             false},
    [STMT_USER_SET_PROFILE] = {"UPDATE users SET username = ?, username_canonical = ?, "
                               "display_name = ?, version = version + 1 WHERE id = ? AND version = ?",
                               false},
    [STMT_USER_CHANGE_PASSWORD] = {"UPDATE users SET password_hash = ? WHERE id = ? AND "
                                   "password_hash = ? AND disabled_at IS NULL",
                                   false},
    [STMT_USER_SET_PASSWORD] = {"UPDATE users SET password_hash = ? WHERE id = ?", false},
    [STMT_USER_DISABLE] = {"UPDATE users SET disabled_at = COALESCE(disabled_at, UTC_TIMESTAMP(3)) "
                           "WHERE id = ?",
                           false},
    [STMT_USER_ENABLE] = {"UPDATE users SET disabled_at = NULL WHERE id = ?", false},
    [STMT_USER_DELETE] = {"DELETE FROM users WHERE id = ?", false},
    [STMT_ROLE_ADD] = {"INSERT IGNORE INTO user_roles (user_id, role) VALUES (?, ?)", false},
    [STMT_ROLE_REMOVE] = {"DELETE FROM user_roles WHERE user_id = ? AND role = ?", false},
    [STMT_USER_NEXT_VERSION] = {"UPDATE users SET version = version + 1 WHERE id = ?", false},
    [STMT_CLIENT_BY_ID] = {"SELECT " CLIENT_COLUMNS " FROM clients WHERE id = ?", true},
    [STMT_CLIENT_LIST] = {"SELECT " CLIENT_COLUMNS " FROM clients ORDER BY id", true},
    [STMT_CLIENT_INSERT] = {"INSERT INTO clients (id, secret_sha256, created_at) "
                            "VALUES (?, ?, UTC_TIMESTAMP(3))",
                            false},
    [STMT_CLIENT_DELETE] = {"DELETE FROM clients WHERE id = ?", false},
    [STMT_PING] = {"SELECT 1", true},
    [STMT_READ_ONLY] = {"SELECT @@global.read_only", true},
    [STMT_AUDIT_INSERT] = {AUDIT_INSERT AUDIT_TUPLE, false},
    [STMT_AUDIT_LIST] = {AUDIT_COLUMNS AUDIT_PAGE, true},
    [STMT_AUDIT_LIST_USER] = {AUDIT_COLUMNS "user_id = ? AND " AUDIT_PAGE, true},
    [STMT_AUDIT_LIST_EVENT] = {AUDIT_COLUMNS "event = ? AND " AUDIT_PAGE, true},
    [STMT_AUDIT_LIST_USER_EVENT] = {AUDIT_COLUMNS "user_id = ? AND event = ? AND " AUDIT_PAGE,
                                    true},
    [STMT_AUDIT_TIME] = {"SELECT DATE_FORMAT(at, '%Y-%m-%d %H:%i:%S.%f') FROM audit WHERE id = ?",
                         true},
    /* In the order of an index, so that a chunk reads no more than it removes. */
    [STMT_AUDIT_PRUNE] = {"DELETE FROM audit WHERE at < ? ORDER BY at LIMIT ?", false},
};

const struct sql_wide sql_wides[WIDE_COUNT] = {
    [WIDE_USERS_BY_EMAIL] = {"SELECT id, email_canonical, username_canonical FROM users "
                             "WHERE email_canonical IN (",
                             "?", ")"},
    [WIDE_USERS_BY_USERNAME] = {"SELECT id, email_canonical, username_canonical FROM users "
                                "WHERE username_canonical IN (",
                                "?", ")"},
    [WIDE_USERS_INSERT] = {"INSERT INTO users (email, email_canonical, username, username_canonical, "
                           "display_name, password_hash, email_verified, disabled_at, created_at) "
                           "VALUES ",
                           "(?, ?, ?, ?, ?, ?, ?, IF(?, UTC_TIMESTAMP(3), NULL), UTC_TIMESTAMP(3))", ""},
    /* One time for many users.  A later one that is there stays: this may be written late, or twice. */
    [WIDE_USERS_LAST_LOGIN] = {"UPDATE users SET last_login_at = ? WHERE id IN (", "?",
                               ") AND COALESCE(last_login_at < ?, TRUE)"},
    [WIDE_ROLES_INSERT] = {"INSERT IGNORE INTO user_roles (user_id, role) VALUES ", "(?, ?)", ""},
    [WIDE_AUDIT_INSERT] = {AUDIT_INSERT, AUDIT_TUPLE, ""},
};
