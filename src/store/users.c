#include "store/users.h"

#include <stdlib.h>
#include <string.h>

/* A switch of the server's comes as a number, or as a word where it has more than two states. */
static bool is_on(const struct db_value *value) {
    return value->kind == DB_TEXT ? !db_is_off(value->text) : value->number != 0;
}

/* Where the roles stand among the columns of USER_COLUMNS and USER_COLUMNS_ON in sql.c. */
enum { ROLES_COLUMN = 9 };

/* The columns as sql.c has them, in that order. */
static void read_user(const struct db_row *row, struct arena *arena, struct user *user) {
    const struct db_value *column = row->columns;
    user->id = column[0].number;
    user->id_text = arena_printf(arena, "%lld", (long long)user->id);
    user->email = db_text(&column[1]);
    user->username = db_text(&column[2]);
    user->display_name = db_text(&column[3]);
    user->password_hash = db_text(&column[4]);
    user->email_verified = column[5].number != 0;
    user->disabled = column[6].number != 0;
    user->created_at = db_rfc3339(arena, &column[7]);
    user->last_login_at = db_rfc3339(arena, &column[8]);
    user->roles = column[ROLES_COLUMN].kind == DB_TEXT ? column[ROLES_COLUMN].text : "";
    user->version = column[10].number;
    user->may_be_old = is_on(&column[11]);
}

/* In the order of their bytes, as the column's collation has it. */
static int by_role(const void *a, const void *b) {
    const struct db_row *left = a, *right = b;
    return strcmp(left->columns[ROLES_COLUMN].text, right->columns[ROLES_COLUMN].text);
}

/* The roles of one user, who has a row for each of them. */
static const char *all_roles(struct db_result *result, struct arena *arena) {
    qsort(result->rows, result->row_count, sizeof *result->rows, by_role);
    size_t size = 0;
    for (size_t i = 0; i < result->row_count; i++)
        size += result->rows[i].columns[ROLES_COLUMN].len + 1;
    char *roles = arena_alloc(arena, size), *at = roles;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct db_value *role = &result->rows[i].columns[ROLES_COLUMN];
        memcpy(at, role->text, role->len);
        at += role->len;
        *at++ = i + 1 < result->row_count ? ',' : '\0';
    }
    return roles;
}

static enum answer one(struct db *db, struct arena *arena, enum statement statement,
                       struct db_value key, struct user *user) {
    struct db_result result;
    enum answer answer = db_run(db, arena, statement, &key, 1, &result);
    if (answer != ANSWER_YES)
        return ANSWER_UNKNOWN;
    if (result.row_count == 0)
        return ANSWER_NO;
    read_user(&result.rows[0], arena, user);
    if (result.row_count > 1)
        user->roles = all_roles(&result, arena);
    return ANSWER_YES;
}

enum answer users_by_id(struct db *db, struct arena *arena, int64_t id, struct user *user) {
    return one(db, arena, STMT_USER_BY_ID, DB_NUMBER(id), user);
}

enum answer users_by_email(struct db *db, struct arena *arena, const char *canonical,
                           struct user *user) {
    return one(db, arena, STMT_USER_BY_EMAIL, db_text_or_null(canonical), user);
}

enum answer users_by_username(struct db *db, struct arena *arena, const char *canonical,
                              struct user *user) {
    return one(db, arena, STMT_USER_BY_USERNAME, db_text_or_null(canonical), user);
}

enum answer users_may_be_elsewhere(struct db *db, struct arena *arena) {
    struct db_result result;
    if (db_run(db, arena, STMT_READ_ONLY, NULL, 0, &result) != ANSWER_YES || result.row_count != 1)
        return ANSWER_UNKNOWN;
    return is_on(&result.rows[0].columns[0]) ? ANSWER_YES : ANSWER_NO;
}

