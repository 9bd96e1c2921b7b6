/*
 * privileges: what workers may still do.  Users are looked up by the master, once for each
 * configuration, so that a wrong name refuses a reload and no worker asks the user database.
 */
#ifndef POOL_PRIVILEGES_H
#define POOL_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
    bool drop; /* false: the master is not root, workers stay what it is */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* owned */
    int group_count;
};

/* user empty: gatehouse where that user exists, else nobody, with a warning; group empty: the
 * user's. Returns 0, or EX_CONFIG after an error was logged.  Free with privileges_free. */
int privileges_find(const char *user, const char *group, struct privileges *out);
/* Frees the list of groups; the struct is the caller's, and empty afterwards. */
void privileges_free(struct privileges *privileges);
/* Worker: for good.  False, logged: it must not serve. */
bool privileges_drop(const struct privileges *privileges);

#endif
