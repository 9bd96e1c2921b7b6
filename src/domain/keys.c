#include "domain/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

#define MAX_KEYS   64
#define SUFFIX     ".hs256.key"
#define MIN_SECRET 32 /* HS256: as long as its digest at least */
#define NEW_SECRET 32

struct keyring {
    struct key keys[MAX_KEYS];
    size_t count;
    const struct key *signing;
};

const char *key_alg_name(enum key_alg alg) {
    static const char *const names[] = {[KEY_HS256] = "HS256"};
    return names[alg];
}

static bool kid_is_sane(const char *kid, size_t len) {
    return len >= 1 && len <= KID_MAX &&
           strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") >= len;
}

/* The kid in a file name; false: the name is not one of a key. */
static bool kid_of_file(const char *name, char kid[KID_MAX + 1]) {
    size_t len = strlen(name), suffix = strlen(SUFFIX);
    if (len <= suffix || strcmp(name + len - suffix, SUFFIX) != 0 ||
        !kid_is_sane(name, len - suffix))
        return false;
    memcpy(kid, name, len - suffix);
    kid[len - suffix] = '\0';
    return true;
}

static size_t trimmed(const char *text, size_t len) {
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return len;
}

static bool read_secret(const char *path, struct key *key, char *why, size_t why_size) {
    size_t len;
    char *text = secret_read_file(path, 2 * KEY_MAX_SIZE, &len, why, why_size);
    if (text == NULL)
        return false;
    uint8_t bytes[2 * KEY_MAX_SIZE];
    long size = base64url_decode(text, trimmed(text, len), bytes);
    secret_wipe(text, len);
    free(text);
    bool ok = size >= MIN_SECRET && size <= KEY_MAX_SIZE;
    if (size < 0)
        snprintf(why, why_size, "%s: not the base64url text of a key; make a new one: "
                                "gatehousectl key new", path);
    else if (!ok)
        snprintf(why, why_size, "%s: the key has %ld bits, HS256 needs 256 to 1024; make a new "
                                "one: gatehousectl key new", path, size * 8);
    else
        memcpy(key->secret, bytes, (size_t)size);
    key->secret_len = ok ? (size_t)size : 0;
    secret_wipe(bytes, sizeof bytes);
    return ok;
}

/* One entry of the directory; names that are no key's are passed over with a warning. */
static bool read_entry(struct keyring *ring, const char *directory, const char *name, char *why,
                       size_t why_size) {
    if (name[0] == '.' || strcmp(name, "signing") == 0)
        return true;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char kid[KID_MAX + 1];
    if (!kid_of_file(name, kid)) {
        log_warning("a file among the keys is no key and was passed over", F_STR("file", path));
        return true;
    }
    if (ring->count == MAX_KEYS) {
        snprintf(why, why_size, "%s: more than %d keys", directory, MAX_KEYS);
        return false;
    }
    struct key *key = &ring->keys[ring->count];
    memcpy(key->kid, kid, sizeof kid);
    key->alg = KEY_HS256;
    if (!read_secret(path, key, why, why_size))
        return false;
    ring->count++;
    return true;
}

static bool read_directory(struct keyring *ring, const char *directory, char *why,
                           size_t why_size) {
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        snprintf(why, why_size, "%s: %s; make a key: gatehousectl key new", directory,
                 strerror(errno));
        return false;
    }
    struct stat st;
    bool ok = fstat(dirfd(dir), &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!ok)
        snprintf(why, why_size, "%s: others may write to the keys; chmod 700 it", directory);
    struct dirent *entry;
    while (ok && (entry = readdir(dir)) != NULL)
        ok = read_entry(ring, directory, entry->d_name, why, why_size);
    closedir(dir);
    return ok;
}

static bool choose_signing(struct keyring *ring, const char *directory, char *why,
                           size_t why_size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/signing", directory);
    if (ring->count == 0) {
        snprintf(why, why_size, "%s: no key; make one: gatehousectl key new", directory);
        return false;
    }
    size_t len;
    char *kid = secret_read_file(path, KID_MAX + 2, &len, why, why_size);
    if (kid == NULL)
        return false;
    ring->signing = keyring_find(ring, kid, trimmed(kid, len));
    if (ring->signing == NULL)
        snprintf(why, why_size, "%s: names the key \"%.*s\", which is not there", path,
                 (int)trimmed(kid, len), kid);
    free(kid);
    return ring->signing != NULL;
}

