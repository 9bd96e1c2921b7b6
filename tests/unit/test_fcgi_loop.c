/* A loop in a process of its own, and this one as its web server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/conn.h"
#include "fcgi/loop.h"
#include "wire.h"

/* Longer than any machine needs: only a test that fails waits for it. */
#define PATIENCE_MS 30000
#define LONG_MS     60000

static char directory[] = "/tmp/test_fcgi_loop.XXXXXX";
static char path[64];

/* What the child says of itself. */
static struct board {
    atomic_int queued; /* said by the test: connections that wait */
    atomic_int served, largest, waiting, turns, asked;
    atomic_int left, caught_up, served_then; /* served, when it last caught up */
    atomic_bool no_turn; /* said by the test */
} *board;

static struct {
    pid_t pid;
    int control, gate;
} child;

/* The queue of kept connections; -1: there is none. */
static struct {
    int in, out;
} passing = {-1, -1};

/* The child ------------------------------------------------------------------------------------ */

struct toy {
    int control, gate;
};

static enum loop_order order(void *context) {
    const struct toy *toy = context;
    char c = 'q';
    if (read(toy->control, &c, 1) != 1)
        return LOOP_QUIT;
    return c == 'd' ? LOOP_DRAIN : c == 'c' ? LOOP_CLOSE : c == 'q' ? LOOP_QUIT : LOOP_GO_ON;
}

static int64_t queued(void *context) {
    (void)context;
    return board->queued;
}

static bool turn(void *context, bool line) {
    (void)context;
    board->asked += line;
    board->turns += line && !board->no_turn;
    return !board->no_turn;
}

static bool left(void *context) {
    (void)context;
    return board->left > 0;
}

static void catch_up(void *context) {
    (void)context;
    board->left = 0;
    board->served_then = board->served;
    board->caught_up++;
}

/* Whether it takes long, and was put off. */
static bool stands_in_line(struct fcgi_request *request) {
    const char *at = request->params;
    struct fcgi_param param;
    if (fcgi_next_param(&at, request->params_end, &param) != FCGI_WHOLE ||
        memcmp(param.name, "LONG", 4) != 0)
        return false;
    if (!request->has_turn)
        buf_adds(request->out, "no room ");
    return fcgi_put_off(request);
}

/* Whether it does a part of its work, and goes on with the next batch: AGAIN says in how many it is done. */
static bool goes_on_later(struct fcgi_request *request) {
    const char *at = request->params;
    struct fcgi_param param;
    unsigned char done = request->kept_len == 1 ? request->kept[0] : 0;
    assert_true(request->kept_len <= 1);
    if (fcgi_next_param(&at, request->params_end, &param) != FCGI_WHOLE ||
        memcmp(param.name, "AGAIN", 5) != 0 || done + '0' == param.value[0])
        return false;
    buf_adds(request->out, "some of it ");
    done++;
    fcgi_go_on_later(request, &done, 1);
    return true;
}

/* Says what it was asked. With WAIT it first waits at the gate, with LONG in line and then at the
 * gate; with BIG it says a lot. */
static void answer(const struct toy *toy, struct fcgi_request *request) {
    const char *at = request->params;
    struct fcgi_param param;
    size_t big = 0;
    buf_addf(request->out, "role=%u body=%zu%s", request->role, request->body_len,
             request->body_dropped ? " dropped" : "");
    if (request->body != NULL && !request->body_dropped)
        buf_addf(request->out, " [%.*s]", (int)request->body_len, request->body);
    while (fcgi_next_param(&at, request->params_end, &param) == FCGI_WHOLE) {
        buf_addf(request->out, " %.*s=%.*s", (int)param.name_len, param.name,
                 (int)param.value_len, param.value);
        if (memcmp(param.name, "BIG", 3) == 0)
            big = 8 * 1024 * 1024;
        if (memcmp(param.name, "WAIT", 4) == 0 ||
            (memcmp(param.name, "LONG", 4) == 0 && request->has_turn)) {
            char c;
            board->waiting++;
            while (read(toy->gate, &c, 1) < 0 && errno == EINTR)
                continue;
        }
    }
    for (size_t i = 0; i < big; i++)
        buf_addc(request->out, (char)('a' + i % 26));
    board->served++;
    board->left++;
    fcgi_finish(request);
}

static void serve(void *context, struct fcgi_request **batch, size_t count) {
    if ((int)count > board->largest)
        board->largest = (int)count;
    for (size_t i = 0; i < count; i++) {
        assert_true(!batch[i]->has_turn || i == count - 1);
        if (!stands_in_line(batch[i]) && !goes_on_later(batch[i]))
            answer(context, batch[i]);
    }
}

static int listening_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1024), 0);
    return fd;
}

static _Noreturn void be_child(struct loop_options options, struct toy toy, rlim_t descriptors) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2 * PATIENCE_MS / 1000);
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    if (descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors, descriptors});
    options.control_fd = toy.control;
    options.context = &toy;
    options.order = order;
    options.waiting = queued;
    options.turn = turn;
    options.serve = serve;
    options.left = left;
    options.catch_up = catch_up;
    struct loop *loop = loop_new(&options);
    bool ok = loop_run(loop);
    loop_free(&loop);
    loop_free(&loop);
    exit(ok ? 0 : 1);
}

