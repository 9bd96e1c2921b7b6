#include "fcgi/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fcgi/conn.h"
#include "fcgi/pass.h"

#define EVENTS 128
/* How soon a queue that was full is tried again. */
#define PASS_AGAIN_MS 5
/* How soon a turn that was refused is asked for again. */
#define TURN_AGAIN_MS 5
/* How soon a queue that was not too long is looked at again. */
#define ROOMY_MS 10

TAILQ_HEAD(conn_list, conn);

struct loop {
    struct loop_options options;
    int epoll_fd;
    bool draining;
    int64_t to_take; /* draining: so many may be accepted still */
    bool listening; /* the listening socket is watched */
    bool failed;
    bool turn; /* of the first in line */
    int64_t now; /* clock_mono_ms at the last return of epoll_wait, or the last answer */
    int64_t roomy_until;
    /* One list for each state; in the first three all wait equally long, so that each is ordered
     * by deadline and only its head need be looked at. */
    struct conn_list reading, writing, idle, ready, line, closed;
    size_t in_line;
    struct buf scratch;
    struct fcgi_request **batch;
};

static struct conn_list *list_of(struct loop *loop, enum conn_state state) {
    switch (state) {
    case CONN_READING:
        return &loop->reading;
    case CONN_READY:
        return &loop->ready;
    case CONN_IN_LINE:
        return &loop->line;
    case CONN_WRITING:
        return &loop->writing;
    case CONN_IDLE:
        return &loop->idle;
    default:
        return &loop->closed;
    }
}

static void enter(struct conn *conn, enum conn_state state) {
    struct loop *loop = conn->loop;
    conn->state = state;
    conn->since = loop->now;
    conn->deadline = loop->now + (state == CONN_IDLE ? loop->options.idle_timeout_ms
                                                     : loop->options.request_timeout_ms);
    TAILQ_INSERT_TAIL(list_of(loop, state), conn, entry);
    loop->in_line += state == CONN_IN_LINE;
}

static void move(struct conn *conn, enum conn_state state) {
    conn->loop->in_line -= conn->state == CONN_IN_LINE;
    TAILQ_REMOVE(list_of(conn->loop, conn->state), conn, entry);
    enter(conn, state);
}

/* More of a body has come.  Only a body: a web server that has the headers has them whole, and who
 * drips those is none. */
static void goes_on(struct conn *conn) {
    struct loop *loop = conn->loop;
    if (!conn->reader.params_done || loop->now - conn->since >= loop->options.body_timeout_ms)
        return;
    conn->deadline = loop->now + loop->options.request_timeout_ms;
    TAILQ_REMOVE(&loop->reading, conn, entry);
    TAILQ_INSERT_TAIL(&loop->reading, conn, entry);
}

/* Freed only after the events at hand are done with: one of them may still point here.  Closing the
 * descriptor would not take a connection that was passed on out of epoll: it lives on elsewhere. */
