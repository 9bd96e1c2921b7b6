#include "serve.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "domain/password.h"
#include "fcgi/loop.h"
#include "pool/confine.h"
#include "store/durability.h"

#define HASHING_NICE     10
#define QUEUE_PER_HASH   32
/* For a body that goes on coming.  nginx and lighttpd have it whole before they send any of it; Apache
 * passes on what its client sends, whose line may be slow. */
#define BODY_TIMEOUT_MS  (30 * 1000)

struct serving {
    const struct worker *worker;
    struct api *api;
    struct realm *realm;
    const struct key_board *board;
    uint32_t keys_seen;      /* on the board */
    struct keyring *keys;    /* taken from the board; NULL: the site's are in force */
    uint64_t served;
};

/* From now on tokens are signed and verified with the keys on the board, if they have changed.  Tokens that
 * were verified before are forgotten, since a key may be gone. */
static void take_keys(struct serving *serving) {
    struct keyring *keys = key_board_take(serving->board, serving->realm->conf->token_keys,
                                          &serving->keys_seen);
    if (keys == NULL)
        return;
    serving->realm->keys = keys;
    token_cache_clear(serving->realm->tokens);
    keyring_free(&serving->keys);
    serving->keys = keys;
}

static enum loop_order order(void *context) {
    const struct serving *serving = context;
    switch (worker_told(serving->worker)) {
    case WORKER_QUIT:
        return LOOP_QUIT;
    case WORKER_DRAIN:
        return LOOP_DRAIN;
    case WORKER_CLOSE:
        return LOOP_CLOSE;
    default:
        return LOOP_GO_ON;
    }
}

static bool turn(void *context, bool line) {
    const struct serving *serving = context;
    return worker_turn(serving->worker, line);
}

static void beat(void *context) {
    const struct serving *serving = context;
    worker_beat(serving->worker);
}

static bool left(void *context) {
    const struct serving *serving = context;
    return api_has_left(serving->api);
}

static void catch_up(void *context) {
    const struct serving *serving = context;
    worker_busy(serving->worker, clock_mono_ms());
    api_catch_up(serving->api);
    worker_busy(serving->worker, 0);
}

static void serve(void *context, struct fcgi_request **batch, size_t count) {
    struct serving *serving = context;
    worker_busy(serving->worker, clock_mono_ms());
    take_keys(serving);
    serving->served += api_serve(serving->api, batch, count);
    worker_busy(serving->worker, 0);
    worker_served(serving->worker, serving->served);
}

/* Idle connections cost little: as many as the system allows. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Hashing fills every processor it can get: whatever else wants one, our own verification, the web
 * server and the stores that a login itself waits for, goes first. */
static void step_back(void) {
    if (setpriority(PRIO_PROCESS, 0, HASHING_NICE) < 0)
        log_warning("hashing cannot be given a lower priority", F_ERRNO(errno));
}

static void before_hash(void *context) {
    const struct serving *serving = context;
    worker_permit(serving->worker, (unsigned)serving->realm->conf->password_concurrency);
}

static void after_hash(void *context) {
    const struct serving *serving = context;
    worker_permit_end(serving->worker);
}

static const struct site *site_of(const struct worker *worker) {
    return ((struct service *)worker->plan->world)->site;
}

static size_t pool_of(const struct worker *worker) {
    const struct conf *conf = site_of(worker)->conf;
    for (size_t i = 0; i < conf->pool_count; i++)
        if (strcmp(conf->pools[i].name, worker->pool->name) == 0)
            return i;
    DIE("a pool without settings");
}

static const struct conf_pool *settings_of(const struct worker *worker) {
    return &site_of(worker)->conf->pools[pool_of(worker)];
}

static int64_t waiting(void *context) {
    const struct serving *serving = context;
    return worker_waiting(serving->worker);
}

/* Below the kernel's own limit, at which clients would be told nothing but that nobody listens. */
static size_t queue_of(const struct conf *conf, const struct conf_pool *settings) {
    int64_t at_once = conf->password_concurrency < settings->workers ? conf->password_concurrency
                                                                     : settings->workers;
    int64_t queue = QUEUE_PER_HASH * at_once, most = settings->backlog / 2;
    if (settings->batch != 1)
        return 0;
    if (settings->queue > 0)
        return (size_t)settings->queue;
    return (size_t)(queue < most ? queue : most);
}

