#include "fcgi/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"

/* What one read asks for: a request with its headers fits, so that one read is enough. */
#define READ_SIZE (16 * 1024)
/* How often one connection is read before the others have their turn: a peer that sends without end
 * must not hold the worker. */
#define READS 16
/* What lies here for the next request: buffers of those that are answered, no larger than this each,
 * and connections that are closed.  As many as a batch needs; what is more is freed. */
#define SPARE_BYTES (4 * 1024)
#define SPARES      128

static struct buf spare_bufs[SPARES];
static struct conn *spare_conns[SPARES];
static size_t spare_buf_count, spare_conn_count;

/* Keeps a buffer for the next request; wiped, since a token may be in it. */
static void lay_by(struct buf *buf) {
    if (buf->cap == 0 || buf->cap > SPARE_BYTES || spare_buf_count == SPARES) {
        buf_free(buf);
        return;
    }
    secret_wipe(buf->data, buf->len);
    buf_clear(buf);
    spare_bufs[spare_buf_count++] = *buf;
    *buf = (struct buf){0};
}

static void take_up(struct buf *buf) {
    if (buf->cap == 0 && spare_buf_count > 0)
        *buf = spare_bufs[--spare_buf_count];
}

struct conn *conn_new(struct loop *loop, int fd) {
    struct conn *conn = spare_conn_count > 0 ? spare_conns[--spare_conn_count]
                                             : malloc(sizeof *conn);
    MUST(conn != NULL);
    memset(conn, 0, sizeof *conn);
    conn->loop = loop;
    conn->fd = fd;
    return conn;
}

void conn_free(struct conn *conn) {
    if (conn == NULL)
        return;
    if (conn->fd >= 0)
        close(conn->fd);
    conn_next(conn);
    buf_free(&conn->in);
    if (spare_conn_count < SPARES)
        spare_conns[spare_conn_count++] = conn;
    else
        free(conn);
}

/* The reader's request as the one that serve is given. */
static void make_request(struct conn *conn) {
    struct fcgi_reader *reader = &conn->reader;
    conn->request.role = reader->role;
    conn->request.params = reader->params.data;
    conn->request.params_end = reader->params.data + reader->params.len;
    conn->request.params_dropped = reader->params_dropped;
    conn->request.body_dropped = reader->body_len > reader->body.len;
    conn->request.body = reader->body.len > 0 ? reader->body.data : NULL;
    conn->request.body_len = reader->body_len;
    conn->request.out = &conn->out;
}

static enum conn_event parse(struct conn *conn, struct buf *in, size_t max_body) {
    take_up(&conn->reader.params);
    take_up(&conn->out);
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

/* Looks for a request in what was just read; what is left over goes to the connection's own buffer. */
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
            /* A password or a token may have passed through. */
            if (in == scratch)
                secret_wipe(scratch->data, (size_t)n);
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
    secret_wipe(conn->out.data, conn->out.len);
    buf_clear(&conn->out);
    conn->sent = 0;
    return CONN_ALL_SENT;
}

void conn_next(struct conn *conn) {
    lay_by(&conn->reader.params);
    lay_by(&conn->reader.body);
    lay_by(&conn->out);
    if (conn->in.len == 0)
        buf_free(&conn->in);
    fcgi_reader_reset(&conn->reader);
    conn->request.kept_len = 0;
}
