/*
 * wire: FastCGI records made by hand, for the tests of both files of the fcgi room.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <fastcgi.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* One record; padding bytes are 0xee, so that whoever reads them notices. */
static inline void wire_record(struct buf *to, unsigned type, unsigned id, const void *content,
                               size_t len, unsigned padding) {
    unsigned char header[8] = {FCGI_VERSION_1,        (unsigned char)type,
                               (unsigned char)(id >> 8), (unsigned char)id,
                               (unsigned char)(len >> 8), (unsigned char)len,
                               (unsigned char)padding, 0};
    unsigned char fill[255];
    memset(fill, 0xee, sizeof fill);
    buf_add(to, header, sizeof header);
    buf_add(to, content, len);
    buf_add(to, fill, padding);
}

static inline void wire_begin(struct buf *to, unsigned id, unsigned role, unsigned flags) {
    unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role, (unsigned char)flags};
    wire_record(to, FCGI_BEGIN_REQUEST, id, body, sizeof body, 0);
}

static inline void wire_length(struct buf *to, uint32_t len, int four) {
    if (!four) {
        buf_addc(to, (char)len);
        return;
    }
    unsigned char bytes[4] = {(unsigned char)(len >> 24 | 0x80), (unsigned char)(len >> 16),
                              (unsigned char)(len >> 8), (unsigned char)len};
    buf_add(to, bytes, sizeof bytes);
}

/* One name-value pair, as PARAMS and GET_VALUES hold them. */
static inline void wire_pair(struct buf *to, const char *name, const char *value) {
    size_t name_len = strlen(name), value_len = strlen(value);
    wire_length(to, (uint32_t)name_len, name_len > 127);
    wire_length(to, (uint32_t)value_len, value_len > 127);
    buf_add(to, name, name_len);
    buf_add(to, value, value_len);
}

/* A stream of a request in records of at most chunk bytes, and its empty last one. */
static inline void wire_stream(struct buf *to, unsigned type, unsigned id, const char *content,
                               size_t len, size_t chunk) {
    for (size_t at = 0; at < len; at += chunk)
        wire_record(to, type, id, content + at, len - at < chunk ? len - at : chunk,
                    (unsigned)(at % 8));
    wire_record(to, type, id, "", 0, 0);
}

#endif