static void close_conn(struct conn *conn) {
    if (conn->watched)
        epoll_ctl(conn->loop->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
    close(conn->fd);
    conn->fd = -1;
    conn->watched = false;
    move(conn, CONN_CLOSED);
}

static void bury_closed(struct loop *loop) {
    struct conn *conn;
    while ((conn = TAILQ_FIRST(&loop->closed)) != NULL) {
        TAILQ_REMOVE(&loop->closed, conn, entry);
        conn_free(conn);
    }
}

static void watch(struct conn *conn, uint32_t events) {
    if (conn->watched && conn->watched_for == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int op = conn->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(conn->loop->epoll_fd, op, conn->fd, &event) < 0) {
        log_error("cannot watch a connection", F_ERRNO(errno));
        close_conn(conn);
        return;
    }
    conn->watched = true;
    conn->watched_for = events;
}

static bool keeps(const struct conn *conn) {
    return conn->reader.keep && conn->loop->options.batch > 1;
}

static void read_more(struct conn *conn);

/* Answers to management records go at once; a peer that does not take those few bytes is broken. */
static bool send_management(struct conn *conn) {
    return conn->out.len == 0 || conn_write(conn) == CONN_ALL_SENT;
}

/* Draining: the connection goes on elsewhere, with nothing of it left here; where nobody takes it,
 * it ends, once what has come on it is answered.  A full queue keeps it here a little longer, and it
 * is served meanwhile. */
static void pass_on(struct conn *conn) {
    enum passed passed = pass_send(conn->loop->options.pass_out_fd, conn->fd);
    if (passed == PASS_NOBODY)
        read_more(conn);
    if (passed != PASS_LATER && conn->state == CONN_IDLE)
        close_conn(conn);
}

static void now_idle(struct conn *conn) {
    move(conn, CONN_IDLE);
    watch(conn, EPOLLIN);
    if (conn->loop->draining && conn->state == CONN_IDLE)
        pass_on(conn);
}

/* The answer is gone: the next request may be here already, or is waited for, or nobody wants one. */
static void answered(struct conn *conn) {
    if (!keeps(conn)) {
        close_conn(conn);
        return;
    }
    conn_next(conn);
    enum conn_event event = conn_parse(conn, conn->loop->options.max_body);
    if (event != CONN_EVENT_GONE && !send_management(conn))
        event = CONN_EVENT_GONE;
    switch (event) {
    case CONN_EVENT_READY:
        move(conn, CONN_READY);
        return;
    case CONN_EVENT_NONE:
        if (conn->reader.id == 0 && conn->in.len == 0) {
            now_idle(conn);
            return;
        }
        move(conn, CONN_READING);
        watch(conn, EPOLLIN);
        return;
    case CONN_EVENT_GONE:
        close_conn(conn);
    }
}

static void send_more(struct conn *conn) {
    switch (conn_write(conn)) {
    case CONN_ALL_SENT:
        answered(conn);
        return;
    case CONN_SOME_LEFT:
        if (conn->state != CONN_WRITING)
            move(conn, CONN_WRITING);
        watch(conn, EPOLLOUT);
        return;
    case CONN_WRITE_FAILED:
        close_conn(conn);
    }
}

void fcgi_finish(struct fcgi_request *request) {
    struct conn *conn = (struct conn *)request;
    MUST(conn->state == CONN_READY || conn->state == CONN_IN_LINE);
    /* The batch may have taken longer than any deadline; what begins now begins now. */
    conn->loop->now = clock_mono_ms();
    fcgi_answer_end(&conn->out, conn->out_mark, conn->reader.id);
    send_more(conn);
}

/* Nothing is read from a connection whose request stands in line.  It does not matter if the peer has closed
 * its sending half by now; if it is gone altogether, epoll reports EPOLLHUP, without being asked to. */
bool fcgi_put_off(struct fcgi_request *request) {
    struct conn *conn = (struct conn *)request;
    MUST(conn->state == CONN_READY || conn->state == CONN_IN_LINE);
    size_t room = conn->loop->options.batch > 1 ? conn->loop->options.batch : 0;
    if (request->has_turn || conn->loop->in_line >= room)
        return false;
    buf_truncate(&conn->out, conn->out_mark);
    move(conn, CONN_IN_LINE);
    watch(conn, 0);
    return true;
}

/* It stays among those that are ready. */
void fcgi_go_on_later(struct fcgi_request *request, const void *kept, size_t len) {
    struct conn *conn = (struct conn *)request;
    MUST(conn->state == CONN_READY && len > 0 && len <= sizeof request->kept);
    buf_truncate(&conn->out, conn->out_mark);
    memcpy(request->kept, kept, len);
    request->kept_len = len;
}

static void read_more(struct conn *conn) {
    switch (conn_read(conn, &conn->loop->scratch, conn->loop->options.max_body)) {
    case CONN_EVENT_READY:
        if (!send_management(conn))
            break;
        move(conn, CONN_READY);
        return;
    case CONN_EVENT_NONE:
        if (!send_management(conn))
            break;
        if (conn->state == CONN_IDLE && (conn->reader.id != 0 || conn->in.len > 0))
            move(conn, CONN_READING);
        if (conn->state == CONN_READING)
            goes_on(conn);
        watch(conn, EPOLLIN);
        return;
    case CONN_EVENT_GONE:
        break;
    }
    close_conn(conn);
}

/* Descriptors have run out: an idle connection is the one that is missed least. */
static void make_room(struct loop *loop) {
    struct conn *victim = TAILQ_FIRST(&loop->idle);
    if (victim == NULL)
        victim = TAILQ_FIRST(&loop->reading);
    metrics_event(EVENT_DESCRIPTORS, 1);
    log_error("out of file descriptors, a connection is given up for another",
              F_STR("given_up", victim == NULL            ? "none"
                                : victim->state == CONN_IDLE ? "idle"
                                                             : "reading"),
              F_ERRNO(errno), F_STR("cure", "raise LimitNOFILE= or ulimit -n, or let the web server "
                                            "keep fewer connections"));
    if (victim != NULL)
        close_conn(victim);
    else
        usleep(10 * 1000);
}

/* Asks the list of peers for connections that were passed on, too: the reload may have changed the list. */
static void begin_conn(struct loop *loop, int fd, enum conn_state state) {
    if (loop->options.peers != NULL && !peers_admit(loop->options.peers, fd)) {
        close(fd);
        return;
    }
    struct conn *conn = conn_new(loop, fd);
    enter(conn, state);
    /* Most often the request is here already, and the connection never meets epoll. */
    read_more(conn);
}

/* Takes connections that retiring workers have kept; most of them are still idle. */
static void take_passed(struct loop *loop) {
    int fd;
    for (size_t i = 0; i < loop->options.batch && loop->options.pass_in_fd >= 0; i++) {
        if ((fd = pass_take(loop->options.pass_in_fd)) < 0)
            return;
        begin_conn(loop, fd, CONN_IDLE);
    }
}

/* How many; less than a batch: nobody waits, as far as can be seen. */
static size_t accept_more(struct loop *loop) {
    size_t count = 0;
    for (size_t i = 0; i < loop->options.batch; i++) {
        int fd = accept4(loop->options.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                make_room(loop);
            else if (errno == ECONNABORTED || errno == EINTR)
                continue;
            else if (errno != EAGAIN)
                log_error("cannot accept", F_ERRNO(errno));
            return count;
        }
        count++;
        begin_conn(loop, fd, CONN_READING);
    }
    return count;
}

/* A worker that takes one request at a time leaves further connections to its idle siblings. */
static void listen_or_not(struct loop *loop) {
    bool want = !loop->draining && (loop->options.batch > 1 || TAILQ_EMPTY(&loop->ready));
    if (want == loop->listening)
        return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = loop};
    int op = want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    if (epoll_ctl(loop->epoll_fd, op, loop->options.listen_fd, &event) < 0) {
        log_error("cannot watch the listening socket", F_ERRNO(errno));
        loop->failed = true;
    }
    loop->listening = want;
}

