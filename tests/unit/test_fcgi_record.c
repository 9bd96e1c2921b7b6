#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fastcgi.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fcgi/record.h"
#include "wire.h"

#define MAX_BODY 1000

/* A reader with what goes in and what comes out. */
struct peer {
    struct fcgi_reader reader;
    struct buf in, out;
};

static void peer_free(struct peer *peer) {
    fcgi_reader_reset(&peer->reader);
    buf_free(&peer->in);
    buf_free(&peer->out);
}

static enum fcgi_progress feed(struct peer *peer, const char *bytes, size_t len) {
    buf_add(&peer->in, bytes, len);
    return fcgi_read(&peer->reader, &peer->in, MAX_BODY, &peer->out);
}

/* The whole of a text at once, to a new reader, which is gone afterwards. */
static enum fcgi_progress verdict(const struct buf *wire) {
    struct peer peer = {0};
    enum fcgi_progress progress = feed(&peer, wire->data, wire->len);
    peer_free(&peer);
    return progress;
}

/* BEGIN, these parameters, their end. */
static void request_head(struct buf *wire, unsigned role, const struct buf *params) {
    wire_begin(wire, 1, role, FCGI_KEEP_CONN);
    wire_stream(wire, FCGI_PARAMS, 1, params->data, params->len, 60000);
}

/* A request with everything: management in between, pairs of both lengths, padding, several
 * records of each stream, records of another request. */
static void make_request(struct buf *wire) {
    struct buf params = {0};
    char value[300];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    wire_pair(&params, "REQUEST_METHOD", "POST");
    wire_pair(&params, "EMPTY", "");
    wire_pair(&params, "LONG", value);
    wire_pair(&params, value, "of a long name");
    wire_record(wire, FCGI_GET_VALUES, 0, "\x0f\0FCGI_MPXS_CONNS", 17, 3);
    wire_begin(wire, 0x0102, FCGI_RESPONDER, FCGI_KEEP_CONN);
    wire_record(wire, FCGI_STDIN, 7, "somebody else's", 15, 1);
    wire_stream(wire, FCGI_PARAMS, 0x0102, params.data, params.len, 100);
    wire_stream(wire, FCGI_STDIN, 0x0102, "{\"email\":\"a@b.example\"}", 23, 10);
    buf_free(&params);
}

static void check_request(struct peer *peer) {
    static const char *const names[] = {"REQUEST_METHOD", "EMPTY", "LONG"};
    static const uint32_t value_lens[] = {4, 0, 299};
    const char *at = peer->reader.params.data, *end = at + peer->reader.params.len;
    struct fcgi_param param;
    assert_int_equal(peer->reader.role, FCGI_RESPONDER);
    assert_int_equal(peer->reader.id, 0x0102);
    assert_true(peer->reader.keep);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fcgi_next_param(&at, end, &param), FCGI_WHOLE);
        assert_int_equal(param.name_len, strlen(names[i]));
        assert_memory_equal(param.name, names[i], param.name_len);
        assert_int_equal(param.value_len, value_lens[i]);
    }
    assert_int_equal(param.value[298], 'v');
    assert_int_equal(fcgi_next_param(&at, end, &param), FCGI_WHOLE);
    assert_int_equal(param.name_len, 299);
    assert_memory_equal(param.value, "of a long name", 14);
    assert_int_equal(fcgi_next_param(&at, end, &param), FCGI_MORE);
    assert_int_equal(peer->reader.body_len, 23);
    assert_int_equal(peer->reader.body.len, 23);
    assert_memory_equal(peer->reader.body.data, "{\"email\":\"a@b.example\"}", 23);
    /* The one question was answered once. */
    assert_int_equal(peer->out.len, 8 + 2 + 15 + 1);
    assert_int_equal(peer->out.data[1], FCGI_GET_VALUES_RESULT);
    assert_memory_equal(peer->out.data + 8, "\x0f\x01" "FCGI_MPXS_CONNS0", 18);
}

static void in_one_piece(void **state) {
    (void)state;
    struct buf wire = {0};
    struct peer peer = {0};
    make_request(&wire);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
    assert_int_equal(peer.in.len, 0);
    check_request(&peer);
    peer_free(&peer);
    buf_free(&wire);
}

