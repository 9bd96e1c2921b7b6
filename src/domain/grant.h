/*
 * grant: what a client is handed when it signs in or refreshes.
 */
#ifndef DOMAIN_GRANT_H
#define DOMAIN_GRANT_H

#include "domain/realm.h"

/* Tokens are secrets; sid and times are not. */
struct grant {
    const char *sid;
    const char *access_token;
    int64_t expires_in_s;
    const char *refresh_token;
    int64_t refresh_expires_in_s;
    const char *session_token; /* NULL after a refresh: the client has it, and nobody else */
    int64_t began_ms;          /* when the session was opened, by Redis's clock; 0 after a refresh */
    int64_t ends_in_s;         /* until the session's end, however busy */
};

/* A new access token for a session: fills access_token and expires_in_s.  False: it would be longer
 * than a token may be (logged). */
bool grant_access_token(const struct realm *realm, struct arena *arena,
                        const struct session_who *who, const char *sid, struct grant *grant);
/* Fills refresh_expires_in_s and ends_in_s of a session that ends in left_ms. */
void grant_set_lives(const struct realm *realm, int64_t left_ms, struct grant *grant);

#endif
