#include "store/cache.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/redis_link.h"

struct cache {
    struct redis_link link;
    struct ask *first, **last;
    struct ask moving;     /* asks for the mark, with whatever is asked when that is due */
    char marks_key[80];
    bool down; /* the last try failed, and that was logged */
    uint64_t connections;
};

struct cache *cache_new(const struct conf *conf, const char *password, struct gate *gate) {
    struct cache *cache = calloc(1, sizeof *cache);
    MUST(cache != NULL);
    link_init(&cache->link, conf, password, gate);
    cache->last = &cache->first;
    snprintf(cache->marks_key, sizeof cache->marks_key, "%smarks", conf->redis_prefix);
    return cache;
}

void cache_set_sentinel_password(struct cache *cache, const char *password) {
    cache->link.sentinels.password = password;
}

void cache_on_page(struct cache *cache, void (*beat)(void *context), void *context) {
    cache->link.beat = beat;
    cache->link.beat_context = context;
}

void cache_beat(const struct cache *cache) {
    link_beat(&cache->link);
}

void cache_free(struct cache **cache) {
    if (cache == NULL || *cache == NULL)
        return;
    link_free(&(*cache)->link);
    free(*cache);
    *cache = NULL;
}

const char *cache_why(const struct cache *cache) {
    return cache->link.why;
}

const char *cache_address(const struct cache *cache) {
    return link_address(&cache->link);
}

struct gate *cache_gate(const struct cache *cache) {
    return cache->link.gate;
}

int64_t cache_timeout(const struct cache *cache) {
    return cache->link.conf->redis_timeout;
}

static void note(struct cache *cache, const char *why) {
    snprintf(cache->link.why, sizeof cache->link.why, "%s", why);
}

static void log_down(struct cache *cache) {
    metrics_event(EVENT_REDIS_ERROR, 1);
    if (!cache->down)
        log_error("Redis cannot be asked; requests are answered 503 until it can",
                  F_STR("reason", cache->link.why), F_STR("server", link_address(&cache->link)),
                  F_STR("cure", "start it, or mend [redis]; gatehousectl doctor looks closer"));
    cache->down = true;
}

static void leave_old_primary(struct cache *cache) {
    if (!link_is_stale(&cache->link))
        return;
    log_info("another Redis is the primary now", F_STR("before", cache->link.primary.host),
             F_INT("port", cache->link.primary.port));
    link_close(&cache->link);
}

static int64_t deadline_of(const struct cache *cache) {
    return clock_mono_ms() + cache->link.conf->redis_timeout;
}

static bool open_link(struct cache *cache, int64_t deadline) {
    if (!link_open(&cache->link, deadline))
        return false;
    if (mark_check(&cache->link, &cache->link.gate->mark))
        return true;
    link_close(&cache->link);
    return false;
}

static bool ensure(struct cache *cache, int64_t deadline) {
    leave_old_primary(cache);
    if (link_is_open(&cache->link))
        return true;
    if (!gate_may_try(cache->link.gate, cache->link.conf->redis_timeout)) {
        note(cache, "Redis did not answer a moment ago");
        return false;
    }
    if (!open_link(cache, deadline)) {
        gate_failed(cache->link.gate);
        log_down(cache);
        return false;
    }
    gate_opened(cache->link.gate);
    metrics_event(EVENT_REDIS_CONNECT, 1);
    cache->connections++;
    if (cache->down)
        log_info("Redis answers again");
    cache->down = false;
    return true;
}

enum answer cache_connect(struct cache *cache) {
    link_forget_replies(&cache->link);
    return ensure(cache, deadline_of(cache)) ? ANSWER_YES : ANSWER_UNKNOWN;
}

uint64_t cache_connections(const struct cache *cache) {
    return cache->connections;
}

/* argv and lens are filled as far as argc goes. */
static struct ask *begin_at(struct cache *cache, struct ask *ask, int script) {
    ask->reply = NULL;
    ask->next = NULL;
    ask->script = script;
    ask->optional = ask->whole = ask->again = false;
    ask->key_count = 0;
    ask->argc = 0;
    *cache->last = ask;
    cache->last = &ask->next;
    return ask;
}

