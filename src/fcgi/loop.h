/*
 * loop: one worker's wait for everything.
 *
 * The listening socket and every kept connection are waited for at once; whatever is ready is read
 * without blocking, and all requests that are whole by then are handed over as one batch, so that
 * they can share a round trip to a store.  No peer can hold the worker: a connection that is slow,
 * silent or broken is closed at its deadline, and costs nobody else anything.
 *
 * A request that will take long can be put off: it stands in line and is handed over again, one at
 * a time and last of its batch, so that whatever comes meanwhile waits for one of them at most.  One
 * that takes many round trips can go on with the next batch, so that what comes meanwhile shares them.
 */
#ifndef FCGI_LOOP_H
#define FCGI_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/peers.h"
#include "fcgi/record.h"

/* How much a request that goes on later may keep of what it has done. */
#define FCGI_KEPT_MAX 48

/* One whole request, until fcgi_finish. */
struct fcgi_request {
    enum fcgi_role role;
    const char *params; /* to be walked with fcgi_next_param; sound */
    const char *params_end;
    bool params_dropped; /* there were more of them than are read, and none is here */
    const char *body; /* NULL with body_len 0; does not end with a NUL */
    size_t body_len;  /* what came; body holds that much unless body_dropped */
    bool body_dropped;
    struct buf *out; /* where the CGI answer (headers, empty line, body) is appended */
    bool has_turn; /* it may take long: at most one of a batch may, and no other is kept waiting */
    size_t kept_len; /* of what it kept (fcgi_go_on_later); 0: it comes for the first time */
    unsigned char kept[FCGI_KEPT_MAX];
};

/* LOOP_DRAIN: accept nothing more (listen_fd and pass_in_fd are closed), answer what has begun, pass
 * kept connections on, return.  LOOP_CLOSE: the same, but what waits to be accepted at that moment is
 * accepted first, since nobody else will. */
enum loop_order { LOOP_GO_ON, LOOP_DRAIN, LOOP_CLOSE, LOOP_QUIT };

struct loop_options {
    int listen_fd;  /* non-blocking */
    int control_fd; /* order is asked when it is readable */
    /* A queue of kept connections (SOCK_SEQPACKET, one descriptor a message): a loop that drains sends
     * its own to out, and others take them from in; -1: they are closed, and a request that the web
     * server was just sending on one is lost. */
    int pass_in_fd, pass_out_fd;
    const struct peers *peers; /* who may connect; NULL: anybody */
    size_t batch;   /* the most requests handed over at once; 1: no connection is kept */
    /* With batch 1: while more than so many connections wait to be accepted, the next request has no
     * turn (has_turn) and cannot be put off; 0: however many. */
    size_t queue;
    size_t max_body;
    int64_t request_timeout_ms; /* for one request to come whole, and for its answer to be taken */
    /* A body begins to count anew whenever more of it comes, until so long after the request began. */
    int64_t body_timeout_ms;
    int64_t idle_timeout_ms;    /* for a kept connection */
    int64_t (*waiting)(void *context); /* how many do, for queue and LOOP_CLOSE; -1: it cannot be told */
    void *context;
    enum loop_order (*order)(void *context);
    /* Asked before each wait; line: whether any request stands in line.  True: the first of them may go on
     * now, and is done by the next call; false: it is asked again soon.  NULL: always true.  A loop that
     * drains goes on in any case. */
    bool (*turn)(void *context, bool line);
    /* Answers every request of the batch: fcgi_finish on each, as soon as its answer is there, or
     * fcgi_put_off, or fcgi_go_on_later. */
    void (*serve)(void *context, struct fcgi_request **batch, size_t count);
    /* What serve has left for later, and which takes a while, is done when nobody waits: left is asked
     * before the loop would sleep, catch_up does it.  NULL: nothing is ever left. */
    bool (*left)(void *context);
    void (*catch_up)(void *context);
    /* Called whenever the loop goes round, every beat_ms at least; NULL: nobody wants to know. */
    void (*beat)(void *context);
    int64_t beat_ms; /* 0: only when something comes */
};

struct loop;

/* options is copied, what it points to is borrowed for the loop's life.  Never NULL: what the system refuses
 * is logged, and loop_run returns false. */
struct loop *loop_new(const struct loop_options *options);
/* Serves until ordered to stop and, if draining, until what has begun is done.  Returns false when
 * the system gave out (the reason is logged). */
bool loop_run(struct loop *loop);
/* Closes every connection (not listen_fd, not control_fd); *loop may be NULL. */
void loop_free(struct loop **loop);

/* Sends the answer in request->out.  The request is gone afterwards. */
void fcgi_finish(struct fcgi_request *request);
/* Instead of that: the request stands in line, and comes whole again, once it has_turn, unless its
 * peer hangs up before.  What was appended to out is dropped.  False: it has its turn already, or
 * the line is as long as a batch: it is to be answered now. */
bool fcgi_put_off(struct fcgi_request *request);
/* Instead of that, of a request that stands in no line: it comes whole again with the next batch, however
 * soon, with what it keeps (copied; at most FCGI_KEPT_MAX bytes, and not none).  What was appended to out is
 * dropped. */
void fcgi_go_on_later(struct fcgi_request *request, const void *kept, size_t len);

#endif