struct user *users_list(struct db *db, struct arena *arena, int64_t after, int64_t limit,
                        size_t *count) {
    struct db_value params[] = {DB_NUMBER(after), DB_NUMBER(limit)};
    struct db_result result;
    if (db_run(db, arena, STMT_USER_LIST, params, 2, &result) != ANSWER_YES)
        return NULL;
    struct user *users = arena_array(arena, result.row_count, sizeof *users);
    for (size_t i = 0; i < result.row_count; i++)
        read_user(&result.rows[i], arena, &users[i]);
    *count = result.row_count;
    return users;
}

enum answer users_insert(struct db *db, struct arena *arena, const struct user_names *names,
                         const char *password_hash, int64_t *id, enum users_taken *taken) {
    struct db_value params[] = {
        db_text_or_null(names->email),        db_text_or_null(names->email_canonical),
        db_text_or_null(names->username),     db_text_or_null(names->username_canonical),
        db_text_or_null(names->display_name), db_text_or_null(password_hash)};
    struct db_result result;
    enum answer answer = db_run(db, arena, STMT_USER_INSERT, params, 6, &result);
    if (answer == ANSWER_YES)
        *id = result.insert_id;
    if (answer == ANSWER_NO)
        *taken = strcmp(result.duplicate_key, "users_username") == 0 ? USERS_TAKEN_USERNAME
                                                                     : USERS_TAKEN_EMAIL;
    return answer;
}

/* A change of at most one user: NO when nobody matched. */
static enum answer change(struct db *db, struct arena *arena, enum statement statement,
                          const struct db_value *params, size_t count) {
    struct db_result result;
    enum answer answer = db_run(db, arena, statement, params, count, &result);
    return answer == ANSWER_YES && result.matched == 0 ? ANSWER_NO : answer;
}

enum answer users_set_profile(struct db *db, struct arena *arena, const struct user *user,
                              const struct user_names *names, bool *outdated) {
    struct db_value params[] = {db_text_or_null(names->username),
                                db_text_or_null(names->username_canonical),
                                db_text_or_null(names->display_name), DB_NUMBER(user->id),
                                DB_NUMBER(user->version)};
    struct db_result result;
    enum answer answer = db_run(db, arena, STMT_USER_SET_PROFILE, params, 5, &result);
    *outdated = answer == ANSWER_YES && result.matched == 0;
    return answer;
}

enum answer users_logged_in(struct db *db, struct arena *arena, const struct user *user,
                            const char *new_hash) {
    struct db_value params[] = {db_text_or_null(new_hash), DB_NUMBER(user->id),
                                db_text_or_null(user->password_hash), DB_NUMBER(user->version)};
    return change(db, arena, STMT_USER_LOGGED_IN, params, 4);
}

enum answer users_set_last_login(struct db *db, struct arena *arena, const int64_t *ids,
                                 size_t count, int64_t wall_ms) {
    struct db_value *params = arena_array(arena, count + 2, sizeof *params);
    params[0] = params[count + 1] = db_text_or_null(db_time(arena, wall_ms * 1000));
    for (size_t i = 0; i < count; i++)
        params[i + 1] = DB_NUMBER(ids[i]);
    enum answer answer = db_run_wide(db, arena, WIDE_USERS_LAST_LOGIN, count, params, NULL);
    return answer == ANSWER_YES ? ANSWER_YES : ANSWER_UNKNOWN;
}

enum answer users_change_password(struct db *db, struct arena *arena, int64_t id,
                                  const char *old_hash, const char *new_hash) {
    struct db_value params[] = {db_text_or_null(new_hash), DB_NUMBER(id), db_text_or_null(old_hash)};
    return change(db, arena, STMT_USER_CHANGE_PASSWORD, params, 3);
}

enum answer users_set_password(struct db *db, struct arena *arena, int64_t id,
                               const char *new_hash) {
    struct db_value params[] = {db_text_or_null(new_hash), DB_NUMBER(id)};
    return change(db, arena, STMT_USER_SET_PASSWORD, params, 2);
}

enum answer users_set_disabled(struct db *db, struct arena *arena, int64_t id, bool disabled) {
    struct db_value param = DB_NUMBER(id);
    return change(db, arena, disabled ? STMT_USER_DISABLE : STMT_USER_ENABLE, &param, 1);
}

