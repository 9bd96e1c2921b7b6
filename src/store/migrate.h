/*
 * migrate: brings the schema to what this program was made for, one numbered step after another.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

struct migration {
    const char *name; /* "0001_users" */
    bool applied;
};

/* All steps, in order; how many are in *count.  NULL: MariaDB could not be asked (db_why).  When the
 * database knows a step that the program does not, *newer names it. */
struct migration *migrate_status(struct db *db, struct arena *arena, size_t *count,
                                 const char **newer);

/* Applies what is missing, one at a time, while holding a lock that a second migration waits for.
 * report is called after each step.  ANSWER_NO: the schema is newer than the program. */
enum answer migrate_run(struct db *db, struct arena *arena,
                        void (*report)(void *context, const char *name), void *context);

#endif
