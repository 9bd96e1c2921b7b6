#include "store/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/url.h"
#include "store/embedded.h"
#include "store/sentinel.h"

/* Replies of one flush; beyond, further blocks are taken and given back. */
#define REPLY_KEEP (256 * 1024)
/* No question of ours is answered with more; a length that is only noise must not cost gigabytes. */
#define REPLY_MAX_MEMBERS (1 << 20)

static const char *const script_names[SCRIPT_COUNT] = {
    [SCRIPT_SESSION_OPEN] = "session_open",       [SCRIPT_SESSION_TOUCH] = "session_touch",
    [SCRIPT_SESSION_REFRESH] = "session_refresh", [SCRIPT_SESSION_END] = "session_end",
    [SCRIPT_SESSIONS_END] = "sessions_end",       [SCRIPT_SESSIONS_LIST] = "sessions_list",
    [SCRIPT_SESSIONS_RENAME] = "sessions_rename", [SCRIPT_LIMIT] = "limit",
    [SCRIPT_LOGIN_LIMIT] = "login_limit",         [SCRIPT_LOGIN_GOOD] = "login_good",
};

struct cache {
    const struct conf *conf;
    const char *password;
    struct conf_redis_address address;
    struct sentinel_login sentinels;
    struct sentinel_primary primary; /* whom redis is connected to, where sentinels named it */
    struct gate *gate;
    redisContext *redis; /* NULL: not connected */
    struct arena *replies;
    struct ask *first, **last;
    bool down; /* the last try failed, and that was logged */
    const char *texts[SCRIPT_COUNT];
    char shas[SCRIPT_COUNT][41];
    char why[256];
};

/* hiredis builds replies through these: from an arena that each flush takes back, so that a
 * verification allocates nothing. */

static void *reply_new(const redisReadTask *task, enum reply_kind kind) {
    struct reply *reply = arena_zalloc(task->privdata, sizeof *reply);
    reply->kind = kind;
    if (task->parent != NULL)
        ((struct reply *)task->parent->obj)->members[task->idx] = reply;
    return reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len) {
    struct reply *reply = reply_new(task, task->type == REDIS_REPLY_ERROR ? REPLY_ERROR : REPLY_TEXT);
    reply->text = arena_dup(task->privdata, text, len);
    reply->len = len;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t count) {
#else
static void *create_array(const redisReadTask *task, int count) {
#endif
    if ((size_t)count > REPLY_MAX_MEMBERS)
        return NULL; /* hiredis gives the connection up */
    struct reply *reply = reply_new(task, REPLY_LIST);
    reply->count = (size_t)count;
    reply->members = arena_zalloc(task->privdata, reply->count * sizeof *reply->members + 1);
    return reply;
}

static void *create_integer(const redisReadTask *task, long long number) {
    struct reply *reply = reply_new(task, REPLY_INT);
    reply->number = number;
    return reply;
}

static void *create_nil(const redisReadTask *task) {
    return reply_new(task, REPLY_NIL);
}

static void free_nothing(void *reply) {
    (void)reply;
}

static redisReplyObjectFunctions reply_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_nothing,
};

static const char *script_text(const char *name) {
    for (unsigned i = 0; i < embedded_lua_count; i++)
        if (strcmp(embedded_lua[i].name, name) == 0)
            return embedded_lua[i].text;
    DIE("a script has no file");
}

struct cache *cache_new(const struct conf *conf, const char *password, struct gate *gate) {
    struct cache *cache = calloc(1, sizeof *cache);
    MUST(cache != NULL);
    cache->conf = conf;
    cache->gate = gate;
    MUST(conf_redis_address(conf->redis_url, &cache->address));
    cache->password = password != NULL ? password : cache->address.password;
    cache->sentinels.user = conf->redis_sentinel_user;
    cache->replies = arena_new(16 * 1024);
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        cache->texts[i] = script_text(script_names[i]);
    cache->last = &cache->first;
    snprintf(cache->why, sizeof cache->why, "not asked yet");
    return cache;
}

void cache_set_sentinel_password(struct cache *cache, const char *password) {
    cache->sentinels.password = password;
}

static void disconnect(struct cache *cache) {
    if (cache->redis != NULL)
        redisFree(cache->redis);
    cache->redis = NULL;
}

void cache_free(struct cache **cache) {
    if (cache == NULL || *cache == NULL)
        return;
    disconnect(*cache);
    arena_free(&(*cache)->replies);
    free(*cache);
    *cache = NULL;
}

const char *cache_why(const struct cache *cache) {
    return cache->why;
}

