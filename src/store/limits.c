#include "store/limits.h"

struct ask *limits_ask(struct cache *cache, struct arena *arena, const char *name,
                       const char *subject, struct conf_rate rate, int64_t cost) {
    struct ask *ask = cache_ask_script(cache, arena, SCRIPT_LIMIT);
    ask_key(cache, arena, ask, "ratelimit:", arena_printf(arena, "%s:%s", name, subject));
    ask_int(arena, ask, rate.count);
    ask_int(arena, ask, rate.period_ms);
    ask_int(arena, ask, cost);
    return ask;
}

enum answer limits_answer(const struct ask *ask, struct limit_result *result) {
    const struct reply *reply = ask->reply;
    if (reply == NULL || reply->kind != REPLY_LIST || reply->count != 4)
        return ANSWER_UNKNOWN;
    result->remaining = reply_int(reply_at(reply, 1), 0);
    result->retry_after_ms = reply_int(reply_at(reply, 2), 0);
    result->reset_ms = reply_int(reply_at(reply, 3), 0);
    return reply_int(reply_at(reply, 0), 0) == 1 ? ANSWER_YES : ANSWER_NO;
}
