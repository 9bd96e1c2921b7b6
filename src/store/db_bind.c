#include "store/db_bind.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

void db_bind_params(MYSQL_STMT *stmt, MYSQL_BIND *binds, const struct db_value *params,
                    size_t count) {
    MUST(mysql_stmt_param_count(stmt) == count);
    memset(binds, 0, count * sizeof *binds);
    for (size_t i = 0; i < count; i++) {
        switch (params[i].kind) {
        case DB_NULL:
            binds[i].buffer_type = MYSQL_TYPE_NULL;
            break;
        case DB_INT:
            binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
            binds[i].buffer = (void *)(uintptr_t)&params[i].number;
            break;
        case DB_TEXT:
            binds[i].buffer_type = MYSQL_TYPE_STRING;
            binds[i].buffer = (void *)(uintptr_t)params[i].text;
            binds[i].buffer_length = params[i].len;
            break;
        }
    }
    MUST(mysql_stmt_bind_param(stmt, binds) == 0);
}

static bool is_integer(enum enum_field_types type) {
    return type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_INT24 ||
           type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_TINY;
}

struct columns {
    unsigned count;
    MYSQL_BIND binds[DB_MAX_COLUMNS];
    my_bool null[DB_MAX_COLUMNS];
    unsigned long len[DB_MAX_COLUMNS];
    long long numbers[DB_MAX_COLUMNS];
};

static void bind_columns(MYSQL_STMT *stmt, struct arena *arena, struct columns *columns) {
    memset(columns, 0, sizeof *columns);
    columns->count = mysql_stmt_field_count(stmt);
    MUST(columns->count <= DB_MAX_COLUMNS);
    MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);
    MUST(meta != NULL);
    for (unsigned i = 0; i < columns->count; i++) {
        const MYSQL_FIELD *field = mysql_fetch_field_direct(meta, i);
        MYSQL_BIND *bind = &columns->binds[i];
        bind->is_null = &columns->null[i];
        bind->length = &columns->len[i];
        if (is_integer(field->type)) {
            bind->buffer_type = MYSQL_TYPE_LONGLONG;
            bind->buffer = &columns->numbers[i];
        } else {
            bind->buffer_type = MYSQL_TYPE_STRING;
            bind->buffer_length = field->max_length + 1;
            bind->buffer = arena_alloc(arena, field->max_length + 1);
        }
    }
    mysql_free_result(meta);
    MUST(mysql_stmt_bind_result(stmt, columns->binds) == 0);
}

static void take_row(const struct columns *columns, struct arena *arena, struct db_row *row) {
    for (unsigned i = 0; i < columns->count; i++) {
        struct db_value *value = &row->columns[i];
        if (columns->null[i]) {
            value->kind = DB_NULL;
        } else if (columns->binds[i].buffer_type == MYSQL_TYPE_LONGLONG) {
            value->kind = DB_INT;
            value->number = columns->numbers[i];
        } else {
            value->kind = DB_TEXT;
            value->len = columns->len[i];
            value->text = arena_dup(arena, columns->binds[i].buffer, value->len);
        }
    }
}

bool db_take_rows(MYSQL_STMT *stmt, struct arena *arena, struct db_result *result) {
    if (mysql_stmt_store_result(stmt) != 0)
        return false;
    struct columns columns;
    bind_columns(stmt, arena, &columns);
    size_t rows = (size_t)mysql_stmt_num_rows(stmt);
    result->rows = arena_array(arena, rows, sizeof *result->rows);
    int rc = 0;
    while (result->row_count < rows && (rc = mysql_stmt_fetch(stmt)) == 0)
        take_row(&columns, arena, &result->rows[result->row_count++]);
    mysql_stmt_free_result(stmt);
    /* MYSQL_DATA_TRUNCATED cannot be: the buffers are as long as the longest value. */
    return rc == 0 && result->row_count == rows;
}

void db_name_duplicate_key(const char *message, struct db_result *result) {
    static const char before[] = "for key '";
    const char *at = NULL;
    /* The last one: the entry is what somebody wrote. */
    for (const char *next = message; (next = strstr(next, before)) != NULL; at = next)
        next += strlen(before);
    if (at == NULL)
        return;
    const char *end = strchr(at, '\''), *dot;
    size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
    if ((dot = memchr(at, '.', len)) != NULL) {
        len -= (size_t)(dot + 1 - at);
        at = dot + 1;
    }
    snprintf(result->duplicate_key, sizeof result->duplicate_key, "%.*s", (int)len, at);
}
