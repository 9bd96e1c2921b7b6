#include "store/sentinel.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* One worker asks one sentinel this often, for all of them. */
#define ASK_EVERY_MS 250
/* The most that asking may hold up the worker whose turn it is, and one sentinel of several. */
#define ASK_MS 100
/* A sentinel that did not answer is left alone so long, while others do. */
#define REST_MS 5000

static struct timeval milliseconds(int64_t ms) {
    if (ms < 1)
        ms = 1;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static redisReply *ask(redisContext *redis, const struct sentinel_login *login, const char *master) {
    int before = 0;
    void *reply = NULL;
    if (login->password != NULL && login->password[0] != '\0') {
        if (login->user[0] != '\0')
            redisAppendCommand(redis, "AUTH %s %s", login->user, login->password);
        else
            redisAppendCommand(redis, "AUTH %s", login->password);
        before = 1;
    }
    redisAppendCommand(redis, "SENTINEL MASTER %s", master);
    for (int i = 0; i <= before; i++) {
        if (reply != NULL)
            freeReplyObject(reply);
        reply = NULL;
        if (redisGetReply(redis, &reply) != REDIS_OK)
            return NULL;
        if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
            break;
    }
    return reply;
}

/* The value behind a name in the flat list that SENTINEL MASTER answers. */
static const char *value_of(const redisReply *list, const char *name) {
    for (size_t i = 0; i + 1 < list->elements; i += 2) {
        const redisReply *key = list->element[i], *value = list->element[i + 1];
        if (key->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING &&
            strcmp(key->str, name) == 0)
            return value->str;
    }
    return NULL;
}

static bool read_primary(const redisReply *reply, struct sentinel_primary *primary) {
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    const char *host = value_of(reply, "ip"), *port = value_of(reply, "port"),
               *epoch = value_of(reply, "config-epoch");
    long number = port != NULL ? strtol(port, NULL, 10) : 0;
    if (host == NULL || strlen(host) >= sizeof primary->host || number < 1 || number > 65535 ||
        epoch == NULL)
        return false;
    snprintf(primary->host, sizeof primary->host, "%s", host);
    primary->port = (uint16_t)number;
    primary->epoch = strtoull(epoch, NULL, 10);
    return true;
}

static void note_failure(char *why, size_t size, const struct conf_host *host, const char *what) {
    size_t len = strlen(why);
    if (len < size)
        snprintf(why + len, size - len, "%s%s:%u: %s", len > 0 ? "; " : "", host->host, host->port,
                 what);
}

/* One sentinel, within ms; why gets what it said where that is no primary. */
static bool ask_one(const struct conf_redis_address *address, const struct sentinel_login *login,
                    size_t which, int64_t ms, struct sentinel_primary *primary, char *why,
                    size_t why_size) {
    const struct conf_host *host = &address->sentinels[which];
    redisContext *redis = redisConnectWithTimeout(host->host, host->port, milliseconds(ms));
    MUST(redis != NULL);
    redisReply *reply = NULL;
    bool named = false;
    if (redis->err == 0) {
        fcntl(redis->fd, F_SETFD, FD_CLOEXEC);
        redisSetTimeout(redis, milliseconds(ms));
        reply = ask(redis, login, address->master);
    }
    if (reply == NULL)
        note_failure(why, why_size, host, redis->err ? redis->errstr : "no answer");
    else if (!(named = read_primary(reply, primary)))
        note_failure(why, why_size, host,
                     reply->type == REDIS_REPLY_ERROR ? reply->str : "names no primary");
    if (reply != NULL)
        freeReplyObject(reply);
    redisFree(redis);
    return named;
}

/* The sentinels, those that rest last. */
static size_t in_order(const struct conf_redis_address *address, const struct gate *gate,
                       size_t order[CONF_MAX_HOSTS]) {
    int64_t now = clock_mono_ms();
    size_t count = 0;
    for (int resting = 0; resting < 2; resting++)
        for (size_t i = 0; i < address->sentinel_count; i++)
            if ((atomic_load(&gate->rest_until[i]) > now) == (resting != 0))
                order[count++] = i;
    return count;
}

static void publish(struct gate *gate, uint64_t epoch) {
    uint64_t known = atomic_load(&gate->epoch);
    while (known < epoch && !atomic_compare_exchange_weak(&gate->epoch, &known, epoch))
        continue;
}

bool sentinel_find(const struct conf_redis_address *address, const struct sentinel_login *login,
                   struct gate *gate, int64_t deadline, struct sentinel_primary *primary, char *why,
                   size_t why_size) {
    size_t order[CONF_MAX_HOSTS], count = in_order(address, gate, order), answers = 0;
    bool found = false;
    why[0] = '\0';
    for (size_t i = 0; i < count && answers <= address->sentinel_count / 2; i++) {
        struct sentinel_primary one;
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0)
            break;
        /* The last one may take all that is left; nobody before it. */
        if (left > ASK_MS && i + 1 < count)
            left = ASK_MS;
        if (!ask_one(address, login, order[i], left, &one, why, why_size)) {
            atomic_store(&gate->rest_until[order[i]], clock_mono_ms() + REST_MS);
            continue;
        }
        atomic_store(&gate->rest_until[order[i]], 0);
        answers++;
        if (!found || one.epoch > primary->epoch)
            *primary = one;
        found = true;
    }
    if (found)
        publish(gate, primary->epoch);
    return found;
}

/* The next sentinel whose turn it is and that does not rest; false: all of them rest. */
static bool next_in_turn(const struct conf_redis_address *address, struct gate *gate, size_t *which) {
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < address->sentinel_count; i++) {
        *which = atomic_fetch_add(&gate->turn, 1) % address->sentinel_count;
        if (atomic_load(&gate->rest_until[*which]) <= now)
            return true;
    }
    return false;
}

/* Somebody moved the primary without an election (SENTINEL RESET, another configuration): the epoch may
 * stay, the address does not. */
static bool is_another(const struct sentinel_primary *a, const struct sentinel_primary *b) {
    return a->port != b->port || strcmp(a->host, b->host) != 0;
}

bool sentinel_moved(const struct conf_redis_address *address, const struct sentinel_login *login,
                    struct gate *gate, const struct sentinel_primary *primary) {
    int64_t now = clock_mono_ms(), due = atomic_load(&gate->ask_after);
    size_t which;
    if (now >= due && atomic_compare_exchange_strong(&gate->ask_after, &due, now + ASK_EVERY_MS) &&
        next_in_turn(address, gate, &which)) {
        struct sentinel_primary one;
        char why[256] = "";
        if (!ask_one(address, login, which, ASK_MS, &one, why, sizeof why)) {
            atomic_store(&gate->rest_until[which], clock_mono_ms() + REST_MS);
        } else if (one.epoch >= primary->epoch) {
            publish(gate, one.epoch);
            if (is_another(&one, primary))
                return true;
        }
    }
    return atomic_load(&gate->epoch) > primary->epoch;
}
