/*
 * conf: the configuration, read and checked before any socket is opened.
 *
 * Sources, the later one wins: the defaults, the INI file, the environment (GATEHOUSE_REDIS_URL for
 * [redis] url, GATEHOUSE_POOL_WEB_LISTEN for [pool.web] listen).  An unknown section or key, a value
 * out of its bounds, a key given twice and an unreadable file are errors with file and line.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_MAX_POOLS   8
#define CONF_MAX_WORKERS 512 /* of all pools together */

enum cookie_carries { COOKIE_CARRIES_SESSION, COOKIE_CARRIES_JWT };
enum transport { TRANSPORT_BOTH, TRANSPORT_BEARER, TRANSPORT_COOKIE };
enum password_scheme { PASSWORD_BCRYPT, PASSWORD_YESCRYPT };
enum audit_mode { AUDIT_OFF, AUDIT_BEST_EFFORT, AUDIT_STRICT };
enum access_log { ACCESS_LOG_NO, ACCESS_LOG_ERRORS, ACCESS_LOG_ALL };
enum register_mode { REGISTER_OPEN, REGISTER_CLOSED };

struct conf_rate {
    int64_t count;
    int64_t period_ms;
};

struct conf_pool {
    char name[32];
#define POOL_TEXT(key, ...)     char *key;
#define POOL_INT(key, ...)      int64_t key;
#define POOL_DURATION(key, ...) int64_t key;
#define OPT_TEXT(...)
#define OPT_CHOICE(...)
#define OPT_BOOL(...)
#define OPT_DURATION(...)
#define OPT_SIZE(...)
#define OPT_INT(...)
#define OPT_RATE(...)
#include "base/conf_options.h"
#undef POOL_TEXT
#undef POOL_INT
#undef POOL_DURATION
#undef OPT_TEXT
#undef OPT_CHOICE
#undef OPT_BOOL
#undef OPT_DURATION
#undef OPT_SIZE
#undef OPT_INT
#undef OPT_RATE
};

/* Texts are never NULL; empty where nothing was given.  Choices are the enums above and in log.h. */
struct conf {
#define OPT_TEXT(section, key, ...)     char *section##_##key;
#define OPT_CHOICE(section, key, ...)   int section##_##key;
#define OPT_BOOL(section, key, ...)     bool section##_##key;
#define OPT_DURATION(section, key, ...) int64_t section##_##key;
#define OPT_SIZE(section, key, ...)     int64_t section##_##key;
#define OPT_INT(section, key, ...)      int64_t section##_##key;
#define OPT_RATE(section, key, ...)     struct conf_rate section##_##key;
#include "base/conf_options.h"
#undef OPT_TEXT
#undef OPT_CHOICE
#undef OPT_BOOL
#undef OPT_DURATION
#undef OPT_SIZE
#undef OPT_INT
#undef OPT_RATE
    /* "web" and "login" are always there first; further ones in the order of the file. */
    struct conf_pool pools[CONF_MAX_POOLS];
    size_t pool_count;
    struct conf_origins *origins; /* conf.c's own: see conf_blame */
};

/*
 * Reads path; NULL: the built-in defaults and the environment alone.  On error returns NULL and
 * writes one sentence to error, "FILE:LINE: [section] key: what is wrong, what is allowed" or the
 * variable's name in place of FILE:LINE.  Free with conf_free (NULL allowed).
 */
struct conf *conf_read(const char *path, char *error, size_t error_size);
void conf_free(struct conf *conf);

/*
 * For whoever finds out later that a value is no good (a file that cannot be read, a user who is not there):
 * writes to out what conf_read would have written, "FILE:LINE: [section] key: why", for the option whose
 * value is at member, which points into conf (&conf->redis_password_file, &conf->pools[0].owner).
 */
void conf_blame(const struct conf *conf, const void *member, const char *why, char *out, size_t size);
/* Tells of each variable of the environment that begins with GATEHOUSE_ and names no option. */
void conf_stray_variables(const struct conf *conf, void (*tell)(const char *name));

/* Every effective value as an INI file that conf_read takes back (secrets in URLs as "***"). */
void conf_dump(const struct conf *conf, FILE *out);
/* A file with every option explained, and its default behind a comment sign. */
void conf_example(FILE *out);

#endif