static struct timeval time_left(int64_t deadline) {
    int64_t ms = deadline - clock_mono_ms();
    if (ms < 1)
        ms = 1;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void note(struct cache *cache, const char *why) {
    snprintf(cache->why, sizeof cache->why, "%s", why);
}

/* EAGAIN is how hiredis reports that its time ran out. */
static const char *context_error(const redisContext *redis) {
    if (redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT))
        return "no answer within [redis] timeout";
    return redis->err ? redis->errstr : "no answer";
}

static bool has_sentinels(const struct cache *cache) {
    return cache->address.sentinel_count > 0;
}

/* Sentinels may take half of the time; the primary has the rest. */
static bool find_primary(struct cache *cache, int64_t deadline) {
    char why[200];
    int64_t half = clock_mono_ms() + (deadline - clock_mono_ms()) / 2;
    if (!has_sentinels(cache) || sentinel_find(&cache->address, &cache->sentinels, cache->gate, half,
                                               &cache->primary, why, sizeof why))
        return true;
    snprintf(cache->why, sizeof cache->why, "no sentinel names a primary: %s", why);
    return false;
}

static bool open_socket(struct cache *cache, int64_t deadline) {
    const struct conf_redis_address *to = &cache->address;
    if (!find_primary(cache, deadline))
        return false;
    struct timeval left = time_left(deadline);
    if (has_sentinels(cache))
        cache->redis = redisConnectWithTimeout(cache->primary.host, cache->primary.port, left);
    else
        cache->redis = to->path[0] != '\0' ? redisConnectUnixWithTimeout(to->path, left)
                                           : redisConnectWithTimeout(to->host, to->port, left);
    MUST(cache->redis != NULL);
    if (cache->redis->err) {
        note(cache, context_error(cache->redis));
        return false;
    }
    fcntl(cache->redis->fd, F_SETFD, FD_CLOEXEC);
    cache->redis->reader->fn = &reply_functions;
    cache->redis->reader->privdata = cache->replies;
    return true;
}

/* The next reply, NULL when the connection is no more. */
static const struct reply *next_reply(struct cache *cache) {
    void *reply = NULL;
    if (redisGetReply(cache->redis, &reply) != REDIS_OK) {
        note(cache, context_error(cache->redis));
        return NULL;
    }
    return reply;
}

static int append_login(struct cache *cache) {
    int asked = 0;
    const char *user = cache->address.user, *password = cache->password;
    if (password != NULL && password[0] != '\0') {
        if (user[0] != '\0')
            redisAppendCommand(cache->redis, "AUTH %s %s", user, password);
        else
            redisAppendCommand(cache->redis, "AUTH %s", password);
        asked++;
    }
    if (cache->address.db != 0) {
        redisAppendCommand(cache->redis, "SELECT %d", cache->address.db);
        asked++;
    }
    return asked;
}

/* What HELLO (Redis 6) or ROLE says: a replica may still know what its primary has forgotten, a revoked
 * session above all.  Each of the two may be forbidden to us or unknown to the server, not both. */
static bool is_primary(struct cache *cache, const struct reply *hello, const struct reply *role) {
    const char *says = reply_text(reply_at(role, 0));
    for (size_t i = 0; says == NULL && hello->kind == REPLY_LIST && i + 1 < hello->count; i += 2) {
        const char *name = reply_text(reply_at(hello, i));
        if (name != NULL && strcmp(name, "role") == 0)
            says = reply_text(reply_at(hello, i + 1));
    }
    if (says == NULL)
        note(cache, hello->kind == REPLY_ERROR ? hello->text : "it does not say what role it has");
    else if (strcmp(says, "master") != 0)
        note(cache, "it is a replica, and may not know of what was revoked; give the primary's address");
    return says != NULL && strcmp(says, "master") == 0;
}

static bool check_role(struct cache *cache) {
    const struct reply *hello = next_reply(cache);
    const struct reply *role = hello != NULL ? next_reply(cache) : NULL;
    return role != NULL && is_primary(cache, hello, role);
}

/* Login, database, role and scripts in one round trip. */
static bool greet(struct cache *cache, int64_t deadline) {
    struct timeval left = time_left(deadline);
    redisSetTimeout(cache->redis, left);
    int asked = append_login(cache);
    redisAppendCommand(cache->redis, "HELLO");
    redisAppendCommand(cache->redis, "ROLE");
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        redisAppendCommand(cache->redis, "SCRIPT LOAD %s", cache->texts[i]);
    for (int i = 0; i < asked + SCRIPT_COUNT; i++) {
        if (i == asked && !check_role(cache))
            return false;
        const struct reply *reply = next_reply(cache);
        if (reply == NULL)
            return false;
        if (reply->kind == REPLY_ERROR) {
            note(cache, reply->text);
            return false;
        }
        if (i >= asked)
            snprintf(cache->shas[i - asked], sizeof cache->shas[0], "%s", reply->text);
    }
    /* Set once: from here on each read may wait for the whole time, at no system call a request. */
    redisSetTimeout(cache->redis, time_left(clock_mono_ms() + cache->conf->redis_timeout));
    return true;
}

