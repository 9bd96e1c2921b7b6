/*
 * reply: what Redis answered, as redis_wire.c builds it.
 */
#ifndef STORE_REPLY_H
#define STORE_REPLY_H

#include <stddef.h>
#include <stdint.h>

/* Lives until the next cache_flush: take what is needed. */
enum reply_kind { REPLY_NIL, REPLY_TEXT, REPLY_INT, REPLY_LIST, REPLY_ERROR };
struct reply {
    enum reply_kind kind;
    int64_t number;         /* REPLY_INT; for a text that is a decimal number, see reply_int */
    const char *text;       /* REPLY_TEXT and REPLY_ERROR, with a NUL behind */
    size_t len;             /* of text */
    struct reply **members; /* REPLY_LIST */
    size_t count;           /* of members */
};

/* A number: an integer reply, or a text that is one; fallback otherwise. */
int64_t reply_int(const struct reply *reply, int64_t fallback);
/* The i-th member of a list, NULL when there is none. */
const struct reply *reply_at(const struct reply *reply, size_t i);
/* Its text; NULL when it is none. */
const char *reply_text(const struct reply *reply);

#endif
