/*
 * users: the users in MariaDB.  Names are looked up by their canonical forms (domain/canon.h makes
 * them); this file compares and decides nothing.
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "store/db.h"

/* Texts live in the arena that the look-up was given. */
struct user {
    int64_t id;
    const char *id_text; /* the id as tokens and answers carry it */
    const char *email;
    const char *username;     /* NULL: none was given */
    const char *display_name; /* NULL: none was given */
    const char *password_hash;
    bool email_verified;
    bool disabled;
    const char *created_at;    /* RFC 3339 */
    const char *last_login_at; /* RFC 3339; NULL: never */
    const char *roles;         /* in order, separated by commas; "" for none */
    int64_t version;           /* grows when names or roles change */
    bool may_be_old;           /* read from a host that takes no writes, such as a primary of before */
};

/* YES: *user is filled; NO: there is none. */
enum answer users_by_id(struct db *db, struct arena *arena, int64_t id, struct user *user);
enum answer users_by_email(struct db *db, struct arena *arena, const char *canonical,
                           struct user *user);
enum answer users_by_username(struct db *db, struct arena *arena, const char *canonical,
                              struct user *user);
/* After one of these answered NO, whether it may be wrong.  YES: the host that was asked takes no writes, and
 * another may know of the user; NO: there is no such user. */
enum answer users_may_be_elsewhere(struct db *db, struct arena *arena);
/* The next page after an id, at most limit users; NULL: MariaDB could not be asked. */
struct user *users_list(struct db *db, struct arena *arena, int64_t after, int64_t limit,
                        size_t *count);

/* Why a name could not be taken. */
enum users_taken { USERS_TAKEN_EMAIL, USERS_TAKEN_USERNAME };

struct user_names {
    const char *email, *email_canonical;
    const char *username, *username_canonical; /* NULL: none */
    const char *display_name;                  /* NULL: none */
};

/* NO: *taken says which name somebody else has. */
enum answer users_insert(struct db *db, struct arena *arena, const struct user_names *names,
                         const char *password_hash, int64_t *id, enum users_taken *taken);
/* username, username_canonical and display_name of names; NO: the username is taken.  *outdated (with YES):
 * nothing was done, because somebody changed or deleted the user since they were read. */
enum answer users_set_profile(struct db *db, struct arena *arena, const struct user *user,
                              const struct user_names *names, bool *outdated);

/* Many users at once, for an import ------------------------------------------------------------- */

struct user_key {
    int64_t id;
    const char *email_canonical, *username_canonical; /* NULL: none */
};
/* Who of count emails (usernames) is there, in no order; *found receives how many.  NULL: MariaDB could
 * not be asked. */
struct user_key *users_with_emails(struct db *db, struct arena *arena, const char *const *canonical,
                                   size_t count, size_t *found);
struct user_key *users_with_usernames(struct db *db, struct arena *arena,
                                      const char *const *canonical, size_t count, size_t *found);
struct user_new {
    struct user_names names;
    const char *password_hash;
    bool email_verified, disabled;
};
/* NO: somebody has one of these names by now, and nobody was inserted. */
enum answer users_insert_many(struct db *db, struct arena *arena, const struct user_new *users,
                              size_t count);
struct user_role {
    int64_t user_id;
    const char *role;
};
/* Gives them all, in one statement; whoever has a role already keeps it.  YES or UNKNOWN. */
enum answer users_add_roles(struct db *db, struct arena *arena, const struct user_role *roles,
                            size_t count);

/*
 * For the following NO means that nobody matched: no such user, or one that was disabled or given
 * another password meanwhile.
 */
/* A login's look whether the user is as they were read before; new_hash: what the hash is to be from now
 * on, user's own where that stays. */
enum answer users_logged_in(struct db *db, struct arena *arena, const struct user *user,
                            const char *new_hash);
/* old_hash: the one that must still be there. */
enum answer users_change_password(struct db *db, struct arena *arena, int64_t id,
                                  const char *old_hash, const char *new_hash);
enum answer users_set_password(struct db *db, struct arena *arena, int64_t id, const char *new_hash);
enum answer users_set_disabled(struct db *db, struct arena *arena, int64_t id, bool disabled);
enum answer users_delete(struct db *db, struct arena *arena, int64_t id);
/* These users (at least 1) signed in at that time, milliseconds since 1970; a later one that is there
 * already stays.  YES, also where some of them are gone, or UNKNOWN. */
enum answer users_set_last_login(struct db *db, struct arena *arena, const int64_t *ids,
                                 size_t count, int64_t wall_ms);
/* Both move the user's version on after the change.  NO: the user has it already; has it not. */
enum answer users_add_role(struct db *db, struct arena *arena, int64_t id, const char *role);
enum answer users_remove_role(struct db *db, struct arena *arena, int64_t id, const char *role);

#endif
