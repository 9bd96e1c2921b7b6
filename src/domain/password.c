#include "domain/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "domain/canon.h"

#define BCRYPT_MAX_BYTES   72  /* bcrypt reads no further: longer is refused, never cut */
#define YESCRYPT_MAX_BYTES 511 /* libxcrypt takes no more */
#define MIN_BCRYPT_COST    4
#define MAX_BCRYPT_COST    16
#define MAX_SHA_ROUNDS     1000000
#define MAX_MEMORY         (INT64_C(128) << 20) /* bytes that one hash of another kind may take */

/* 32 KiB that hold the password while it is hashed: one a process, wiped after each use. */
static struct crypt_data scratch;

static struct {
    void (*before)(void *), (*after)(void *);
    void *context;
} around;

void password_around(void (*before)(void *context), void (*after)(void *context), void *context) {
    around.before = before;
    around.after = after;
    around.context = context;
}

size_t password_max_bytes(const struct conf *conf) {
    return conf->password_scheme == PASSWORD_BCRYPT ? BCRYPT_MAX_BYTES : YESCRYPT_MAX_BYTES;
}

/* The beginning of a hash of today's kind with a cost, and a new salt. */
static bool new_setting(const struct conf *conf, int64_t cost,
                        char out[CRYPT_GENSALT_OUTPUT_SIZE]) {
    char random[32];
    const char *prefix = conf->password_scheme == PASSWORD_BCRYPT ? "$2y$" : "$y$";
    secret_random(random, sizeof random);
    char *setting = crypt_gensalt_rn(prefix, (unsigned long)cost, random, (int)sizeof random, out,
                                     CRYPT_GENSALT_OUTPUT_SIZE);
    if (setting == NULL)
        log_error("libxcrypt makes no salt of this kind", F_STR("prefix", prefix), F_ERRNO(errno));
    return setting != NULL;
}

/* bcrypt of the two least costs takes a millisecond or two: less than is lost where somebody waits for a
 * turn and has to be woken. */
static bool is_quick(const char *setting) {
    return strncmp(setting, "$2", 2) == 0 && setting[4] == '0' && setting[5] <= '5';
}

/* crypt_rn of a text that ends with a NUL; false when it fails or answers an error token. */
static bool run_crypt(const char *text, const char *setting, char out[PASSWORD_HASH_SIZE]) {
    bool takes_turns = !is_quick(setting);
    if (takes_turns && around.before != NULL)
        around.before(around.context);
    int64_t begun = metrics_clock();
    metrics_begin(TIMER_HASH);
    const char *hash = crypt_rn(text, setting, &scratch, (int)sizeof scratch);
    metrics_timer(TIMER_HASH, metrics_clock() - begun);
    if (takes_turns && around.after != NULL)
        around.after(around.context);
    bool ok = hash != NULL && hash[0] != '*' && strlen(hash) < PASSWORD_HASH_SIZE;
    if (ok)
        snprintf(out, PASSWORD_HASH_SIZE, "%s", hash);
    secret_wipe(&scratch, sizeof scratch);
    return ok;
}

bool password_hash(const struct conf *conf, const char *password, size_t len,
                   char out[PASSWORD_HASH_SIZE]) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    size_t size;
    char *text = canon_password(password, len, &size);
    bool ok = text != NULL && size <= password_max_bytes(conf) &&
              new_setting(conf, conf->password_cost, setting) && run_crypt(text, setting, out);
    if (text != NULL)
        secret_wipe(text, size);
    free(text);
    return ok;
}

/* A digit of crypt(5)'s own base 64 stands for its place in this order. */
static int itoa64_value(char c) {
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : 1000;
}

/* Whatever is configured for new hashes is within bounds. */
static bool bcrypt_in_bounds(const struct conf *conf, const char *hash) {
    bool todays = conf->password_scheme == PASSWORD_BCRYPT && conf->password_cost > MAX_BCRYPT_COST;
    int64_t most = todays ? conf->password_cost : MAX_BCRYPT_COST;
    int cost = hash[4] >= '0' && hash[4] <= '9' && hash[5] >= '0' && hash[5] <= '9'
                   ? (hash[4] - '0') * 10 + (hash[5] - '0')
                   : 1000;
    return cost >= MIN_BCRYPT_COST && cost <= most && hash[6] == '$' && strlen(hash) == 60;
}

static bool sha_in_bounds(const char *hash) {
    if (strncmp(hash + 3, "rounds=", 7) != 0)
        return true;
    return strtoul(hash + 10, NULL, 10) <= MAX_SHA_ROUNDS;
}

/* What scrypt and its kin take: N blocks of 128 r bytes; N = 2 to the power of log_n. */
static int64_t scrypt_memory(int log_n, int r) {
    return log_n <= 30 ? (INT64_C(128) * r) << log_n : INT64_MAX;
}

/* $y$ and $gy$: flags j, then N as a power of two, then r, each less one and a single digit; no further
 * parameters. */
static int64_t yescrypt_memory(const char *parameters) {
    if (parameters[0] != 'j' || itoa64_value(parameters[1]) >= 48 ||
        itoa64_value(parameters[2]) >= 48 || parameters[3] != '$')
        return INT64_MAX;
    return scrypt_memory(itoa64_value(parameters[1]) + 1, itoa64_value(parameters[2]) + 1);
}

