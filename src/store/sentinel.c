#include "store/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/redis_wire.h"

/* One worker asks one sentinel this often, for all of them. */
#define ASK_EVERY_MS 250
/* The most that asking may hold up the worker whose turn it is, and one sentinel of several. */
#define ASK_MS 100
/* A sentinel that did not answer is left alone so long, while others do. */
#define REST_MS 5000

/* The reply to the last of so many commands; an earlier one that is an error, or NULL. */
static const struct reply *last_reply(struct redis_wire *wire, int commands) {
    const struct reply *reply = NULL;
    for (int i = 0; i < commands; i++) {
        reply = wire_reply(wire);
        if (reply == NULL || reply->kind == REPLY_ERROR)
            break;
    }
    return reply;
}

/* Finds the epoch in the flat list of names and values that SENTINEL MASTER answers. */
static bool read_epoch(const struct reply *list, uint64_t *epoch) {
    for (size_t i = 0; list->kind == REPLY_LIST && i + 1 < list->count; i += 2) {
        const char *name = reply_text(reply_at(list, i)), *value = reply_text(reply_at(list, i + 1));
        if (name == NULL || value == NULL || strcmp(name, "config-epoch") != 0)
            continue;
        *epoch = strtoull(value, NULL, 10);
        return true;
    }
    return false;
}

static bool read_address(const struct reply *pair, struct sentinel_primary *primary) {
    const char *host = reply_text(reply_at(pair, 0)), *number = reply_text(reply_at(pair, 1));
    if (host == NULL || number == NULL || pair->count != 2 || strlen(host) >= sizeof primary->host)
        return false;
    long port = strtol(number, NULL, 10);
    if (port < 1 || port > 65535)
        return false;
    snprintf(primary->host, sizeof primary->host, "%s", host);
    primary->port = (uint16_t)port;
    return true;
}

static void note_failure(char *why, size_t size, const struct conf_host *host, const char *what) {
    size_t len = strlen(why);
    if (len < size)
        snprintf(why + len, size - len, "%s%s:%u: %s", len > 0 ? "; " : "", host->host, host->port,
                 what);
}

/*
 * The epoch is asked first, the address after it, and not with one command: in the middle of a
 * failover SENTINEL MASTER shows the new epoch beside the address of the Redis that is being
 * replaced, and such a pair would be believed over every true one.  The address of
 * get-master-addr-by-name changes with the epoch; a change between the two answers gives a newer
 * address an older epoch, which does no harm.
 */