static struct loop *make_loop(struct serving *serving, const struct conf *conf) {
    const struct conf_pool *settings = settings_of(serving->worker);
    struct loop_options options = {.listen_fd = serving->worker->listen_fd,
                                   .control_fd = serving->worker->control_fd,
                                   .pass_in_fd = serving->worker->pass_in_fd,
                                   .pass_out_fd = serving->worker->pass_out_fd,
                                   .peers = site_of(serving->worker)->peers[pool_of(serving->worker)],
                                   .batch = (size_t)settings->batch,
                                   .queue = queue_of(conf, settings),
                                   .waiting = waiting,
                                   .max_body = (size_t)conf->server_max_body,
                                   .request_timeout_ms = conf->server_request_timeout,
                                   .body_timeout_ms = BODY_TIMEOUT_MS,
                                   .idle_timeout_ms = settings->idle_timeout,
                                   .context = serving,
                                   .order = order,
                                   .turn = turn,
                                   .serve = serve,
                                   .left = left,
                                   .catch_up = catch_up,
                                   .beat = beat,
                                   .beat_ms = serving->worker->plan->hang_ms / 4};
    return loop_new(&options);
}

/* The pool's words for the api's. */
static size_t pools(struct api_pool *out, size_t max) {
    struct pool_state states[POOL_MAX * 2];
    size_t count = pool_states(states, sizeof states / sizeof *states);
    for (size_t i = 0; i < count && i < max; i++) {
        out[i] = (struct api_pool){.workers = states[i].workers,
                                   .busy = states[i].busy,
                                   .deaths = states[i].deaths,
                                   .queue = states[i].queue};
        memcpy(out[i].name, states[i].name, sizeof out[i].name);
    }
    return count < max ? count : max;
}

/* Once for each generation: the first worker of the first pool. */
static bool is_first(const struct worker *worker) {
    return worker->pool == &worker->plan->pools[0] && worker->number == 1;
}

static void look_at_redis(const struct worker *worker, const struct realm *realm) {
    struct durability durability;
    if (!is_first(worker))
        return;
    struct arena *arena = arena_new(8 * 1024);
    if (durability_ask(realm->cache, arena, &durability))
        durability_warn(&durability);
    arena_free(&arena);
}

/* Says at the start, not when the first user signs up, that the schema is not the service's. */
static void look_at_schema(const struct worker *worker, struct db *db) {
    if (!is_first(worker) || db_prepare_all(db) == ANSWER_YES)
        return;
    log_error("MariaDB has not what the service needs; requests that need it are answered 503",
              F_STR("reason", db_why(db)),
              F_STR("cure", "run gatehousectl db migrate, or gatehousectl doctor"));
}

/* A store that is away now is asked again when a request needs it: no reason not to start. */
int serve_work(const struct worker *worker) {
    struct service *service = worker->plan->world;
    struct realm realm;
    raise_descriptor_limit();
    metrics_take_slot(METRICS_OF_WORKER(worker->slot));
    realm_open(&realm, service->site, service->gates);
    struct serving serving = {.worker = worker, .realm = &realm, .board = service->keys};
    cache_on_page(realm.cache, beat, &serving);
    if (cache_connect(realm.cache) == ANSWER_YES)
        look_at_redis(worker, &realm);
    worker_beat(worker);
    if (db_connect(realm.db) == ANSWER_YES)
        look_at_schema(worker, realm.db);
    worker_beat(worker);
    size_t batch = (size_t)settings_of(worker)->batch;
    if (batch == 1)
        step_back();
    serving.api = api_new(&realm, pools, batch);
    api_on_step(serving.api, beat, &serving);
    password_around(before_hash, after_hash, &serving);
    api_want_secret(serving.api, service->site->secrets[pool_of(worker)]);
    struct loop *loop = make_loop(&serving, service->site->conf);
    if (service->site->conf->server_seccomp && confine_is_built_in())
        confine_process();
    worker_ready(worker);
    bool ok = loop_run(loop);
    log_tell_left_out(true);
    loop_free(&loop);
    api_free(&serving.api);
    password_around(NULL, NULL, NULL);
    realm_close(&realm);
    keyring_free(&serving.keys);
    return ok ? 0 : EX_OSERR;
}
