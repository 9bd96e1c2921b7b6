/*
 * gatehouse: reads the options, makes a service of the configuration, and hands it to the pool.
 * What workers do is in serve.c; every decision is further down.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "serve.h"
#include "store/durability.h"
#include "store/migrate.h"

static const char usage[] =
    "usage: gatehouse [-c FILE] [-f] [-t | -T | -E | -V | -h]\n"
    "  -c FILE  the configuration (default: " DEFAULT_CONF ")\n"
    "  -f       stay in the foreground\n"
    "  -t       check the configuration and the keys, and reach both stores\n"
    "  -T       check the configuration and the keys, and print every effective value\n"
    "  -E       print an example configuration with every option explained\n"
    "  -V       print the version (--version)\n"
    "  -h       print this (--help)\n"
    "See gatehouse(8).\n";

/* A smaller difference comes from NTP, which slews the clock. */
#define CLOCK_SET_MS 1000

static const char *conf_path = DEFAULT_CONF;
static struct key_board *key_board;
static struct key_watch watched;

static void open_log(const struct conf *conf) {
    log_open((enum log_target)conf->log_target, (enum log_format)conf->log_format,
             (enum log_level)conf->log_level);
    log_limit(conf->log_repeat.count, conf->log_repeat.period_ms);
}

/* tls_verify = no is for a lab; where it is left over from there, the log says so at each start. */
static void warn_of_strangers(const struct conf *conf) {
    if (!conf->redis_tls_verify)
        log_warning("Redis is believed whoever it is", F_STR("option", "[redis] tls_verify = no"),
                    F_STR("cure", "set tls_ca to the authority of its certificate and remove tls_verify"));
    if (!conf->mariadb_tls_verify)
        log_warning("MariaDB is believed whoever it is", F_STR("option", "[mariadb] tls_verify = no"),
                    F_STR("cure", "set tls_ca to the authority of its certificate and remove tls_verify"));
}

static void warn_of_stray(const char *name) {
    log_warning("a variable of the environment names no option, and is ignored", F_STR("variable", name),
                F_STR("cure", "GATEHOUSE_SECTION_KEY, as in GATEHOUSE_REDIS_URL; or unset it"));
}

_Static_assert(CONF_MAX_POOLS <= POOL_MAX, "a plan has room for each pool");
_Static_assert(2 * CONF_MAX_WORKERS <= POOL_MAX_WORKERS,
               "two generations of workers live side by side during a reload");

static void add_pool(struct service *service, const struct conf_pool *pool) {
    service->plan.pools[service->plan.count++] =
        (struct pool_spec){.name = pool->name,
                           .listen = pool->listen,
                           .workers = (unsigned)pool->workers,
                           .backlog = (int)pool->backlog,
                           .owner = pool->owner,
                           .group = pool->group,
                           .mode = (mode_t)strtoul(pool->mode, NULL, 8)};
}

/* Whatever one request may rightly wait for: each store several times, and a hash that was made
 * costly (each step doubles it). */
static int64_t hang_ms(const struct conf *conf) {
    int64_t usual = conf->password_scheme == PASSWORD_BCRYPT ? 12 : 5;
    int64_t hash = conf->password_cost > usual ? 4000 << (conf->password_cost - usual) : 4000;
    int64_t least = 4 * (conf->redis_timeout + conf->mariadb_timeout) + hash;
    if (conf->server_hang == 0)
        return 0;
    return conf->server_hang > least ? conf->server_hang : least;
}

/* What the workers of the service as it is have in common, and where its sessions are. */
static struct {
    struct site_gates *gates;
    char *url, *prefix;
} present;

/* Another Redis, or other keys there, know nothing of what the one of before has acknowledged
 * (store/mark.h); workers of before go on with theirs.  What nobody uses any more is a page of memory. */
static struct site_gates *gates_for(const struct conf *conf) {
    if (present.gates != NULL && strcmp(present.url, conf->redis_url) == 0 &&
        strcmp(present.prefix, conf->redis_prefix) == 0)
        return present.gates;
    struct site_gates *gates = pool_shared_memory(sizeof *gates);
    mark_name(&gates->redis.mark);
    return gates;
}

