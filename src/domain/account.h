/*
 * account: users, from registration to deletion; what a user may do with their own account, and an
 * administrator with anybody's.
 *
 * Whatever takes something from a user is written to the database first and to their sessions
 * after, so that a login at the same moment cannot slip through between (see login.c).
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include "domain/session.h"
#include "domain/throttle.h"

/* What is wrong with a request, field by field; sentences are for people and static. */
struct field_error {
    const char *field, *sentence;
};
struct field_errors {
    struct field_error list[8];
    size_t count;
};
void field_errors_add(struct field_errors *errors, const char *field, const char *sentence);

enum account_result {
    ACCOUNT_DONE,
    ACCOUNT_INVALID, /* see errors */
    ACCOUNT_EMAIL_TAKEN,
    ACCOUNT_USERNAME_TAKEN,
    ACCOUNT_WRONG_PASSWORD,
    ACCOUNT_NOT_FOUND,
    ACCOUNT_LIMITED,
    ACCOUNT_UNKNOWN /* a store could not be asked */
};

struct account_request {
    const char *email;
    const char *username;     /* NULL: none */
    const char *display_name; /* NULL: none */
    const char *password;
    size_t password_len;
};

/* What is wrong with a request, without asking anybody; members that are NULL are not looked at. */
void account_check(const struct realm *realm, const struct account_request *request,
                   struct field_errors *errors);

/* A new user.  The hash "*" in place of a password (password NULL) matches nothing. */
enum account_result account_register(const struct realm *realm, struct arena *arena,
                                     const struct account_request *request, struct user *user,
                                     struct field_errors *errors);

/* What a profile change says of a name. */
enum name_change { NAME_KEPT, NAME_SET, NAME_CLEARED };
struct profile_change {
    enum name_change username_change, display_name_change;
    const char *username, *display_name; /* with NAME_SET */
};
enum account_result account_change_profile(const struct realm *realm, struct arena *arena,
                                           int64_t id, const struct profile_change *change,
                                           struct user *user, struct field_errors *errors);

struct password_change {
    const char *old_password, *new_password;
    size_t old_len, new_len;
    const char *sid;     /* the session that goes on */
    const char *address; /* the client's, for the limits */
};
/* Every other session of the user ends. */
enum account_result account_change_password(const struct realm *realm, struct arena *arena,
                                            int64_t id, const struct password_change *change,
                                            struct field_errors *errors,
                                            struct throttle_result *limit);
/* The user deletes themself. */
enum account_result account_delete_own(const struct realm *realm, struct arena *arena, int64_t id,
                                       const char *password, size_t len, const char *address,
                                       struct throttle_result *limit);

/* For administrators.  user: as account_find found them -------------------------------------- */

/* name: an id, an email address or a username that is not digits alone.  ANSWER_NO: there is nobody. */
enum answer account_find(const struct realm *realm, struct arena *arena, const char *name,
                         struct user *user);
enum account_result account_set_password(const struct realm *realm, struct arena *arena,
                                         const struct user *user, const char *password, size_t len,
                                         struct field_errors *errors);
/* Disabling ends every session. */
enum account_result account_set_disabled(const struct realm *realm, struct arena *arena,
                                         const struct user *user, bool disabled);
enum account_result account_delete(const struct realm *realm, struct arena *arena,
                                   const struct user *user);
/* Takes effect in living sessions at once.  NOT_FOUND: had it already, or has it not; INVALID: all
 * roles together would be longer than 1 KiB. */
enum account_result account_set_role(const struct realm *realm, struct arena *arena,
                                     const struct user *user, const char *role, bool has);
bool account_role_is_sane(const char *role);

#endif