/* Truncated anywhere it is never whole, which is also why a truncated one is never executed. */
static void byte_by_byte(void **state) {
    (void)state;
    struct buf wire = {0};
    struct peer peer = {0};
    make_request(&wire);
    for (size_t i = 0; i + 1 < wire.len; i++)
        if (feed(&peer, wire.data + i, 1) != FCGI_MORE)
            fail_msg("the request ended at byte %zu of %zu", i + 1, wire.len);
    assert_int_equal(feed(&peer, wire.data + wire.len - 1, 1), FCGI_WHOLE);
    check_request(&peer);
    peer_free(&peer);
    buf_free(&wire);
}

static void truncated_is_never_whole(void **state) {
    (void)state;
    struct buf wire = {0};
    make_request(&wire);
    for (size_t len = 0; len < wire.len; len++) {
        struct buf part = {.data = wire.data, .len = len};
        assert_int_equal(verdict(&part), FCGI_MORE);
    }
    assert_int_equal(verdict(&wire), FCGI_WHOLE);
    buf_free(&wire);
}

static void random_splits(void **state) {
    (void)state;
    struct buf wire = {0};
    unsigned seed = 20261120;
    make_request(&wire);
    for (int round = 0; round < 300; round++) {
        struct peer peer = {0};
        enum fcgi_progress progress = FCGI_MORE;
        for (size_t at = 0; at < wire.len;) {
            assert_int_equal(progress, FCGI_MORE);
            size_t left = wire.len - at, len = 1 + (size_t)rand_r(&seed) % 200;
            len = len < left ? len : left;
            progress = feed(&peer, wire.data + at, len);
            at += len;
        }
        assert_int_equal(progress, FCGI_WHOLE);
        check_request(&peer);
        peer_free(&peer);
    }
    buf_free(&wire);
}

/* What a reader leaves of the bytes behind a whole request is the next request. */
static void pipelined(void **state) {
    (void)state;
    struct buf wire = {0};
    struct peer peer = {0};
    make_request(&wire);
    size_t one = wire.len;
    make_request(&wire);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
    assert_int_equal(peer.in.len, wire.len - one);
    check_request(&peer);
    fcgi_reader_reset(&peer.reader);
    assert_int_equal(peer.reader.id, 0);
    assert_int_equal(peer.reader.body_len, 0);
    buf_clear(&peer.out);
    assert_int_equal(feed(&peer, "", 0), FCGI_WHOLE);
    check_request(&peer);
    peer_free(&peer);
    buf_free(&wire);
}

/* Pairs by the byte, wrong and right (specification, section 3.4). */
static void pairs(void **state) {
    (void)state;
#define ROW(expected, bytes) {expected, bytes, sizeof(bytes) - 1}
    static const struct {
        enum fcgi_progress expected;
        const char *bytes;
        size_t len;
    } rows[] = {
        ROW(FCGI_WHOLE, "\1\1ab"),
        ROW(FCGI_WHOLE, "\0\0"),
        ROW(FCGI_WHOLE, "\1\0a"),
        ROW(FCGI_WHOLE, "\0\1b"),
        ROW(FCGI_WHOLE, "\x80\0\0\1\1ab"), /* longer than need be, but no lie */
        ROW(FCGI_WHOLE, "\1\x80\0\0\1" "ab"),
        ROW(FCGI_BROKEN, "\1"),
        ROW(FCGI_BROKEN, "\1\1"),
        ROW(FCGI_BROKEN, "\1\1a"),
        ROW(FCGI_BROKEN, "\1\1abc"),
        ROW(FCGI_BROKEN, "\x80"),
        ROW(FCGI_BROKEN, "\x80\0\0"),
        ROW(FCGI_BROKEN, "\1\x80\0\0"),
        ROW(FCGI_BROKEN, "\x80\0\0\1"),
        ROW(FCGI_BROKEN, "\xff\xff\xff\xff\xff\xff\xff\xff"),
        ROW(FCGI_BROKEN, "\xff\xff\xff\xff\1ab"),
        ROW(FCGI_BROKEN, "\1\xff\xff\xff\xff" "ab"),
        /* Sums that are small again in 32 bits (CVE-2025-23016), or negative in an int. */
        ROW(FCGI_BROKEN, "\xff\xff\xff\xff\xff\xff\xff\xff" "abcdefgh"),
        ROW(FCGI_BROKEN, "\xff\xff\xff\xff\x80\0\0\1ab"),
        ROW(FCGI_BROKEN, "\xff\xff\xff\xfe\2ab"),
        /* libfcgi would end the value here. */
        ROW(FCGI_BROKEN, "\4\4ROLEa\0bc"),
        ROW(FCGI_BROKEN, "\4\4RO\0Eabcd"),
        ROW(FCGI_BROKEN, "\1\1a\0"),
        ROW(FCGI_BROKEN, "\1\1\0a"),
        ROW(FCGI_BROKEN, "\1\1ab\1\1a\0"), /* in a later pair */
    };
#undef ROW
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf wire = {0};
        wire_begin(&wire, 1, FCGI_AUTHORIZER, 0);
        wire_record(&wire, FCGI_PARAMS, 1, rows[i].bytes, rows[i].len, 0);
        wire_record(&wire, FCGI_PARAMS, 1, "", 0, 0);
        enum fcgi_progress progress = verdict(&wire);
        if (progress != rows[i].expected)
            fail_msg("row %zu: %d", i, (int)progress);
        buf_free(&wire);
    }
}