static void keep_gates(const struct service *service) {
    const struct conf *conf = service->site->conf;
    if (present.gates == service->gates)
        return;
    free(present.url);
    free(present.prefix);
    present.gates = service->gates;
    present.url = strdup(conf->redis_url);
    present.prefix = strdup(conf->redis_prefix);
    MUST(present.url != NULL && present.prefix != NULL);
}

static struct service *service_new(struct site *site) {
    struct service *service = calloc(1, sizeof *service);
    MUST(service != NULL);
    const struct conf *conf = site->conf;
    service->site = site;
    service->gates = gates_for(conf);
    service->keys = key_board;
    service->plan.user = conf->server_user;
    service->plan.group = conf->server_group;
    service->plan.pid_file = conf->server_pid_file;
    service->plan.status_dir = conf->server_status_dir;
    service->plan.shutdown_ms = conf->server_shutdown;
    service->plan.hang_ms = hang_ms(conf);
    service->plan.world = service;
    for (size_t i = 0; i < conf->pool_count; i++)
        add_pool(service, &conf->pools[i]);
    return service;
}

/* All or nothing: NULL leaves the service as it is. */
static struct pool_plan *load(void) {
    char why[1024];
    struct site *site = site_read(conf_path, SITE_TO_SERVE, why, sizeof why);
    if (site == NULL) {
        log_error("the configuration is refused", F_STR("reason", why),
                  F_STR("cure", "the service goes on as it was; mend this and reload again"));
        return NULL;
    }
    warn_of_strangers(site->conf);
    /* Workers take the keys on the board in place of those that were just read, so the board must not be
     * older. */
    if (watched.directory != NULL && strcmp(watched.directory, site->conf->token_keys) == 0)
        key_watch(&watched, key_board, site->conf->token_keys);
    return &service_new(site)->plan;
}

static void watch_clock(void) {
    int64_t by_ms = clock_set_by_ms();
    if (llabs(by_ms) < CLOCK_SET_MS)
        return;
    metrics_event(EVENT_CLOCK_SET, 1);
    log_warning("the system's clock was set; access tokens end by it, sessions by that of Redis",
                F_INT("by_ms", by_ms),
                F_STR("cure", by_ms > 0 ? "none is needed, unless it is wrong now: see that NTP runs"
                                        : "tokens of before are good for that much longer, unless "
                                          "they are revoked; see that NTP runs"));
}

static void watch(const struct pool_plan *plan) {
    const struct service *service = plan->world;
    key_watch(&watched, key_board, service->site->conf->token_keys);
    watch_clock();
}

static void adopt(const struct pool_plan *plan) {
    const struct service *service = plan->world;
    open_log(service->site->conf);
    keep_gates(service);
}

static void unload(struct pool_plan *plan) {
    struct service *service = plan->world;
    site_free(&service->site);
    free(service);
}

static struct site *read_or_say_why(void) {
    char why[1024];
    struct site *site = site_read(conf_path, SITE_TO_SERVE, why, sizeof why);
    if (site == NULL)
        fprintf(stderr, "gatehouse: %s\n", why);
    return site;
}

/* The exit code, after all that was asked for went to standard output. */
static int printed(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EX_OK;
    fprintf(stderr, "gatehouse: standard output cannot be written: %s\n", strerror(errno));
    return EX_IOERR;
}

static int print_effective(void) {
    struct site *site = read_or_say_why();
    if (site == NULL)
        return EX_CONFIG;
    struct service *service = service_new(site);
    if (pool_checks_for_master()) {
        log_identity("check");
        open_log(site->conf);
    }
    int problem = pool_check(&service->plan);
    if (problem == EX_OK) {
        conf_dump(site->conf, stdout);
        problem = printed();
    }
    unload(&service->plan);
    return problem;
}

