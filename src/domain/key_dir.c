#include "domain/key_dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

#define SIGNING "signing"
/* While somebody writes to the directory, a name may be gone when its file is read. */
#define READ_TRIES 3

/* Names ------------------------------------------------------------------------------------------ */

enum file_kind { FILE_KEY, FILE_SIGNED, FILE_RETIRED };

static bool kid_is_sane(const char *kid, size_t len) {
    return len >= 1 && len <= KID_MAX &&
           strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") >= len;
}

/* "hs256" in front of a dot. */
static bool alg_of(const char *text, size_t len, enum key_alg *alg) {
    char name[8] = "";
    if (len >= sizeof name)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (isupper((unsigned char)text[i]))
            return false;
        name[i] = (char)toupper((unsigned char)text[i]);
    }
    return key_alg_read(name, alg);
}

/* KID.ALG.what; false: the name is not one of ours. */
static bool parse_name(const char *name, struct key_entry *entry, enum file_kind *kind) {
    const char *dot = strchr(name, '.'), *dot2 = dot != NULL ? strchr(dot + 1, '.') : NULL;
    if (dot2 == NULL || !kid_is_sane(name, (size_t)(dot - name)) ||
        !alg_of(dot + 1, (size_t)(dot2 - dot - 1), &entry->alg))
        return false;
    const char *key = key_alg_is_symmetric(entry->alg) ? "key" : "pem", *what = dot2 + 1;
    *kind = strcmp(what, "signed") == 0 ? FILE_SIGNED : strcmp(what, "retired") == 0 ? FILE_RETIRED
                                                                                    : FILE_KEY;
    snprintf(entry->kid, sizeof entry->kid, "%.*s", (int)(dot - name), name);
    return *kind != FILE_KEY || strcmp(what, key) == 0;
}

/* Scanning --------------------------------------------------------------------------------------- */

static int64_t ns_of(const struct timespec *time) {
    return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

/* Follows links, as whoever reads the file does. */
static bool stat_in(const char *directory, const char *name, struct stat *st) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, st) == 0;
}

static size_t trimmed(const char *text, size_t len) {
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return len;
}

struct key_entry *key_scan_find(const struct key_scan *scan, const char *kid) {
    for (size_t i = 0; i < scan->count; i++)
        if (strcmp(scan->entries[i].kid, kid) == 0)
            return &scan->entries[i];
    return NULL;
}

static struct key_entry *entry_of(struct key_scan *scan, const struct key_entry *parsed) {
    struct key_entry *entry = key_scan_find(scan, parsed->kid);
    if (entry != NULL)
        return entry;
    scan->entries = reallocarray(scan->entries, scan->count + 1, sizeof *scan->entries);
    MUST(scan->entries != NULL);
    scan->entries[scan->count] = *parsed;
    return &scan->entries[scan->count++];
}

static void add_file(struct key_scan *scan, const char *directory, const char *name) {
    struct key_entry parsed = {0};
    enum file_kind kind;
    struct stat st = {0};
    char path[4096];
    if (!parse_name(name, &parsed, &kind)) {
        snprintf(path, sizeof path, "%s/%s", directory, name);
        log_warning("a file among the keys is no key and was passed over", F_STR("file", path));
        return;
    }
    /* A link to nothing is found out when it is read. */
    (void)stat_in(directory, name, &st);
    struct key_entry *entry = entry_of(scan, &parsed);
    int64_t at = ns_of(&st.st_mtim) > 0 ? ns_of(&st.st_mtim) : 1;
    if (kind == FILE_SIGNED) {
        entry->signed_ns = at;
    } else if (kind == FILE_RETIRED) {
        entry->retired_ns = at;
    } else {
        entry->twice = entry->file[0] != '\0';
        entry->alg = parsed.alg;
        entry->made_ns = at;
        snprintf(entry->file, sizeof entry->file, "%s", name);
    }
}

/* What is wrong with the file is kept for who needs it: a rotation writes it anew. */
static void read_signing(struct key_scan *scan, const char *directory) {
    char path[4096];
    struct stat st;
    size_t len;
    snprintf(path, sizeof path, "%s/" SIGNING, directory);
    if (stat(path, &st) != 0 && errno == ENOENT) {
        snprintf(scan->signing_why, sizeof scan->signing_why,
                 "%s: not there, so no key signs; name one: gatehousectl key rotate KID", path);
        return;
    }
    char *kid = secret_read_file(path, KID_MAX + 2, &len, scan->signing_why,
                                 sizeof scan->signing_why);
    if (kid == NULL)
        return;
    len = trimmed(kid, len);
    if (kid_is_sane(kid, len) && stat(path, &st) == 0) {
        snprintf(scan->signing, sizeof scan->signing, "%.*s", (int)len, kid);
        scan->signing_ns = ns_of(&st.st_mtim);
    } else {
        snprintf(scan->signing_why, sizeof scan->signing_why,
                 "%s: names the key \"%.*s\", which is not there; name another: gatehousectl key "
                 "rotate KID", path, (int)len, kid);
    }
    free(kid);
}