/* The bytes of a broken pair are neither taken nor stepped over. */
static void broken_pair_stays(void **state) {
    (void)state;
    const char bytes[] = "\1\1ab\xff\xff\xff\xff", *at = bytes, *end = bytes + sizeof bytes - 1;
    struct fcgi_param param;
    assert_int_equal(fcgi_next_param(&at, end, &param), FCGI_WHOLE);
    assert_ptr_equal(at, bytes + 4);
    assert_int_equal(fcgi_next_param(&at, end, &param), FCGI_BROKEN);
    assert_ptr_equal(at, bytes + 4);
    at = NULL;
    assert_int_equal(fcgi_next_param(&at, NULL, &param), FCGI_MORE);
}

/* Whether it had more parameters than are kept. */
static void assert_whole(struct buf *wire, bool dropped) {
    struct peer peer = {0};
    assert_int_equal(feed(&peer, wire->data, wire->len), FCGI_WHOLE);
    assert_int_equal(peer.reader.params_dropped, dropped);
    assert_int_equal(peer.reader.params.len == 0, dropped);
    peer_free(&peer);
}

static void number_of_params(void **state) {
    (void)state;
    for (size_t count = FCGI_MAX_PARAMS - 1; count <= FCGI_MAX_PARAMS + 1; count++) {
        struct buf wire = {0}, params = {0};
        for (size_t i = 0; i < count; i++)
            wire_pair(&params, "N", "v");
        request_head(&wire, FCGI_AUTHORIZER, &params);
        assert_whole(&wire, count > FCGI_MAX_PARAMS);
        buf_free(&wire);
        buf_free(&params);
    }
}

static void size_of_params(void **state) {
    (void)state;
    for (size_t extra = 0; extra <= 1; extra++) {
        struct buf wire = {0}, params = {0};
        size_t value = FCGI_MAX_PARAMS_BYTES - 1 - 4 - 1 + extra;
        wire_length(&params, 1, 0);
        wire_length(&params, (uint32_t)value, 1);
        buf_addc(&params, 'N');
        memset(buf_reserve(&params, value), 'v', value);
        params.len += value;
        request_head(&wire, FCGI_AUTHORIZER, &params);
        assert_whole(&wire, extra > 0);
        buf_free(&wire);
        buf_free(&params);
    }
}

/* Forgotten before the end of the stream comes: a peer cannot fill the memory.  What was too much is
 * answered all the same, and nothing of its body is kept either. */