/* Closes the listening socket: the next service could not bind the address while we hold it. */
static void stop_listening(struct loop *loop) {
    close(loop->options.listen_fd);
    loop->options.listen_fd = -1;
}

/* Who waited when the end was announced; a worker that takes one request at a time leaves the others to
 * its siblings here, too. */
static void take_the_last(struct loop *loop) {
    size_t batch = loop->options.batch, count = 0;
    if (loop->options.listen_fd < 0 || (loop->to_take > 0 && batch == 1 && !TAILQ_EMPTY(&loop->ready)))
        return;
    if (loop->to_take > 0)
        count = accept_more(loop);
    loop->to_take -= (int64_t)count;
    if (count < batch || loop->to_take <= 0)
        stop_listening(loop);
}

static void expire(struct loop *loop) {
    struct conn_list *lists[] = {&loop->reading, &loop->writing, &loop->idle};
    for (size_t i = 0; i < 3; i++) {
        struct conn *conn;
        while ((conn = TAILQ_FIRST(lists[i])) != NULL && conn->deadline <= loop->now) {
            if (conn->state != CONN_IDLE)
                log_info("a peer was too slow and was disconnected",
                         F_STR("state", conn->state == CONN_READING ? "reading" : "writing"));
            close_conn(conn);
        }
    }
}

