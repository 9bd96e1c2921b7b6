#include "domain/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "domain/audit.h"
#include "domain/key_dir.h"
#include "domain/last_login.h"

#define PASSWORD_FILE_MAX 512
#define SECRET_MIN        16

/* The file's first line; *password stays NULL where no file is configured. */
static bool read_password(const char *path, char **password, char *why, size_t why_size) {
    size_t len;
    if (path[0] == '\0')
        return true;
    *password = secret_read_file(path, PASSWORD_FILE_MAX, &len, why, why_size);
    if (*password == NULL)
        return false;
    (*password)[strcspn(*password, "\r\n")] = '\0';
    return true;
}

static bool read_guards(struct site *site, size_t i, char *why, size_t why_size) {
    const struct conf_pool *pool = &site->conf->pools[i];
    char reason[160];
    if (!read_password(pool->secret_file, &site->secrets[i], why, why_size))
        return false;
    if (site->secrets[i] != NULL && strlen(site->secrets[i]) < SECRET_MIN) {
        snprintf(why, why_size, "[pool.%s] secret_file: %s: the secret has less than %d bytes; make one "
                                "with openssl rand -hex 32", pool->name, pool->secret_file, SECRET_MIN);
        return false;
    }
    site->peers[i] = peers_new(pool->peers, reason, sizeof reason);
    if (site->peers[i] == NULL)
        snprintf(why, why_size, "[pool.%s] peers: %s", pool->name, reason);
    return site->peers[i] != NULL;
}

struct site *site_read(const char *path, enum site_keys keys, char *why, size_t why_size) {
    struct site *site = calloc(1, sizeof *site);
    MUST(site != NULL);
    site->conf = conf_read(path, why, why_size);
    bool ok = site->conf != NULL &&
              read_password(site->conf->redis_password_file, &site->redis_password, why,
                            why_size) &&
              read_password(site->conf->redis_sentinel_password_file, &site->sentinel_password, why,
                            why_size) &&
              read_password(site->conf->mariadb_password_file, &site->mariadb_password, why,
                            why_size);
    if (ok && keys != SITE_WITHOUT_KEYS) {
        site->keys = keyring_read(site->conf->token_keys, why, why_size);
        ok = site->keys != NULL;
    }
    for (size_t i = 0; ok && keys == SITE_TO_SERVE && i < site->conf->pool_count; i++)
        ok = read_guards(site, i, why, why_size);
    if (!ok)
        site_free(&site);
    return site;
}

static void free_password(char *password) {
    if (password != NULL)
        secret_wipe(password, strlen(password));
    free(password);
}

void site_free(struct site **site) {
    if (site == NULL || *site == NULL)
        return;
    keyring_free(&(*site)->keys);
    free_password((*site)->redis_password);
    free_password((*site)->mariadb_password);
    free_password((*site)->sentinel_password);
    for (size_t i = 0; i < CONF_MAX_POOLS; i++) {
        free_password((*site)->secrets[i]);
        peers_free(&(*site)->peers[i]);
    }
    conf_free((*site)->conf);
    free(*site);
    *site = NULL;
}

void realm_open(struct realm *realm, const struct site *site, struct site_gates *gates) {
    *realm = (struct realm){
        .conf = site->conf,
        .keys = site->keys,
        .cache = cache_new(site->conf, site->redis_password, &gates->redis),
        .db = db_new(site->conf, site->mariadb_password, &gates->mariadb),
        .tokens = token_cache_new(),
    };
    realm->audit = audit_new(site->conf, realm->db);
    realm->last_logins = last_login_new(realm->db);
    cache_set_sentinel_password(realm->cache, site->sentinel_password);
}

void realm_close(struct realm *realm) {
    audit_free(&realm->audit);
    last_login_free(&realm->last_logins);
    cache_free(&realm->cache);
    db_free(&realm->db);
    token_cache_free(&realm->tokens);
}
