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

void mark_take(struct mark *mark, const struct reply *reply, const struct redis_link *link) {
    int64_t value = reply_int(reply_at(reply, 0), 0);
    if (value <= 0)
        return;
    raise_epoch(mark, link_has_sentinels(link) ? link->primary.epoch : 0);
    atomic_store(&mark->process, link->process);
    raise_to(&mark->last, value);
    if (reply_int(reply_at(reply, 1), 0) > 0)
        raise_to(&mark->ended, value);
}

/* That primary may be another than the one of before: it is taken for one that was just elected. */
void mark_count_anew(struct mark *mark, uint64_t epoch) {
    atomic_store(&mark->epoch, epoch > 0 ? epoch - 1 : 0);
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

/* What Redis says of the mark: the script mark_look. */
struct look {
    int64_t there, slack, swept, process, since, now;
};

static bool look_at(struct redis_link *link, const struct mark *mark, struct look *look) {
    const char *arguments[] = {mark->writer};
    const struct reply *reply = ask(link, SCRIPT_MARK_LOOK, arguments, 1);
    if (reply == NULL)
        return false;
    *look = (struct look){.there = reply_int(reply_at(reply, 0), 0),
                          .slack = reply_int(reply_at(reply, 1), 0) == 1 ? MARK_SLACK : 0,
                          .swept = reply_int(reply_at(reply, 2), 0),
                          .process = reply_int(reply_at(reply, 3), 0),
                          .since = reply_int(reply_at(reply, 4), 0),
                          .now = reply_int(reply_at(reply, 5), 0)};
    return true;
}

/* Redis drops keys when it is full, the marks too; nothing else of what it had is missing for that. */
static bool was_dropped(const struct mark *mark, const struct look *look) {
    return look->there == 0 && look->process != 0 && look->process == atomic_load(&mark->process);
}

/* Whether nothing that this service ended can be in there again. */
static bool is_whole(const struct mark *mark, const struct look *look) {
    int64_t last = atomic_load(&mark->last), ended = atomic_load(&mark->ended);
    return (look->there >= ended && look->there + look->slack >= last) || look->swept > last ||
           look->now - last > MARK_TRUSTED || was_dropped(mark, look);
}

/* Page by page, so that nobody else waits for all of it. */
static bool end_all(struct redis_link *link, const struct mark *mark, bool forget, int64_t since,
                    int64_t *ended) {
    char number[24], begun[24], cursor[24] = "0";
    *ended = 0;
    snprintf(number, sizeof number, "%" PRId64, atomic_load(&mark->last));
    snprintf(begun, sizeof begun, "%" PRId64, since);
    do {
        const char *arguments[] = {link->conf->redis_prefix, mark->writer, number, forget ? "1" : "0",
                                   begun, cursor};
        gate_sweeps_on(link->gate, link->conf->redis_timeout);
        link_beat(link);
        const struct reply *page = ask(link, SCRIPT_WENT_BACK, arguments, 6);
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

static bool make_whole(struct redis_link *link, const struct mark *mark, const struct look *look) {
    bool elected = link_has_sentinels(link) && link->primary.epoch > atomic_load(&mark->epoch);
    bool forget = !elected || look->there + MARK_SLACK_ELECTED < atomic_load(&mark->last);
    int64_t records;
    if (!end_all(link, mark, forget, look->since, &records))
        return false;
    if (forget)
        log_ended(link, records);
    else
        log_elected(link);
    return true;
}

bool mark_check(struct redis_link *link, struct mark *mark) {
    struct look look;
    if (mark->writer[0] == '\0')
        return true;
    if (!look_at(link, mark, &look))
        return false;
    link->process = look.process;
    if (atomic_load(&mark->last) == 0 || is_whole(mark, &look))
        return true;
    if (!gate_may_sweep(link->gate)) {
        snprintf(link->why, sizeof link->why, "it has gone back, and its sessions are just being ended");
        return false;
    }
    /* Another worker may have been quicker. */
    bool good = look_at(link, mark, &look) && (is_whole(mark, &look) || make_whole(link, mark, &look));
    gate_has_swept(link->gate);
    return good;
}
