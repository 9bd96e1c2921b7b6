/*
 * introspect: what a token of any kind is worth (RFC 7662), and the end of it (RFC 7009).
 */
#ifndef DOMAIN_INTROSPECT_H
#define DOMAIN_INTROSPECT_H

#include "domain/refresh.h"
#include "domain/session.h"

enum token_kind { TOKEN_OF_NO_KIND, TOKEN_ACCESS, TOKEN_SESSION, TOKEN_REFRESH };

struct introspection {
    enum token_kind kind;
    const char *sid;
    const char *jti; /* NULL: no access token */
    struct session_who who;
    int64_t iat, exp; /* seconds since 1970: when it was issued or its session began; when it dies */
};

/* YES: the token lives and *facts (in arena) are filled; NO: it is dead, or was never one.  For an
 * access or session token this is a use of its session. */
enum answer introspect_token(const struct realm *realm, struct arena *arena, const char *text,
                             size_t len, struct introspection *facts);

/*
 * A session or refresh token ends its session and all its tokens; an access token is blacklisted,
 * and its session goes on.  YES: done, facts->kind, ->sid and ->who.user_id say what it was and whose; NO:
 * there was nothing to end.  A refresh token that was spent ends its session as well.
 */
enum answer introspect_revoke(const struct realm *realm, struct arena *arena, const char *text,
                              size_t len, struct introspection *facts);

#endif
