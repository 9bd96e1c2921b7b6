#include <errno.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/service.h"

static const char *number(struct ctl *ctl, int64_t n) {
    return arena_printf(ctl->arena, "%lld", (long long)n);
}

/* "3.2 s", "15 min", "7 d". */
static const char *span(struct ctl *ctl, int64_t ms) {
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (ms >= 2 * units[i].ms)
            return arena_printf(ctl->arena, "%lld %s", (long long)(ms / units[i].ms),
                                units[i].unit);
    return arena_printf(ctl->arena, "%lld.%lld s", (long long)(ms / 1000),
                        (long long)(ms % 1000 / 100));
}

/* Microseconds as milliseconds; of a bound that nothing keeps: more than the last one. */
static const char *millis(struct ctl *ctl, int64_t us) {
    if (us < 0)
        return "> 5000 ms";
    return arena_printf(ctl->arena, "%lld.%lld ms", (long long)(us / 1000),
                        (long long)(us % 1000 / 100));
}

/* NULL: the kernel does not tell. */
static const char *waiting(struct ctl *ctl, const json *pool) {
    int64_t most = service_int(pool, "mayWait");
    if (most == 0)
        return NULL;
    return arena_printf(ctl->arena, "%lld of %lld", (long long)service_int(pool, "waiting"),
                        (long long)most);
}

/* Of the pool's living workers: "web/3" is one of web's. */
static int64_t requests_of(const json *service, const char *pool) {
    const json *workers = service_array(service, "workers");
    size_t len = strlen(pool);
    int64_t sum = 0;
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json *worker = json_array_object(workers, i);
        const char *name = service_text(worker, "name");
        if (strncmp(name, pool, len) == 0 && name[len] == '/')
            sum += service_int(worker, "requests");
    }
    return sum;
}

#define NO_SOCKET "a pool has no socket; the log says why, and the service tries again"
#define NO_WORKER "a pool has no worker; the log says why they die"

/* NULL: each pool that is wanted can be reached, and somebody is there. */
static const char *show_pools(struct ctl *ctl, const json *service) {
    static const char *const heads[] = {"POOL",    "ADDRESS",  "WORKERS", "BUSY",
                                        "WAITING", "REQUESTS", "DEATHS",  NULL};
    json *pools = service_array(service, "pools");
    struct table table = table_new(ctl->arena, heads, json_array_size(pools));
    const char *trouble = NULL;
    for (size_t i = 0; i < json_array_size(pools); i++) {
        json *pool = json_array_object(pools, i);
        const char *name = service_text(pool, "name"), *address = service_text(pool, "address");
        int64_t workers = service_int(pool, "workers"), wanted = service_int(pool, "wanted");
        const char *cells[] = {
            name,
            address,
            arena_printf(ctl->arena, "%lld of %lld", (long long)workers, (long long)wanted),
            number(ctl, service_int(pool, "busy")),
            waiting(ctl, pool),
            number(ctl, requests_of(service, name)),
            number(ctl, service_int(pool, "deaths"))};
        if (wanted > 0 && (address[0] == '\0' || (workers == 0 && trouble == NULL)))
            trouble = address[0] == '\0' ? NO_SOCKET : NO_WORKER;
        table_row(&table, cells);
    }
    table_print(ctl, &table);
    return trouble;
}

static void show_workers(struct ctl *ctl, const json *service) {
    static const char *const heads[] = {"WORKER",     "PROCESS",  "DOING", "FOR",
                                        "GENERATION", "REQUESTS", "AGE",   NULL};
    const json *workers = service_array(service, "workers");
    struct table table = table_new(ctl->arena, heads, json_array_size(workers));
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json *worker = json_array_object(workers, i);
        bool finishing = false;
        json_get_bool(worker, "finishing", &finishing);
        int64_t busy = service_int(worker, "busyMs");
        const char *cells[] = {service_text(worker, "name"),
                               number(ctl, service_int(worker, "pid")),
                               arena_printf(ctl->arena, "%s%s", service_text(worker, "doing"),
                                            finishing ? ", finishing" : ""),
                               busy > 0 ? span(ctl, busy) : NULL,
                               number(ctl, service_int(worker, "generation")),
                               number(ctl, service_int(worker, "requests")),
                               span(ctl, service_int(worker, "ageMs"))};
        table_row(&table, cells);
    }
    table_print(ctl, &table);
}

