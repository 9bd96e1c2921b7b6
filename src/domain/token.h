/*
 * token: access tokens, JWTs (RFC 7519) with the claims of RFC 9068.  The door to libjwt.
 *
 * libjwt signs them.  It does not check them: it lets the token choose the algorithm, ignores crit,
 * takes what is not base64url, keeps the last of two names, parses a PEM key anew for each token, and
 * checks nothing at all when it gets no key.  Signatures are checked in jws.c, claims here.
 */
#ifndef DOMAIN_TOKEN_H
#define DOMAIN_TOKEN_H

#include "base/arena.h"
#include "base/conf.h"
#include "domain/keys.h"

#define TOKEN_MAX_SIZE 4096

/* How far the clocks of the hosts that issue and verify tokens may be apart. */
#define TOKEN_MAX_SKEW_S 60

/* For how long a token must be refused that has so long to live by our clock ([token] leeway included): until
 * the host accepts it no more whose clock is the furthest behind.  0 or less: none accepts it. */
static inline int64_t token_left_anywhere(int64_t left_ms) {
    return left_ms + TOKEN_MAX_SKEW_S * 1000;
}

struct token_claims {
    const char *sub;   /* the user's id */
    const char *sid;   /* the session's id: 64 hex digits */
    const char *jti;   /* this token's own name */
    const char *email;
    const char *roles; /* separated by commas; "" for none */
    int64_t iat, exp;  /* seconds since 1970 */
};

enum token_verdict { TOKEN_GOOD, TOKEN_EXPIRED, TOKEN_BAD };

/* A new token in arena; jti, iat and exp are filled in from the clock and [token] access_ttl.
 * NULL when it would be longer than TOKEN_MAX_SIZE (too many roles). */
const char *token_sign(const struct keyring *keys, const struct conf *conf, struct arena *arena,
                       struct token_claims *claims);

/*
 * now_ms: the time to judge by.  TOKEN_GOOD: *claims (in arena) are filled; TOKEN_EXPIRED: good but
 * for its exp (and *claims are filled); TOKEN_BAD: *why says what is wrong, for logs and the command
 * line, never for clients.  Whether its session lives is not looked at.
 */
enum token_verdict token_verify(const struct keyring *keys, const struct conf *conf,
                                struct arena *arena, const char *token, size_t len, int64_t now_ms,
                                struct token_claims *claims, const char **why);

/* Whether a token with this exp is past it, [token] leeway included. */
bool token_is_expired(const struct conf *conf, int64_t exp, int64_t now_ms);

/* The header and the claims as JSON texts, unchecked: for people to look at.  False: not a JWT. */
bool token_peek(struct arena *arena, const char *token, size_t len, const char **header,
                const char **claims);

#endif
