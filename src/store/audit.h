/*
 * audit: the audit trail in MariaDB.  Rows are added; whoever may read and remove them has another
 * account than the service.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/db.h"

/* Texts that are NULL are not known.  Those that are too long are cut, so that no row is lost by
 * what a stranger sent. */
struct audit_row {
    int64_t id;     /* of a row that was read */
    const char *at; /* the same, RFC 3339 with microseconds */
    int64_t at_us;  /* of a row that is added: clock_wall_us */
    const char *event;
    int64_t user_id; /* 0: nobody is known */
    const char *email;
    const char *actor; /* "": somebody who did not sign in */
    const char *address, *session, *request_id;
    const char *details; /* a JSON object */
};

/* id is the database's.  YES or UNKNOWN. */
enum answer audit_insert(struct db *db, struct arena *arena, const struct audit_row *row);
/* The same for count of them (at least 1) in one statement; UNKNOWN: none is there, or all are. */
enum answer audit_insert_all(struct db *db, struct arena *arena, const struct audit_row **rows,
                             size_t count);

/* Which rows are wanted.  Times are those of db_time. */
struct audit_filter {
    int64_t user_id;           /* 0: anybody's */
    const char *event;         /* NULL: all */
    const char *since, *until; /* both included; never NULL */
    int64_t before;            /* of those at until itself only the ones with a smaller id */
};
#define AUDIT_FIRST_TIME "1000-01-01 00:00:00"
#define AUDIT_LAST_TIME  "9999-12-31 23:59:59.999999"

/* The newest first, at most limit; in arena.  NULL: MariaDB could not be asked. */
struct audit_row *audit_list(struct db *db, struct arena *arena, const struct audit_filter *filter,
                             int64_t limit, size_t *count);
/* When a row was recorded, as a filter takes it.  NO: there is no such row. */
enum answer audit_time_of(struct db *db, struct arena *arena, int64_t id, const char **at);
/* Removes at most limit of the oldest rows from before a time; *removed of them were there. */
enum answer audit_prune(struct db *db, struct arena *arena, const char *before, int64_t limit,
                        int64_t *removed);

#endif
