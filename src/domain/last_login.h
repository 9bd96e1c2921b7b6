/*
 * last_login: users.last_login_at in MariaDB, written after the answers were sent, many at once.
 *
 * A login is what its session says; when the user last came is for people to read.  So nobody waits
 * for it: a login is noted here, and what was noted shares a statement and a commit.  Until then the
 * session itself knows (session_who.began_ms).  What MariaDB does not take is kept and tried again;
 * what was noted in a process that is killed is lost.
 */
#ifndef DOMAIN_LAST_LOGIN_H
#define DOMAIN_LAST_LOGIN_H

#include "domain/realm.h"

/* At most so many users are remembered while MariaDB cannot be asked; then the oldest are dropped, and
 * the log says so. */
#define LAST_LOGIN_MOST 256

struct last_login;

/* db is borrowed. */
struct last_login *last_login_new(struct db *db);
/* What was noted is written first, if MariaDB takes it.  *logins may be NULL. */
void last_login_free(struct last_login **logins);

/* wall_ms: milliseconds since 1970. */
void last_login_note(struct last_login *logins, int64_t user_id, int64_t wall_ms);
/* Whether there is something that may be tried now. */
bool last_login_has_notes(const struct last_login *logins);
/* Tries to write all of it, for a second at the most. */
void last_login_flush(struct last_login *logins);
/* The same, but only once there are many or they have waited for a moment: for callers that have other
 * requests to serve. */
void last_login_flush_due(struct last_login *logins);

/* The later of what MariaDB holds (NULL: never) and a session's beginning (0: not known), RFC 3339 in
 * arena. */
const char *last_login_shown(struct arena *arena, const char *stored, int64_t began_ms);

#endif
