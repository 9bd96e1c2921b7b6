/*
 * account: users, from registration to deletion; what a user may do with their own account, and an
 * administrator with anybody's.
 *
 * Whatever takes something from a user is written to the database first and to their sessions
 * after, so that a login at the same moment cannot slip through between (see login.c).  Where users
 * change their own password, and where one is deleted, the sessions end before as well: an outage of
 * Redis between the two leaves no thief signed in.
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
/* Notes what is wrong with a field; both texts are kept by reference.  sentence NULL: nothing is.  Further
 * ones than there is room for are dropped. */
void field_errors_add(struct field_errors *errors, const char *field, const char *sentence);

/* Bytes of all roles of one user, with commas: they must fit into an access token, beside everything else. */
#define ACCOUNT_ROLES_MAX 1024

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

/* A new user; password NULL: one whom no password signs in.  ACCOUNT_DONE: *user (in arena) is filled.
 * ACCOUNT_INVALID: *errors says why; also ACCOUNT_EMAIL_TAKEN, ACCOUNT_USERNAME_TAKEN, ACCOUNT_UNKNOWN. */
enum account_result account_register(const struct realm *realm, struct arena *arena,
                                     const struct account_request *request, struct user *user,
                                     struct field_errors *errors);

/* What a profile change says of a name. */
enum name_change { NAME_KEPT, NAME_SET, NAME_CLEARED };
struct profile_change {
    enum name_change username_change, display_name_change;
    const char *username, *display_name; /* with NAME_SET */
};
/* Changes the names of a user and tells their sessions.  ACCOUNT_DONE: *user (in arena) is as they are now.
 * ACCOUNT_INVALID: see *errors; ACCOUNT_USERNAME_TAKEN; ACCOUNT_NOT_FOUND; ACCOUNT_UNKNOWN: a store could
 * not be asked, and the change may have been made. */
enum account_result account_change_profile(const struct realm *realm, struct arena *arena,
                                           int64_t id, const struct profile_change *change,
                                           struct user *user, struct field_errors *errors);

struct password_change {
    const char *old_password, *new_password;
    size_t old_len, new_len;
    const char *sid;     /* the session that goes on */
    const char *address; /* the client's, for the limits */
};
/* The user changes their own password, and every other session of theirs ends.  Besides ACCOUNT_DONE:
 * ACCOUNT_WRONG_PASSWORD (the old one), ACCOUNT_LIMITED (*limit says for how long), ACCOUNT_INVALID (the new
 * one: see *errors), ACCOUNT_NOT_FOUND, ACCOUNT_UNKNOWN.  *limit is filled once it was asked about. */
enum account_result account_change_password(const struct realm *realm, struct arena *arena,
                                            int64_t id, const struct password_change *change,
                                            struct field_errors *errors,
                                            struct throttle_result *limit);
/* The user deletes themself, with all sessions; results as above. */
enum account_result account_delete_own(const struct realm *realm, struct arena *arena, int64_t id,
                                       const char *password, size_t len, const char *address,
                                       struct throttle_result *limit);

/* For administrators; user is as account_find found them.  ACCOUNT_NOT_FOUND: they are gone since.  With
 * ACCOUNT_UNKNOWN a store could not be asked, and the change may have been made: do it again. */

/* name: an id, an email address or a username that is not digits alone.  ANSWER_NO: there is nobody. */
enum answer account_find(const struct realm *realm, struct arena *arena, const char *name,
                         struct user *user);
/* Another password, and all of the user's sessions end.  ACCOUNT_INVALID: see *errors. */
enum account_result account_set_password(const struct realm *realm, struct arena *arena,
                                         const struct user *user, const char *password, size_t len,
                                         struct field_errors *errors);
/* Disabling ends all of the user's sessions; enabling brings none back. */
enum account_result account_set_disabled(const struct realm *realm, struct arena *arena,
                                         const struct user *user, bool disabled);
/* The user is gone, with roles and all sessions. */
enum account_result account_delete(const struct realm *realm, struct arena *arena,
                                   const struct user *user);
/* Gives a role without an account_role_fault, or takes it; living sessions show it at once.
 * ACCOUNT_NOT_FOUND: they had it already, or have it not; ACCOUNT_INVALID: all roles together would be longer
 * than 1 KiB. */
enum account_result account_set_role(const struct realm *realm, struct arena *arena,
                                     const struct user *user, const char *role, bool has);
/* What is wrong with a text as a role, "must have …" (static); NULL: it may be one. */
const char *account_role_fault(const char *role);

#endif
