/*
 * conn: one connection from the web server: what has come, what is to go, and until when.
 */
#ifndef FCGI_CONN_H
#define FCGI_CONN_H

#include <sys/queue.h>

#include "fcgi/loop.h"

enum conn_state {
    CONN_READING, /* a request is coming, or its first byte is awaited on a new connection */
    CONN_READY,   /* one is whole, and waits for or is with serve */
    CONN_IN_LINE, /* one was put off, and waits for its turn or is with serve */
    CONN_WRITING, /* an answer is going */
    CONN_IDLE,    /* kept, between requests */
    CONN_CLOSED
};

struct conn {
    struct fcgi_request request; /* first: fcgi_finish finds its connection by it */
    struct loop *loop;
    int fd; /* -1: closed */
    enum conn_state state;
    bool watched;   /* known to epoll */
    uint32_t watched_for;
    int64_t deadline; /* clock_mono_ms */
    int64_t since;    /* when it came into its state */
    struct fcgi_reader reader;
    struct buf in, out;
    size_t sent;     /* how much of out is gone */
    size_t out_mark; /* of fcgi_answer_begin */
    TAILQ_ENTRY(conn) entry; /* in the list of its state's deadlines, or of what is ready */
};

/* A connection that was just accepted, in no list of the loop yet; fd is its own from now on. */
struct conn *conn_new(struct loop *loop, int fd);
/* Closes fd where that is not done, wipes the buffers, and keeps the memory for the next one; NULL is fine.
 * It must have left its list, and epoll. */
void conn_free(struct conn *conn);

enum conn_event {
    CONN_EVENT_NONE,  /* nothing that anyone need know */
    CONN_EVENT_READY, /* a request is whole */
    CONN_EVENT_GONE   /* the peer closed, or is broken */
};

/*
 * Reads what is there without blocking, and looks for a whole request in it.  scratch is the
 * worker's: bytes go through it, so that a connection between requests owns no buffer.
 */
enum conn_event conn_read(struct conn *conn, struct buf *scratch, size_t max_body);
/* Looks for a whole request in what was read before. */
enum conn_event conn_parse(struct conn *conn, size_t max_body);
enum conn_written { CONN_SOME_LEFT, CONN_ALL_SENT, CONN_WRITE_FAILED };
/* Writes what can be written without blocking.  CONN_ALL_SENT: out is empty; CONN_WRITE_FAILED: the peer is
 * gone. */
enum conn_written conn_write(struct conn *conn);
/* Gives back what the finished request held. */
void conn_next(struct conn *conn);

#endif
