#include "fcgi/record.h"

#include <fastcgi.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

/* The most content in one STDOUT record: the largest multiple of 8 below 64 KiB. */
#define CHUNK 65528

_Static_assert((int)FCGI_ROLE_RESPONDER == FCGI_RESPONDER && (int)FCGI_ROLE_AUTHORIZER == FCGI_AUTHORIZER,
               "roles have the protocol's numbers");

struct record {
    unsigned type;
    uint16_t id;
    const char *content;
    size_t len;
};

static void put_header(char *at, unsigned type, uint16_t id, size_t content, size_t padding) {
    at[0] = FCGI_VERSION_1;
    at[1] = (char)type;
    at[2] = (char)(id >> 8);
    at[3] = (char)(id & 0xff);
    at[4] = (char)(content >> 8);
    at[5] = (char)(content & 0xff);
    at[6] = (char)padding;
    at[7] = 0;
}

static void add_record(struct buf *out, unsigned type, uint16_t id, const char *content,
                       size_t len) {
    char header[FCGI_HEADER_LEN];
    put_header(header, type, id, len, 0);
    buf_add(out, header, sizeof header);
    buf_add(out, content, len);
}

static void add_end_request(struct buf *out, uint16_t id, char protocol_status) {
    char body[8] = {0, 0, 0, 0, protocol_status, 0, 0, 0};
    add_record(out, FCGI_END_REQUEST, id, body, sizeof body);
}

/* The record at the head of in; false: not all of it is there yet, or (broken) it is none. */
static bool next_record(const struct buf *in, size_t at, struct record *record, size_t *size,
                        bool *broken) {
    if (in->len - at < FCGI_HEADER_LEN)
        return false;
    const unsigned char *header = (const unsigned char *)in->data + at;
    if (header[0] != FCGI_VERSION_1) {
        *broken = true;
        return false;
    }
    record->type = header[1];
    record->id = (uint16_t)(header[2] << 8 | header[3]);
    record->len = (size_t)(header[4] << 8 | header[5]);
    record->content = (const char *)header + FCGI_HEADER_LEN;
    *size = FCGI_HEADER_LEN + record->len + header[6];
    return in->len - at >= *size;
}

/* One length of a pair: one byte, or four with the top bit set. */
static bool take_length(const unsigned char **at, const unsigned char *end, uint32_t *len) {
    if (*at == end)
        return false;
    if (**at < 0x80) {
        *len = *(*at)++;
        return true;
    }
    if (end - *at < 4)
        return false;
    const unsigned char *b = *at;
    *len = (uint32_t)(b[0] & 0x7f) << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    *at += 4;
    return true;
}

enum fcgi_progress fcgi_next_param(const char **at, const char *end, struct fcgi_param *param) {
    const unsigned char *next = (const unsigned char *)*at, *stop = (const unsigned char *)end;
    if (next == stop)
        return FCGI_MORE;
    uint32_t name_len, value_len;
    if (!take_length(&next, stop, &name_len) || !take_length(&next, stop, &value_len))
        return FCGI_BROKEN;
    /* Compared in 64 bits: the sum of two lengths overflows 32 (CVE-2025-23016). */
    uint64_t both = (uint64_t)name_len + value_len;
    if (both > (uint64_t)(stop - next) || memchr(next, 0, (size_t)both) != NULL)
        return FCGI_BROKEN;
    param->name = (const char *)next;
    param->name_len = name_len;
    param->value = (const char *)next + name_len;
    param->value_len = value_len;
    *at = (const char *)next + both;
    return FCGI_WHOLE;
}

/* GET_VALUES: what was asked for and we know, once each (a peer may repeat names at will). */
static bool answer_values(const struct record *record, struct buf *out) {
    static const struct {
        const char *name, *value;
    } known[] = {{FCGI_MAX_CONNS, "1024"}, {FCGI_MAX_REQS, "1024"}, {FCGI_MPXS_CONNS, "0"}};
    bool asked[sizeof known / sizeof known[0]] = {false};
    const char *at = record->content, *end = at + record->len;
    struct fcgi_param param;
    enum fcgi_progress progress;
    while ((progress = fcgi_next_param(&at, end, &param)) == FCGI_WHOLE)
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            if (param.name_len == strlen(known[k].name) &&
                memcmp(param.name, known[k].name, param.name_len) == 0)
                asked[k] = true;
    char body[128];
    int len = 0;
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        if (asked[k])
            len += snprintf(body + len, sizeof body - (size_t)len, "%c%c%s%s",
                            (char)strlen(known[k].name), (char)strlen(known[k].value),
                            known[k].name, known[k].value);
    add_record(out, FCGI_GET_VALUES_RESULT, 0, body, (size_t)len);
    return progress == FCGI_MORE;
}

static enum fcgi_progress take_management(const struct record *record, struct buf *out) {
    if (record->type == FCGI_GET_VALUES)
        return answer_values(record, out) ? FCGI_MORE : FCGI_BROKEN;
    char body[8] = {(char)record->type};
    add_record(out, FCGI_UNKNOWN_TYPE, 0, body, sizeof body);
    return FCGI_MORE;
}

static enum fcgi_progress take_begin(struct fcgi_reader *reader, const struct record *record,
                                     struct buf *out) {
    if (record->len != sizeof(FCGI_BeginRequestBody))
        return FCGI_BROKEN;
    if (reader->id != 0) {
        if (record->id == reader->id)
            return FCGI_BROKEN;
        add_end_request(out, record->id, FCGI_CANT_MPX_CONN);
        return FCGI_MORE;
    }
    const unsigned char *body = (const unsigned char *)record->content;
    unsigned role = (unsigned)(body[0] << 8 | body[1]);
    if (role != FCGI_ROLE_RESPONDER && role != FCGI_ROLE_AUTHORIZER) {
        add_end_request(out, record->id, FCGI_UNKNOWN_ROLE);
        return FCGI_MORE;
    }
    reader->id = record->id;
    reader->role = (enum fcgi_role)role;
    reader->keep = (body[2] & FCGI_KEEP_CONN) != 0;
    return FCGI_MORE;
}