/* Whether MariaDB can be asked and its schema is the one this program was made for. */
static bool check_database(struct realm *realm) {
    struct arena *arena = arena_new(4096);
    size_t count;
    const char *newer = NULL;
    struct migration *steps = migrate_status(realm->db, arena, &count, &newer);
    bool reached = steps != NULL, current = reached && newer == NULL;
    for (size_t i = 0; reached && i < count; i++)
        current &= steps[i].applied;
    if (current && db_prepare_all(realm->db) != ANSWER_YES)
        reached = false;
    if (!reached)
        fprintf(stderr, "gatehouse: MariaDB cannot be asked: %s; start it, or mend [mariadb] in %s or the "
                        "account's rights (gatehousectl doctor looks closer)\n",
                db_why(realm->db), conf_path);
    else if (newer != NULL)
        fprintf(stderr, "gatehouse: MariaDB: the schema has the step %s, which this program does not know: "
                        "install the gatehouse that made it\n", newer);
    else if (!current)
        fprintf(stderr, "gatehouse: MariaDB: the schema is not this program's; run "
                        "gatehousectl db migrate\n");
    arena_free(&arena);
    return reached && current;
}

/* Whether Redis wants a password, another one, or none. */
static bool is_of_password(const char *why) {
    return strstr(why, "WRONGPASS") != NULL || strstr(why, "NOAUTH") != NULL ||
           strstr(why, "ERR AUTH") != NULL || strstr(why, "invalid password") != NULL;
}

static bool check_redis(struct realm *realm) {
    struct durability durability;
    if (cache_connect(realm->cache) != ANSWER_YES) {
        bool there = is_of_password(cache_why(realm->cache));
        fprintf(stderr, "gatehouse: Redis cannot be reached at %s: %s; %s in %s or %s (gatehousectl doctor "
                        "looks closer)\n",
                cache_address(realm->cache), cache_why(realm->cache),
                there ? "mend the password, [redis] password_file or url," : "start it, or mend [redis] url",
                conf_path, there ? "GATEHOUSE_REDIS_PASSWORD_FILE" : "GATEHOUSE_REDIS_URL");
        return false;
    }
    struct arena *arena = arena_new(8 * 1024);
    if (durability_ask(realm->cache, arena, &durability) &&
        (durability.evicts || !durability.appends))
        fprintf(stderr, "gatehouse: Redis: warning: it may forget what it was told (maxmemory-policy %s, "
                        "appendonly %s); set maxmemory-policy noeviction and appendonly yes in "
                        "redis.conf\n", durability.policy, durability.appends ? "yes" : "no");
    arena_free(&arena);
    return true;
}

static void say_stray(const char *name) {
    fprintf(stderr, "gatehouse: warning: %s in the environment names no option, and is ignored\n", name);
}

static int check(void) {
    struct site *site = read_or_say_why();
    struct realm realm;
    if (site == NULL)
        return EX_CONFIG;
    conf_stray_variables(site->conf, say_stray);
    struct service *service = service_new(site);
    if (pool_check(&service->plan) != EX_OK) {
        unload(&service->plan);
        return EX_CONFIG;
    }
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    signal(SIGPIPE, SIG_IGN); /* a store that hangs up is told of, as in workers */
    realm_open(&realm, site, service->gates);
    bool redis = check_redis(&realm);
    bool database = check_database(&realm);
    realm_close(&realm);
    unload(&service->plan);
    if (!redis || !database)
        return EX_UNAVAILABLE;
    printf("gatehouse: %s is good, and both stores can be reached\n", conf_path);
    return EX_OK;
}

static json *histogram(const struct metrics_histogram *from) {
    json *object = json_new_object();
    uint64_t count = metrics_histogram_count(from);
    json_add_int(object, "count", (int64_t)count);
    json_add_int(object, "meanUs", count > 0 ? (int64_t)(from->sum_us / count) : 0);
    json_add_int(object, "halfUs", metrics_histogram_part(from, 50));
    json_add_int(object, "mostUs", metrics_histogram_part(from, 99));
    return object;
}

