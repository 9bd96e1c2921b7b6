/*
 * conf_table: conf_options.h as rows, for the files of conf alone (conf.c reads, conf_value.c turns
 * texts into values and back, conf_check.c judges them, conf_print.c writes them out).
 */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include "base/buf.h"
#include "base/conf.h"

enum option_kind {
    KIND_TEXT,
    KIND_CHOICE,
    KIND_BOOL,
    KIND_DURATION,
    KIND_SIZE,
    KIND_INT,
    KIND_RATE
};

/* Judges a text that is not empty; may shorten it in place to its normal form.  False: why says
 * what is allowed, and never holds the text itself (it may be a password). */
typedef bool option_check(char *text, char *why, size_t why_size);

struct option {
    const char *section; /* "" in a pool */
    const char *key;
    enum option_kind kind;
    const char *initial;   /* the default, as it would stand in the file */
    const char *min, *max; /* of durations, sizes and integers, else NULL */
    const char *choices;   /* "a|b", or NULL */
    option_check *check;   /* of texts; may be NULL */
    const char *explanation;
    size_t offset; /* in struct conf, or in struct conf_pool */
};

enum {
    CONF_OPTION_COUNT = 0
#define OPT_TEXT(...)     +1
#define OPT_CHOICE(...)   +1
#define OPT_BOOL(...)     +1
#define OPT_DURATION(...) +1
#define OPT_SIZE(...)     +1
#define OPT_INT(...)      +1
#define OPT_RATE(...)     +1
#include "base/conf_options.h"
#undef OPT_TEXT
#undef OPT_CHOICE
#undef OPT_BOOL
#undef OPT_DURATION
#undef OPT_SIZE
#undef OPT_INT
#undef OPT_RATE
};

enum {
    CONF_POOL_OPTION_COUNT = 0
#define OPT_TEXT(...)
#define OPT_CHOICE(...)
#define OPT_BOOL(...)
#define OPT_DURATION(...)
#define OPT_SIZE(...)
#define OPT_INT(...)
#define OPT_RATE(...)
#define POOL_TEXT(...)     +1
#define POOL_INT(...)      +1
#define POOL_DURATION(...) +1
#include "base/conf_options.h"
#undef OPT_TEXT
#undef OPT_CHOICE
#undef OPT_BOOL
#undef OPT_DURATION
#undef OPT_SIZE
#undef OPT_INT
#undef OPT_RATE
#undef POOL_TEXT
#undef POOL_INT
#undef POOL_DURATION
};

extern const struct option conf_options[CONF_OPTION_COUNT];
extern const struct option conf_pool_options[CONF_POOL_OPTION_COUNT]; /* listen is the first */

/* conf.c: the listen of a pool that is there without being asked for; NULL for other names. */
const char *conf_pool_initial_listen(const char *name);

/* conf_value.c: base is the struct conf or struct conf_pool that option lies in.  An empty text
 * means the default.  False: why says what is wrong and what is allowed. */
bool conf_value_set(void *base, const struct option *option, const char *text, char *why,
                    size_t why_size);
/* The value as conf_value_set takes it. */
void conf_value_print(const void *base, const struct option *option, struct buf *out);
/* Frees what the value holds (only texts hold something); the struct around it stays. */
void conf_value_free(void *base, const struct option *option);
/* conf_check.c: the functions that conf_options.h names. */
option_check check_base_path, check_path, check_redis_url, check_redis_prefix, check_name, check_mariadb_url,
    check_claim, check_cookie_name, check_cookie_domain, check_origins, check_listen, check_mode,
    check_peers;

/* What options demand of each other.  Returns NULL, or the member of conf that is to blame, as conf_blame
 * takes it, and why. */
const void *conf_check_whole(struct conf *conf, bool cost_given, char *why, size_t why_size);

#endif
