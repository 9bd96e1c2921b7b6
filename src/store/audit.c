#include "store/audit.h"

#include <string.h>

#include "base/clock.h"
#include "base/encode.h"

/* The widths of the columns in sql/0003_audit.sql. */
enum { EVENT_MAX = 32, EMAIL_MAX = 254, ACTOR_MAX = 128, ADDRESS_MAX = 64, ID_MAX = 64 };

/* A text for a column of most bytes: as it is where it fits and is UTF-8, else cut, and its bytes beyond
 * ASCII as question marks.  A web server may hand over any bytes as the client's address. */
static struct db_value fitting(struct arena *arena, const char *text, size_t most) {
    size_t len = text != NULL ? strlen(text) : 0;
    if (text == NULL || (len <= most && utf8_valid(text, len)))
        return db_text_or_null(text);
    char *copy = arena_dup(arena, text, len < most ? len : most);
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return db_text_or_null(copy);
}

/* How many values AUDIT_TUPLE in sql.c has. */
enum { COLUMNS = 9 };

static void fill_in(struct arena *arena, const struct audit_row *row, struct db_value *params) {
    struct db_value nobody = {.kind = DB_NULL};
    params[0] = db_text_or_null(db_time(arena, row->at_us));
    params[1] = fitting(arena, row->event, EVENT_MAX);
    params[2] = row->user_id != 0 ? DB_NUMBER(row->user_id) : nobody;
    params[3] = fitting(arena, row->email, EMAIL_MAX);
    params[4] = fitting(arena, row->actor, ACTOR_MAX);
    params[5] = fitting(arena, row->address, ADDRESS_MAX);
    params[6] = fitting(arena, row->session, ID_MAX);
    params[7] = fitting(arena, row->request_id, ID_MAX);
    params[8] = db_text_or_null(row->details);
}

enum answer audit_insert(struct db *db, struct arena *arena, const struct audit_row *row) {
    struct db_value params[COLUMNS];
    fill_in(arena, row, params);
    enum answer answer = db_run(db, arena, STMT_AUDIT_INSERT, params, COLUMNS, NULL);
    return answer == ANSWER_YES ? ANSWER_YES : ANSWER_UNKNOWN;
}

enum answer audit_insert_all(struct db *db, struct arena *arena, const struct audit_row **rows,
                             size_t count) {
    struct db_value *params = arena_array(arena, count * COLUMNS, sizeof *params);
    for (size_t i = 0; i < count; i++)
        fill_in(arena, rows[i], params + i * COLUMNS);
    enum answer answer = db_run_wide(db, arena, WIDE_AUDIT_INSERT, count, params, NULL);
    return answer == ANSWER_YES ? ANSWER_YES : ANSWER_UNKNOWN;
}

/* The columns of AUDIT_COLUMNS in sql.c. */
static void read_row(const struct db_row *from, struct audit_row *row) {
    const struct db_value *column = from->columns;
    row->id = column[0].number;
    row->at = db_text(&column[1]);
    row->event = db_text(&column[2]);
    row->user_id = column[3].kind == DB_INT ? column[3].number : 0;
    row->email = db_text(&column[4]);
    row->actor = db_text(&column[5]);
    row->address = db_text(&column[6]);
    row->session = db_text(&column[7]);
    row->request_id = db_text(&column[8]);
    row->details = db_text(&column[9]);
}

/* Each kind of filter has a statement of its own, so that each has its index. */
struct audit_row *audit_list(struct db *db, struct arena *arena, const struct audit_filter *filter,
                             int64_t limit, size_t *count) {
    static const enum statement statements[2][2] = {
        {STMT_AUDIT_LIST, STMT_AUDIT_LIST_EVENT},
        {STMT_AUDIT_LIST_USER, STMT_AUDIT_LIST_USER_EVENT}};
    struct db_value params[7];
    struct db_result result;
    size_t n = 0;
    if (filter->user_id != 0)
        params[n++] = DB_NUMBER(filter->user_id);
    if (filter->event != NULL)
        params[n++] = db_text_or_null(filter->event);
    params[n++] = db_text_or_null(filter->since);
    params[n++] = db_text_or_null(filter->until);
    params[n++] = db_text_or_null(filter->until);
    params[n++] = DB_NUMBER(filter->before);
    params[n++] = DB_NUMBER(limit);
    if (db_run(db, arena, statements[filter->user_id != 0][filter->event != NULL], params, n,
               &result) != ANSWER_YES)
        return NULL;
    struct audit_row *rows = arena_array(arena, result.row_count, sizeof *rows);
    for (size_t i = 0; i < result.row_count; i++)
        read_row(&result.rows[i], &rows[i]);
    *count = result.row_count;
    return rows;
}

enum answer audit_time_of(struct db *db, struct arena *arena, int64_t id, const char **at) {
    struct db_value param = DB_NUMBER(id);
    struct db_result result;
    if (db_run(db, arena, STMT_AUDIT_TIME, &param, 1, &result) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    if (result.row_count == 0)
        return ANSWER_NO;
    *at = result.rows[0].columns[0].text;
    return ANSWER_YES;
}

enum answer audit_prune(struct db *db, struct arena *arena, const char *before, int64_t limit,
                        int64_t *removed) {
    struct db_value params[] = {db_text_or_null(before), DB_NUMBER(limit)};
    struct db_result result;
    enum answer answer = db_run(db, arena, STMT_AUDIT_PRUNE, params, 2, &result);
    *removed = result.matched;
    return answer;
}
