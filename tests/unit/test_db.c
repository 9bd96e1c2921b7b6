/* A MariaDB that does to a transaction what each test wants: a process of its own on a Unix socket, which
 * greets, lets everybody in and says OK to all it hears, but for one statement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "store/db.h"

/* What becomes of the statement that begins with word; COM_STMT_PREPARE counts as "PREPARE". */
enum doing { HANGS, CLOSES, CLOSES_ONCE };
struct plan {
    const char *word;
    enum doing doing;
};

/* What it has seen, in memory that the test shares with it. */
static struct {
    int connections, heard;
} *seen;

static char folder[] = "/tmp/gatehouse-db.XXXXXX", path[64];
static char url[] = "mariadb://anybody@localhost/anything";
static struct conf conf = {.mariadb_url = url, .mariadb_socket = path, .mariadb_timeout = 1000};
static struct gate gate;
static struct db *db;
static pid_t process;

static bool say(int link, unsigned number, const void *payload, size_t len) {
    unsigned char packet[256] = {(unsigned char)len, 0, 0, (unsigned char)number};
    memcpy(packet + 4, payload, len);
    return write(link, packet, 4 + len) == (ssize_t)(4 + len);
}

static bool greet(int link) {
    static const unsigned char greeting[] =
        "\x0a" "10.11.0-toy\0" "\1\0\0\0" "12345678\0" "\x0b\xa2" "\x2d" "\x02\0" "\x08\0" "\x15"
        "\0\0\0\0\0\0\0\0\0\0" "123456789012\0" "mysql_native_password";
    return say(link, 0, greeting, sizeof greeting);
}

/* One packet, its first four bytes left out, with a NUL behind; false: the other side is gone. */
static bool hear(int link, unsigned *number, char *payload, size_t size) {
    unsigned char head[4];
    if (recv(link, head, sizeof head, MSG_WAITALL) != sizeof head)
        return false;
    size_t len = head[0] | (size_t)head[1] << 8;
    if (len >= size || recv(link, payload, len, MSG_WAITALL) != (ssize_t)len)
        return false;
    payload[len] = '\0';
    *number = head[3];
    return true;
}

static bool is_meant(const struct plan *plan, const char *payload) {
    if (payload[0] == '\x16')
        return strcmp(plan->word, "PREPARE") == 0;
    return payload[0] == '\x03' && strncmp(payload + 1, plan->word, strlen(plan->word)) == 0;
}

static void talk(int link, const struct plan *plan) {
    static const char ok[] = {0, 0, 0, 2, 0, 0, 0};
    char payload[4096];
    unsigned number;
    seen->connections++;
    for (bool open = greet(link); open && hear(link, &number, payload, sizeof payload);) {
        if (is_meant(plan, payload)) {
            seen->heard++;
            if (plan->doing == HANGS)
                pause();
            if (plan->doing == CLOSES || seen->heard == 1)
                return;
        }
        open = say(link, number + 1, ok, sizeof ok);
    }
}

static _Noreturn void serve(int door, const struct plan *plan) {
    for (;;) {
        int link = accept(door, NULL, NULL);
        pid_t child = fork();
        if (child == 0) {
            talk(link, plan);
            _exit(0);
        }
        close(link);
    }
}

static void start(const struct plan *plan) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int door = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(door >= 0);
    assert_int_equal(bind(door, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(door, 5), 0);
    process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        serve(door, plan);
    }
    setpgid(process, process);
    close(door);
}

static int prepare(void **state) {
    (void)state;
    memset(&gate, 0, sizeof gate);
    memset(seen, 0, sizeof *seen);
    db = db_new(&conf, NULL, &gate);
    return 0;
}

static int stop(void **state) {
    (void)state;
    db_free(&db);
    if (process > 0) {
        kill(-process, SIGKILL);
        waitpid(process, NULL, 0);
    }
    process = 0;
    unlink(path);
    return 0;
}

static uint64_t errors(void) {
    struct metrics sum;
    metrics_sum(&sum);
    return sum.events[EVENT_MARIADB_ERROR];
}

/* Each is in this state afterwards: nothing is repeated that took all its time, what failed is counted
 * once, and whoever hung is told of. */
static void expect(int connections, int heard, uint64_t counted, bool shut) {
    assert_int_equal(seen->connections, connections);
    assert_int_equal(seen->heard, heard);
    assert_int_equal(errors(), counted);
    assert_int_equal(gate_is_shut(&gate), shut);
}

