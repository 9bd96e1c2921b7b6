#include "store/limits.h"

#include <string.h>

struct ask *limits_ask(struct cache *cache, struct arena *arena, const char *name,
                       const char *subject, struct conf_rate rate, int64_t cost) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_LIMIT);
    ask_key(cache, arena, ask, "ratelimit:", arena_printf(arena, "%s:%s", name, subject));
    ask_int(arena, ask, rate.count);
    ask_int(arena, ask, rate.period_ms);
    ask_int(arena, ask, cost);
    return ask;
}

static bool read_limit(const struct reply *reply, struct limit_result *result) {
    if (reply == NULL || reply->kind != REPLY_LIST || reply->count != 4)
        return false;
    result->allowed = reply_int(reply_at(reply, 0), 0) == 1;
    result->remaining = reply_int(reply_at(reply, 1), 0);
    result->retry_after_ms = reply_int(reply_at(reply, 2), 0);
    result->reset_ms = reply_int(reply_at(reply, 3), 0);
    return true;
}

enum answer limits_answer(const struct ask *ask, struct limit_result *result) {
    if (!read_limit(ask->reply, result))
        return ANSWER_UNKNOWN;
    return result->allowed ? ANSWER_YES : ANSWER_NO;
}

/* The two limits of one way in: account, or account and place. */
static void ask_way(struct cache *cache, struct arena *arena, struct ask *ask,
                    const char *subject) {
    ask_key(cache, arena, ask, "ratelimit:login_account:", subject);
    ask_key(cache, arena, ask, "ratelimit:login_failures:", subject);
}

static const char *known_way(struct arena *arena, const struct login_subject *subject) {
    return arena_printf(arena, "%s:%s", subject->account, subject->place);
}

struct ask *limits_login_ask(struct cache *cache, struct arena *arena,
                             const struct login_subject *subject, const struct login_rates *rates,
                             int64_t life_ms) {
    const struct conf_rate all[] = {rates->address, rates->account, rates->failures};
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_LOGIN_LIMIT);
    ask_key(cache, arena, ask, "ratelimit:login_address:", subject->address);
    if (subject->account != NULL) {
        ask_key(cache, arena, ask, "login_known:", subject->account);
        ask_way(cache, arena, ask, subject->account);
        ask_way(cache, arena, ask, known_way(arena, subject));
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ask_int(arena, ask, all[i].count);
        ask_int(arena, ask, all[i].period_ms);
    }
    ask_text(ask, subject->place != NULL ? subject->place : "");
    ask_int(arena, ask, life_ms);
    return ask;
}

enum answer limits_login_answer(const struct ask *ask, const struct login_rates *rates,
                                struct login_limits *limits) {
    const struct reply *reply = ask->reply;
    memset(limits, 0, sizeof *limits);
    if (reply == NULL || reply->kind != REPLY_LIST || (reply->count != 4 && reply->count != 8))
        return ANSWER_UNKNOWN;
    struct limit_result *all[] = {&limits->limits[0], &limits->limits[1], &limits->limits[2],
                                  &limits->strangers[0], &limits->strangers[1]};
    for (size_t i = 0; i + 3 < reply->count; i++)
        if (!read_limit(reply_at(reply, i + 3), all[i]))
            return ANSWER_UNKNOWN;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i]->name = i == 0 ? "login_address" : i % 2 ? "login_account" : "login_failures";
        all[i]->rate = i == 0 ? rates->address : i % 2 ? rates->account : rates->failures;
    }
    limits->count = reply->count == 8 ? 3 : 1;
    limits->known = reply_int(reply_at(reply, 1), 0) == 1;
    limits->besieged = reply_int(reply_at(reply, 2), 0) == 1;
    return reply_int(reply_at(reply, 0), 0) == 1 ? ANSWER_YES : ANSWER_NO;
}

void limits_login_good(struct cache *cache, struct arena *arena,
                       const struct login_subject *subject, bool counted, bool known,
                       int64_t life_ms, int64_t most) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_LOGIN_GOOD);
    ask_key(cache, arena, ask, "login_known:", subject->account);
    if (counted)
        ask_way(cache, arena, ask, known ? known_way(arena, subject) : subject->account);
    ask_text(ask, subject->place);
    ask_int(arena, ask, life_ms);
    ask_int(arena, ask, most);
}

void limits_login_lift(struct cache *cache, struct arena *arena, const char *account) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_LOGIN_LIFT);
    ask_key(cache, arena, ask, "login_known:", account);
    ask_way(cache, arena, ask, account);
}