static bool ask_primary(struct redis_wire *wire, const struct sentinel_login *login, const char *master,
                        struct sentinel_primary *primary, char *why, size_t why_size) {
    int before = wire_login(wire, login->user, login->password);
    WIRE_WORDS(wire, "SENTINEL", "MASTER", master);
    WIRE_WORDS(wire, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", master);
    const struct reply *about = last_reply(wire, before + 1);
    const struct reply *address =
        about != NULL && about->kind != REPLY_ERROR ? last_reply(wire, 1) : NULL;
    const struct reply *last = address != NULL ? address : about;
    if (address != NULL && read_epoch(about, &primary->epoch) && read_address(address, primary))
        return true;
    snprintf(why, why_size, "%s",
             last == NULL                 ? wire->why
             : last->kind == REPLY_ERROR ? last->text
                                          : "names no primary");
    return false;
}

/* One sentinel, within ms; why gets what it said where that is no primary. */
static bool ask_one(const struct conf_redis_address *address, const struct sentinel_login *login,
                    size_t which, int64_t ms, struct sentinel_primary *primary, char *why,
                    size_t why_size) {
    const struct conf_host *host = &address->sentinels[which];
    struct redis_wire wire;
    struct arena *replies = arena_new(4 * 1024);
    int64_t deadline = clock_mono_ms() + ms;
    char said[256];
    bool named = false;
    if (wire_open(&wire, "", host->host, host->port, login->tls, replies, deadline)) {
        wire_patience(&wire, deadline - clock_mono_ms());
        named = ask_primary(&wire, login, address->master, primary, said, sizeof said);
    } else {
        snprintf(said, sizeof said, "%s", wire.why);
    }
    if (!named)
        note_failure(why, why_size, host, said);
    wire_close(&wire);
    arena_free(&replies);
    return named;
}

/* In which order to ask the sentinels: those that did not answer lately (rest_until) come last. */
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

static bool is_another(const struct sentinel_primary *a, const struct sentinel_primary *b) {
    return a->port != b->port || strcmp(a->host, b->host) != 0;
}

static size_t votes_for(const struct sentinel_primary *one, const struct sentinel_primary answers[],
                        size_t count) {
    size_t votes = 0;
    for (size_t i = 0; i < count; i++)
        votes += answers[i].epoch == one->epoch && !is_another(&answers[i], one);
    return votes;
}

/* Of the answers with the highest epoch, the one that most sentinels give; NULL while another is given as
 * often.  (A sentinel that was set up for another Redis names that one at the same epoch; two hosts of ours
 * must not follow different ones.) */
static const struct sentinel_primary *elect(const struct sentinel_primary answers[], size_t count) {
    const struct sentinel_primary *best = NULL;
    size_t best_votes = 0;
    bool tied = false;
    for (size_t i = 0; i < count; i++) {
        const struct sentinel_primary *one = &answers[i];
        size_t votes = votes_for(one, answers, count);
        if (best == NULL || one->epoch > best->epoch ||
            (one->epoch == best->epoch && votes > best_votes)) {
            best = one;
            best_votes = votes;
            tied = false;
        } else if (one->epoch == best->epoch && votes == best_votes && is_another(one, best)) {
            tied = true;
        }
    }
    return tied ? NULL : best;
}

/* A later election is known than this one. */
static bool is_outdated(const struct gate *gate, const struct sentinel_primary *elected) {
    return elected->epoch < atomic_load(&gate->epoch);
}

/* An outdated answer is believed by nobody, unless every sentinel gives it: then somebody has set them up
 * anew, and they count from the beginning. */
static bool is_believed(const struct conf_redis_address *address, struct gate *gate,
                        const struct sentinel_primary *elected, size_t answered) {
    if (!is_outdated(gate, elected))
        return true;
    if (answered < address->sentinel_count)
        return false;
    atomic_store(&gate->epoch, elected->epoch);
    mark_count_anew(&gate->mark, elected->epoch);
    return true;
}

bool sentinel_find(const struct conf_redis_address *address, const struct sentinel_login *login,
                   struct gate *gate, int64_t deadline, struct sentinel_primary *primary, char *why,
                   size_t why_size) {
    struct sentinel_primary answers[CONF_MAX_HOSTS];
    const struct sentinel_primary *elected = NULL;
    size_t order[CONF_MAX_HOSTS], count = in_order(address, gate, order), answered = 0;
    why[0] = '\0';
    for (size_t i = 0; i < count && (elected == NULL || answered <= address->sentinel_count / 2 ||
                                     is_outdated(gate, elected));
         i++) {
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0)
            break;
        /* The last one may take all that is left; nobody before it. */
        if (left > ASK_MS && i + 1 < count)
            left = ASK_MS;
        if (!ask_one(address, login, order[i], left, &answers[answered], why, why_size)) {
            atomic_store(&gate->rest_until[order[i]], clock_mono_ms() + REST_MS);
            continue;
        }
        atomic_store(&gate->rest_until[order[i]], 0);
        elected = elect(answers, ++answered);
    }
    if (elected != NULL && !is_believed(address, gate, elected, answered)) {
        snprintf(why, why_size, "none of those that answer knows of the last election (if all were set up "
                                "anew, restart gatehouse)");
        return false;
    }
    if (elected != NULL) {
        *primary = *elected;
        publish(gate, primary->epoch);
    } else if (answered > 0) {
        snprintf(why, why_size, "they disagree: %s:%u and %s:%u", answers[0].host, answers[0].port,
                 answers[answered - 1].host, answers[answered - 1].port);
    }
    return elected != NULL;
}

/* The next sentinel whose turn it is and that does not rest; false: all of them rest. */
static bool next_in_turn(const struct conf_redis_address *address, struct gate *gate,
                         size_t *which) {
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < address->sentinel_count; i++) {
        *which = atomic_fetch_add(&gate->turn, 1) % address->sentinel_count;
        if (atomic_load(&gate->rest_until[*which]) <= now)
            return true;
    }
    return false;
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
            /* At the same epoch too: somebody moved it without an election (SENTINEL RESET). */
            if (is_another(&one, primary))
                return true;
        }
    }
    return atomic_load(&gate->epoch) > primary->epoch;
}
