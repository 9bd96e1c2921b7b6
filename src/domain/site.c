#include "domain/site.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "domain/audit.h"
#include "domain/key_dir.h"
#include "domain/last_login.h"

#define PASSWORD_FILE_MAX 512
#define SECRET_MIN        16

/* Where reading a site stops, and why. */
struct complaint {
    const struct conf *conf;
    char *text;
    size_t size;
};

/* Always false. */
static bool complain(const struct complaint *to, const void *member, const char *why) {
    conf_blame(to->conf, member, why, to->text, to->size);
    return false;
}

/* The file's first line; *password stays NULL where no file is configured. */
static bool read_password(const struct complaint *to, char *const *path, char **password) {
    char why[512];
    size_t len;
    if ((*path)[0] == '\0')
        return true;
    *password = secret_read_file(*path, PASSWORD_FILE_MAX, &len, why, sizeof why);
    if (*password == NULL)
        return complain(to, path, why);
    (*password)[strcspn(*password, "\r\n")] = '\0';
    if ((*password)[0] != '\0')
        return true;
    snprintf(why, sizeof why, "the first line of %s is empty: write the secret there", *path);
    return complain(to, path, why);
}

static bool read_passwords(struct site *site, const struct complaint *to) {
    const struct conf *conf = site->conf;
    return read_password(to, &conf->redis_password_file, &site->redis_password) &&
           read_password(to, &conf->redis_sentinel_password_file, &site->sentinel_password) &&
           read_password(to, &conf->mariadb_password_file, &site->mariadb_password);
}

static bool read_keys(struct site *site, const struct complaint *to) {
    char why[1024];
    site->keys = keyring_read(site->conf->token_keys, why, sizeof why);
    return site->keys != NULL || complain(to, &site->conf->token_keys, why);
}

/* Workers read them, who may be others than we: whether they are there. */
static bool certificates_are_there(const struct complaint *to) {
    const struct conf *conf = to->conf;
    char *const *files[] = {&conf->redis_tls_ca,   &conf->redis_tls_cert,   &conf->redis_tls_key,
                            &conf->mariadb_tls_ca, &conf->mariadb_tls_cert, &conf->mariadb_tls_key};
    char why[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if ((*files[i])[0] == '\0' || access(*files[i], F_OK) == 0)
            continue;
        snprintf(why, sizeof why, "%s: %s", *files[i], strerror(errno));
        return complain(to, files[i], why);
    }
    return true;
}

/* name: a user's, or a group's; empty: none is wanted. */
static bool account_is_there(const struct complaint *to, char *const *name, bool is_group) {
    char why[160];
    if ((*name)[0] == '\0' || (is_group ? getgrnam(*name) != NULL : getpwnam(*name) != NULL))
        return true;
    snprintf(why, sizeof why, "%.64s is no %s of this system: create it, or name another", *name,
             is_group ? "group" : "user");
    return complain(to, name, why);
}

/* Said here, where the line is known; the pool itself (pool/privileges.c) would refuse it too. */
static bool user_is_not_root(const struct complaint *to) {
    const struct passwd *user = getpwnam(to->conf->server_user);
    return user == NULL || user->pw_uid != 0 ||
           complain(to, &to->conf->server_user,
                    "workers never run as root: set user to another one, or to none");
}

static bool read_guards(struct site *site, size_t i, const struct complaint *to) {
    const struct conf_pool *pool = &site->conf->pools[i];
    char why[256];
    if (!account_is_there(to, &pool->owner, false) || !account_is_there(to, &pool->group, true) ||
        !read_password(to, &pool->secret_file, &site->secrets[i]))
        return false;
    if (site->secrets[i] != NULL && strlen(site->secrets[i]) < SECRET_MIN) {
        snprintf(why, sizeof why,
                 "the secret in it has less than %d bytes; make one with openssl rand -hex 32", SECRET_MIN);
        return complain(to, &pool->secret_file, why);
    }
    site->peers[i] = peers_new(pool->peers, why, sizeof why);
    return site->peers[i] != NULL || complain(to, &pool->peers, why);
}

static bool read_all_guards(struct site *site, const struct complaint *to) {
    if (!account_is_there(to, &site->conf->server_user, false) ||
        !account_is_there(to, &site->conf->server_group, true) || !user_is_not_root(to) ||
        !certificates_are_there(to))
        return false;
    for (size_t i = 0; i < site->conf->pool_count; i++)
        if (!read_guards(site, i, to))
            return false;
    return true;
}

struct site *site_read(const char *path, enum site_keys keys, char *why, size_t why_size) {
    struct site *site = calloc(1, sizeof *site);
    MUST(site != NULL);
    site->conf = conf_read(path, why, why_size);
    struct complaint to = {.conf = site->conf, .text = why, .size = why_size};
    if (site->conf == NULL || !read_passwords(site, &to) ||
        (keys != SITE_WITHOUT_KEYS && !read_keys(site, &to)) ||
        (keys == SITE_TO_SERVE && !read_all_guards(site, &to)))
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
