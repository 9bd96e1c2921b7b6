#include "domain/token_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Each token has one place, chosen by its digest; a second token in the same place drives the first
 * out.  250 bytes an entry, touched only when used. */
#define PLACES 2048

struct token_cache {
    struct token_cache_entry entries[PLACES];
};

struct token_cache *token_cache_new(void) {
    struct token_cache *cache = calloc(1, sizeof *cache);
    MUST(cache != NULL);
    return cache;
}

void token_cache_free(struct token_cache **cache) {
    free(*cache);
    *cache = NULL;
}

void token_cache_clear(struct token_cache *cache) {
    memset(cache, 0, sizeof *cache);
}

static size_t place_of(const uint8_t digest[SHA256_SIZE]) {
    return ((size_t)digest[0] << 8 | digest[1]) % PLACES;
}

const struct token_cache_entry *token_cache_find(const struct token_cache *cache,
                                                 const char *token, size_t len,
                                                 uint8_t digest[SHA256_SIZE]) {
    secret_sha256(token, len, digest);
    const struct token_cache_entry *entry = &cache->entries[place_of(digest)];
    return entry->exp != 0 && memcmp(entry->digest, digest, SHA256_SIZE) == 0 ? entry : NULL;
}

void token_cache_add(struct token_cache *cache, const uint8_t digest[SHA256_SIZE], const char *sub,
                     const char *sid, const char *jti, int64_t exp) {
    struct token_cache_entry *entry = &cache->entries[place_of(digest)];
    MUST(strlen(sub) < TOKEN_CACHE_NAME && strlen(sid) < TOKEN_CACHE_NAME &&
         strlen(jti) < TOKEN_CACHE_NAME);
    memcpy(entry->digest, digest, SHA256_SIZE);
    snprintf(entry->sub, sizeof entry->sub, "%s", sub);
    snprintf(entry->sid, sizeof entry->sid, "%s", sid);
    snprintf(entry->jti, sizeof entry->jti, "%s", jti);
    entry->exp = exp;
}