/* Milliseconds and counts that a test does not name are ones that it never meets. */
static void start_with(struct loop_options options, rlim_t descriptors) {
    int control[2], gate[2];
    options.batch = options.batch > 0 ? options.batch : 64;
    options.pass_in_fd = passing.in;
    options.pass_out_fd = passing.out;
    options.max_body = 1000;
    if (options.request_timeout_ms == 0)
        options.request_timeout_ms = LONG_MS;
    if (options.body_timeout_ms == 0)
        options.body_timeout_ms = LONG_MS;
    if (options.idle_timeout_ms == 0)
        options.idle_timeout_ms = LONG_MS;
    options.listen_fd = listening_socket();
    assert_int_equal(pipe(control), 0);
    assert_int_equal(pipe(gate), 0);
    *board = (struct board){0};
    fflush(NULL);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        close(control[1]);
        close(gate[1]);
        be_child(options, (struct toy){control[0], gate[0]}, descriptors);
    }
    close(options.listen_fd);
    close(control[0]);
    close(gate[0]);
    child.control = control[1];
    child.gate = gate[1];
}

static void start(struct loop_options options) {
    start_with(options, 0);
}

static void tell(char c) {
    assert_int_equal(write(child.control, &c, 1), 1);
}

static void open_gate(void) {
    assert_int_equal(write(child.gate, "x", 1), 1);
}

/* The child has ended by itself, and well. */
static void assert_ended(void) {
    int status;
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    child.pid = 0;
    close(child.control);
    close(child.gate);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void stop(void) {
    tell('q');
    assert_ended();
}

static int kill_child(void **state) {
    (void)state;
    if (child.pid > 0) {
        kill(child.pid, SIGKILL);
        waitpid(child.pid, NULL, 0);
    }
    child.pid = 0;
    return 0;
}

/* The web server ------------------------------------------------------------------------------- */

static int try_connect(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int peer(void) {
    int fd = try_connect();
    assert_true(fd >= 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0)
            fail_msg("cannot send: %s", strerror(errno));
        bytes += n;
        len -= (size_t)n;
    }
}

static void send_wire(int fd, const struct buf *wire) {
    send_bytes(fd, wire->data, wire->len);
}

/* A request with one parameter and a body, appended to wire. */
static void add_request(struct buf *wire, const char *name, const char *value, const char *body,
                        unsigned flags) {
    struct buf params = {0};
    wire_pair(&params, name, value);
    wire_begin(wire, 1, FCGI_RESPONDER, flags);
    wire_stream(wire, FCGI_PARAMS, 1, params.data, params.len, 10);
    wire_stream(wire, FCGI_STDIN, 1, body, strlen(body), 10);
    buf_free(&params);
}

static void ask(int fd, const char *name, const char *value, unsigned flags) {
    struct buf wire = {0};
    add_request(&wire, name, value, "", flags);
    send_wire(fd, &wire);
    buf_free(&wire);
}

/* One read; false at the end. */
static bool more(int fd, struct buf *in, size_t most) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) != 1)
        fail_msg("nothing came");
    ssize_t n = recv(fd, buf_reserve(in, most), most, 0);
    if (n > 0)
        in->len += (size_t)n;
    return n > 0;
}

/* Reads records until the next END_REQUEST; the joined STDOUT. */
static char *reply(int fd) {
    static struct buf text;
    buf_clear(&text);
    for (;;) {
        struct buf in = {0};
        while (in.len < 8)
            assert_true(more(fd, &in, 8 - in.len));
        size_t len = (size_t)((unsigned char)in.data[4] << 8 | (unsigned char)in.data[5]);
        unsigned type = (unsigned char)in.data[1];
        while (in.len < 8 + len)
            assert_true(more(fd, &in, 8 + len - in.len));
        if (type == FCGI_STDOUT)
            buf_add(&text, in.data + 8, len);
        buf_free(&in);
        if (type == FCGI_END_REQUEST)
            return text.data;
    }
}

/* The loop has closed the connection, and sent nothing before that. */
static void assert_closed(int fd) {
    struct buf in = {0};
    assert_false(more(fd, &in, 100));
    buf_free(&in);
    close(fd);
}

static void await_least(atomic_int *number, int value) {
    for (int i = 0; i < PATIENCE_MS && *number < value; i++)
        usleep(1000);
    assert_true(*number >= value);
}

static void await(atomic_int *number, int value) {
    await_least(number, value);
    assert_int_equal(*number, value);
}

/* Tests ---------------------------------------------------------------------------------------- */

/* A connection by itself, which has read a check with so many parameters. */
static struct conn *conn_with(size_t count) {
    struct buf wire = {0}, params = {0}, scratch = {0};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct conn *conn = conn_new(NULL, ends[0]);
    for (size_t i = 0; i < count; i++)
        wire_pair(&params, "NAME_OF_SOME_LENGTH", "and a value that is as long");
    wire_begin(&wire, 1, FCGI_AUTHORIZER, FCGI_KEEP_CONN);
    wire_stream(&wire, FCGI_PARAMS, 1, params.data, params.len, 60000);
    assert_int_equal(write(ends[1], wire.data, wire.len), wire.len);
    close(ends[1]);
    assert_int_equal(conn_read(conn, &scratch, 0), CONN_EVENT_READY);
    assert_int_equal(conn->reader.params.len, params.len);
    buf_free(&wire);
    buf_free(&params);
    buf_free(&scratch);
    return conn;
}

/* Whosever the next request is, it finds a buffer, in which nothing of this one's is left; one that grew
 * large is given back. */