static json *store_object(const struct metrics *sum, enum metrics_timer timer,
                          enum metrics_event errors, enum metrics_event connects) {
    json *object = histogram(&sum->timers[timer]);
    json_add_int(object, "errors", (int64_t)sum->events[errors]);
    json_add_int(object, "connects", (int64_t)sum->events[connects]);
    return object;
}

static uint64_t requests_of(const struct metrics *sum) {
    uint64_t count = 0;
    for (size_t i = 0; i < METRICS_ROUTES; i++)
        count += metrics_histogram_count(&sum->durations[i]);
    return count;
}

/* The directory whose keys are in force, and how it was when they were taken up (key_dir_print): the
 * verbs that change it wait until this says so.  Workers of the program before look at its board, on which
 * nobody writes any more. */
static json *keys_object(void) {
    json *object = json_new_object();
    bool in_force = watched.directory != NULL && !pool_has_former_workers();
    char print[17];
    snprintf(print, sizeof print, "%016llx", (unsigned long long)watched.print);
    json_add_string(object, "directory", watched.directory);
    json_add_string(object, "print", in_force ? print : NULL);
    return object;
}

/* For gatehousectl status; nothing of it is secret. */
static void report(json *object) {
    static struct metrics sum; /* not for the stack */
    char path[PATH_MAX];
    metrics_sum(&sum);
    json_add_string(object, "version", PACKAGE_VERSION);
    json_add_string(object, "conf", realpath(conf_path, path) != NULL ? path : conf_path);
    json_add_int(object, "requests", (int64_t)requests_of(&sum));
    json_add(object, "keys", keys_object());
    json_add(object, "redis", store_object(&sum, TIMER_REDIS, EVENT_REDIS_ERROR, EVENT_REDIS_CONNECT));
    json_add(object, "mariadb",
             store_object(&sum, TIMER_MARIADB, EVENT_MARIADB_ERROR, EVENT_MARIADB_CONNECT));
    json_add(object, "hashing", histogram(&sum.timers[TIMER_HASH]));
}

static int run(char **argv, bool foreground) {
    struct site *site = read_or_say_why();
    if (site == NULL)
        return EX_CONFIG;
    open_log(site->conf);
    warn_of_strangers(site->conf);
    conf_stray_variables(site->conf, warn_of_stray);
    struct service *service = service_new(site);
    if (!foreground)
        background_start(site->conf->log_target == LOG_TARGET_STDERR);
    const struct pool_ops ops = {
        .load = load, .unload = unload, .adopt = adopt, .tick = watch, .report = report, .work = serve_work};
    return pool_run(&ops, &service->plan, argv);
}

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_EXAMPLE, ACTION_VERSION };

int main(int argc, char **argv) {
    enum action action = ACTION_RUN;
    bool foreground = false;
    int option;
    log_identity("master");
    metrics_share(pool_shared_memory(metrics_size(METRICS_OF_WORKER(POOL_MAX_WORKERS))),
                  METRICS_OF_WORKER(POOL_MAX_WORKERS));
    metrics_take_slot(METRICS_OF_MASTER);
    key_board = pool_shared_memory(key_board_size());
    static const struct option words[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
    while ((option = getopt_long(argc, argv, "c:ftTEVh", words, NULL)) != -1) {
        switch (option) {
        case 'c':
            conf_path = optarg;
            break;
        case 'f':
            foreground = true;
            break;
        case 't':
            action = ACTION_CHECK;
            break;
        case 'T':
            action = ACTION_PRINT;
            break;
        case 'E':
            action = ACTION_EXAMPLE;
            break;
        case 'V':
            action = ACTION_VERSION;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? printed() : 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "gatehouse: what is \"%s\"?\n%s", argv[optind], usage);
        return 2;
    }
    switch (action) {
    case ACTION_CHECK:
        return check();
    case ACTION_PRINT:
        return print_effective();
    case ACTION_EXAMPLE:
        conf_example(stdout);
        return printed();
    case ACTION_VERSION:
        puts(PACKAGE_STRING);
        return printed();
    default:
        return run(argv, foreground);
    }
}
