/*
 * What is counted, as Prometheus reads it (text format 0.0.4), for whoever the web server lets ask.
 * Asks no store: it must answer while they are away.
 */
#include <stdio.h>

#include "api/api_private.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "domain/throttle.h"

#define POOLS_MAX 16

static const int64_t bounds_us[] = METRICS_BOUNDS;

static void family(struct buf *out, const char *name, const char *type, const char *help) {
    buf_addf(out, "# HELP gatehouse_%s %s\n# TYPE gatehouse_%s %s\n", name, help, name, type);
}

static void value(struct buf *out, const char *name, const char *labels, uint64_t number) {
    buf_addf(out, labels[0] != '\0' ? "gatehouse_%s{%s} %llu\n" : "gatehouse_%s%s %llu\n", name,
             labels, (unsigned long long)number);
}

/* Seconds, exactly: a double would print 0.30000000000000004. */
static const char *seconds(char text[32], uint64_t us) {
    snprintf(text, 32, "%llu.%06llu", (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
    return text;
}

static void histogram(struct buf *out, const char *name, const char *labels,
                      const struct metrics_histogram *from) {
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t count = 0;
    char text[32];
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        count += from->buckets[i];
        buf_addf(out, "gatehouse_%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma,
                 i + 1 < METRICS_BUCKETS ? seconds(text, (uint64_t)bounds_us[i]) : "+Inf",
                 (unsigned long long)count);
    }
    buf_addf(out, comma[0] != '\0' ? "gatehouse_%s_sum{%s} %s\n" : "gatehouse_%s_sum%s %s\n", name,
             labels, seconds(text, from->sum_us));
    buf_addf(out,
             comma[0] != '\0' ? "gatehouse_%s_count{%s} %llu\n" : "gatehouse_%s_count%s %llu\n",
             name, labels, (unsigned long long)count);
}

/* A row's only one, but for HEAD, which goes with GET. */
static const char *method_of(const struct route *route) {
    enum method method = METHOD_GET;
    while (method < METHOD_OTHER && (route->methods & 1u << method) == 0)
        method++;
    return method_name(method);
}

/* HEAD counts as GET; what is no route (an unknown path, a preflight) has none. */
static void route_labels(unsigned number, char labels[160]) {
    size_t count;
    const struct route *routes = routes_all(&count);
    if (number < count)
        snprintf(labels, 160, "route=\"%s\",method=\"%s\"", routes[number].path,
                 method_of(&routes[number]));
    else
        snprintf(labels, 160, "route=\"\",method=\"\"");
}

static void requests(struct buf *out, const struct metrics *sum) {
    char labels[160], all[200];
    size_t count;
    routes_all(&count);
    family(out, "requests_total", "counter", "Requests that were answered, by route and status.");
    for (unsigned i = 0; i <= count; i++) {
        route_labels(i, labels);
        for (unsigned j = 0; j < METRICS_STATUSES; j++) {
            if (sum->requests[i][j] == 0)
                continue;
            snprintf(all, sizeof all, "%s,code=\"%d\"", labels, reply_status_at(j));
            value(out, "requests_total", all, sum->requests[i][j]);
        }
    }
    family(out, "request_duration_seconds", "histogram",
           "Time from taking a request up until its answer was ready.");
    for (unsigned i = 0; i <= count; i++) {
        route_labels(i, labels);
        if (metrics_histogram_count(&sum->durations[i]) > 0)
            histogram(out, "request_duration_seconds", labels, &sum->durations[i]);
    }
}

static void decisions(struct buf *out, const struct metrics *sum) {
    char labels[120];
    const char *name;
    family(out, "decisions_total", "counter",
           "Checks (verify, authorizer) by what was decided, and why.");
    value(out, "decisions_total", "decision=\"allow\",reason=\"ok\"", sum->decisions[0]);
    for (unsigned i = 0; (name = reply_error_name(i)) != NULL && i + 1 < METRICS_REASONS; i++) {
        /* Alert rules watch this one: it has to be there while it is still 0. */
        if (sum->decisions[i + 1] == 0 && i != ERROR_UNAVAILABLE)
            continue;
        snprintf(labels, sizeof labels, "decision=\"%s\",reason=\"%s\"",
                 i == ERROR_UNAVAILABLE ? "unknown" : "deny", name);
        value(out, "decisions_total", labels, sum->decisions[i + 1]);
    }
    family(out, "errors_total", "counter", "Errors that were answered on all routes, by their code.");
    for (unsigned i = 0; (name = reply_error_name(i)) != NULL && i < METRICS_REASONS; i++) {
        snprintf(labels, sizeof labels, "code=\"%s\"", name);
        value(out, "errors_total", labels, sum->refusals[i]);
    }
}

static void limits(struct buf *out, const struct metrics *sum) {
    char labels[80];
    const char *name;
    family(out, "limit_decisions_total", "counter",
           "Tries that a limit of [limit] let pass or refused.");
    for (unsigned i = 0; (name = throttle_limit_name(i)) != NULL; i++) {
        snprintf(labels, sizeof labels, "limit=\"%s\",decision=\"pass\"", name);
        value(out, "limit_decisions_total", labels, sum->limits[i][0]);
        snprintf(labels, sizeof labels, "limit=\"%s\",decision=\"refuse\"", name);
        value(out, "limit_decisions_total", labels, sum->limits[i][1]);
    }
}

static void stores(struct buf *out, const struct metrics *sum) {
    family(out, "store_duration_seconds", "histogram",
           "Time that one exchange with a store took; one with Redis serves a whole batch.");
    histogram(out, "store_duration_seconds", "store=\"redis\"", &sum->timers[TIMER_REDIS]);
    histogram(out, "store_duration_seconds", "store=\"mariadb\"", &sum->timers[TIMER_MARIADB]);
    family(out, "store_errors_total", "counter",
           "Exchanges that brought no answer, and commands that a store refused.");
    value(out, "store_errors_total", "store=\"redis\"", sum->events[EVENT_REDIS_ERROR]);
    value(out, "store_errors_total", "store=\"mariadb\"", sum->events[EVENT_MARIADB_ERROR]);
    family(out, "store_connects_total", "counter", "Connections made to a store.");
    value(out, "store_connects_total", "store=\"redis\"", sum->events[EVENT_REDIS_CONNECT]);
    value(out, "store_connects_total", "store=\"mariadb\"", sum->events[EVENT_MARIADB_CONNECT]);
    family(out, "hash_duration_seconds", "histogram", "Time that hashing one password took.");
    histogram(out, "hash_duration_seconds", "", &sum->timers[TIMER_HASH]);
}

static void lost(struct buf *out, const struct metrics *sum) {
    family(out, "log_lost_total", "counter", "Log lines that could not be written.");
    value(out, "log_lost_total", "", sum->events[EVENT_LOG_LOST]);
    family(out, "audit_lost_total", "counter",
           "Events that could not be recorded in the audit trail.");
    value(out, "audit_lost_total", "", sum->events[EVENT_AUDIT_LOST]);
}

static void mishaps(struct buf *out, const struct metrics *sum) {
    family(out, "redis_went_back_total", "counter",
           "How often Redis had lost what it had acknowledged, and sessions were ended for it.");
    value(out, "redis_went_back_total", "", sum->events[EVENT_REDIS_WENT_BACK]);
    family(out, "descriptors_exhausted_total", "counter",
           "Connections that were given up because file descriptors had run out.");
    value(out, "descriptors_exhausted_total", "", sum->events[EVENT_DESCRIPTORS]);
    family(out, "worker_hangs_total", "counter", "Workers that stood still and were killed.");
    value(out, "worker_hangs_total", "", sum->events[EVENT_WORKER_HUNG]);
    family(out, "reloads_total", "counter", "Reloads (SIGHUP), by whether they were followed.");
    value(out, "reloads_total", "outcome=\"done\"", sum->events[EVENT_RELOAD_DONE]);
    value(out, "reloads_total", "outcome=\"refused\"", sum->events[EVENT_RELOAD_REFUSED]);
    family(out, "upgrades_refused_total", "counter",
           "New programs (SIGUSR2) that were not executed; the old one went on.");
    value(out, "upgrades_refused_total", "", sum->events[EVENT_UPGRADE_REFUSED]);
    family(out, "keys_refused_total", "counter",
           "Looks at a changed directory of keys that could not be used.");
    value(out, "keys_refused_total", "", sum->events[EVENT_KEYS_REFUSED]);
    family(out, "clock_set_total", "counter", "How often the system's clock was set.");
    value(out, "clock_set_total", "", sum->events[EVENT_CLOCK_SET]);
}

static void batches(struct buf *out, const struct metrics *sum) {
    family(out, "batches_total", "counter",
           "Batches of requests; requests divided by batches share one round trip.");
    value(out, "batches_total", "", sum->events[EVENT_BATCH]);
    family(out, "tokens_total", "counter",
           "Access tokens read, by whether the worker knew the signature already.");
    value(out, "tokens_total", "signature=\"known\"", sum->events[EVENT_TOKEN_CACHED]);
    value(out, "tokens_total", "signature=\"checked\"", sum->events[EVENT_TOKEN_VERIFIED]);
}

static void pools(struct buf *out, const struct request *request) {
    struct api_pool list[POOLS_MAX];
    size_t count = request->api->pools != NULL ? request->api->pools(list, POOLS_MAX) : 0;
    char labels[80];
    family(out, "workers", "gauge", "Workers that are alive, by what they are doing.");
    for (size_t i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "pool=\"%.31s\",state=\"busy\"", list[i].name);
        value(out, "workers", labels, list[i].busy);
        snprintf(labels, sizeof labels, "pool=\"%.31s\",state=\"idle\"", list[i].name);
        value(out, "workers", labels, list[i].workers - list[i].busy);
    }
    family(out, "queue", "gauge",
           "Connections that wait for a worker to accept them, looked at four times a second.");
    for (size_t i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "pool=\"%.31s\"", list[i].name);
        if (list[i].queue >= 0)
            value(out, "queue", labels, (uint64_t)list[i].queue);
    }
    family(out, "worker_deaths_total", "counter", "Workers that ended unasked, and were replaced.");
    for (size_t i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "pool=\"%.31s\"", list[i].name);
        value(out, "worker_deaths_total", labels, list[i].deaths);
    }
}

void handle_metrics(struct request *request) {
    static struct metrics sum; /* some 20 KiB: not for the stack */
    struct buf out = {0};
    metrics_sum(&sum);
    family(&out, "build_info", "gauge", "The version, as a label.");
    value(&out, "build_info", "version=\"" PACKAGE_VERSION "\"", 1);
    requests(&out, &sum);
    decisions(&out, &sum);
    limits(&out, &sum);
    stores(&out, &sum);
    lost(&out, &sum);
    mishaps(&out, &sum);
    batches(&out, &sum);
    pools(&out, request);
    reply_plain(request, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
    buf_free(&out);
}