static void buffers_are_laid_by(void **state) {
    (void)state;
    struct conn *first = conn_with(2);
    const char *bytes = first->reader.params.data;
    size_t len = first->reader.params.len;
    conn_next(first);
    assert_int_equal(first->reader.params.cap, 0);
    assert_false(first->reader.whole);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
    struct conn *second = conn_with(1);
    assert_ptr_equal(second->reader.params.data, bytes);
    struct conn *large = conn_with(200);
    assert_true(large->reader.params.cap > 4096);
    conn_next(large);
    assert_int_equal(large->reader.params.cap, 0);
    struct conn *third = conn_with(1);
    assert_true(third->reader.params.cap <= 4096);
    conn_free(first);
    conn_free(second);
    conn_free(large);
    conn_free(third);
}

static void connection_each(void **state) {
    (void)state;
    start((struct loop_options){0});
    for (int i = 0; i < 20; i++) {
        char number[12], expected[64];
        snprintf(number, sizeof number, "%d", i);
        snprintf(expected, sizeof expected, "role=1 body=0 N=%d", i);
        int fd = peer();
        ask(fd, "N", number, 0);
        assert_string_equal(reply(fd), expected);
        assert_closed(fd);
    }
    assert_int_equal(board->served, 20);
    stop();
}

/* With libfcgi each kept connection would hold one worker; here one worker keeps them all. */
static void kept_connections(void **state) {
    (void)state;
    int fds[100];
    start((struct loop_options){0});
    for (int i = 0; i < 100; i++)
        fds[i] = peer();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            ask(fds[i], "A", "b", FCGI_KEEP_CONN);
        for (int i = 99; i >= 0; i--)
            assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
    }
    assert_int_equal(board->served, 300);
    assert_in_range(board->largest, 1, 64);
    /* The last request may ask for the end. */
    ask(fds[0], "A", "b", 0);
    assert_string_equal(reply(fds[0]), "role=1 body=0 A=b");
    assert_closed(fds[0]);
    for (int i = 1; i < 100; i++)
        close(fds[i]);
    stop();
}

static void bodies(void **state) {
    (void)state;
    struct buf wire = {0}, body = {0};
    start((struct loop_options){0});
    int fd = peer();
    add_request(&wire, "A", "b", "{\"email\":\"x\"}", FCGI_KEEP_CONN);
    send_wire(fd, &wire);
    assert_string_equal(reply(fd), "role=1 body=13 [{\"email\":\"x\"}] A=b");
    buf_clear(&wire);
    for (int i = 0; i < 300000; i++)
        buf_addc(&body, 'x');
    add_request(&wire, "A", "b", body.data, FCGI_KEEP_CONN);
    send_wire(fd, &wire);
    assert_string_equal(reply(fd), "role=1 body=300000 dropped A=b");
    ask(fd, "A", "b", FCGI_KEEP_CONN);
    assert_string_equal(reply(fd), "role=1 body=0 A=b");
    close(fd);
    buf_free(&wire);
    buf_free(&body);
    stop();
}

static void pipelined(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){0});
    int fd = peer();
    add_request(&wire, "N", "1", "one", FCGI_KEEP_CONN);
    add_request(&wire, "N", "2", "two", FCGI_KEEP_CONN);
    size_t two = wire.len;
    add_request(&wire, "N", "3", "", 0);
    size_t half = two + (wire.len - two) / 2;
    send_bytes(fd, wire.data, half);
    assert_string_equal(reply(fd), "role=1 body=3 [one] N=1");
    assert_string_equal(reply(fd), "role=1 body=3 [two] N=2");
    assert_int_equal(board->served, 2);
    send_bytes(fd, wire.data + half, wire.len - half);
    assert_string_equal(reply(fd), "role=1 body=0 N=3");
    assert_closed(fd);
    buf_free(&wire);
    stop();
}

/* Peers that stop anywhere in a request hold nobody up, whatever their number. */
static void half_senders_cost_nobody(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){0});
    add_request(&wire, "A", "b", "body", FCGI_KEEP_CONN);
    int fds[200];
    size_t count = wire.len < 200 ? wire.len : 200;
    for (size_t i = 0; i < count; i++) {
        fds[i] = peer();
        send_bytes(fds[i], wire.data, i);
    }
    for (int i = 0; i < 10; i++) {
        int fd = peer();
        ask(fd, "A", "b", 0);
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
        assert_closed(fd);
    }
    assert_int_equal(board->served, 10);
    /* … and when they go on, they are served. */
    for (size_t i = 0; i < count; i++) {
        send_bytes(fds[i], wire.data + i, wire.len - i);
        assert_string_equal(reply(fds[i]), "role=1 body=4 [body] A=b");
        close(fds[i]);
    }
    buf_free(&wire);
    stop();
}

static void truncated_is_never_executed(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){0});
    add_request(&wire, "A", "b", "body", FCGI_KEEP_CONN);
    for (size_t len = 0; len < wire.len; len++) {
        int fd = peer();
        send_bytes(fd, wire.data, len);
        if (len % 2 == 0) {
            shutdown(fd, SHUT_WR);
            assert_closed(fd);
        } else {
            close(fd);
        }
    }
    /* All that were accepted before are done with when this one is answered. */
    int fd = peer();
    ask(fd, "A", "b", 0);
    reply(fd);
    assert_closed(fd);
    assert_int_equal(board->served, 1);
    buf_free(&wire);
    stop();
}

