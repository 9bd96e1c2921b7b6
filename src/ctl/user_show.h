/*
 * user_show: users for people and as JSON, and the roles they have.
 */
#ifndef CTL_USER_SHOW_H
#define CTL_USER_SHOW_H

#include "ctl/ctl.h"

/* One user, everything but the password's hash. */
void show_user(struct ctl *ctl, const struct user *user);
/* A page of a list; more: another page follows. */
void show_users(struct ctl *ctl, const struct user *users, size_t count, bool more);
/* "user 7 anna@example.org WHAT" for people; the user as JSON. */
void show_outcome(struct ctl *ctl, const struct user *user, const char *what);

/* Says what is wrong with a role that account_role_fault refuses; returns CTL_REFUSED. */
int role_is_bad(const char *role);

#endif