static bool is(const char *text, size_t len, const char *word) {
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* No route reads the body of a GET, and a web server may send one with it all the same. */
static void note_method(struct fcgi_reader *reader, const struct fcgi_param *param) {
    if (is(param->name, param->name_len, "REQUEST_METHOD"))
        reader->bodiless = is(param->value, param->value_len, "GET") ||
                           is(param->value, param->value_len, "HEAD");
}

/* Read to its end all the same, so that it can be answered. */
static void drop_params(struct fcgi_reader *reader) {
    secret_wipe(reader->params.data, reader->params.len);
    buf_clear(&reader->params);
    reader->params_dropped = reader->bodiless = true;
}

/* False: they are no parameters. */
static bool take_names(struct fcgi_reader *reader) {
    const char *at = reader->params.data, *end = at + reader->params.len;
    struct fcgi_param param;
    enum fcgi_progress progress;
    size_t count = 0;
    while ((progress = fcgi_next_param(&at, end, &param)) == FCGI_WHOLE) {
        if (++count > FCGI_MAX_PARAMS) {
            drop_params(reader);
            return true;
        }
        note_method(reader, &param);
    }
    return progress == FCGI_MORE;
}

static enum fcgi_progress take_params(struct fcgi_reader *reader, const struct record *record) {
    if (reader->params_done)
        return FCGI_BROKEN;
    if (record->len > 0) {
        if (reader->params_dropped)
            return FCGI_MORE;
        if (reader->params.len + record->len > FCGI_MAX_PARAMS_BYTES)
            drop_params(reader);
        else
            buf_add(&reader->params, record->content, record->len);
        return FCGI_MORE;
    }
    if (!reader->params_dropped && (reader->params.len == 0 || !take_names(reader)))
        return FCGI_BROKEN;
    reader->params_done = true;
    /* An authorizer is asked about a request without its body: Apache sends no STDIN at all. */
    reader->whole = reader->role == FCGI_ROLE_AUTHORIZER;
    return reader->whole ? FCGI_WHOLE : FCGI_MORE;
}

static enum fcgi_progress take_stdin(struct fcgi_reader *reader, const struct record *record,
                                     size_t max_body) {
    if (!reader->params_done)
        return FCGI_BROKEN;
    if (record->len == 0) {
        reader->whole = true;
        return FCGI_WHOLE;
    }
    reader->body_len += record->len;
    if (reader->body_len <= max_body && !reader->bodiless)
        buf_add(&reader->body, record->content, record->len);
    return FCGI_MORE;
}

static enum fcgi_progress take(struct fcgi_reader *reader, const struct record *record,
                               size_t max_body, struct buf *out) {
    if (record->id == 0)
        return take_management(record, out);
    if (record->type == FCGI_BEGIN_REQUEST)
        return take_begin(reader, record, out);
    if (record->id != reader->id)
        return FCGI_MORE; /* of a request that is over or was refused: to be ignored (3.3) */
    switch (record->type) {
    case FCGI_PARAMS:
        return take_params(reader, record);
    case FCGI_STDIN:
        return take_stdin(reader, record, max_body);
    default: /* ABORT_REQUEST before the request is whole: the web server gave up */
        return FCGI_BROKEN;
    }
}

enum fcgi_progress fcgi_read(struct fcgi_reader *reader, struct buf *in, size_t max_body,
                             struct buf *out) {
    MUST(!reader->whole);
    enum fcgi_progress progress = FCGI_MORE;
    struct record record;
    size_t at = 0, size;
    bool broken = false;
    while (progress == FCGI_MORE && next_record(in, at, &record, &size, &broken)) {
        progress = take(reader, &record, max_body, out);
        at += size;
    }
    buf_consume(in, at);
    return broken ? FCGI_BROKEN : progress;
}

void fcgi_reader_reset(struct fcgi_reader *reader) {
    buf_free(&reader->params);
    buf_free(&reader->body);
    *reader = (struct fcgi_reader){0};
}

size_t fcgi_answer_begin(struct buf *out) {
    size_t mark = out->len;
    char header[FCGI_HEADER_LEN] = {0};
    buf_add(out, header, sizeof header);
    return mark;
}

/* Content beyond one record: a header is moved in before each further chunk. */
static void split(struct buf *out, size_t first, uint16_t id) {
    size_t at = first + CHUNK;
    while (at < out->len) {
        size_t rest = out->len - at;
        buf_reserve(out, FCGI_HEADER_LEN);
        memmove(out->data + at + FCGI_HEADER_LEN, out->data + at, rest);
        out->len += FCGI_HEADER_LEN;
        put_header(out->data + at, FCGI_STDOUT, id, rest < CHUNK ? rest : CHUNK, 0);
        at += FCGI_HEADER_LEN + CHUNK;
    }
}

void fcgi_answer_end(struct buf *out, size_t mark, uint16_t request_id) {
    size_t first = mark + FCGI_HEADER_LEN, len = out->len - first;
    put_header(out->data + mark, FCGI_STDOUT, request_id, len < CHUNK ? len : CHUNK, 0);
    split(out, first, request_id);
    add_record(out, FCGI_STDOUT, request_id, "", 0);
    add_end_request(out, request_id, FCGI_REQUEST_COMPLETE);
}