/* A web server that closes its half behind a whole request is answered. */
static void half_closed_is_answered(void **state) {
    (void)state;
    start((struct loop_options){0});
    int fd = peer();
    ask(fd, "A", "b", FCGI_KEEP_CONN);
    shutdown(fd, SHUT_WR);
    assert_string_equal(reply(fd), "role=1 body=0 A=b");
    assert_closed(fd);
    stop();
}

static void slow_peers_are_disconnected(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){.request_timeout_ms = 1000});
    add_request(&wire, "A", "b", "body", FCGI_KEEP_CONN);
    int silent = peer(), half = peer(), again = peer();
    send_bytes(half, wire.data, wire.len / 2);
    send_wire(again, &wire);
    reply(again);
    send_bytes(again, wire.data, wire.len - 1);
    assert_closed(silent);
    assert_closed(half);
    assert_closed(again);
    assert_int_equal(board->served, 1);
    buf_free(&wire);
    stop();
}

/* Drips a wire that would take minutes; it is not let. */
static void assert_dripping_ends(struct buf *wire) {
    int fd = peer();
    size_t at = 0;
    while (at < wire->len && send(fd, wire->data + at, 1, MSG_NOSIGNAL) == 1) {
        usleep(5000);
        at++;
    }
    assert_true(at < wire->len);
    close(fd);
    buf_free(wire);
}

/* The deadline is the whole request's: dripping does not move it.  A body's it does, for a while. */
static void dripping_is_slow(void **state) {
    (void)state;
    static const char zeros[40000];
    struct buf records = {0}, params = {0}, body = {0};
    start((struct loop_options){.request_timeout_ms = 200, .body_timeout_ms = 400});
    for (int i = 0; i < 10000; i++)
        wire_record(&records, FCGI_GET_VALUES, 0, "", 0, 0);
    assert_dripping_ends(&records);
    wire_begin(&params, 1, FCGI_RESPONDER, 0);
    wire_stream(&params, FCGI_PARAMS, 1, zeros, sizeof zeros, 1);
    assert_dripping_ends(&params);
    add_request(&body, "A", "b", "", 0);
    body.len -= 8; /* the end of its STDIN */
    wire_stream(&body, FCGI_STDIN, 1, zeros, sizeof zeros, 1);
    assert_dripping_ends(&body);
    assert_int_equal(board->served, 0);
    stop();
}

/* As Apache passes it on from a client with a slow line. */
static void a_slow_body_comes_whole(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){.request_timeout_ms = 3000});
    add_request(&wire, "A", "b", "0123456789012345678901234567890123456789", 0);
    int fd = peer();
    size_t body = wire.len - 8 - 4 * 18;
    send_bytes(fd, wire.data, body);
    for (size_t at = body; at < wire.len; at += 8) {
        usleep(400 * 1000);
        send_bytes(fd, wire.data + at, 8);
    }
    assert_string_equal(reply(fd), "role=1 body=40 [0123456789012345678901234567890123456789] A=b");
    assert_closed(fd);
    buf_free(&wire);
    stop();
}

/* An answer that nobody takes is not kept for ever. */
static void untaken_answers(void **state) {
    (void)state;
    start((struct loop_options){.request_timeout_ms = 1000});
    int fd = peer();
    ask(fd, "BIG", "1", 0);
    struct pollfd wait = {.fd = fd, .events = 0};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    assert_true(wait.revents & POLLHUP);
    close(fd);
    assert_int_equal(board->served, 1);
    stop();
}

/* … but one that is taken slowly in time comes whole, and others are served meanwhile. */
static void large_answers(void **state) {
    (void)state;
    start((struct loop_options){0});
    int fd = peer(), other = peer();
    ask(fd, "BIG", "1", FCGI_KEEP_CONN);
    await(&board->served, 1);
    ask(other, "A", "b", 0);
    assert_string_equal(reply(other), "role=1 body=0 A=b");
    assert_closed(other);
    const char *text = reply(fd) + strlen("role=1 body=0 BIG=1");
    assert_int_equal(strlen(text), 8 * 1024 * 1024);
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] != (char)('a' + i % 26))
            fail_msg("byte %zu changed", i);
    ask(fd, "A", "b", 0);
    assert_string_equal(reply(fd), "role=1 body=0 A=b");
    assert_closed(fd);
    stop();
}

static void idle_connections_end(void **state) {
    (void)state;
    start((struct loop_options){.idle_timeout_ms = 100});
    int fd = peer();
    ask(fd, "A", "b", FCGI_KEEP_CONN);
    assert_string_equal(reply(fd), "role=1 body=0 A=b");
    assert_closed(fd);
    stop();
}

/* What has come while a request was with serve is handed over together, no more than batch. */
static void batches(void **state) {
    (void)state;
    static const size_t sizes[] = {64, 4};
    for (size_t s = 0; s < 2; s++) {
        int fds[10];
        start((struct loop_options){.batch = sizes[s]});
        int first = peer();
        ask(first, "WAIT", "", 0);
        await(&board->waiting, 1);
        for (int i = 0; i < 10; i++) {
            fds[i] = peer();
            ask(fds[i], "A", "b", 0);
        }
        open_gate();
        assert_string_equal(reply(first), "role=1 body=0 WAIT=");
        close(first);
        for (int i = 0; i < 10; i++) {
            assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
            assert_closed(fds[i]);
        }
        assert_int_equal(board->largest, sizes[s] < 10 ? sizes[s] : 10);
        stop();
    }
}

