/*
 * token_cache: access tokens whose signature this worker has seen to be good.
 *
 * A page asks for the same token again and again; its signature and claims are checked once, and
 * remembered under the token's SHA-256.  What changes with time is not remembered: the caller looks
 * at exp each time, and at the session in Redis always.  A keyring's tokens go with it: who takes up
 * another ring forgets them all.
 */
#ifndef DOMAIN_TOKEN_CACHE_H
#define DOMAIN_TOKEN_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

struct token_cache;

#define TOKEN_CACHE_NAME 65 /* sub and jti have at most 64 characters, sid has 64 */

struct token_cache_entry {
    uint8_t digest[SHA256_SIZE];
    char sub[TOKEN_CACHE_NAME], sid[TOKEN_CACHE_NAME], jti[TOKEN_CACHE_NAME];
    int64_t exp; /* seconds since 1970; 0: the entry is free */
};

/* An empty one (0.5 MiB, touched as it is used). */
struct token_cache *token_cache_new(void);
/* Clears the pointer; *cache may be NULL. */
void token_cache_free(struct token_cache **cache);
/* Forgets every token. */
void token_cache_clear(struct token_cache *cache);

/* The entry of this very token; NULL: it is not known.  digest receives the token's, for add. */
const struct token_cache_entry *token_cache_find(const struct token_cache *cache,
                                                 const char *token, size_t len,
                                                 uint8_t digest[SHA256_SIZE]);
/* Remembers a token that was verified, in place of an older one perhaps. */
void token_cache_add(struct token_cache *cache, const uint8_t digest[SHA256_SIZE], const char *sub,
                     const char *sid, const char *jti, int64_t exp);

#endif
