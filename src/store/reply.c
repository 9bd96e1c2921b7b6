#include "store/reply.h"

#include <stdlib.h>

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
    return reply != NULL && reply->kind == REPLY_LIST && i < reply->count ? reply->members[i]
                                                                          : NULL;
}

const char *reply_text(const struct reply *reply) {
    return reply != NULL && reply->kind == REPLY_TEXT ? reply->text : NULL;
}