/* A worker that hashes keeps nobody waiting behind a hash. */
static void batch_of_one(void **state) {
    (void)state;
    start((struct loop_options){.batch = 1});
    for (int i = 0; i < 5; i++) {
        int fd = peer();
        ask(fd, "A", "b", FCGI_KEEP_CONN);
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
        assert_closed(fd);
    }
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = peer();
        ask(fds[i], "A", "b", FCGI_KEEP_CONN);
    }
    for (int i = 0; i < 8; i++) {
        assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
        assert_closed(fds[i]);
    }
    assert_int_equal(board->largest, 1);
    stop();
}

static void what_is_left_waits_until_nobody_does(void **state) {
    (void)state;
    start((struct loop_options){.batch = 1});
    int first = peer(), fds[5];
    ask(first, "WAIT", "", 0);
    await(&board->waiting, 1);
    for (int i = 0; i < 5; i++) {
        fds[i] = peer();
        ask(fds[i], "A", "b", 0);
    }
    open_gate();
    assert_string_equal(reply(first), "role=1 body=0 WAIT=");
    close(first);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
        assert_closed(fds[i]);
    }
    await(&board->caught_up, 1);
    assert_int_equal(board->served_then, 6);
    assert_int_equal(board->left, 0);
    stop();
}

/* In line -------------------------------------------------------------------------------------- */

/* The child stands still meanwhile: it would take a connection whose request has come by then before an
 * older one whose request has not. */
