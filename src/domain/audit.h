/*
 * audit: what happened to whom, recorded in the database for people to read later.
 *
 * [audit] mode decides: off; best_effort: notes are kept in memory and written by audit_flush,
 * after the answers were sent, and one that cannot be written is a log line and a count; strict: a
 * note is written at once, in the transaction of the change where there is one, and what could not
 * be recorded has not happened (ANSWER_UNKNOWN and its like).  What ends a session is done even so,
 * since a thief must not stay because a table is full; only the answer is 503 then.
 */
#ifndef DOMAIN_AUDIT_H
#define DOMAIN_AUDIT_H

#include "base/json.h"
#include "domain/realm.h"

/* Their names are in audit.c, and gatehouse(8) explains them. */
enum audit_event {
    AUDIT_REGISTER,
    AUDIT_USER_IMPORT,
    AUDIT_LOGIN,
    AUDIT_LOGIN_REFUSED,
    AUDIT_LIMITED,
    AUDIT_LOGOUT,
    AUDIT_REFRESH,
    AUDIT_REFRESH_REUSED,
    AUDIT_SESSION_REVOKE,
    AUDIT_TOKEN_REVOKE,
    AUDIT_CONFIRM_REFUSED,
    AUDIT_PASSWORD_CHANGE,
    AUDIT_PROFILE_CHANGE,
    AUDIT_ROLE_CHANGE,
    AUDIT_USER_DISABLE,
    AUDIT_USER_ENABLE,
    AUDIT_USER_DELETE,
    AUDIT_CLIENT_ADD,
    AUDIT_CLIENT_DELETE,
    AUDIT_CLIENT_REFUSED,
    AUDIT_KEY_NEW,
    AUDIT_KEY_ROTATE,
    AUDIT_KEY_RETIRE,
    AUDIT_DB_MIGRATE,
    AUDIT_PRUNE,
    AUDIT_EVENT_COUNT
};

/* Whether there is an event of this name. */
bool audit_event_is_known(const char *name);

struct audit;

/* conf and db are borrowed. */
struct audit *audit_new(const struct conf *conf, struct db *db);
/* What was noted and not yet written is written first.  *audit may be NULL. */
void audit_free(struct audit **audit);

/* On whose behalf the following happens, and from where; texts are borrowed until the next scene.
 * actor: NULL: the user (user_id NULL: somebody who did not sign in). */
struct audit_scene {
    const char *actor, *user_id, *session, *address, *request_id;
};
/* audit NULL: nothing happens. */
void audit_set_scene(struct audit *audit, const struct audit_scene *scene);

/* What happened.  Members that are NULL are the scene's, or not known. */
struct audit_note {
    enum audit_event event;
    const char *user_id, *email; /* of whom it is about */
    const char *session;
    bool by_user;      /* the user whom it is about did it, and is not yet the scene's */
    const char *actor; /* somebody else did */
    json *details;     /* taken over */
};

/* {"name": "value", …}; names and values in turn, NULL at the end; values that are NULL are left
 * out. */
json *audit_details(const char *name, ...) __attribute__((sentinel));

/* False only in mode strict, when it failed; then the change must not be. */
bool audit_record(const struct realm *realm, const struct audit_note *note);
/* Of what a stranger can cause many: one in ten seconds of each process, with how many were left
 * out. Never a reason to refuse. */
void audit_record_seldom(const struct realm *realm, const struct audit_note *note);

/* Before a change in the database: in mode strict the change and its note are one transaction.  False: it
 * could not begin. */
bool audit_begin(const struct realm *realm);
/* After it, with what it came to.  YES is recorded and kept; else nothing is.  Returns changed, but UNKNOWN
 * where YES could not be recorded or kept, and may be there or not.  Takes over note's details. */
enum answer audit_settle(const struct realm *realm, enum answer changed,
                         const struct audit_note *note);

/* db_commit, whatever the mode, of a transaction that db_begin began, and its note. */
enum answer audit_commit(const struct realm *realm, const struct audit_note *note);

/* Writes what was noted, several notes in one transaction: a commit waits for MariaDB's disk. */
void audit_flush(const struct realm *realm);
/* The same, but only once there are many notes or they have waited for a moment: for callers that have other
 * requests to serve. */
void audit_flush_due(const struct realm *realm);
/* Whether something waits to be written. */
bool audit_has_notes(const struct realm *realm);
/* How many notes could not be written so far. */
uint64_t audit_lost(const struct realm *realm);

#endif