static void log_down(struct cache *cache) {
    metrics_event(EVENT_REDIS_ERROR, 1);
    if (!cache->down)
        log_error("Redis cannot be asked; requests are answered 503 until it can",
                  F_STR("reason", cache->why),
                  F_STR("address", has_sentinels(cache)       ? cache->address.master
                                   : cache->address.path[0] ? cache->address.path
                                                            : cache->address.host));
    cache->down = true;
}

/* Another Redis leads by now, and this one's word counts no more. */
static void leave_old_primary(struct cache *cache) {
    if (!has_sentinels(cache) || cache->redis == NULL ||
        !sentinel_moved(&cache->address, &cache->sentinels, cache->gate, &cache->primary))
        return;
    log_info("another Redis is the primary now", F_STR("before", cache->primary.host),
             F_INT("port", cache->primary.port));
    disconnect(cache);
}

static bool ensure(struct cache *cache, int64_t deadline) {
    leave_old_primary(cache);
    if (cache->redis != NULL)
        return true;
    if (!gate_may_try(cache->gate, cache->conf->redis_timeout)) {
        note(cache, "Redis did not answer a moment ago");
        return false;
    }
    if (!open_socket(cache, deadline) || !greet(cache, deadline)) {
        disconnect(cache);
        gate_failed(cache->gate);
        log_down(cache);
        return false;
    }
    gate_opened(cache->gate);
    metrics_event(EVENT_REDIS_CONNECT, 1);
    if (cache->down)
        log_info("Redis answers again");
    cache->down = false;
    return true;
}

enum answer cache_connect(struct cache *cache) {
    arena_reset(cache->replies, REPLY_KEEP);
    return ensure(cache, clock_mono_ms() + cache->conf->redis_timeout) ? ANSWER_YES
                                                                       : ANSWER_UNKNOWN;
}

static struct ask *begin(struct cache *cache, struct arena *arena, int script) {
    struct ask *ask = arena_alloc(arena, sizeof *ask);
    ask->reply = NULL;
    ask->next = NULL;
    ask->script = script;
    ask->key_count = 0;
    ask->argc = 0;
    *cache->last = ask;
    cache->last = &ask->next;
    return ask;
}

static void add(struct ask *ask, const char *bytes, size_t len) {
    MUST(ask->argc < CACHE_MAX_ARGS);
    ask->argv[ask->argc] = bytes;
    ask->lens[ask->argc++] = len;
}

struct ask *cache_ask(struct cache *cache, struct arena *arena, const char *command) {
    struct ask *ask = begin(cache, arena, -1);
    ask_text(ask, command);
    return ask;
}

struct ask *cache_ask_script(struct cache *cache, struct arena *arena, enum cache_script script) {
    struct ask *ask = begin(cache, arena, (int)script);
    ask_text(ask, "EVALSHA");
    ask_text(ask, ""); /* its digest and the number of keys are filled in when it is asked */
    ask_text(ask, "");
    return ask;
}

void ask_key(struct cache *cache, struct arena *arena, struct ask *ask, const char *kind,
             const char *id) {
    size_t prefix_len = strlen(cache->conf->redis_prefix), kind_len = strlen(kind),
           id_len = strlen(id), len = prefix_len + kind_len + id_len;
    char *key = arena_alloc(arena, len + 1);
    memcpy(key, cache->conf->redis_prefix, prefix_len);
    memcpy(key + prefix_len, kind, kind_len);
    memcpy(key + prefix_len + kind_len, id, id_len + 1);
    add(ask, key, len);
    ask->key_count++;
}

void ask_text(struct ask *ask, const char *text) {
    add(ask, text, strlen(text));
}

void ask_int(struct arena *arena, struct ask *ask, int64_t number) {
    ask_text(ask, arena_printf(arena, "%lld", (long long)number));
}

void ask_prefix(struct cache *cache, struct ask *ask) {
    ask_text(ask, cache->conf->redis_prefix);
}

static const char *const small_numbers[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};

static void send_ask(struct cache *cache, struct ask *ask, bool whole_script) {
    if (ask->script >= SCRIPT_COUNT) /* marked, and then the connection broke */
        ask->script -= SCRIPT_COUNT;
    if (ask->script >= 0) {
        MUST(ask->key_count < (int)(sizeof small_numbers / sizeof *small_numbers));
        const char *script = whole_script ? cache->texts[ask->script] : cache->shas[ask->script];
        ask->argv[0] = whole_script ? "EVAL" : "EVALSHA";
        ask->lens[0] = strlen(ask->argv[0]);
        ask->argv[1] = script;
        ask->lens[1] = strlen(script);
        ask->argv[2] = small_numbers[ask->key_count];
        ask->lens[2] = 1;
    }
    redisAppendCommandArgv(cache->redis, ask->argc, ask->argv, ask->lens);
}