static void a_transaction(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "SOMETHING ELSE"});
    assert_int_equal(db_begin(db), ANSWER_YES);
    assert_int_equal(db_commit(db), ANSWER_YES);
    assert_int_equal(db_begin(db), ANSWER_YES);
    db_rollback(db);
    expect(1, 0, before, false);
}

static void a_begin_that_hangs(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "START TRANSACTION", .doing = HANGS});
    assert_int_equal(db_begin(db), ANSWER_UNKNOWN);
    expect(1, 1, before + 1, true);
}

/* As where the server has closed a connection that was idle. */
static void a_begin_on_a_connection_that_is_gone(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "START TRANSACTION", .doing = CLOSES_ONCE});
    assert_int_equal(db_begin(db), ANSWER_YES);
    expect(2, 2, before, false);
}

static void a_begin_that_fails_twice(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "START TRANSACTION", .doing = CLOSES});
    assert_int_equal(db_begin(db), ANSWER_UNKNOWN);
    expect(2, 2, before + 1, false);
}

/* Nobody is there: the try is counted, and that the next one was not made is no error. */
static void a_begin_without_a_server(void **state) {
    (void)state;
    uint64_t before = errors();
    assert_int_equal(db_begin(db), ANSWER_UNKNOWN);
    expect(0, 0, before + 1, true);
    gate.shut_until += 100000;
    assert_int_equal(db_begin(db), ANSWER_UNKNOWN);
    expect(0, 0, before + 1, true);
}

static void a_commit_that_hangs(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "COMMIT", .doing = HANGS});
    assert_int_equal(db_begin(db), ANSWER_YES);
    assert_int_equal(db_commit(db), ANSWER_UNKNOWN);
    expect(1, 1, before + 1, true);
}

static void a_commit_whose_connection_breaks(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "COMMIT", .doing = CLOSES});
    assert_int_equal(db_begin(db), ANSWER_YES);
    assert_int_equal(db_commit(db), ANSWER_UNKNOWN);
    expect(1, 1, before + 1, false);
}

static void a_rollback_that_hangs(void **state) {
    (void)state;
    uint64_t before = errors();
    start(&(struct plan){.word = "ROLLBACK", .doing = HANGS});
    assert_int_equal(db_begin(db), ANSWER_YES);
    db_rollback(db);
    expect(1, 1, before, true);
}

static void a_statement_that_hangs(void **state) {
    (void)state;
    uint64_t before = errors();
    struct arena *arena = arena_new(4096);
    start(&(struct plan){.word = "PREPARE", .doing = HANGS});
    assert_int_equal(db_run(db, arena, STMT_READ_ONLY, NULL, 0, NULL), ANSWER_UNKNOWN);
    expect(1, 1, before + 1, true);
    arena_free(&arena);
}

/* What has begun on a connection that broke is not gone on with, and was counted already. */
static void a_statement_of_a_transaction_that_broke(void **state) {
    (void)state;
    uint64_t before = errors();
    struct arena *arena = arena_new(4096);
    start(&(struct plan){.word = "PREPARE", .doing = CLOSES});
    assert_int_equal(db_begin(db), ANSWER_YES);
    assert_int_equal(db_run(db, arena, STMT_READ_ONLY, NULL, 0, NULL), ANSWER_UNKNOWN);
    assert_int_equal(db_run(db, arena, STMT_READ_ONLY, NULL, 0, NULL), ANSWER_UNKNOWN);
    assert_int_equal(db_commit(db), ANSWER_UNKNOWN);
    expect(1, 1, before + 1, false);
    arena_free(&arena);
}

/* As MariaDB has had it, and as it has it where read_only knows of more than on and off. */
static void switches(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool off;
    } rows[] = {{"0", true},   {"OFF", true},      {"1", false}, {"ON", false}, {"NO_LOCK", false},
                {"2", false},  {"00", false}, {"NO_LOCK_NO_ADMIN", false},    {"", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(db_is_off(rows[i].text), rows[i].off);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches),
        TEST(a_transaction),
        TEST(a_begin_that_hangs),
        TEST(a_begin_on_a_connection_that_is_gone),
        TEST(a_begin_that_fails_twice),
        TEST(a_begin_without_a_server),
        TEST(a_commit_that_hangs),
        TEST(a_commit_whose_connection_breaks),
        TEST(a_rollback_that_hangs),
        TEST(a_statement_that_hangs),
        TEST(a_statement_of_a_transaction_that_broke),
    };
    signal(SIGPIPE, SIG_IGN);
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED || mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/sock", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
