/*
 * buf: bytes that grow.  Always followed by a NUL that is not counted, so that data can be printed.
 * Out of memory ends the process: a worker is replaced, and nobody is told a wrong yes.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

struct buf {
    char *data; /* NULL until the first byte */
    size_t len;
    size_t cap;
};

/* Room for extra more bytes (and the NUL) behind len; returns where they go.  Whoever fills it adds
 * to len and sets data[len] to NUL. */
char *buf_reserve(struct buf *buf, size_t extra);
/* Appends a copy: of len bytes, of a text, of one character, of what printf(3) would write.  What is
 * appended may not lie in the buffer itself, which moves when it grows. */
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* Drops the first n bytes. */
void buf_consume(struct buf *buf, size_t n);
/* Drops all but the first len bytes; there are as many. */
void buf_truncate(struct buf *buf, size_t len);
/* Empties it; the memory is kept. */
void buf_clear(struct buf *buf);
/* Wipes and frees; the buffer can be used again. */
void buf_free(struct buf *buf);

#endif
