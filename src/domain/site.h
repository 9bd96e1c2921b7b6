/*
 * site: all that is read before anything is opened: configuration, keys, passwords of the stores.
 * The service and the command line begin with it.
 */
#ifndef DOMAIN_SITE_H
#define DOMAIN_SITE_H

#include "base/peers.h"
#include "domain/realm.h"

struct site {
    struct conf *conf;
    struct keyring *keys;   /* NULL when they were not asked for */
    char *redis_password;   /* NULL: none in a file */
    char *mariadb_password; /* NULL: none in a file */
    char *sentinel_password; /* NULL: none in a file */
    /* Of conf's pools, where they were asked for: who may connect, and with what secret (NULL: none). */
    struct peers *peers[CONF_MAX_POOLS];
    char *secrets[CONF_MAX_POOLS];
};

/* SITE_TO_SERVE: with the keys, and what guards the pools. */
enum site_keys { SITE_WITHOUT_KEYS, SITE_WITH_KEYS, SITE_TO_SERVE };

/* Reads the configuration (path NULL: defaults and environment), the password files and what else was
 * asked for.  NULL: why is a sentence that names file, line and cure.  Free with site_free. */
struct site *site_read(const char *path, enum site_keys keys, char *why, size_t why_size);
/* Wipes what is secret; *site may be NULL. */
void site_free(struct site **site);

/* Gates that the processes of one service share. */
struct site_gates {
    struct gate redis, mariadb;
};

/* A realm with connections of its own (opened on first use); everything else is the site's, which
 * must outlive it. */
void realm_open(struct realm *realm, const struct site *site, struct site_gates *gates);
/* Writes what is still noted for the audit trail and of logins, and closes the connections. */
void realm_close(struct realm *realm);

#endif