static void endless_params_are_cut(void **state) {
    (void)state;
    static char content[65535];
    struct peer peer = {0};
    struct buf wire = {0};
    memset(content, 'x', sizeof content);
    wire_begin(&wire, 1, FCGI_RESPONDER, 0);
    wire_record(&wire, FCGI_PARAMS, 1, content, sizeof content, 0);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
    buf_clear(&wire);
    wire_record(&wire, FCGI_PARAMS, 1, content, 2, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
    assert_int_equal(peer.reader.params.len, 0);
    buf_clear(&wire);
    wire_record(&wire, FCGI_PARAMS, 1, "", 0, 0);
    wire_stream(&wire, FCGI_STDIN, 1, content, 500, 100);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
    assert_true(peer.reader.params_dropped);
    assert_int_equal(peer.reader.body.len, 0);
    peer_free(&peer);
    buf_free(&wire);
}

static void get_values(void **state) {
    (void)state;
    struct buf wire = {0}, pairs_asked = {0};
    struct peer peer = {0};
    for (int i = 0; i < 60; i++) {
        wire_pair(&pairs_asked, "FCGI_MAX_REQS", "");
        wire_pair(&pairs_asked, "FCGI_MPXS_CONNS", "ignored");
        wire_pair(&pairs_asked, "FCGI_MAX_CONNS", "");
        wire_pair(&pairs_asked, "FCGI_MAX_CONNSX", "");
        wire_pair(&pairs_asked, "", "");
    }
    wire_record(&wire, FCGI_GET_VALUES, 0, pairs_asked.data, pairs_asked.len, 7);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
    assert_int_equal(peer.reader.id, 0);
    static const char answer[] = "\1\x0a\0\0\0\x39\0\0"
                                 "\x0e\4" "FCGI_MAX_CONNS1024"
                                 "\x0d\4" "FCGI_MAX_REQS1024"
                                 "\x0f\1" "FCGI_MPXS_CONNS0";
    assert_int_equal(peer.out.len, sizeof answer - 1);
    assert_memory_equal(peer.out.data, answer, sizeof answer - 1);
    peer_free(&peer);

    buf_clear(&wire);
    wire_record(&wire, FCGI_GET_VALUES, 0, "", 0, 0);
    peer = (struct peer){0};
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
    assert_int_equal(peer.out.len, 8);
    peer_free(&peer);

    buf_clear(&wire);
    wire_record(&wire, FCGI_GET_VALUES, 0, "\x7f\0short", 7, 0);
    assert_int_equal(verdict(&wire), FCGI_BROKEN);
    buf_free(&wire);
    buf_free(&pairs_asked);
}

/* Management records that nobody knows, BEGIN without a request id among them. */
static void unknown_type(void **state) {
    (void)state;
    static const unsigned char types[] = {0, 1, 4, 8, 10, 11, 12, 200, 255};
    for (size_t i = 0; i < sizeof types; i++) {
        struct buf wire = {0};
        struct peer peer = {0};
        wire_record(&wire, types[i], 0, "abcdefgh", 8, 0);
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
        unsigned char answer[16] = {1, FCGI_UNKNOWN_TYPE, 0, 0, 0, 8, 0, 0, types[i]};
        assert_int_equal(peer.out.len, sizeof answer);
        assert_memory_equal(peer.out.data, answer, sizeof answer);
        assert_int_equal(peer.reader.id, 0);
        peer_free(&peer);
        buf_free(&wire);
    }
}

static void assert_ended(const struct buf *out, unsigned id, unsigned status) {
    unsigned char answer[16] = {1, FCGI_END_REQUEST, (unsigned char)(id >> 8), (unsigned char)id,
                                0, 8};
    answer[12] = (unsigned char)status;
    assert_int_equal(out->len, sizeof answer);
    assert_memory_equal(out->data, answer, sizeof answer);
}

/* A refused role's further records are passed over, and the next request is taken. */
static void unknown_role(void **state) {
    (void)state;
    static const unsigned roles[] = {0, FCGI_FILTER, 4, 0x0101, 0xffff};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct buf wire = {0}, params = {0};
        struct peer peer = {0};
        wire_pair(&params, "A", "b");
        wire_begin(&wire, 2, roles[i], 0);
        wire_stream(&wire, FCGI_PARAMS, 2, params.data, params.len, 3);
        wire_stream(&wire, FCGI_STDIN, 2, "body", 4, 4);
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_MORE);
        assert_ended(&peer.out, 2, FCGI_UNKNOWN_ROLE);
        buf_clear(&wire);
        request_head(&wire, FCGI_AUTHORIZER, &params);
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
        peer_free(&peer);
        buf_free(&wire);
        buf_free(&params);
    }
}

