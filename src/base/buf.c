#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum { SMALLEST = 64 };

/* Not realloc: it would leave a copy of what was there, maybe a password, in freed memory. */
static void grow(struct buf *buf, size_t needed) {
    size_t cap = buf->cap < SMALLEST ? SMALLEST : buf->cap;
    while (cap < needed)
        cap = cap > SIZE_MAX / 2 ? needed : cap * 2;
    char *data = malloc(cap);
    if (!data)
        DIE("out of memory");
    if (buf->len)
        memcpy(data, buf->data, buf->len);
    data[buf->len] = '\0';
    if (buf->data) {
        secret_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    buf->data = data;
    buf->cap = cap;
}

char *buf_reserve(struct buf *buf, size_t extra) {
    size_t needed;
    if (__builtin_add_overflow(buf->len, extra, &needed) ||
        __builtin_add_overflow(needed, 1, &needed))
        DIE("out of memory");
    if (needed > buf->cap)
        grow(buf, needed);
    return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len) {
    if (!len)
        return;
    char *to = len < buf->cap - buf->len ? buf->data + buf->len : buf_reserve(buf, len);
    memcpy(to, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_adds(struct buf *buf, const char *text) {
    buf_add(buf, text, strlen(text));
}

void buf_addc(struct buf *buf, char c) {
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...) {
    size_t room = buf->cap - buf->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
    va_end(args);
    MUST(len >= 0);
    if ((size_t)len >= room) {
        char *to = buf_reserve(buf, (size_t)len);
        va_start(args, format);
        MUST(vsnprintf(to, (size_t)len + 1, format, args) == len);
        va_end(args);
    }
    buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t n) {
    MUST(n <= buf->len);
    if (!n)
        return;
    memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
    buf->data[buf->len] = '\0';
}

void buf_truncate(struct buf *buf, size_t len) {
    MUST(len <= buf->len);
    buf->len = len;
    if (buf->data)
        buf->data[len] = '\0';
}

void buf_clear(struct buf *buf) {
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_free(struct buf *buf) {
    if (buf->data) {
        secret_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    *buf = (struct buf){0};
}
