#include "domain/key_admin.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

/* Writing ---------------------------------------------------------------------------------------- */

/* Opens the directory and locks it against other administrators; -1: why says why not. */
static int lock(const char *directory, char *why, size_t why_size) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    snprintf(why, why_size, "%s: %s", directory, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Who may look into the directory may read its keys: a service that is started as a user of its own
 * does so as a member of the directory's group.  Else nobody but the owner may. */
static bool set_readers(int directory, int fd) {
    struct stat st;
    if (fstat(directory, &st) != 0)
        return false;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != (S_IRGRP | S_IXGRP))
        return fchmod(fd, 0600) == 0;
    return fchown(fd, (uid_t)-1, st.st_gid) == 0 && fchmod(fd, 0640) == 0;
}

static bool write_aside(int directory, const char *aside, const char *text) {
    int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = strlen(text);
    bool ok = fd >= 0 && set_readers(directory, fd) && write(fd, text, len) == (ssize_t)len &&
              fsync(fd) == 0;
    if (fd >= 0 && close(fd) < 0)
        ok = false;
    return ok;
}

/* Whole or not at all, also after a crash: written aside, synced, then given its name, which takes
 * the place of whatever had it. */
static bool put(int directory, const char *name, const char *text, char *why, size_t why_size) {
    char aside[KID_MAX + 48];
    snprintf(aside, sizeof aside, ".%s.new", name);
    if (write_aside(directory, aside, text) &&
        renameat(directory, aside, directory, name) == 0 && fsync(directory) == 0)
        return true;
    snprintf(why, why_size, "%s: %s", name, strerror(errno));
    unlinkat(directory, aside, 0);
    return false;
}

/* KID.hs256.WHAT */
static void file_name(char name[KID_MAX + 32], const char *kid, enum key_alg alg,
                      const char *what) {
    char lower[8] = "";
    const char *upper = key_alg_name(alg);
    for (size_t i = 0; upper[i] != '\0'; i++)
        lower[i] = (char)tolower((unsigned char)upper[i]);
    snprintf(name, KID_MAX + 32, "%s.%s.%s", kid, lower, what);
}

static bool put_mark(int directory, const char *kid, enum key_alg alg, const char *what, char *why,
                     size_t why_size) {
    char name[KID_MAX + 32], text[CLOCK_RFC3339_SIZE + 1];
    file_name(name, kid, alg, what);
    clock_rfc3339(clock_wall_ms(), text);
    strcat(text, "\n");
    return put(directory, name, text, why, why_size);
}

static bool put_signing(int directory, const char *kid, char *why, size_t why_size) {
    char line[KID_MAX + 2];
    snprintf(line, sizeof line, "%s\n", kid);
    return put(directory, "signing", line, why, why_size);
}

/* Making ----------------------------------------------------------------------------------------- */

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

/* A secret as long as the digest, as text. */
static char *new_secret(enum key_alg alg) {
    uint8_t secret[KEY_SECRET_MAX];
    size_t size = key_alg_min_secret(alg);
    char *text = calloc(1, BASE64URL_SIZE(KEY_SECRET_MAX) + 1);
    MUST(text != NULL);
    secret_random(secret, size);
    text[base64url_encode(secret, size, text)] = '\n';
    secret_wipe(secret, sizeof secret);
    return text;
}

