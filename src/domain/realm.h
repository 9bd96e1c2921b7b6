/*
 * realm: what every decision is made with.  One for each worker; everything is borrowed.
 */
#ifndef DOMAIN_REALM_H
#define DOMAIN_REALM_H

#include "base/conf.h"
#include "domain/keys.h"
#include "domain/token_cache.h"
#include "store/cache.h"
#include "store/db.h"
#include "store/sessions.h"

struct realm {
    const struct conf *conf;
    const struct keyring *keys;
    struct cache *cache;
    struct db *db;
    struct token_cache *tokens;
    struct audit *audit; /* NULL: nothing is recorded */
    struct last_login *last_logins;
};

/* The configured lives of sessions and refresh tokens. */
struct session_lives realm_lives(const struct realm *realm);

#endif