/* Two requests at once: the second is told so, and the first is none the worse for it. */
static void second_request(void **state) {
    (void)state;
    struct buf wire = {0}, params = {0};
    struct peer peer = {0};
    wire_pair(&params, "A", "b");
    wire_begin(&wire, 1, FCGI_RESPONDER, 0);
    wire_begin(&wire, 0x1234, FCGI_RESPONDER, 0);
    wire_stream(&wire, FCGI_PARAMS, 0x1234, "\1\1XY", 4, 4);
    wire_stream(&wire, FCGI_PARAMS, 1, params.data, params.len, 2);
    wire_stream(&wire, FCGI_STDIN, 0x1234, "theirs", 6, 6);
    wire_stream(&wire, FCGI_STDIN, 1, "ours", 4, 4);
    assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
    assert_ended(&peer.out, 0x1234, FCGI_CANT_MPX_CONN);
    assert_int_equal(peer.reader.params.len, params.len);
    assert_memory_equal(peer.reader.body.data, "ours", 4);
    peer_free(&peer);
    buf_free(&wire);
    buf_free(&params);
}

/* Records in an order or of a kind that no web server sends: the connection is closed. */
static void disorder(void **state) {
    (void)state;
    enum { BEGIN, BEGIN_AGAIN, BEGIN_SHORT, PARAMS, PARAMS_END, INPUT, ABORT, DATA, OUTPUT, STRANGE };
    static const struct {
        int records[5], count;
        enum fcgi_progress expected;
    } rows[] = {
        {{BEGIN, PARAMS, PARAMS_END, INPUT}, 4, FCGI_MORE},
        {{BEGIN, PARAMS_END}, 2, FCGI_BROKEN}, /* no parameters at all */
        {{BEGIN, INPUT}, 2, FCGI_BROKEN},
        {{BEGIN, PARAMS, INPUT}, 3, FCGI_BROKEN},
        {{BEGIN, PARAMS, PARAMS_END, PARAMS}, 4, FCGI_BROKEN},
        {{BEGIN, PARAMS, PARAMS_END, PARAMS_END}, 4, FCGI_BROKEN},
        {{BEGIN, BEGIN_AGAIN}, 2, FCGI_BROKEN},
        {{BEGIN, PARAMS, BEGIN_AGAIN}, 3, FCGI_BROKEN},
        {{BEGIN_SHORT}, 1, FCGI_BROKEN},
        {{BEGIN, ABORT}, 2, FCGI_BROKEN},
        {{BEGIN, PARAMS, PARAMS_END, ABORT}, 4, FCGI_BROKEN},
        {{BEGIN, DATA}, 2, FCGI_BROKEN},
        {{BEGIN, OUTPUT}, 2, FCGI_BROKEN},
        {{BEGIN, STRANGE}, 2, FCGI_BROKEN},
        {{ABORT}, 1, FCGI_MORE}, /* of a request that is over */
        {{PARAMS, PARAMS_END, INPUT}, 3, FCGI_MORE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf wire = {0};
        for (int r = 0; r < rows[i].count; r++)
            switch (rows[i].records[r]) {
            case BEGIN:
            case BEGIN_AGAIN:
                wire_begin(&wire, 1, FCGI_RESPONDER, 0);
                break;
            case BEGIN_SHORT:
                wire_record(&wire, FCGI_BEGIN_REQUEST, 1, "\0\1\0", 3, 5);
                break;
            case PARAMS:
                wire_record(&wire, FCGI_PARAMS, 1, "\1\1ab", 4, 0);
                break;
            case PARAMS_END:
                wire_record(&wire, FCGI_PARAMS, 1, "", 0, 8);
                break;
            case INPUT:
                wire_record(&wire, FCGI_STDIN, 1, "x", 1, 7);
                break;
            case ABORT:
                wire_record(&wire, FCGI_ABORT_REQUEST, 1, "", 0, 0);
                break;
            case DATA:
                wire_record(&wire, FCGI_DATA, 1, "x", 1, 0);
                break;
            case OUTPUT:
                wire_record(&wire, FCGI_STDOUT, 1, "x", 1, 0);
                break;
            default:
                wire_record(&wire, 99, 1, "x", 1, 0);
            }
        enum fcgi_progress progress = verdict(&wire);
        if (progress != rows[i].expected)
            fail_msg("row %zu: %d", i, (int)progress);
        buf_free(&wire);
    }
}

/* Another protocol or version, in the first record and in a later one. */
static void other_version(void **state) {
    (void)state;
    struct buf wire = {0};
    buf_adds(&wire, "GET / HTTP/1.1\r\n");
    assert_int_equal(verdict(&wire), FCGI_BROKEN);
    buf_clear(&wire);
    wire_begin(&wire, 1, FCGI_RESPONDER, 0);
    wire_begin(&wire, 2, FCGI_RESPONDER, 0);
    wire.data[16] = 2;
    assert_int_equal(verdict(&wire), FCGI_BROKEN);
    wire.data[16] = 0;
    assert_int_equal(verdict(&wire), FCGI_BROKEN);
    buf_free(&wire);
}

/* Counted to its end and kept no further than the limit, so that the answer can say it was too long. */
static void long_bodies(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 200 * MAX_BODY};
    static char body[200 * MAX_BODY];
    memset(body, 'b', sizeof body);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf wire = {0};
        struct peer peer = {0};
        wire_begin(&wire, 1, FCGI_RESPONDER, 0);
        wire_stream(&wire, FCGI_PARAMS, 1, "\1\1ab", 4, 4);
        wire_stream(&wire, FCGI_STDIN, 1, body, sizes[i], 777);
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
        assert_int_equal(peer.reader.body_len, sizes[i]);
        if (sizes[i] <= MAX_BODY)
            assert_int_equal(peer.reader.body.len, sizes[i]);
        else
            assert_in_range(peer.reader.body.len, 0, MAX_BODY);
        assert_false(peer.reader.keep);
        peer_free(&peer);
        buf_free(&wire);
    }
}