static void ask_long(int *fds, int count) {
    int status;
    assert_int_equal(kill(child.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
    assert_true(WIFSTOPPED(status));
    for (int i = 0; i < count; i++) {
        char number[12];
        snprintf(number, sizeof number, "%d", i);
        fds[i] = peer();
        ask(fds[i], "LONG", number, i % 2 == 0 ? FCGI_KEEP_CONN : 0);
    }
    assert_int_equal(kill(child.pid, SIGCONT), 0);
}

static void assert_long_answered(int fd, int number) {
    char expected[64];
    snprintf(expected, sizeof expected, "role=1 body=0 LONG=%d", number);
    assert_string_equal(reply(fd), expected);
    if (number % 2 == 0)
        close(fd);
    else
        assert_closed(fd);
}

/* Whoever comes while one takes long waits for that one alone, and those in line keep their order. */
static void one_long_at_a_time(void **state) {
    (void)state;
    int fds[10];
    start((struct loop_options){0});
    int kept = peer();
    ask(kept, "A", "b", FCGI_KEEP_CONN);
    reply(kept);
    ask_long(fds, 10);
    for (int i = 0; i < 10; i++) {
        await(&board->waiting, i + 1);
        int fd = peer();
        ask(fd, "A", "b", 0);
        ask(kept, "A", "b", FCGI_KEEP_CONN);
        open_gate();
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
        assert_string_equal(reply(kept), "role=1 body=0 A=b");
        assert_closed(fd);
        assert_long_answered(fds[i], i);
    }
    assert_int_equal(board->served, 31);
    assert_int_equal(board->turns, 10);
    close(kept);
    stop();
}

/* A part with each batch, beside whatever comes meanwhile; the next request there begins anew. */
static void some_go_on_with_the_next_batch(void **state) {
    (void)state;
    start((struct loop_options){0});
    int kept = peer(), other = peer();
    for (int round = 0; round < 3; round++) {
        ask(kept, "AGAIN", "9", FCGI_KEEP_CONN);
        ask(other, "A", "b", FCGI_KEEP_CONN);
        assert_string_equal(reply(other), "role=1 body=0 A=b");
        assert_string_equal(reply(kept), "role=1 body=0 AGAIN=9");
    }
    assert_int_equal(board->served, 6);
    close(other);
    ask(kept, "AGAIN", "9", 0);
    tell('d');
    assert_string_equal(reply(kept), "role=1 body=0 AGAIN=9");
    assert_closed(kept);
    assert_ended();
}

/* While others have the turns the rest is served as ever; draining waits for nobody's turn. */
static void a_turn_is_waited_for(void **state) {
    (void)state;
    int fds[4];
    start((struct loop_options){0});
    board->no_turn = true;
    ask_long(fds, 4);
    for (int i = 0; i < 10; i++) {
        await_least(&board->asked, i + 1);
        int fd = peer();
        ask(fd, "A", "b", 0);
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
        assert_closed(fd);
    }
    assert_int_equal(board->waiting, 0);
    board->no_turn = false;
    open_gate();
    assert_long_answered(fds[0], 0);
    await(&board->waiting, 2);
    board->no_turn = true;
    tell('d');
    for (int i = 1; i < 4; i++)
        open_gate();
    for (int i = 1; i < 4; i++)
        assert_long_answered(fds[i], i);
    assert_ended();
    assert_int_equal(board->served, 14);
}

/* Nobody hashes for a peer that is gone; one that closed only its half is answered. */
static void who_hangs_up_leaves_the_line(void **state) {
    (void)state;
    int fds[6];
    start((struct loop_options){0});
    board->no_turn = true;
    ask_long(fds, 6);
    await_least(&board->asked, 10);
    close(fds[0]);
    close(fds[3]);
    shutdown(fds[1], SHUT_WR);
    /* Once it is answered, those that hung up before it came have been seen to. */
    int fd = peer();
    ask(fd, "A", "b", 0);
    reply(fd);
    assert_closed(fd);
    board->no_turn = false;
    for (int i = 0; i < 4; i++)
        open_gate();
    assert_long_answered(fds[1], 1);
    assert_long_answered(fds[2], 2);
    assert_long_answered(fds[4], 4);
    assert_long_answered(fds[5], 5);
    assert_int_equal(board->waiting, 4);
    stop();
}

static void the_line_has_an_end(void **state) {
    (void)state;
    int fds[4];
    start((struct loop_options){.batch = 4});
    board->no_turn = true;
    ask_long(fds, 4);
    await_least(&board->asked, 20);
    for (int i = 0; i < 3; i++) {
        int fd = peer();
        ask(fd, "LONG", "x", 0);
        assert_string_equal(reply(fd), "no room role=1 body=0 LONG=x");
        assert_closed(fd);
    }
    board->no_turn = false;
    for (int i = 0; i < 4; i++)
        open_gate();
    for (int i = 0; i < 4; i++)
        assert_long_answered(fds[i], i);
    assert_int_equal(board->served, 7);
    stop();
}

/* A worker that takes one request at a time has no line. */
static void one_at_a_time_always_has_its_turn(void **state) {
    (void)state;
    start((struct loop_options){.batch = 1});
    board->no_turn = true;
    int fd = peer();
    ask(fd, "LONG", "1", 0);
    open_gate();
    assert_string_equal(reply(fd), "role=1 body=0 LONG=1");
    assert_closed(fd);
    assert_int_equal(board->asked, 0);
    stop();
}

static void management_is_answered(void **state) {
    (void)state;
    struct buf wire = {0}, in = {0};
    start((struct loop_options){0});
    int fd = peer();
    wire_record(&wire, FCGI_GET_VALUES, 0, "\x0f\0FCGI_MPXS_CONNS", 17, 0);
    for (int round = 0; round < 2; round++) {
        buf_clear(&in);
        send_wire(fd, &wire);
        while (in.len < 26)
            assert_true(more(fd, &in, 26 - in.len));
        assert_memory_equal(in.data + 8, "\x0f\x01" "FCGI_MPXS_CONNS0", 18);
        ask(fd, "A", "b", FCGI_KEEP_CONN);
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
    }
    close(fd);
    buf_free(&wire);
    buf_free(&in);
    stop();
}

/* … also where it came in one piece with the request before it. */
static void management_behind_a_request_is_answered(void **state) {
    (void)state;
    struct buf wire = {0}, in = {0};
    start((struct loop_options){0});
    int fd = peer();
    wire_begin(&wire, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    wire_record(&wire, FCGI_PARAMS, 1, "\x01\x01" "Ab", 4, 0);
    wire_record(&wire, FCGI_PARAMS, 1, "", 0, 0);
    wire_record(&wire, FCGI_STDIN, 1, "", 0, 0);
    wire_record(&wire, FCGI_GET_VALUES, 0, "\x0f\0FCGI_MPXS_CONNS", 17, 0);
    send_wire(fd, &wire);
    assert_string_equal(reply(fd), "role=1 body=0 A=b");
    while (in.len < 26)
        assert_true(more(fd, &in, 26 - in.len));
    assert_int_equal(in.data[1], FCGI_GET_VALUES_RESULT);
    ask(fd, "A", "c", FCGI_KEEP_CONN);
    assert_string_equal(reply(fd), "role=1 body=0 A=c");
    close(fd);
    buf_free(&wire);
    buf_free(&in);
    stop();
}

static void broken_peers_are_closed(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){0});
    int http = peer(), aborting = peer(), good = peer();
    send_bytes(http, "GET / HTTP/1.1\r\n\r\n", 18);
    wire_begin(&wire, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    wire_record(&wire, FCGI_ABORT_REQUEST, 1, "", 0, 0);
    send_wire(aborting, &wire);
    assert_closed(http);
    assert_closed(aborting);
    ask(good, "A", "b", 0);
    assert_string_equal(reply(good), "role=1 body=0 A=b");
    assert_closed(good);
    buf_free(&wire);
    stop();
}

/* A peer that is gone when its answer is ready costs the answer alone. */
static void peers_that_left(void **state) {
    (void)state;
    start((struct loop_options){0});
    int first = peer(), gone = peer();
    ask(first, "WAIT", "", 0);
    await(&board->waiting, 1);
    ask(gone, "BIG", "1", FCGI_KEEP_CONN);
    close(gone);
    open_gate();
    assert_string_equal(reply(first), "role=1 body=0 WAIT=");
    assert_closed(first);
    int good = peer();
    ask(good, "A", "b", 0);
    assert_string_equal(reply(good), "role=1 body=0 A=b");
    assert_closed(good);
    stop();
}

/* A peer that sends without end, and never a request. */
static void floods_hold_nobody(void **state) {
    (void)state;
    static char content[60000];
    struct buf wire = {0};
    start((struct loop_options){0});
    wire_record(&wire, FCGI_STDIN, 9, content, sizeof content, 0);
    int flood = peer();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(2 * PATIENCE_MS / 1000);
        for (;;)
            if (send(flood, wire.data, wire.len, MSG_NOSIGNAL) <= 0)
                _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        int fd = peer();
        ask(fd, "A", "b", 0);
        assert_string_equal(reply(fd), "role=1 body=0 A=b");
        assert_closed(fd);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    waitpid(pid, NULL, 0);
    close(flood);
    buf_free(&wire);
    stop();
}

/* More connections than descriptors: those that are idle make room, and their events, which came at
 * the same time, are not missed or met again. */
static void descriptors_run_out(void **state) {
    (void)state;
    int fds[60];
    start_with((struct loop_options){0}, 40);
    for (int i = 0; i < 60; i++) {
        fds[i] = peer();
        ask(fds[i], "A", "b", FCGI_KEEP_CONN);
        assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
    }
    assert_closed(fds[0]);
    /* Now all of them speak at once with the newcomers. */
    int first = peer();
    ask(first, "WAIT", "", 0);
    await(&board->waiting, 1);
    struct buf wire = {0};
    add_request(&wire, "A", "b", "", FCGI_KEEP_CONN);
    int newcomers[10];
    for (int i = 0; i < 10; i++) {
        newcomers[i] = peer();
        ask(newcomers[i], "A", "b", 0);
    }
    for (int i = 1; i < 60; i++)
        send(fds[i], wire.data, wire.len, MSG_NOSIGNAL);
    open_gate();
    reply(first);
    for (int i = 0; i < 10; i++) {
        assert_string_equal(reply(newcomers[i]), "role=1 body=0 A=b");
        assert_closed(newcomers[i]);
    }
    for (int i = 1; i < 60; i++)
        close(fds[i]);
    close(first);
    buf_free(&wire);
    stop();
}

static void drain_answers_what_has_begun(void **state) {
    (void)state;
    struct buf wire = {0};
    start((struct loop_options){0});
    int idle = peer(), half = peer(), fresh = peer();
    ask(idle, "A", "b", FCGI_KEEP_CONN);
    reply(idle);
    add_request(&wire, "A", "b", "body", FCGI_KEEP_CONN);
    add_request(&wire, "A", "b", "and more", FCGI_KEEP_CONN);
    send_bytes(half, wire.data, 30);
    send_bytes(fresh, wire.data, 1);
    /* The loop has met all of them when this one is answered. */
    int last = peer();
    ask(last, "A", "b", 0);
    reply(last);
    assert_closed(last);
    tell('d');
    assert_closed(idle);
    assert_int_equal(try_connect(), -1);
    assert_int_equal(errno, ECONNREFUSED);
    send_bytes(half, wire.data + 30, wire.len - 30);
    assert_string_equal(reply(half), "role=1 body=4 [body] A=b");
    assert_string_equal(reply(half), "role=1 body=8 [and more] A=b");
    assert_closed(half);
    assert_int_equal(waitpid(child.pid, NULL, WNOHANG), 0);
    close(fresh);
    assert_ended();
    assert_int_equal(board->served, 4);
    buf_free(&wire);
}

/* A request that came on a kept connection just before the order is not lost. */
static void drain_looks_once_more(void **state) {
    (void)state;
    start((struct loop_options){0});
    int kept[5], waiting = peer();
    for (int i = 0; i < 5; i++) {
        kept[i] = peer();
        ask(kept[i], "A", "b", FCGI_KEEP_CONN);
        reply(kept[i]);
    }
    ask(waiting, "WAIT", "", FCGI_KEEP_CONN);
    await(&board->waiting, 1);
    tell('d');
    for (int i = 0; i < 5; i++)
        ask(kept[i], "N", "late", FCGI_KEEP_CONN);
    int late = peer();
    close(late);
    open_gate();
    assert_string_equal(reply(waiting), "role=1 body=0 WAIT=");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(reply(kept[i]), "role=1 body=0 N=late");
        assert_closed(kept[i]);
    }
    close(waiting);
    assert_ended();
    assert_int_equal(board->served, 11);
}

/* What a retiring loop keeps its successor serves, and the old one hears no more of it. */
static void kept_connections_are_passed_on(void **state) {
    (void)state;
    int queue[2], kept[50];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, queue), 0);
    passing.in = queue[0];
    passing.out = queue[1];
    start((struct loop_options){0});
    for (int i = 0; i < 50; i++) {
        kept[i] = peer();
        ask(kept[i], "A", "b", FCGI_KEEP_CONN);
        reply(kept[i]);
    }
    int half = peer(), last = peer();
    send_bytes(half, "\1\1", 2);
    ask(last, "A", "b", 0); /* the loop has met half when this one is answered */
    reply(last);
    assert_closed(last);
    tell('d');
    pid_t old = child.pid;
    int control = child.control, gate = child.gate;
    start((struct loop_options){0});
    close(queue[0]);
    close(queue[1]);
    passing.in = passing.out = -1;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 50; i++) {
            ask(kept[i], "N", "successor", FCGI_KEEP_CONN);
            assert_string_equal(reply(kept[i]), "role=1 body=0 N=successor");
        }
    assert_int_equal(board->served, 150);
    /* One that goes idle while its loop drains follows the others. */
    assert_int_equal(waitpid(old, NULL, WNOHANG), 0);
    struct buf wire = {0};
    add_request(&wire, "A", "b", "body", FCGI_KEEP_CONN);
    send_bytes(half, wire.data + 2, wire.len - 2);
    assert_string_equal(reply(half), "role=1 body=4 [body] A=b");
    ask(half, "N", "successor", FCGI_KEEP_CONN);
    assert_string_equal(reply(half), "role=1 body=0 N=successor");
    int status;
    assert_int_equal(waitpid(old, &status, 0), old);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(control);
    close(gate);
    for (int i = 0; i < 50; i++)
        close(kept[i]);
    close(half);
    buf_free(&wire);
    stop();
}

