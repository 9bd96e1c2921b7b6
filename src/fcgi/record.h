/*
 * record: FastCGI 1.0 on the wire, as a web server speaks it to a responder or an authorizer.
 *
 * A reader is fed bytes as they come and says when one request is whole.  Nothing is handed on
 * before that, so a request that was cut short is never executed; and nothing here blocks, so a
 * peer that sends half a request costs its connection and nothing else.  libfcgi supplies the
 * protocol's numbers (<fastcgi.h>); its stream code waits without a limit, runs truncated requests
 * and dies on malformed records, so no byte of a peer reaches it.
 */
#ifndef FCGI_RECORD_H
#define FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What the web server asks for: FCGI_RESPONDER and FCGI_AUTHORIZER of <fastcgi.h>, which only record.c needs
 * to know. */
enum fcgi_role { FCGI_ROLE_RESPONDER = 1, FCGI_ROLE_AUTHORIZER = 2 };

/* All parameters of a request together, and how many; beyond, none of them are kept.  As many as there is
 * room for where each is a header (HTTP_X and two lengths): a web server that passes on what it lets in
 * meets the other limit first. */
#define FCGI_MAX_PARAMS_BYTES (64 * 1024)
#define FCGI_MAX_PARAMS       (FCGI_MAX_PARAMS_BYTES / 8)

struct fcgi_param {
    const char *name;
    const char *value; /* neither ends with a NUL; neither holds one */
    uint32_t name_len;
    uint32_t value_len;
};

enum fcgi_progress {
    FCGI_MORE,  /* nothing wrong, not whole yet */
    FCGI_WHOLE, /* one request is whole: role, params and body can be read */
    FCGI_BROKEN /* the peer does not speak FastCGI: close */
};

/* What has been read of the request at hand. */
struct fcgi_reader {
    uint16_t id;   /* 0: no request has begun */
    enum fcgi_role role;
    bool keep;     /* the web server wants the connection to stay */
    bool params_done;
    bool params_dropped; /* they were beyond the limits; params is empty */
    bool bodiless; /* GET, HEAD or without params: nothing of a body is kept */
    bool whole;
    struct buf params; /* the joined contents of its PARAMS records */
    struct buf body;   /* … of its STDIN records, as far as max_body */
    size_t body_len;   /* how much came in all; more than body.len: it was too long, or nobody
                    * would read it, and it was dropped */
};

/*
 * Takes the whole records at the head of in, consuming them, until one request is whole.  Records
 * that want an answer of their own (GET_VALUES, a second request on the connection, an unknown
 * type or role) get it appended to out.  max_body bounds what is kept of a body.
 */
enum fcgi_progress fcgi_read(struct fcgi_reader *reader, struct buf *in, size_t max_body,
                             struct buf *out);
/* Makes ready for the next request; wipes and frees the buffers of this one, where they are still there. */
void fcgi_reader_reset(struct fcgi_reader *reader);

/*
 * Walks name-value pairs (specification, section 3.4): *at starts at the first byte and is moved on;
 * param points into the bytes.  FCGI_WHOLE: there was one; FCGI_MORE: that was all; FCGI_BROKEN:
 * the lengths disagree, or there is a NUL in it.  A whole request's parameters are never broken.
 */
enum fcgi_progress fcgi_next_param(const char **at, const char *end, struct fcgi_param *param);

/* Frames an answer: begin before its CGI text is appended to out, end after.  begin returns the
 * mark that end wants. */
size_t fcgi_answer_begin(struct buf *out);
void fcgi_answer_end(struct buf *out, size_t mark, uint16_t request_id);

#endif