static int by_age(const void *a, const void *b) {
    const struct key_entry *x = a, *y = b;
    if (x->made_ns != y->made_ns)
        return x->made_ns < y->made_ns ? -1 : 1;
    return strcmp(x->kid, y->kid);
}

static bool others_may_write(const char *directory) {
    struct stat st;
    return stat(directory, &st) != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

static const char *cure_of(int error) {
    switch (error) {
    case ENOENT:
        return "make a key: gatehousectl key new";
    case EACCES:
        return "let the user that starts gatehouse read it: chgrp -R to that user's group, chmod 750, and "
               "chmod 640 for the files";
    default:
        return "see [token] keys in the configuration";
    }
}

/* Its names, sorted, or -1 with errno; whoever may list them has to reach the files, too. */
static int list_names(const char *directory, struct dirent ***names) {
    int count = scandir(directory, names, NULL, alphasort);
    if (count < 0 || faccessat(AT_FDCWD, directory, X_OK, AT_EACCESS) == 0)
        return count;
    while (count > 0)
        free((*names)[--count]);
    free(*names);
    errno = EACCES;
    return -1;
}

bool key_scan(const char *directory, struct key_scan *scan, char *why, size_t why_size) {
    *scan = (struct key_scan){0};
    struct dirent **names;
    int count = list_names(directory, &names);
    if (count < 0) {
        snprintf(why, why_size, "%s: %s; %s", directory, strerror(errno), cure_of(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.' && strcmp(names[i]->d_name, SIGNING) != 0)
            add_file(scan, directory, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (scan->count > 0)
        qsort(scan->entries, scan->count, sizeof *scan->entries, by_age);
    read_signing(scan, directory);
    if (!others_may_write(directory))
        return true;
    snprintf(why, why_size, "%s: others may write to the keys; chmod 700 it", directory);
    return false;
}

void key_scan_free(struct key_scan *scan) {
    free(scan->entries);
    *scan = (struct key_scan){0};
}

/* States ----------------------------------------------------------------------------------------- */

const char *key_state_name(enum key_state state) {
    static const char *const names[] = {[KEY_SIGNING] = "signing",
                                        [KEY_PUBLISHED] = "published",
                                        [KEY_VERIFY_ONLY] = "verify-only",
                                        [KEY_RETIRED] = "retired"};
    return names[state];
}

enum key_state key_entry_state(const struct key_scan *scan, const struct key_entry *entry,
                               bool public_only) {
    if (entry->retired_ns != 0)
        return KEY_RETIRED;
    if (strcmp(entry->kid, scan->signing) == 0)
        return KEY_SIGNING;
    return entry->signed_ns != 0 || public_only ? KEY_VERIFY_ONLY : KEY_PUBLISHED;
}

int64_t key_entry_since(const struct key_scan *scan, const struct key_entry *entry,
                        enum key_state state) {
    int64_t ns = state == KEY_RETIRED       ? entry->retired_ns
                 : state == KEY_SIGNING     ? scan->signing_ns
                 : state == KEY_VERIFY_ONLY ? entry->signed_ns
                                            : entry->made_ns;
    return (ns != 0 ? ns : entry->made_ns) / 1000000;
}

/* Reading ---------------------------------------------------------------------------------------- */

/* The text of a secret becomes its bytes, in place; -1: why says why. */
static long decode_secret(const char *path, char *text, size_t len, enum key_alg alg, char *why,
                          size_t why_size) {
    long size = base64url_decode(text, trimmed(text, len), text);
    long min = (long)key_alg_min_secret(alg);
    if (size < 0)
        snprintf(why, why_size, "%s: not the base64url text of a key; make a new one: "
                                "gatehousectl key new", path);
    else if (size < min || size > KEY_SECRET_MAX)
        snprintf(why, why_size, "%s: the key has %ld bits, %s needs %ld to %d; make a new one: "
                                "gatehousectl key new --alg %s", path, size * 8,
                 key_alg_name(alg), min * 8, KEY_SECRET_MAX * 8, key_alg_name(alg));
    else
        return size;
    return -1;
}

bool key_entry_read(const char *directory, const struct key_entry *entry, struct key *key,
                    char *why, size_t why_size) {
    char path[4096];
    const char *reason = NULL;
    bool symmetric = key_alg_is_symmetric(entry->alg);
    size_t len;
    snprintf(path, sizeof path, "%s/%s", directory, entry->file);
    char *text = secret_read_file(path, symmetric ? 2 * KEY_SECRET_MAX : PEM_MAX, &len, why, why_size);
    if (text == NULL)
        return false;
    long size = symmetric ? decode_secret(path, text, len, entry->alg, why, why_size) : (long)len;
    bool ok = size >= 0 && key_from_bytes(entry->alg, text, (size_t)size, key, &reason);
    if (ok)
        memcpy(key->kid, entry->kid, sizeof key->kid);
    else if (reason != NULL)
        snprintf(why, why_size, "%s: no key for %s: %s; write the key without a passphrase (openssl "
                                "pkey), or make a new one: gatehousectl key new --alg %s", path,
                 key_alg_name(entry->alg), reason, key_alg_name(entry->alg));
    secret_wipe(text, len);
    free(text);
    return ok;
}

static bool add_entry(struct keyring *ring, const char *directory, const struct key_entry *entry,
                      char *why, size_t why_size) {
    struct key key;
    if (entry->twice)
        snprintf(why, why_size, "%s: several keys are named %s (%s is one); rename or remove all "
                                "but one", directory, entry->kid, entry->file);
    else if (keyring_count(ring) == KEYS_MAX)
        snprintf(why, why_size, "%s: more than %d keys; retire old ones: gatehousectl key retire",
                 directory, KEYS_MAX);
    else if (key_entry_read(directory, entry, &key, why, why_size)) {
        keyring_add(ring, &key);
        return true;
    }
    return false;
}

/* The ring is there; which key signs? */
static bool choose_signing(struct keyring *ring, const struct key_scan *scan,
                           const char *directory, char *why, size_t why_size) {
    const struct key_entry *entry = key_scan_find(scan, scan->signing);
    if (keyring_count(ring) == 0)
        snprintf(why, why_size, "%s: no key; make one: gatehousectl key new", directory);
    else if (scan->signing[0] == '\0')
        snprintf(why, why_size, "%s", scan->signing_why);
    else if (keyring_complete(ring, scan->signing))
        return true;
    else
        snprintf(why, why_size, "%s/" SIGNING ": names the key \"%s\", which %s; name another: "
                                "gatehousectl key rotate KID", directory, scan->signing,
                 entry != NULL && entry->retired_ns != 0 ? "is retired"
                 : entry != NULL && entry->file[0] != '\0' ? "has no private half"
                                                           : "is not there");
    return false;
}

static struct keyring *read_once(const char *directory, char *why, size_t why_size) {
    struct key_scan scan;
    struct keyring *ring = keyring_new();
    bool ok = key_scan(directory, &scan, why, why_size);
    for (size_t i = 0; ok && i < scan.count; i++)
        if (scan.entries[i].retired_ns == 0 && scan.entries[i].file[0] != '\0')
            ok = add_entry(ring, directory, &scan.entries[i], why, why_size);
    if (!ok || !choose_signing(ring, &scan, directory, why, why_size))
        keyring_free(&ring);
    key_scan_free(&scan);
    return ring;
}

struct keyring *keyring_read(const char *directory, char *why, size_t why_size) {
    struct keyring *ring;
    uint64_t before;
    int tries = 0;
    do {
        before = key_dir_print(directory);
        ring = read_once(directory, why, why_size);
    } while (ring == NULL && ++tries < READ_TRIES && key_dir_print(directory) != before);
    return ring;
}

/* Watching --------------------------------------------------------------------------------------- */

/* FNV-1a: against chance, not against anybody. */
static uint64_t mix(uint64_t print, const void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        print = (print ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return print;
}

uint64_t key_dir_print(const char *directory) {
    struct dirent **names;
    uint64_t print = UINT64_C(0xcbf29ce484222325);
    struct stat st;
    int count = stat(directory, &st) == 0 ? scandir(directory, &names, NULL, alphasort) : -1;
    if (count < 0)
        return 0;
    print = mix(print, &st.st_mode, sizeof st.st_mode);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.' && stat_in(directory, names[i]->d_name, &st)) {
            const int64_t facts[] = {(int64_t)st.st_ino, ns_of(&st.st_mtim), ns_of(&st.st_ctim),
                                     st.st_size, st.st_mode, st.st_uid};
            print = mix(mix(print, names[i]->d_name, strlen(names[i]->d_name)), facts, sizeof facts);
        }
        free(names[i]);
    }
    free(names);
    return print;
}