/* … also where the successor takes one request at a time: then it is the connection's last. */
static void kept_connections_are_passed_to_who_keeps_none(void **state) {
    (void)state;
    int queue[2], kept[6];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, queue), 0);
    passing.in = queue[0];
    passing.out = queue[1];
    start((struct loop_options){0});
    for (int i = 0; i < 6; i++) {
        kept[i] = peer();
        ask(kept[i], "A", "b", FCGI_KEEP_CONN);
        reply(kept[i]);
    }
    tell('d');
    assert_ended();
    start((struct loop_options){.batch = 1});
    close(queue[0]);
    close(queue[1]);
    passing.in = passing.out = -1;
    for (int i = 0; i < 6; i++) {
        ask(kept[i], "N", "successor", FCGI_KEEP_CONN);
        assert_string_equal(reply(kept[i]), "role=1 body=0 N=successor");
        assert_closed(kept[i]);
    }
    assert_int_equal(board->largest, 1);
    stop();
}

/* The end of a service: who waited to be accepted is answered, by a worker that takes one at a time too,
 * and nobody who came later. */
static void the_last_are_answered(void **state) {
    (void)state;
    static const size_t batches[] = {64, 1, 2};
    for (size_t b = 0; b < 3; b++) {
        int fds[5];
        start((struct loop_options){.batch = batches[b]});
        int busy = peer();
        ask(busy, "WAIT", "", 0);
        await(&board->waiting, 1);
        for (int i = 0; i < 5; i++) {
            fds[i] = peer();
            ask(fds[i], "A", "b", FCGI_KEEP_CONN);
        }
        board->queued = 5;
        tell('c');
        tell('d'); /* changes nothing any more */
        open_gate();
        assert_string_equal(reply(busy), "role=1 body=0 WAIT=");
        for (int i = 0; i < 5; i++) {
            assert_string_equal(reply(fds[i]), "role=1 body=0 A=b");
            assert_closed(fds[i]);
        }
        close(busy);
        assert_ended();
        assert_int_equal(board->served, 6);
        assert_int_equal(try_connect(), -1);
    }
}