static void show_store(struct ctl *ctl, const json *service, const char *name, bool store,
                       struct table *table) {
    const json *times = service_object(service, name);
    bool asked = service_int(times, "count") > 0;
    const char *cells[] = {name,
                           number(ctl, service_int(times, "count")),
                           asked ? millis(ctl, service_int(times, "meanUs")) : NULL,
                           asked ? millis(ctl, service_int(times, "halfUs")) : NULL,
                           asked ? millis(ctl, service_int(times, "mostUs")) : NULL,
                           store ? number(ctl, service_int(times, "errors")) : NULL,
                           store ? number(ctl, service_int(times, "connects")) : NULL};
    table_row(table, cells);
}

static void show_times(struct ctl *ctl, const json *service) {
    static const char *const heads[] = {"ASKED",       "TIMES",  "MEAN",     "HALF WITHIN",
                                        "99 % WITHIN", "ERRORS", "CONNECTS", NULL};
    struct table table = table_new(ctl->arena, heads, 3);
    show_store(ctl, service, "redis", true, &table);
    show_store(ctl, service, "mariadb", true, &table);
    show_store(ctl, service, "hashing", false, &table);
    table_print(ctl, &table);
}

/* What is wrong with it; NULL: nothing is. */
static const char *show_service(struct ctl *ctl, const json *service) {
    int64_t requests = service_int(service, "requests");
    out_line(ctl, "gatehouse %s is %s: process %lld, since %s, generation %lld, %lld request%s",
             service_text(service, "version"), service_text(service, "state"),
             (long long)service_int(service, "pid"), service_text(service, "startedAt"),
             (long long)service_int(service, "generation"), (long long)requests,
             requests == 1 ? "" : "s");
    out_line(ctl, "%s", "");
    const char *trouble = show_pools(ctl, service);
    out_line(ctl, "%s", "");
    show_workers(ctl, service);
    out_line(ctl, "%s", "");
    show_times(ctl, service);
    return trouble;
}

/* Nobody has answered: why? */
static int nobody(const struct ctl *ctl, const struct services *services) {
    const char *directory = ctl->conf->server_status_dir;
    if (services->error != 0 && services->error != ENOENT)
        return fail(CTL_REFUSED, "%s cannot be looked into: %s; ask as root", directory,
                    strerror(services->error));
    if (services->silent > 0)
        return fail(CTL_REFUSED,
                    "there are sockets in %s that do not answer; ask as root, or as the user "
                    "whom gatehouse was started as",
                    directory);
    return fail(CTL_REFUSED,
                "gatehouse does not run with %s (nobody answers in %s%s); start it, with "
                "systemctl start gatehouse for example",
                ctl_conf_path(ctl), directory,
                services->others > 0 ? "; others run there with another configuration, see -c"
                                     : "");
}

int verb_status(struct ctl *ctl) {
    struct services services;
    services_ask(ctl, SERVICES_WITHIN_MS, &services);
    json *answer = json_new_object(), *list = json_new_array();
    const char *trouble = NULL;
    int code = services.count == 0 ? nobody(ctl, &services) : CTL_DONE;
    for (size_t i = 0; i < services.count; i++) {
        if (i > 0)
            out_line(ctl, "%s", "");
        const char *its = show_service(ctl, services.list[i]);
        trouble = its != NULL ? its : trouble;
        json_append(list, services.list[i]);
        services.list[i] = NULL;
    }
    json_add(answer, "services", list);
    if (code == CTL_DONE)
        out_json(ctl, answer);
    else
        json_free(answer);
    services_free(&services);
    return trouble == NULL ? code : fail(CTL_REFUSED, "%s", trouble);
}
