#include "store/clients.h"

#include <string.h>

/* The columns of CLIENT_COLUMNS in sql.c. */
static void read_client(const struct db_row *row, struct client *client) {
    *client = (struct client){.id = row->columns[0].text,
                              .secret_sha256 = row->columns[1].text,
                              .created_at = row->columns[2].text};
}

enum answer clients_by_id(struct db *db, struct arena *arena, const char *id,
                          struct client *client) {
    struct db_value param = db_text_or_null(id);
    struct db_result result;
    if (db_run(db, arena, STMT_CLIENT_BY_ID, &param, 1, &result) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    if (result.row_count == 0)
        return ANSWER_NO;
    read_client(&result.rows[0], client);
    return ANSWER_YES;
}

struct client *clients_list(struct db *db, struct arena *arena, size_t *count) {
    struct db_result result;
    if (db_run(db, arena, STMT_CLIENT_LIST, NULL, 0, &result) != ANSWER_YES)
        return NULL;
    struct client *clients = arena_array(arena, result.row_count, sizeof *clients);
    for (size_t i = 0; i < result.row_count; i++)
        read_client(&result.rows[i], &clients[i]);
    *count = result.row_count;
    return clients;
}

enum answer clients_insert(struct db *db, struct arena *arena, const char *id,
                           const char *secret_sha256) {
    struct db_value params[] = {db_text_or_null(id), db_text_or_null(secret_sha256)};
    return db_run(db, arena, STMT_CLIENT_INSERT, params, 2, NULL);
}

enum answer clients_delete(struct db *db, struct arena *arena, const char *id) {
    struct db_value param = db_text_or_null(id);
    struct db_result result;
    enum answer answer = db_run(db, arena, STMT_CLIENT_DELETE, &param, 1, &result);
    return answer == ANSWER_YES && result.matched == 0 ? ANSWER_NO : answer;
}