/* … also where more come without end. */
static void the_end_comes(void **state) {
    (void)state;
    int fds[20];
    start((struct loop_options){.batch = 1});
    int busy = peer();
    ask(busy, "WAIT", "", 0);
    await(&board->waiting, 1);
    for (int i = 0; i < 20; i++) {
        fds[i] = peer();
        ask(fds[i], "A", "b", 0);
    }
    board->queued = 5;
    tell('c');
    open_gate();
    reply(busy);
    assert_ended();
    /* One more, if it came at the same time as the order. */
    assert_in_range(board->served, 6, 7);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    close(busy);
}

/* Draining ends, even for those who never finish. */
static void drain_is_bounded(void **state) {
    (void)state;
    start((struct loop_options){.request_timeout_ms = 1000});
    int silent = peer(), half = peer();
    send_bytes(half, "\1\1", 2);
    int last = peer();
    ask(last, "A", "b", 0);
    reply(last);
    assert_closed(last);
    tell('g'); /* an order that changes nothing */
    tell('d');
    tell('d'); /* said twice */
    assert_closed(silent);
    assert_closed(half);
    assert_ended();
}

static void quit_is_at_once(void **state) {
    (void)state;
    start((struct loop_options){0});
    int half = peer(), idle = peer();
    ask(idle, "A", "b", FCGI_KEEP_CONN);
    reply(idle);
    send_bytes(half, "\1\1", 2);
    stop();
    assert_closed(idle);
    close(half);
}

static int make_world(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/sock", directory);
    return 0;
}

static int remove_world(void **state) {
    (void)state;
    unlink(path);
    return rmdir(directory);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, kill_child)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_laid_by),
        TEST(connection_each),
        TEST(kept_connections),
        TEST(bodies),
        TEST(pipelined),
        TEST(half_senders_cost_nobody),
        TEST(truncated_is_never_executed),
        TEST(half_closed_is_answered),
        TEST(slow_peers_are_disconnected),
        TEST(dripping_is_slow),
        TEST(a_slow_body_comes_whole),
        TEST(untaken_answers),
        TEST(large_answers),
        TEST(idle_connections_end),
        TEST(batches),
        TEST(batch_of_one),
        TEST(what_is_left_waits_until_nobody_does),
        TEST(one_long_at_a_time),
        TEST(some_go_on_with_the_next_batch),
        TEST(a_turn_is_waited_for),
        TEST(who_hangs_up_leaves_the_line),
        TEST(the_line_has_an_end),
        TEST(one_at_a_time_always_has_its_turn),
        TEST(management_is_answered),
        TEST(management_behind_a_request_is_answered),
        TEST(broken_peers_are_closed),
        TEST(peers_that_left),
        TEST(floods_hold_nobody),
        TEST(descriptors_run_out),
        TEST(drain_answers_what_has_begun),
        TEST(drain_looks_once_more),
        TEST(kept_connections_are_passed_on),
        TEST(kept_connections_are_passed_to_who_keeps_none),
        TEST(the_last_are_answered),
        TEST(the_end_comes),
        TEST(drain_is_bounded),
        TEST(quit_is_at_once),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