/* Redis speaks, but not for the data: what it says is not "absent", it is "cannot tell".  A server
 * that is loading, was demoted or lost its primary may be another by the next connection. */
static bool is_outage(const struct reply *reply) {
    static const char *const prefixes[] = {"LOADING",    "READONLY", "MASTERDOWN", "NOREPLICAS",
                                           "CLUSTERDOWN", "NOAUTH",  "UNBLOCKED"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(reply->text, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void log_refused(struct cache *cache, const struct ask *ask, const struct reply *reply) {
    note(cache, reply->text);
    metrics_event(EVENT_REDIS_ERROR, 1);
    log_error("Redis refused a command; the request is answered 503", F_STR("error", reply->text),
              F_STR("command", ask->script >= 0 ? script_names[ask->script] : ask->argv[0]));
}

/* One write and one read for [first, end of the list).  Returns the first ask that is still to be
 * answered, NULL when all are; an ask that Redis refused is answered with NULL. */
static struct ask *exchange(struct cache *cache, struct ask *first, bool *reconnect) {
    for (struct ask *ask = first; ask != NULL; ask = ask->next)
        send_ask(cache, ask, false);
    bool unknown_script = false;
    for (struct ask *ask = first; ask != NULL; ask = ask->next) {
        const struct reply *reply = next_reply(cache);
        if (reply == NULL)
            return ask;
        ask->reply = reply->kind == REPLY_ERROR ? NULL : reply;
        if (reply->kind != REPLY_ERROR)
            continue;
        if (ask->script >= 0 && strncmp(reply->text, "NOSCRIPT", 8) == 0) {
            ask->script += SCRIPT_COUNT; /* marked: to be sent whole */
            unknown_script = true;
            continue;
        }
        log_refused(cache, ask, reply);
        *reconnect |= is_outage(reply);
    }
    if (!unknown_script)
        return NULL;
    /* Somebody emptied the script cache: once more, with the text. */
    for (struct ask *ask = first; ask != NULL; ask = ask->next) {
        if (ask->script < SCRIPT_COUNT)
            continue;
        send_ask(cache, ask, true);
        const struct reply *reply = next_reply(cache);
        if (reply == NULL)
            return ask;
        ask->reply = reply->kind == REPLY_ERROR ? NULL : reply;
        if (reply->kind == REPLY_ERROR)
            log_refused(cache, ask, reply);
    }
    return NULL;
}

static bool timed_out(const struct cache *cache) {
    return cache->redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);
}

static void ask_all(struct cache *cache, struct ask *asks) {
    int64_t deadline = clock_mono_ms() + cache->conf->redis_timeout;
    for (int tries = 0; asks != NULL && tries < 2; tries++) {
        if (!ensure(cache, deadline))
            return;
        bool reconnect = false;
        asks = exchange(cache, asks, &reconnect);
        if (asks == NULL && !reconnect) {
            gate_opened(cache->gate);
            return;
        }
        bool late = asks != NULL && timed_out(cache);
        disconnect(cache);
        if (late) {
            gate_failed(cache->gate);
            log_down(cache);
            return;
        }
    }
    if (asks != NULL)
        log_down(cache);
}

void cache_flush(struct cache *cache) {
    struct ask *asks = cache->first;
    cache_forget(cache);
    if (asks == NULL)
        return;
    arena_reset(cache->replies, REPLY_KEEP);
    int64_t begun = clock_mono_us();
    ask_all(cache, asks);
    metrics_timer(TIMER_REDIS, clock_mono_us() - begun);
}

void cache_forget(struct cache *cache) {
    cache->first = NULL;
    cache->last = &cache->first;
}

int64_t reply_int(const struct reply *reply, int64_t fallback) {
    if (reply == NULL)
        return fallback;
    if (reply->kind == REPLY_INT)
        return reply->number;
    if (reply->kind != REPLY_TEXT || reply->len == 0)
        return fallback;
    char *end;
    long long number = strtoll(reply->text, &end, 10);
    return end == reply->text + reply->len ? number : fallback;
}

const struct reply *reply_at(const struct reply *reply, size_t i) {
    return reply != NULL && reply->kind == REPLY_LIST && i < reply->count ? reply->members[i] : NULL;
}

const char *reply_text(const struct reply *reply) {
    return reply != NULL && reply->kind == REPLY_TEXT ? reply->text : NULL;
}