static struct ask *begin(struct cache *cache, struct arena *arena, int script) {
    return begin_at(cache, arena_alloc(arena, sizeof(struct ask)), script);
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

/* The script's digest and the number of keys are filled in when it is asked. */
static struct ask *as_script(struct ask *ask) {
    ask_text(ask, "EVALSHA");
    ask_text(ask, "");
    ask_text(ask, "");
    return ask;
}

struct ask *cache_ask_script(struct cache *cache, struct arena *arena, enum cache_script script) {
    return as_script(begin(cache, arena, (int)script));
}

void ask_key(struct cache *cache, struct arena *arena, struct ask *ask, const char *kind,
             const char *id) {
    size_t prefix_len = strlen(cache->link.conf->redis_prefix), kind_len = strlen(kind),
           id_len = strlen(id), len = prefix_len + kind_len + id_len;
    char *key = arena_alloc(arena, len + 1);
    memcpy(key, cache->link.conf->redis_prefix, prefix_len);
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
    ask_text(ask, cache->link.conf->redis_prefix);
}

static struct ask *add_marks(struct cache *cache, struct ask *ask) {
    ask_text(ask, cache->marks_key);
    ask->key_count++;
    return ask;
}

struct ask *cache_ask_ending(struct cache *cache, struct arena *arena, enum cache_script script) {
    return add_marks(cache, cache_ask_script(cache, arena, script));
}

void ask_writer(struct cache *cache, struct ask *ask) {
    ask_text(ask, cache->link.gate->mark.writer);
}

/* A Redis that takes no writes says so to whoever needs one. */
static void fill_mark(struct cache *cache, struct ask *ask, bool ended) {
    add_marks(cache, as_script(ask));
    ask_writer(cache, ask);
    ask_text(ask, ended ? "1" : "0");
    ask->optional = true;
}

void cache_told_no(struct cache *cache, struct arena *arena) {
    if (!mark_must_move(&cache->link.gate->mark))
        return;
    fill_mark(cache, begin(cache, arena, SCRIPT_MARK), true);
}

static const char *const small_numbers[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};

static void send_ask(struct cache *cache, struct ask *ask) {
    if (ask->script >= 0) {
        MUST(ask->key_count < (int)(sizeof small_numbers / sizeof *small_numbers));
        const char *script =
            ask->whole ? cache->link.texts[ask->script] : cache->link.shas[ask->script];
        ask->argv[0] = ask->whole ? "EVAL" : "EVALSHA";
        ask->lens[0] = strlen(ask->argv[0]);
        ask->argv[1] = script;
        ask->lens[1] = strlen(script);
        ask->argv[2] = small_numbers[ask->key_count];
        ask->lens[2] = 1;
    }
    link_command(&cache->link, ask->argc, ask->argv, ask->lens);
}

/* Redis speaks, but not for the data: what it says is not "absent", it is "cannot tell".  A server
 * that is loading, was demoted or lost its primary may be another by the next connection. */
static bool is_outage(const struct reply *reply) {
    static const char *const prefixes[] = {"LOADING",     "READONLY", "MASTERDOWN", "NOREPLICAS",
                                           "CLUSTERDOWN", "NOAUTH",   "UNBLOCKED"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(reply->text, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static const char *refusal_cure(const char *error) {
    static const struct {
        const char *error, *cure;
    } cures[] = {
        {"OOM", "its memory is full: more maxmemory, or fewer keys of others in it"},
        {"MISCONF", "it cannot save to its disk: make room, and see its log"},
        {"READONLY", "it became a replica: give the primary's address, or sentinels"},
        {"NOREPLICAS", "too few replicas follow it (min-replicas-to-write)"},
        {"LOADING", "it reads its files: wait"},
        {"NOPERM", "its user may not do this: gatehousectl doctor says what is needed"},
    };
    for (size_t i = 0; i < sizeof cures / sizeof *cures; i++)
        if (strncmp(error, cures[i].error, strlen(cures[i].error)) == 0)
            return cures[i].cure;
    return "gatehousectl doctor looks closer";
}

static void log_refused(struct cache *cache, const struct ask *ask, const struct reply *reply) {
    note(cache, reply->text);
    if (ask->optional)
        return;
    metrics_event(EVENT_REDIS_ERROR, 1);
    log_error("Redis refused a command; the request is answered 503", F_STR("error", reply->text),
              F_STR("command",
                    ask->script >= 0 ? script_name((enum cache_script)ask->script) : ask->argv[0]),
              F_STR("cure", refusal_cure(reply->text)));
}

static void take_reply(struct cache *cache, struct ask *ask, const struct reply *reply) {
    ask->reply = reply->kind == REPLY_ERROR ? NULL : reply;
    if (ask->script >= 0 && reply->kind == REPLY_LIST && script_ends((enum cache_script)ask->script))
        mark_take(&cache->link.gate->mark, reply, &cache->link);
}

/* Where to go on after the connection broke, before the ask `broke` was answered.  Those before it have their
 * answers, except for scripts that Redis did not know and that were to be sent whole: where there is one,
 * it and all behind it are asked once more. */
static struct ask *first_left(struct ask *first, struct ask *broke) {
    for (struct ask *ask = first; ask != broke; ask = ask->next)
        if (ask->whole)
            return ask;
    return broke;
}

/* One write and one read for [first, end of the list).  Returns the first ask that is still to be
 * answered, NULL when all are; an ask that Redis refused is answered with NULL. */
static struct ask *exchange(struct cache *cache, struct ask *first, bool *reconnect) {
    for (struct ask *ask = first; ask != NULL; ask = ask->next) {
        ask->whole = false;
        send_ask(cache, ask);
    }
    bool unknown_script = false;
    for (struct ask *ask = first; ask != NULL; ask = ask->next) {
        const struct reply *reply = link_reply(&cache->link);
        if (reply == NULL)
            return first_left(first, ask);
        take_reply(cache, ask, reply);
        if (reply->kind != REPLY_ERROR)
            continue;
        if (ask->script >= 0 && strncmp(reply->text, "NOSCRIPT", 8) == 0) {
            unknown_script = ask->whole = true;
            continue;
        }
        log_refused(cache, ask, reply);
        *reconnect |= is_outage(reply);
    }
    if (!unknown_script)
        return NULL;
    /* Somebody emptied the script cache: once more, with the text. */
    for (struct ask *ask = first; ask != NULL; ask = ask->next) {
        if (!ask->whole)
            continue;
        send_ask(cache, ask);
        const struct reply *reply = link_reply(&cache->link);
        if (reply == NULL)
            return ask;
        take_reply(cache, ask, reply);
        if (reply->kind == REPLY_ERROR)
            log_refused(cache, ask, reply);
    }
    return NULL;
}

static void ask_all(struct cache *cache, struct ask *asks, int64_t deadline) {
    for (int tries = 0; asks != NULL && tries < 2; tries++) {
        if (!ensure(cache, deadline))
            return;
        for (struct ask *ask = asks; ask != NULL && tries > 0; ask = ask->next)
            ask->again = true;
        bool reconnect = false;
        asks = exchange(cache, asks, &reconnect);
        if (asks == NULL && !reconnect) {
            gate_opened(cache->link.gate);
            return;
        }
        bool late = asks != NULL && link_timed_out(&cache->link);
        link_close(&cache->link);
        if (late) {
            gate_failed(cache->link.gate);
            log_down(cache);
            return;
        }
    }
    if (asks != NULL)
        log_down(cache);
}

void cache_flush(struct cache *cache) {
    if (cache->first == NULL)
        return;
    if (mark_is_due(&cache->link.gate->mark))
        fill_mark(cache, begin_at(cache, &cache->moving, SCRIPT_MARK), false);
    struct ask *asks = cache->first;
    cache_forget(cache);
    link_forget_replies(&cache->link);
    int64_t begun = metrics_clock();
    metrics_begin(TIMER_REDIS);
    ask_all(cache, asks, deadline_of(cache));
    metrics_timer(TIMER_REDIS, metrics_clock() - begun);
}

void cache_forget(struct cache *cache) {
    cache->first = NULL;
    cache->last = &cache->first;
}