static int due_ms(struct loop *loop) {
    if (!TAILQ_EMPTY(&loop->ready) || loop->turn || (loop->draining && loop->options.listen_fd >= 0))
        return 0;
    if (loop->in_line > 0)
        return TURN_AGAIN_MS;
    if (loop->draining && !TAILQ_EMPTY(&loop->idle))
        return PASS_AGAIN_MS;
    struct conn *heads[] = {TAILQ_FIRST(&loop->reading), TAILQ_FIRST(&loop->writing),
                            TAILQ_FIRST(&loop->idle)};
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < 3; i++)
        if (heads[i] != NULL && heads[i]->deadline < next)
            next = heads[i]->deadline;
    int log_ms = log_wait_ms();
    if (next == INT64_MAX)
        return log_ms;
    int64_t left = next - loop->now;
    left = left < 0 ? 0 : left > 60000 ? 60000 : left;
    return log_ms >= 0 && log_ms < left ? log_ms : (int)left;
}

static int wait_ms(struct loop *loop) {
    int ms = due_ms(loop), beat = (int)loop->options.beat_ms;
    return beat > 0 && (ms < 0 || ms > beat) ? beat : ms;
}

/* While this slept any number of connections may have come, so that the queue has to be looked at again. */
static int sleep_for_events(struct loop *loop, struct epoll_event *events, int ms) {
    loop->roomy_until = 0;
    return epoll_wait(loop->epoll_fd, events, EVENTS, ms);
}

static int wait_for_events(struct loop *loop, struct epoll_event *events) {
    int ms = wait_ms(loop);
    if (ms == 0 || loop->options.left == NULL || !loop->options.left(loop->options.context))
        return sleep_for_events(loop, events, ms);
    int n = epoll_wait(loop->epoll_fd, events, EVENTS, 0);
    if (n != 0)
        return n;
    loop->options.catch_up(loop->options.context);
    loop->now = clock_mono_ms();
    return sleep_for_events(loop, events, wait_ms(loop));
}

static bool line_goes_on(struct loop *loop) {
    bool line = loop->in_line > 0;
    bool turn =
        loop->options.turn == NULL || loop->options.turn(loop->options.context, line);
    return line && (turn || loop->draining);
}

static struct fcgi_request *hand_over(struct conn *conn, bool has_turn) {
    conn->out_mark = fcgi_answer_begin(&conn->out);
    conn->request.has_turn = has_turn;
    return &conn->request;
}

/* Whether more wait than will be served in time.  Then the one that has waited longest is refused, at once
 * and without work: its client is the next to give up, and all others move up.  To count them the kernel
 * looks at every socket there is; so an answer of no is believed for ROOMY_MS, as long as requests follow
 * each other without a sleep. */
static bool is_crowded(struct loop *loop) {
    if (loop->options.queue == 0 || loop->options.listen_fd < 0 || loop->now < loop->roomy_until)
        return false;
    bool crowded = loop->options.waiting(loop->options.context) > (int64_t)loop->options.queue;
    loop->roomy_until = crowded ? 0 : loop->now + ROOMY_MS;
    return crowded;
}

/* Whoever has the turn comes last, so that all the others are answered by then. */
static void serve_ready(struct loop *loop) {
    size_t count = 0, batch = loop->options.batch;
    struct conn *conn, *first = loop->turn ? TAILQ_FIRST(&loop->line) : NULL;
    TAILQ_FOREACH(conn, &loop->ready, entry) {
        if (count + (first != NULL) >= batch)
            break;
        loop->batch[count++] = hand_over(conn, batch == 1 && !is_crowded(loop));
    }
    if (first != NULL)
        loop->batch[count++] = hand_over(first, true);
    if (count > 0)
        loop->options.serve(loop->options.context, loop->batch, count);
}

static void pass_idle(struct loop *loop) {
    struct conn *conn, *next;
    for (conn = TAILQ_FIRST(&loop->idle); conn != NULL; conn = next) {
        next = TAILQ_NEXT(conn, entry);
        pass_on(conn);
    }
}

static void drain(struct loop *loop, bool is_last) {
    loop->draining = true;
    listen_or_not(loop);
    loop->to_take = is_last ? loop->options.waiting(loop->options.context) : 0;
    /* Closed, so that the last worker to drain finds out whether there are successors. */
    if (loop->options.pass_in_fd >= 0)
        close(loop->options.pass_in_fd);
    loop->options.pass_in_fd = -1;
    take_the_last(loop);
    pass_idle(loop);
}