/* No route reads the body of a GET: it is counted, and not one byte of it is copied. */
static void bodies_that_nobody_reads(void **state) {
    (void)state;
    static const struct {
        const char *method;
        size_t kept;
    } rows[] = {{"GET", 0}, {"HEAD", 0}, {"POST", 5}, {"get", 5}, {"GETS", 5}, {"", 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf wire = {0}, params = {0};
        struct peer peer = {0};
        wire_pair(&params, "A", "GET");
        wire_pair(&params, "REQUEST_METHOD", rows[i].method);
        wire_pair(&params, "REQUEST_METHODS", "GET");
        request_head(&wire, FCGI_RESPONDER, &params);
        wire_stream(&wire, FCGI_STDIN, 1, "hello", 5, 2);
        assert_int_equal(feed(&peer, wire.data, wire.len), FCGI_WHOLE);
        assert_int_equal(peer.reader.body_len, 5);
        assert_int_equal(peer.reader.body.len, rows[i].kept);
        assert_true(rows[i].kept > 0 || peer.reader.body.cap == 0);
        /* The next request on the connection is another. */
        fcgi_reader_reset(&peer.reader);
        assert_false(peer.reader.bodiless);
        peer_free(&peer);
        buf_free(&params);
        buf_free(&wire);
    }
}

/* Apache sends an authorizer no STDIN at all; what another server sends of it is passed over. */
static void authorizer(void **state) {
    (void)state;
    struct buf wire = {0};
    struct peer peer = {0};
    wire_begin(&wire, 1, FCGI_AUTHORIZER, FCGI_KEEP_CONN);
    wire_stream(&wire, FCGI_PARAMS, 1, "\1\1ab", 4, 4);
    size_t whole = wire.len;
    wire_stream(&wire, FCGI_STDIN, 1, "", 0, 1);
    assert_int_equal(feed(&peer, wire.data, whole), FCGI_WHOLE);
    assert_int_equal(peer.reader.role, FCGI_AUTHORIZER);
    fcgi_reader_reset(&peer.reader);
    assert_int_equal(feed(&peer, wire.data + whole, wire.len - whole), FCGI_MORE);
    assert_int_equal(peer.reader.id, 0);
    assert_int_equal(peer.out.len, 0);
    peer_free(&peer);
    buf_free(&wire);
}

/* Takes an answer apart: the joined STDOUT, which must end, and END_REQUEST as the last record. */
static void parse_answer(const struct buf *out, size_t at, unsigned id, struct buf *text) {
    bool stdout_ended = false, ended = false;
    while (at < out->len) {
        assert_true(out->len - at >= 8);
        const unsigned char *header = (const unsigned char *)out->data + at;
        size_t len = (size_t)(header[4] << 8 | header[5]);
        assert_int_equal(header[0], 1);
        assert_int_equal(header[2] << 8 | header[3], id);
        assert_true(out->len - at >= 8 + len + header[6]);
        assert_false(ended);
        if (header[1] == FCGI_STDOUT) {
            assert_false(stdout_ended && len > 0);
            buf_add(text, out->data + at + 8, len);
            stdout_ended = len == 0;
        } else {
            assert_int_equal(header[1], FCGI_END_REQUEST);
            assert_int_equal(len, 8);
            assert_memory_equal(header + 8, "\0\0\0\0\0\0\0\0", 8);
            assert_true(stdout_ended);
            ended = true;
        }
        at += 8 + len + header[6];
    }
    assert_true(ended);
}

static void answers(void **state) {
    (void)state;
    static const size_t sizes[] = {1,     7,      65527,      65528,      65529,
                                   65535, 65536,  2 * 65528 - 1, 2 * 65528, 2 * 65528 + 1,
                                   70000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf out = {0}, text = {0};
        buf_adds(&out, "what was to be sent before");
        size_t before = out.len, mark = fcgi_answer_begin(&out);
        for (size_t n = 0; n < sizes[i]; n++)
            buf_addc(&out, (char)(n * 31 % 251));
        fcgi_answer_end(&out, mark, 0xfedc);
        assert_memory_equal(out.data, "what was to be sent before", before);
        parse_answer(&out, before, 0xfedc, &text);
        assert_int_equal(text.len, sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++)
            if (text.data[n] != (char)(n * 31 % 251))
                fail_msg("byte %zu of %zu changed", n, sizes[i]);
        buf_free(&out);
        buf_free(&text);
    }
}

/* Whatever comes, nothing but one of the three verdicts; the sanitizers watch. */
static void noise(void **state) {
    (void)state;
    struct buf wire = {0};
    unsigned seed = 7;
    make_request(&wire);
    for (int round = 0; round < 20000; round++) {
        struct buf copy = {0};
        buf_add(&copy, wire.data, wire.len);
        for (int flips = 1 + rand_r(&seed) % 4; flips > 0; flips--)
            copy.data[(size_t)rand_r(&seed) % copy.len] ^= (char)(1 << rand_r(&seed) % 8);
        struct peer peer = {0};
        enum fcgi_progress progress = feed(&peer, copy.data, copy.len);
        assert_in_range(progress, FCGI_MORE, FCGI_BROKEN);
        if (progress == FCGI_WHOLE) {
            const char *at = peer.reader.params.data, *end = at + peer.reader.params.len;
            struct fcgi_param param;
            while ((progress = fcgi_next_param(&at, end, &param)) == FCGI_WHOLE)
                continue;
            assert_int_equal(progress, FCGI_MORE);
        }
        peer_free(&peer);
        buf_free(&copy);
    }
    buf_free(&wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_piece),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(truncated_is_never_whole),
        cmocka_unit_test(random_splits),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(pairs),
        cmocka_unit_test(broken_pair_stays),
        cmocka_unit_test(number_of_params),
        cmocka_unit_test(size_of_params),
        cmocka_unit_test(endless_params_are_cut),
        cmocka_unit_test(get_values),
        cmocka_unit_test(unknown_type),
        cmocka_unit_test(unknown_role),
        cmocka_unit_test(second_request),
        cmocka_unit_test(disorder),
        cmocka_unit_test(other_version),
        cmocka_unit_test(long_bodies),
        cmocka_unit_test(bodies_that_nobody_reads),
        cmocka_unit_test(authorizer),
        cmocka_unit_test(answers),
        cmocka_unit_test(noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
