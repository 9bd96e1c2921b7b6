#include "store/durability.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static struct ask *ask_info(struct cache *cache, struct arena *arena, const char *section) {
    struct ask *ask = cache_ask(cache, arena, "INFO");
    ask_text(ask, section);
    ask->optional = true;
    return ask;
}

/* The value behind "\nname:"; false: it is not there. */
static bool value_of(const char *info, const char *name, char *out, size_t size) {
    const char *at = info != NULL ? strstr(info, name) : NULL;
    if (at == NULL)
        return false;
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return true;
}

bool durability_ask(struct cache *cache, struct arena *arena, struct durability *out) {
    const struct ask *memory = ask_info(cache, arena, "memory"),
                     *persistence = ask_info(cache, arena, "persistence");
    char appends[8] = "";
    memset(out, 0, sizeof *out);
    cache_flush(cache);
    if (!value_of(reply_text(memory->reply), "\nmaxmemory_policy:", out->policy, sizeof out->policy) ||
        !value_of(reply_text(persistence->reply), "\naof_enabled:", appends, sizeof appends))
        return false;
    out->evicts = strcmp(out->policy, "noeviction") != 0;
    out->appends = strcmp(appends, "1") == 0;
    return true;
}

void durability_warn(const struct durability *durability) {
    if (durability->evicts)
        log_warning("Redis drops keys when its memory is full: people are signed out then",
                    F_STR("policy", durability->policy),
                    F_STR("cure", "maxmemory-policy noeviction in redis.conf"));
    if (!durability->appends)
        log_warning("Redis keeps no append-only file: when it crashes, everybody is signed out",
                    F_STR("cure", "appendonly yes in redis.conf"));
}
