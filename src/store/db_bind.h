/*
 * db_bind: values and rows as libmariadb binds them.  Only db.c asks.
 */
#ifndef STORE_DB_BIND_H
#define STORE_DB_BIND_H

#include <mysql.h>

#include "base/arena.h"
#include "store/db.h"

/* Binds count params, which must be as many as the statement has.  They and binds (room for as many)
 * are borrowed until it was executed. */
void db_bind_params(MYSQL_STMT *stmt, MYSQL_BIND *binds, const struct db_value *params, size_t count);

/* All rows of a statement that was executed, in the arena.  False: the connection broke while they
 * came. */
bool db_take_rows(MYSQL_STMT *stmt, struct arena *arena, struct db_result *result);

/* message: "Duplicate entry 'x' for key 'users_email'".  Notes the key's name, without a table before
 * it. */
void db_name_duplicate_key(const char *message, struct db_result *result);

#endif