enum answer users_delete(struct db *db, struct arena *arena, int64_t id) {
    struct db_value param = DB_NUMBER(id);
    return change(db, arena, STMT_USER_DELETE, &param, 1);
}

/* After the roles have changed: whoever read the row before notices. */
static enum answer next_version(struct db *db, struct arena *arena, int64_t id) {
    struct db_value param = DB_NUMBER(id);
    return change(db, arena, STMT_USER_NEXT_VERSION, &param, 1);
}

static enum answer change_role(struct db *db, struct arena *arena, enum statement statement,
                               int64_t id, const char *role) {
    struct db_value params[] = {DB_NUMBER(id), db_text_or_null(role)};
    enum answer answer = change(db, arena, statement, params, 2);
    return answer == ANSWER_YES ? next_version(db, arena, id) : answer;
}

enum answer users_add_role(struct db *db, struct arena *arena, int64_t id, const char *role) {
    return change_role(db, arena, STMT_ROLE_ADD, id, role);
}

enum answer users_remove_role(struct db *db, struct arena *arena, int64_t id, const char *role) {
    return change_role(db, arena, STMT_ROLE_REMOVE, id, role);
}

/* Many at once ---------------------------------------------------------------------------------- */

static struct user_key *users_with(struct db *db, struct arena *arena, enum wide_statement which,
                                   const char *const *canonical, size_t count, size_t *found) {
    struct db_result result;
    struct db_value *params = arena_array(arena, count, sizeof *params);
    *found = 0;
    for (size_t i = 0; i < count; i++)
        params[i] = db_text_or_null(canonical[i]);
    if (count > 0 && db_run_wide(db, arena, which, count, params, &result) != ANSWER_YES)
        return NULL;
    *found = count > 0 ? result.row_count : 0;
    struct user_key *keys = arena_array(arena, *found, sizeof *keys);
    for (size_t i = 0; i < *found; i++)
        keys[i] = (struct user_key){.id = result.rows[i].columns[0].number,
                                    .email_canonical = db_text(&result.rows[i].columns[1]),
                                    .username_canonical = db_text(&result.rows[i].columns[2])};
    return keys;
}

struct user_key *users_with_emails(struct db *db, struct arena *arena, const char *const *canonical,
                                   size_t count, size_t *found) {
    return users_with(db, arena, WIDE_USERS_BY_EMAIL, canonical, count, found);
}

struct user_key *users_with_usernames(struct db *db, struct arena *arena,
                                      const char *const *canonical, size_t count, size_t *found) {
    return users_with(db, arena, WIDE_USERS_BY_USERNAME, canonical, count, found);
}

enum answer users_insert_many(struct db *db, struct arena *arena, const struct user_new *users,
                              size_t count) {
    enum { PARAMS = 8 };
    struct db_value *params = arena_array(arena, count * PARAMS, sizeof *params);
    for (size_t i = 0; i < count; i++) {
        const struct user_names *names = &users[i].names;
        struct db_value row[PARAMS] = {
            db_text_or_null(names->email),        db_text_or_null(names->email_canonical),
            db_text_or_null(names->username),     db_text_or_null(names->username_canonical),
            db_text_or_null(names->display_name), db_text_or_null(users[i].password_hash),
            DB_NUMBER(users[i].email_verified),   DB_NUMBER(users[i].disabled)};
        memcpy(&params[i * PARAMS], row, sizeof row);
    }
    return count > 0 ? db_run_wide(db, arena, WIDE_USERS_INSERT, count, params, NULL) : ANSWER_YES;
}

enum answer users_add_roles(struct db *db, struct arena *arena, const struct user_role *roles,
                            size_t count) {
    struct db_value *params = arena_array(arena, count * 2, sizeof *params);
    for (size_t i = 0; i < count; i++) {
        params[i * 2] = DB_NUMBER(roles[i].user_id);
        params[i * 2 + 1] = db_text_or_null(roles[i].role);
    }
    return count > 0 ? db_run_wide(db, arena, WIDE_ROLES_INSERT, count, params, NULL) : ANSWER_YES;
}
