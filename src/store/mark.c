#include "store/mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "store/redis_link.h"

#define MOVES_MS 1000
#define TOLD_MS  100

void mark_name(struct mark *mark) {
    uint8_t random[8];
    secret_random(random, sizeof random);
    hex_encode(random, sizeof random, mark->writer);
}

static void raise_to(_Atomic int64_t *known, int64_t value) {
    int64_t before = atomic_load(known);
    while (before < value && !atomic_compare_exchange_weak(known, &before, value))
        continue;
}

/* A worker that is still connected to the primary of before must not make the present one look newly
 * elected: it would be forgiven what only a new one may lack. */
static void raise_epoch(struct mark *mark, uint64_t epoch) {
    uint64_t before = atomic_load(&mark->epoch);
    while (before < epoch && !atomic_compare_exchange_weak(&mark->epoch, &before, epoch))
        continue;
}

void mark_take(struct mark *mark, const struct reply *reply, uint64_t epoch) {
    int64_t value = reply_int(reply_at(reply, 0), 0);
    if (value <= 0)
        return;
    raise_epoch(mark, epoch);
    raise_to(&mark->last, value);
    if (reply_int(reply_at(reply, 1), 0) == 1)
        raise_to(&mark->ended, value);
}

/* One of all workers; read first, so that the line stays in every processor's cache meanwhile. */
static bool is_first_after(_Atomic int64_t *at, int64_t every_ms) {
    int64_t now = clock_mono_ms(), due = atomic_load(at);
    return now >= due && atomic_compare_exchange_strong(at, &due, now + every_ms);
}

bool mark_is_due(struct mark *mark) {
    return mark->writer[0] != '\0' && is_first_after(&mark->move_at, MOVES_MS);
}

bool mark_must_move(struct mark *mark) {
    return mark->writer[0] != '\0' && is_first_after(&mark->told_at, TOLD_MS);
}

/* A new connection ----------------------------------------------------------------------------- */

/* NULL: there is no answer; an answer of another kind than a list is none either. */
static const struct reply *ask(struct redis_link *link, enum cache_script script,
                               const char *const *arguments, size_t count) {
    char key[80];
    const char *argv[10] = {"EVALSHA", link->shas[script], "1", key};
    size_t lens[10];
    snprintf(key, sizeof key, "%smarks", link->conf->redis_prefix);
    MUST(count + 4 <= sizeof argv / sizeof *argv);
    for (size_t i = 0; i < count; i++)
        argv[4 + i] = arguments[i];
    for (size_t i = 0; i < 4 + count; i++)
        lens[i] = strlen(argv[i]);
    link_command(link, (int)(4 + count), argv, lens);
    const struct reply *reply = link_reply(link);
    if (reply == NULL || reply->kind == REPLY_LIST)
        return reply;
    snprintf(link->why, sizeof link->why, "%s",
             reply->kind == REPLY_ERROR ? reply->text : "it does not know its own mark");
    return NULL;
}

/* Page by page, so that nobody else waits for all of it; every worker that connects meanwhile helps. */
static bool end_all(struct redis_link *link, const struct mark *mark, bool forget, int64_t *ended) {
    char number[24], cursor[24] = "0";
    *ended = 0;
    snprintf(number, sizeof number, "%" PRId64, atomic_load(&mark->last));
    do {
        const char *arguments[] = {link->conf->redis_prefix, mark->writer, number, forget ? "1" : "0",
                                   cursor};
        const struct reply *page = ask(link, SCRIPT_WENT_BACK, arguments, 5);
        const char *next = page != NULL ? reply_text(reply_at(page, 0)) : NULL;
        if (next == NULL)
            return false;
        snprintf(cursor, sizeof cursor, "%s", next);
        *ended += reply_int(reply_at(page, 1), 0);
    } while (strcmp(cursor, "0") != 0);
    return true;
}

static void log_ended(const struct redis_link *link, int64_t ended) {
    metrics_event(EVENT_REDIS_WENT_BACK, 1);
    log_error("Redis has lost what it had acknowledged, logouts among it: every session is ended",
              F_INT("records", ended), F_STR("server", link_address(link)),
              F_STR("cure", "users sign in again; with appendonly yes in redis.conf no crash would "
                            "lose it"));
}

static void log_elected(const struct redis_link *link) {
    metrics_event(EVENT_REDIS_WENT_BACK, 1);
    log_error("the new primary of Redis lacks what the one before had acknowledged: something that "
              "was ended may not be",
              F_STR("server", link_address(link)),
              F_STR("cure", "revoke it again; min-replicas-to-write 1 in redis.conf makes this "
                            "less likely"));
}

bool mark_check(struct redis_link *link, struct mark *mark) {
    int64_t last = atomic_load(&mark->last), ended = atomic_load(&mark->ended), records;
    bool elected = link_has_sentinels(link) && link->primary.epoch > atomic_load(&mark->epoch);
    if (last == 0)
        return true;
    const char *arguments[] = {mark->writer};
    const struct reply *look = ask(link, SCRIPT_MARK_LOOK, arguments, 1);
    if (look == NULL)
        return false;
    int64_t there = reply_int(reply_at(look, 0), 0), now = reply_int(reply_at(look, 2), 0);
    int64_t slack = reply_int(reply_at(look, 1), 0) == 1 ? MARK_SLACK : 0;
    if ((there >= ended && there + slack >= last) || now - last > MARK_TRUSTED)
        return true;
    bool forget = !elected || there + MARK_SLACK_ELECTED < last;
    if (!end_all(link, mark, forget, &records))
        return false;
    if (forget)
        log_ended(link, records);
    else
        log_elected(link);
    return true;
}