static bool make_directory(const char *directory, char *why, size_t why_size) {
    if (mkdir(directory, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(why, why_size, "%s: %s", directory, strerror(errno));
    return false;
}

bool key_make(const char *directory, enum key_alg alg, char kid[KID_MAX + 1], char *why,
              size_t why_size) {
    char name[KID_MAX + 32];
    bool symmetric = key_alg_is_symmetric(alg);
    if (!make_directory(directory, why, why_size))
        return false;
    /* An RSA key takes its time; nobody need wait for the lock meanwhile. */
    char *text = symmetric ? new_secret(alg)
                           : pkey_generate(alg == KEY_RS256 ? PKEY_RSA : PKEY_P256);
    int fd = lock(directory, why, why_size);
    new_kid(kid);
    file_name(name, kid, alg, symmetric ? "key" : "pem");
    bool ok = fd >= 0 && put(fd, name, text, why, why_size);
    secret_wipe(text, strlen(text));
    free(text);
    /* Where no key signs yet, this one does. */
    ok = ok && (faccessat(fd, "signing", F_OK, 0) == 0 || put_signing(fd, kid, why, why_size));
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Rotating --------------------------------------------------------------------------------------- */

/* The key that signs, where there is no other; else NULL. */
static const struct key_entry *only_one(const struct key_scan *scan) {
    const struct key_entry *only = NULL;
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->entries[i].file[0] == '\0')
            continue;
        if (only != NULL)
            return NULL;
        only = &scan->entries[i];
    }
    return only != NULL && strcmp(only->kid, scan->signing) == 0 ? only : NULL;
}

/* The key that is to sign: the one of that kid, or the newest published one (kid NULL), or the only one.
 * NULL: why says why there is none. */
static const struct key_entry *choose(const char *directory, const struct key_scan *scan,
                                      const char *kid, char *why, size_t why_size) {
    const struct key_entry *newest = NULL;
    if (kid != NULL)
        newest = key_scan_find(scan, kid);
    for (size_t i = 0; kid == NULL && i < scan->count; i++) {
        const struct key_entry *entry = &scan->entries[i];
        struct key key;
        if (entry->file[0] == '\0' || key_entry_state(scan, entry, false) != KEY_PUBLISHED ||
            !key_entry_read(directory, entry, &key, why, why_size))
            continue;
        if (key_can_sign(&key))
            newest = entry;
        key_clear(&key);
    }
    if (newest == NULL && kid == NULL)
        newest = only_one(scan);
    if (newest != NULL)
        return newest;
    if (kid != NULL)
        snprintf(why, why_size, "there is no key %s; see gatehousectl key list", kid);
    else
        snprintf(why, why_size, "no key is published that has not signed yet; make one: "
                                "gatehousectl key new");
    return NULL;
}

/* Whether the key could sign; else why. */
static bool may_sign(const char *directory, const struct key_entry *entry, char *why,
                     size_t why_size) {
    struct key key;
    if (entry->retired_ns != 0 || entry->file[0] == '\0') {
        snprintf(why, why_size, "the key %s is retired; make another: gatehousectl key new",
                 entry->kid);
        return false;
    }
    if (!key_entry_read(directory, entry, &key, why, why_size))
        return false;
    bool ok = key_can_sign(&key);
    if (!ok)
        snprintf(why, why_size, "the key %s has no private half here; it only verifies",
                 entry->kid);
    key_clear(&key);
    return ok;
}

/* First the mark: after a crash between the two the old key still signs, and its mark means nothing. */
static bool hand_over(int fd, const struct key_scan *scan, const char *kid, char *why,
                      size_t why_size) {
    const struct key_entry *old = key_scan_find(scan, scan->signing);
    return (old == NULL || old->file[0] == '\0' ||
            put_mark(fd, old->kid, old->alg, "signed", why, why_size)) &&
           put_signing(fd, kid, why, why_size);
}

static enum key_outcome rotate(int fd, const char *directory, const struct key_scan *scan,
                               const char *kid, char now[KID_MAX + 1], char *why,
                               size_t why_size) {
    const struct key_entry *entry = choose(directory, scan, kid, why, why_size);
    if (entry == NULL || !may_sign(directory, entry, why, why_size))
        return KEY_REFUSED;
    snprintf(now, KID_MAX + 1, "%s", entry->kid);
    if (strcmp(scan->signing, entry->kid) == 0)
        return KEY_NOTHING_TO_DO;
    return hand_over(fd, scan, entry->kid, why, why_size) ? KEY_DONE : KEY_FAILED;
}

enum key_outcome key_rotate(const char *directory, const char *kid, char now[KID_MAX + 1],
                            char before[KID_MAX + 1], char *why, size_t why_size) {
    struct key_scan scan = {0};
    enum key_outcome outcome = KEY_FAILED;
    int fd = lock(directory, why, why_size);
    if (fd >= 0 && key_scan(directory, &scan, why, why_size))
        outcome = rotate(fd, directory, &scan, kid, now, why, why_size);
    snprintf(before, KID_MAX + 1, "%s", scan.signing);
    key_scan_free(&scan);
    if (fd >= 0)
        close(fd);
    return outcome;
}

/* Retiring --------------------------------------------------------------------------------------- */

/* The mark first: it alone is enough, whatever happens next. */
static enum key_outcome retire(int fd, const struct key_scan *scan, const char *kid, char *why,
                               size_t why_size) {
    const struct key_entry *entry = key_scan_find(scan, kid);
    char mark[KID_MAX + 32];
    if (entry == NULL) {
        snprintf(why, why_size, "there is no key %s; see gatehousectl key list", kid);
        return KEY_REFUSED;
    }
    if (strcmp(scan->signing, kid) == 0) {
        snprintf(why, why_size, "the key %s signs; let another sign first: gatehousectl key new, "
                                "then gatehousectl key rotate", kid);
        return KEY_REFUSED;
    }
    bool before = entry->retired_ns != 0;
    if (!before && !put_mark(fd, kid, entry->alg, "retired", why, why_size))
        return KEY_FAILED;
    file_name(mark, kid, entry->alg, "signed");
    unlinkat(fd, mark, 0);
    if (entry->file[0] != '\0' && unlinkat(fd, entry->file, 0) != 0) {
        snprintf(why, why_size, "the key is refused from now on, but its file is still there: %s: "
                                "%s", entry->file, strerror(errno));
        return KEY_FAILED;
    }
    fsync(fd);
    return before ? KEY_NOTHING_TO_DO : KEY_DONE;
}

enum key_outcome key_retire(const char *directory, const char *kid, char *why, size_t why_size) {
    struct key_scan scan = {0};
    enum key_outcome outcome = KEY_FAILED;
    int fd = lock(directory, why, why_size);
    if (fd >= 0 && key_scan(directory, &scan, why, why_size))
        outcome = retire(fd, &scan, kid, why, why_size);
    key_scan_free(&scan);
    if (fd >= 0)
        close(fd);
    return outcome;
}
