/*
 * How the file is read: lines of at most 4096 bytes in UTF-8, ended by LF or CRLF.  A line whose
 * first sign is # or ; is a comment, and nothing else is: a value goes to the end of its line, less
 * the white space around it, and is taken literally, # and ; included.  Quotes around a whole value
 * are taken off (and keep white space in).  An empty value means the default.  A section may be
 * opened again; a key may not be given again.
 */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

enum { MAX_LINE = 4096, FROM_DEFAULT = 0, FROM_ENVIRONMENT = -1 };

/* Where each value came from: FROM_DEFAULT, FROM_ENVIRONMENT, or the line of the file. */
struct conf_origins {
    char *path; /* NULL: no file was read */
    int from[CONF_OPTION_COUNT];
    int pool_from[CONF_MAX_POOLS][CONF_POOL_OPTION_COUNT];
};

struct reader {
    struct conf *conf;
    struct conf_origins *origins; /* the conf's own */
    const char *path;
    char *error;
    size_t error_size;
    int line;
    const char *section;    /* of the table; NULL before the first and in a pool */
    struct conf_pool *pool; /* NULL outside */
    int pool_line[CONF_MAX_POOLS];
};

static bool fail_line(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool fail_line(struct reader *r, const char *format, ...) {
    va_list args;
    int len = snprintf(r->error, r->error_size, "%s:%d: ", r->path, r->line);
    va_start(args, format);
    if (len >= 0 && (size_t)len < r->error_size)
        vsnprintf(r->error + len, r->error_size - (size_t)len, format, args);
    va_end(args);
    return false;
}

static void variable_name(const struct option *option, const struct conf_pool *pool, char *out,
                          size_t size) {
    snprintf(out, size, "GATEHOUSE_%s_%s_%s", pool ? "POOL" : option->section,
             pool ? pool->name : option->key, pool ? option->key : "");
    size_t len = strlen(out);
    if (!pool)
        out[len - 1] = '\0';
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static void say_where(const char *path, const struct option *option, const struct conf_pool *pool,
                      int from, const char *why, char *out, size_t size) {
    char variable[128], section[48];
    variable_name(option, pool, variable, sizeof variable);
    snprintf(section, sizeof section, "%s%s", pool ? "pool." : option->section,
             pool ? pool->name : "");
    if (from == FROM_ENVIRONMENT)
        snprintf(out, size, "%s: [%s] %s: %s", variable, section, option->key, why);
    else if (from == FROM_DEFAULT)
        snprintf(out, size, "%s: [%s] %s: %s", path ? path : "defaults", section, option->key, why);
    else
        snprintf(out, size, "%s:%d: [%s] %s: %s", path, from, section, option->key, why);
}

static bool fail_option(struct reader *r, const struct option *option, const struct conf_pool *pool,
                        int from, const char *why) {
    say_where(r->path, option, pool, from, why, r->error, r->error_size);
    return false;
}

static bool set(struct reader *r, const struct option *option, struct conf_pool *pool, int from,
                const char *text) {
    char why[256];
    void *base = pool ? (void *)pool : (void *)r->conf;
    return conf_value_set(base, option, text, why, sizeof why) ||
           fail_option(r, option, pool, from, why);
}

/* Defaults ------------------------------------------------------------------------------------ */

const char *conf_pool_initial_listen(const char *name) {
    return strcmp(name, "web") == 0     ? "/run/gatehouse/web.sock"
           : strcmp(name, "login") == 0 ? "/run/gatehouse/login.sock"
                                        : NULL;
}

static struct conf_pool *pool_add(struct reader *r, const char *name) {
    struct conf_pool *pool = &r->conf->pools[r->conf->pool_count++];
    const char *listen = conf_pool_initial_listen(name);
    snprintf(pool->name, sizeof pool->name, "%s", name);
    for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
        MUST(set(r, &conf_pool_options[i], pool, FROM_DEFAULT, ""));
    if (listen)
        MUST(set(r, &conf_pool_options[0], pool, FROM_DEFAULT, listen));
    return pool;
}

static void set_defaults(struct reader *r) {
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        MUST(set(r, &conf_options[i], NULL, FROM_DEFAULT, ""));
    pool_add(r, "web");
    pool_add(r, "login");
}

/* The nearest known name ---------------------------------------------------------------------- */

static int least(int a, int b, int c) {
    return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Levenshtein's, in one row. */
static int distance(const char *a, const char *b) {
    int row[40];
    size_t b_len = strlen(b);
    if (b_len >= sizeof row / sizeof *row)
        return 99;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (int)j;
    for (size_t i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            int above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

/* What is secret stands in a file of its own: password is password_file. */
static bool is_file_of(const char *given, const char *known) {
    size_t len = strlen(given);
    return strncmp(given, known, len) == 0 && strcmp(known + len, "_file") == 0;
}

static void consider(const char *given, const char *known, const char **best, int *best_distance) {
    int d = is_file_of(given, known) ? 0 : distance(given, known);
    if (d < *best_distance) {
        *best_distance = d;
        *best = known;
    }
}

static bool fail_unknown_section(struct reader *r, const char *given) {
    const char *best = NULL;
    int nearest = 3;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        consider(given, conf_options[i].section, &best, &nearest);
    consider(given, "pool.web", &best, &nearest);
    consider(given, "pool.login", &best, &nearest);
    if (best)
        return fail_line(r, "[%.64s]: unknown section; did you mean [%s]?", given, best);
    return fail_line(r, "[%.64s]: unknown section", given);
}

static bool fail_unknown_key(struct reader *r, const char *given) {
    const char *best = NULL;
    int nearest = 3;
    size_t count = r->pool ? CONF_POOL_OPTION_COUNT : CONF_OPTION_COUNT;
    const struct option *table = r->pool ? conf_pool_options : conf_options;
    for (size_t i = 0; i < count; i++)
        if (r->pool || strcmp(table[i].section, r->section) == 0)
            consider(given, table[i].key, &best, &nearest);
    return fail_line(r, "[%s%s] %.64s: unknown key%s%s%s", r->pool ? "pool." : r->section,
                     r->pool ? r->pool->name : "", given, best ? "; did you mean " : "",
                     best ? best : "", best ? "?" : "");
}

/* The file ------------------------------------------------------------------------------------ */

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    return text;
}

static bool open_pool(struct reader *r, const char *name) {
    size_t len = strlen(name);
    if (len < 1 || len > 31 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
        return fail_line(r, "[pool.%.64s]: a pool's name has 1 to 31 of a-z 0-9 _ -", name);
    r->section = NULL;
    for (size_t i = 0; i < r->conf->pool_count; i++)
        if (strcmp(r->conf->pools[i].name, name) == 0) {
            r->pool = &r->conf->pools[i];
            return true;
        }
    if (r->conf->pool_count == CONF_MAX_POOLS)
        return fail_line(r, "[pool.%s]: there may be %d pools", name, CONF_MAX_POOLS);
    r->pool = pool_add(r, name);
    r->pool_line[r->pool - r->conf->pools] = r->line;
    return true;
}

static bool open_section(struct reader *r, char *text) {
    size_t len = strlen(text);
    if (text[len - 1] != ']')
        return fail_line(r, "a section is written [name], with nothing behind it");
    text[len - 1] = '\0';
    char *name = trim(text + 1);
    if (strncmp(name, "pool.", 5) == 0)
        return open_pool(r, name + 5);
    r->pool = NULL;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (strcmp(conf_options[i].section, name) == 0) {
            r->section = conf_options[i].section;
            return true;
        }
    return fail_unknown_section(r, name);
}

/* The option of that name in the section that is open, and where its origin is noted. */
static const struct option *find_option(struct reader *r, const char *key, int **from) {
    for (size_t i = 0; !r->pool && i < CONF_OPTION_COUNT; i++)
        if (strcmp(conf_options[i].section, r->section) == 0 &&
            strcmp(conf_options[i].key, key) == 0) {
            *from = &r->origins->from[i];
            return &conf_options[i];
        }
    for (size_t i = 0; r->pool && i < CONF_POOL_OPTION_COUNT; i++)
        if (strcmp(conf_pool_options[i].key, key) == 0) {
            *from = &r->origins->pool_from[r->pool - r->conf->pools][i];
            return &conf_pool_options[i];
        }
    return NULL;
}

static bool read_setting(struct reader *r, char *text) {
    char *value = strchr(text, '=');
    if (!value)
        return fail_line(r, "the line is neither [section] nor key = value");
    *value++ = '\0';
    char *key = trim(text);
    value = trim(value);
    if (!r->section && !r->pool)
        return fail_line(r, "%.64s: a key before the first [section]", key);
    int *from;
    const struct option *option = find_option(r, key, &from);
    if (!option)
        return fail_unknown_key(r, key);
    if (*from != FROM_DEFAULT) {
        char why[64];
        snprintf(why, sizeof why, "given twice, first in line %d", *from);
        return fail_option(r, option, r->pool, r->line, why);
    }
    *from = r->line;
    size_t len = strlen(value);
    if (value[0] == '"') {
        if (len < 2 || value[len - 1] != '"')
            return fail_option(r, option, r->pool, r->line, "the closing quote is missing");
        value[len - 1] = '\0';
        value++;
    }
    return set(r, option, r->pool, r->line, value);
}

static bool read_line(struct reader *r, char *line, size_t len) {
    if (len && line[len - 1] == '\n')
        line[--len] = '\0';
    if (len && line[len - 1] == '\r')
        line[--len] = '\0';
    if (len > MAX_LINE)
        return fail_line(r, "the line is longer than %d bytes", MAX_LINE);
    if (r->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
        return fail_line(r, "the file begins with a byte order mark: save it as UTF-8 without one");
    if (memchr(line, '\0', len) || !utf8_valid(line, len))
        return fail_line(r, "the line is not UTF-8 text");
    char *text = trim(line);
    if (*text == '\0' || *text == '#' || *text == ';')
        return true;
    return *text == '[' ? open_section(r, text) : read_setting(r, text);
}

static bool fail_file(struct reader *r, int error) {
    snprintf(r->error, r->error_size, "%s: cannot be read: %s%s", r->path, strerror(error),
             error == ENOENT ? "; write one, for example with: gatehouse -E (see gatehouse.conf(5))" : "");
    return false;
}

static bool read_file(struct reader *r) {
    FILE *file = fopen(r->path, "re");
    if (!file)
        return fail_file(r, errno);
    /* A line may hold a password, so that what it goes through is ours to wipe.  Room for the longest, or
     * getline would give back unwiped what had become too small. */
    char ahead[4096];
    size_t size = MAX_LINE + sizeof "\r\n";
    char *line = malloc(size);
    MUST(line && setvbuf(file, ahead, _IOFBF, sizeof ahead) == 0);
    bool ok = true;
    ssize_t len;
    while (ok && (len = getline(&line, &size, file)) >= 0) {
        r->line++;
        ok = read_line(r, line, (size_t)len);
    }
    if (ok && ferror(file))
        ok = fail_file(r, errno);
    fclose(file);
    secret_wipe(ahead, sizeof ahead);
    secret_wipe(line, size);
    free(line);
    return ok;
}

/* The environment, and all of it together ----------------------------------------------------- */

static bool read_variable(struct reader *r, const struct option *option, struct conf_pool *pool,
                          int *from) {
    char name[128];
    variable_name(option, pool, name, sizeof name);
    const char *value = getenv(name);
    if (!value)
        return true;
    *from = FROM_ENVIRONMENT;
    return set(r, option, pool, FROM_ENVIRONMENT, value);
}

static bool read_environment(struct reader *r) {
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (!read_variable(r, &conf_options[i], NULL, &r->origins->from[i]))
            return false;
    for (size_t p = 0; p < r->conf->pool_count; p++)
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
            if (!read_variable(r, &conf_pool_options[i], &r->conf->pools[p],
                               &r->origins->pool_from[p][i]))
                return false;
    return true;
}

static int from_of(const struct conf *conf, const struct option *option,
                   const struct conf_pool *pool) {
    return pool ? conf->origins->pool_from[pool - conf->pools][option - conf_pool_options]
                : conf->origins->from[option - conf_options];
}

static bool cost_given(const struct reader *r) {
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (conf_options[i].offset == offsetof(struct conf, password_cost))
            return r->origins->from[i] != FROM_DEFAULT;
    return false;
}

static bool check(struct reader *r) {
    char why[256];
    for (size_t i = 0; i < r->conf->pool_count; i++)
        if (r->pool_line[i] && r->origins->pool_from[i][0] == FROM_DEFAULT)
            return fail_option(r, &conf_pool_options[0], &r->conf->pools[i], r->pool_line[i],
                               "this pool must say where it listens");
    const void *wrong = conf_check_whole(r->conf, cost_given(r), why, sizeof why);
    if (wrong)
        conf_blame(r->conf, wrong, why, r->error, r->error_size);
    return !wrong;
}

struct conf *conf_read(const char *path, char *error, size_t error_size) {
    struct reader reader = {.path = path, .error = error, .error_size = error_size};
    reader.conf = calloc(1, sizeof *reader.conf);
    reader.origins = calloc(1, sizeof *reader.origins);
    if (!reader.conf || !reader.origins || (path && !(reader.origins->path = strdup(path))))
        DIE("out of memory");
    reader.conf->origins = reader.origins;
    set_defaults(&reader);
    if ((!path || read_file(&reader)) && read_environment(&reader) && check(&reader))
        return reader.conf;
    conf_free(reader.conf);
    return NULL;
}

void conf_free(struct conf *conf) {
    if (!conf)
        return;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        conf_value_free(conf, &conf_options[i]);
    for (size_t p = 0; p < conf->pool_count; p++)
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
            conf_value_free(&conf->pools[p], &conf_pool_options[i]);
    free(conf->origins->path);
    free(conf->origins);
    free(conf);
}

/* The option that member is the value of; *pool: of that pool, else NULL. */
static const struct option *option_of(const struct conf *conf, const void *member,
                                      const struct conf_pool **pool) {
    *pool = NULL;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if ((const char *)conf + conf_options[i].offset == member)
            return &conf_options[i];
    for (size_t p = 0; p < conf->pool_count; p++) {
        *pool = &conf->pools[p];
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
            if ((const char *)*pool + conf_pool_options[i].offset == member)
                return &conf_pool_options[i];
    }
    DIE("no option of the configuration");
}

void conf_blame(const struct conf *conf, const void *member, const char *why, char *out, size_t size) {
    const struct conf_pool *pool;
    const struct option *option = option_of(conf, member, &pool);
    say_where(conf->origins->path, option, pool, from_of(conf, option, pool), why, out, size);
}

extern char **environ;

static bool is_variable_of(const struct conf *conf, const char *name, size_t len) {
    char known[128];
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        variable_name(&conf_options[i], NULL, known, sizeof known);
        if (strncmp(known, name, len) == 0 && known[len] == '\0')
            return true;
    }
    for (size_t p = 0; p < conf->pool_count; p++)
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++) {
            variable_name(&conf_pool_options[i], &conf->pools[p], known, sizeof known);
            if (strncmp(known, name, len) == 0 && known[len] == '\0')
                return true;
        }
    return false;
}

void conf_stray_variables(const struct conf *conf, void (*tell)(const char *name)) {
    char name[128];
    for (char **at = environ; *at; at++) {
        size_t len = strcspn(*at, "=");
        if (strncmp(*at, "GATEHOUSE_", 10) != 0 || len >= sizeof name || is_variable_of(conf, *at, len))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)len, *at);
        tell(name);
    }
}