struct keyring *keyring_read(const char *directory, char *why, size_t why_size) {
    struct keyring *ring = calloc(1, sizeof *ring);
    MUST(ring != NULL);
    if (!read_directory(ring, directory, why, why_size) ||
        !choose_signing(ring, directory, why, why_size))
        keyring_free(&ring);
    return ring;
}

void keyring_free(struct keyring **ring) {
    if (ring == NULL || *ring == NULL)
        return;
    secret_wipe(*ring, sizeof **ring);
    free(*ring);
    *ring = NULL;
}

const struct key *keyring_signing(const struct keyring *ring) {
    MUST(ring->signing != NULL && ring->signing->secret_len >= MIN_SECRET);
    return ring->signing;
}

const struct key *keyring_find(const struct keyring *ring, const char *kid, size_t len) {
    for (size_t i = 0; i < ring->count; i++)
        if (strlen(ring->keys[i].kid) == len && memcmp(ring->keys[i].kid, kid, len) == 0)
            return &ring->keys[i];
    return NULL;
}

/* Who may look into the directory may read its keys: a service that is started as a user of its own
 * does so as a member of the directory's group.  Else nobody but the owner may. */
static bool set_readers(const char *directory, int fd) {
    struct stat st;
    if (stat(directory, &st) != 0)
        return false;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != (S_IRGRP | S_IXGRP))
        return fchmod(fd, 0600) == 0;
    return fchown(fd, (uid_t)-1, st.st_gid) == 0 && fchmod(fd, 0640) == 0;
}

/* Whole or not at all: written aside, synced, then given its name, which must be free. */
static bool write_new(const char *directory, const char *name, const char *text, char *why,
                      size_t why_size) {
    char path[4096], aside[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(aside, sizeof aside, "%s/.%s.new", directory, name);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = strlen(text);
    bool ok = fd >= 0 && set_readers(directory, fd) && write(fd, text, len) == (ssize_t)len &&
              fsync(fd) == 0;
    if (fd >= 0 && close(fd) < 0)
        ok = false;
    ok = ok && link(aside, path) == 0;
    if (!ok)
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
    unlink(aside);
    return ok;
}

/* Sortable by age, and never the same twice. */
static void new_kid(char kid[KID_MAX + 1]) {
    uint8_t random[4];
    char hex[HEX_SIZE(sizeof random)], day[16];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(day, sizeof day, "%Y%m%d", &utc);
    secret_random(random, sizeof random);
    hex_encode(random, sizeof random, hex);
    snprintf(kid, KID_MAX + 1, "%s-%s", day, hex);
}

static bool make_directory(const char *directory, char *why, size_t why_size) {
    if (mkdir(directory, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(why, why_size, "%s: %s", directory, strerror(errno));
    return false;
}

bool key_make(const char *directory, enum key_alg alg, char kid[KID_MAX + 1], char *why,
              size_t why_size) {
    MUST(alg == KEY_HS256);
    if (!make_directory(directory, why, why_size))
        return false;
    uint8_t secret[NEW_SECRET];
    char text[BASE64URL_SIZE(NEW_SECRET) + 1], name[KID_MAX + sizeof SUFFIX], line[KID_MAX + 2];
    secret_random(secret, sizeof secret);
    size_t len = base64url_encode(secret, sizeof secret, text);
    text[len] = '\n';
    text[len + 1] = '\0';
    new_kid(kid);
    snprintf(name, sizeof name, "%s" SUFFIX, kid);
    snprintf(line, sizeof line, "%s\n", kid);
    bool ok = write_new(directory, name, text, why, why_size);
    secret_wipe(secret, sizeof secret);
    secret_wipe(text, sizeof text);
    /* Where no key signs yet, this one does. */
    char signing[4096];
    snprintf(signing, sizeof signing, "%s/signing", directory);
    return ok && (access(signing, F_OK) == 0 ||
                  write_new(directory, "signing", line, why, why_size));
}
