#include "domain/site.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

#define PASSWORD_FILE_MAX 512

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

struct site *site_read(const char *path, enum site_keys keys, char *why, size_t why_size) {
    struct site *site = calloc(1, sizeof *site);
    MUST(site != NULL);
    site->conf = conf_read(path, why, why_size);
    bool ok = site->conf != NULL &&
              read_password(site->conf->redis_password_file, &site->redis_password, why,
                            why_size) &&
              read_password(site->conf->mariadb_password_file, &site->mariadb_password, why,
                            why_size);
    if (ok && keys == SITE_WITH_KEYS) {
        site->keys = keyring_read(site->conf->token_keys, why, why_size);
        ok = site->keys != NULL;
    }
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
}

void realm_close(struct realm *realm) {
    cache_free(&realm->cache);
    db_free(&realm->db);
    token_cache_free(&realm->tokens);
}