static bool nothing_left(struct loop *loop) {
    return loop->options.listen_fd < 0 && TAILQ_EMPTY(&loop->reading) && TAILQ_EMPTY(&loop->ready) &&
           loop->in_line == 0 && TAILQ_EMPTY(&loop->writing) && TAILQ_EMPTY(&loop->idle);
}

/* false: stop now. */
static bool take_order(struct loop *loop) {
    enum loop_order order = loop->options.order(loop->options.context);
    if (!loop->draining && (order == LOOP_DRAIN || order == LOOP_CLOSE))
        drain(loop, order == LOOP_CLOSE);
    return order != LOOP_QUIT;
}

static void on_event(struct loop *loop, const struct epoll_event *event) {
    if (event->data.ptr == &loop->options.pass_in_fd) {
        take_passed(loop);
        return;
    }
    if (event->data.ptr == loop) {
        if (loop->listening) /* not any more, if an order came just before */
            accept_more(loop);
        return;
    }
    struct conn *conn = event->data.ptr;
    if (conn->state == CONN_READING || conn->state == CONN_IDLE)
        read_more(conn);
    else if (conn->state == CONN_WRITING)
        send_more(conn);
    else if (conn->state == CONN_IN_LINE)
        close_conn(conn);
}

bool loop_run(struct loop *loop) {
    struct epoll_event events[EVENTS];
    for (;;) {
        listen_or_not(loop);
        if (loop->draining)
            take_the_last(loop);
        if (loop->failed || (loop->draining && nothing_left(loop)))
            return !loop->failed;
        loop->turn = line_goes_on(loop);
        int n = wait_for_events(loop, events);
        loop->now = clock_mono_ms();
        if (loop->options.beat != NULL)
            loop->options.beat(loop->options.context);
        if (n < 0 && errno != EINTR) {
            log_error("cannot wait for requests", F_ERRNO(errno));
            return false;
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != &loop->options.control_fd)
                on_event(loop, &events[i]);
            else if (!take_order(loop))
                return true;
        }
        expire(loop);
        if (loop->draining)
            pass_idle(loop);
        bury_closed(loop);
        serve_ready(loop);
        bury_closed(loop);
        log_tell_left_out(false);
    }
}

/* A worker that takes one request at a time keeps no connection, but those that were kept before a
 * reload made it so come to it all the same: each has one more request, and then its end. */
static void watch_passed(struct loop *loop) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                                .data.ptr = &loop->options.pass_in_fd};
    if (loop->options.pass_in_fd >= 0 &&
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->options.pass_in_fd, &event) < 0)
        log_warning("kept connections of retired workers cannot be taken", F_ERRNO(errno));
}

struct loop *loop_new(const struct loop_options *options) {
    struct loop *loop = calloc(1, sizeof *loop);
    MUST(loop != NULL);
    loop->options = *options;
    if (options->peers != NULL && peers_are_all(options->peers, options->listen_fd))
        loop->options.peers = NULL;
    loop->batch = calloc(options->batch, sizeof *loop->batch);
    MUST(loop->batch != NULL);
    TAILQ_INIT(&loop->reading);
    TAILQ_INIT(&loop->writing);
    TAILQ_INIT(&loop->idle);
    TAILQ_INIT(&loop->ready);
    TAILQ_INIT(&loop->line);
    TAILQ_INIT(&loop->closed);
    loop->now = clock_mono_ms();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->options.control_fd};
    if (loop->epoll_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, options->control_fd, &event) < 0) {
        log_error("cannot make an epoll instance", F_ERRNO(errno));
        loop->failed = true;
    }
    watch_passed(loop);
    return loop;
}

void loop_free(struct loop **loop) {
    if (loop == NULL || *loop == NULL)
        return;
    struct conn_list *lists[] = {&(*loop)->reading, &(*loop)->writing, &(*loop)->idle,
                                 &(*loop)->ready, &(*loop)->line};
    for (size_t i = 0; i < 5; i++)
        while (!TAILQ_EMPTY(lists[i]))
            close_conn(TAILQ_FIRST(lists[i]));
    bury_closed(*loop);
    if ((*loop)->epoll_fd >= 0)
        close((*loop)->epoll_fd);
    buf_free(&(*loop)->scratch);
    free((*loop)->batch);
    free(*loop);
    *loop = NULL;
}
