#include "fcgi/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* What one read asks for: a request with its headers fits, so that one read is enough. */
#define READ_SIZE (16 * 1024)
/* How often one connection is read before the others have their turn: a peer that sends without end
 * must not hold the worker. */
#define READS 16
/* An idle connection keeps no larger buffer than this. */
#define KEEP_BYTES (4 * 1024)

struct conn *conn_new(struct loop *loop, int fd) {
    struct conn *conn = calloc(1, sizeof *conn);
    MUST(conn != NULL);
    conn->loop = loop;
    conn->fd = fd;
    return conn;
}

void conn_free(struct conn *conn) {
    if (conn == NULL)
        return;
    if (conn->fd >= 0)
        close(conn->fd);
    fcgi_reader_free(&conn->reader);
    buf_free(&conn->in);
    buf_free(&conn->out);
    free(conn);
}

/* The reader's request as the one that serve is given. */
static void make_request(struct conn *conn) {
    struct fcgi_reader *reader = &conn->reader;
    conn->request.role = reader->role;
    conn->request.params = reader->params.data;
    conn->request.params_end = reader->params.data + reader->params.len;
    conn->request.body_dropped = reader->body_len > reader->body.len;
    conn->request.body = reader->body.len > 0 ? reader->body.data : NULL;
    conn->request.body_len = reader->body_len;
    conn->request.out = &conn->out;
}

static enum conn_event parse(struct conn *conn, struct buf *in, size_t max_body) {
    switch (fcgi_read(&conn->reader, in, max_body, &conn->out)) {
    case FCGI_MORE:
        return CONN_EVENT_NONE;
    case FCGI_WHOLE:
        make_request(conn);
        return CONN_EVENT_READY;
    default:
        return CONN_EVENT_GONE;
    }
}

enum conn_event conn_parse(struct conn *conn, size_t max_body) {
    return conn->in.len > 0 ? parse(conn, &conn->in, max_body) : CONN_EVENT_NONE;
}

/* What was read, through whichever buffer; what is left over becomes the connection's own. */
static enum conn_event take(struct conn *conn, struct buf *in, size_t max_body) {
    enum conn_event event = parse(conn, in, max_body);
    if (in != &conn->in && in->len > 0)
        buf_add(&conn->in, in->data, in->len);
    return event;
}

enum conn_event conn_read(struct conn *conn, struct buf *scratch, size_t max_body) {
    for (int reads = 0; reads < READS; reads++) {
        struct buf *in = conn->in.len > 0 ? &conn->in : scratch;
        if (in == scratch)
            buf_clear(scratch);
        char *to = buf_reserve(in, READ_SIZE);
        ssize_t n = recv(conn->fd, to, READ_SIZE, MSG_DONTWAIT);
        if (n > 0) {
            in->len += (size_t)n;
            enum conn_event event = take(conn, in, max_body);
            /* A short read has emptied the socket; a full one may have left something. */
            if (event != CONN_EVENT_NONE || n < READ_SIZE)
                return event;
        } else if (n == 0) {
            return CONN_EVENT_GONE;
        } else if (errno != EINTR) {
            return errno == EAGAIN ? CONN_EVENT_NONE : CONN_EVENT_GONE;
        }
    }
    return CONN_EVENT_NONE;
}

enum conn_written conn_write(struct conn *conn) {
    while (conn->sent < conn->out.len) {
        ssize_t n = send(conn->fd, conn->out.data + conn->sent, conn->out.len - conn->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            conn->sent += (size_t)n;
        else if (errno == EAGAIN)
            return CONN_SOME_LEFT;
        else if (errno != EINTR)
            return CONN_WRITE_FAILED;
    }
    buf_clear(&conn->out);
    conn->sent = 0;
    return CONN_ALL_SENT;
}

void conn_next(struct conn *conn) {
    fcgi_reader_reset(&conn->reader);
    if (conn->out.cap > KEEP_BYTES)
        buf_free(&conn->out);
    if (conn->in.len == 0 && conn->in.cap > KEEP_BYTES)
        buf_free(&conn->in);
}