/* Whatever is configured for new hashes is within bounds. */
static bool yescrypt_in_bounds(const struct conf *conf, const char *parameters) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    int64_t most = MAX_MEMORY;
    if (conf->password_scheme == PASSWORD_YESCRYPT && new_setting(conf, conf->password_cost, setting) &&
        yescrypt_memory(setting + 3) > most)
        most = yescrypt_memory(setting + 3);
    return yescrypt_memory(parameters) <= most;
}

/* $7$: N as a power of two, then r = 32 as libxcrypt writes it, or 8 as others do, and p = 1. */
static bool scrypt_in_bounds(const char *hash) {
    if (hash[3] == '\0')
        return false;
    int r = strncmp(hash + 4, "U..../....", 10) == 0   ? 32
            : strncmp(hash + 4, "6..../....", 10) == 0 ? 8
                                                       : 0;
    return r != 0 && scrypt_memory(itoa64_value(hash[3]), r) <= MAX_MEMORY;
}

bool password_is_verifiable(const struct conf *conf, const char *hash) {
    if (strncmp(hash, "$2a$", 4) == 0 || strncmp(hash, "$2b$", 4) == 0 ||
        strncmp(hash, "$2y$", 4) == 0)
        return bcrypt_in_bounds(conf, hash);
    if (strncmp(hash, "$5$", 3) == 0 || strncmp(hash, "$6$", 3) == 0)
        return sha_in_bounds(hash);
    if (strncmp(hash, "$y$", 3) == 0)
        return yescrypt_in_bounds(conf, hash + 3);
    if (strncmp(hash, "$gy$", 4) == 0)
        return yescrypt_in_bounds(conf, hash + 4);
    return strncmp(hash, "$7$", 3) == 0 && scrypt_in_bounds(hash);
}

bool password_hash_is_whole(const struct conf *conf, const char *hash) {
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *last = strrchr(hash, '$');
    if (strlen(hash) >= PASSWORD_HASH_SIZE || !password_is_verifiable(conf, hash))
        return false;
    size_t len = strncmp(hash, "$2", 2) == 0 ? 53 : strncmp(hash, "$6$", 3) == 0 ? 86 : 43;
    return strlen(last + 1) == len && strspn(last + 1, digits) == len &&
           crypt_checksalt(hash) != CRYPT_SALT_INVALID;
}

static bool matches(const char *text, const char *hash) {
    char computed[PASSWORD_HASH_SIZE];
    if (!run_crypt(text, hash, computed))
        return false;
    size_t size = strlen(hash);
    bool equal = strlen(computed) == size && secret_equal(computed, hash, size);
    secret_wipe(computed, sizeof computed);
    return equal;
}

static void spend_time(const struct conf *conf, const char *text, int64_t cost) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], computed[PASSWORD_HASH_SIZE];
    if (new_setting(conf, cost, setting))
        run_crypt(text, setting, computed);
}

/*
 * A wrong password for a hash that cost less than one of today would tell that there is such a user:
 * the rest is spent here.  bcrypt's time doubles with its cost, so that costs c, c, c + 1, ... n - 1
 * take together what n takes; other kinds have no common measure, and take a whole hash more.
 */
static void spend_the_rest(const struct conf *conf, const char *text, const char *hash) {
    int64_t today = conf->password_cost;
    bool bcrypt = strncmp(hash, "$2", 2) == 0;
    if (conf->password_scheme != PASSWORD_BCRYPT || !bcrypt) {
        if (password_is_outdated(conf, hash))
            spend_time(conf, text, today);
        return;
    }
    for (int64_t cost = (hash[4] - '0') * 10 + (hash[5] - '0'); cost < today; cost++)
        spend_time(conf, text, cost);
}

static bool verify_text(const struct conf *conf, const char *text, size_t len, const char *hash) {
    bool bcrypt = hash != NULL && strncmp(hash, "$2", 2) == 0;
    if (hash == NULL || !password_is_verifiable(conf, hash) || len > YESCRYPT_MAX_BYTES ||
        (bcrypt && len > BCRYPT_MAX_BYTES) || memchr(text, '\0', len) != NULL) {
        spend_time(conf, len <= YESCRYPT_MAX_BYTES ? text : "", conf->password_cost);
        return false;
    }
    bool good = matches(text, hash);
    if (!good)
        spend_the_rest(conf, text, hash);
    return good;
}

bool password_verify(const struct conf *conf, const char *password, size_t len, const char *hash) {
    size_t size;
    char *text = canon_password(password, len, &size);
    if (text == NULL) {
        spend_time(conf, "", conf->password_cost);
        return false;
    }
    bool same_bytes = size == len && memcmp(text, password, len) == 0;
    bool good = verify_text(conf, text, size, hash);
    secret_wipe(text, size);
    free(text);
    if (good || same_bytes)
        return good;
    /* A hash that another program made of the password as it was typed.  Tried for nobody, too, or
     * the time it takes would tell who exists. */
    char *typed = malloc(len + 1);
    MUST(typed != NULL);
    memcpy(typed, password, len);
    typed[len] = '\0';
    good = verify_text(conf, typed, len, hash);
    secret_wipe(typed, len);
    free(typed);
    return good;
}

void password_refuse(const struct conf *conf, const char *password, size_t len, const char *hash) {
    size_t size;
    char *text = canon_password(password, len, &size);
    if (text == NULL)
        return;
    spend_the_rest(conf, text, hash);
    secret_wipe(text, size);
    free(text);
}

bool password_is_outdated(const struct conf *conf, const char *hash) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!new_setting(conf, conf->password_cost, setting))
        return false;
    /* Both kinds have their parameters in the first seven bytes: "$2y$12$", "$y$j9T$". */
    return strncmp(hash, setting, 7) != 0;
}
