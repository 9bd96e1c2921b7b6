/* Sentinels that say what each test wants them to, each a process of its own on the loopback; what
 * real ones say in an election is in tests/flow/test_sentinel.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/sentinel.h"

#define LONG_MS 30000

/* What one says: MASTER's reply and then GET-MASTER-ADDR-BY-NAME's; NULL: nothing, ever. */
struct saying {
    const char *about, *address;
};

#define EPOCH(n)   "*4\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n$12\r\nconfig-epoch\r\n$1\r\n" n "\r\n"
#define ADDRESS(n) "*2\r\n$8\r\n10.0.0." n "\r\n$4\r\n6379\r\n"

static struct conf_redis_address group;
static pid_t processes[CONF_MAX_HOSTS];
static struct gate gate;
static const struct sentinel_login no_login = {.user = "", .password = NULL};

static _Noreturn void serve(int door, const struct saying *saying) {
    for (;;) {
        int link = accept(door, NULL, NULL);
        char heard[4096];
        size_t len = 0;
        while (link >= 0 && len < sizeof heard - 1) {
            ssize_t got = read(link, heard + len, sizeof heard - 1 - len);
            if (got <= 0)
                break;
            heard[len += (size_t)got] = '\0';
            if (strstr(heard, "GET-MASTER-ADDR-BY-NAME") == NULL || saying->about == NULL)
                continue;
            char both[1024];
            int size = snprintf(both, sizeof both, "%s%s", saying->about, saying->address);
            if (write(link, both, (size_t)size) != size)
                break;
        }
        close(link);
    }
}

static void start(const struct saying sayings[], size_t count) {
    memset(&gate, 0, sizeof gate);
    group = (struct conf_redis_address){.sentinel_count = count, .master = "mymaster"};
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof at;
        int door = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(door >= 0);
        assert_int_equal(bind(door, (struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(listen(door, 5), 0);
        assert_int_equal(getsockname(door, (struct sockaddr *)&at, &len), 0);
        snprintf(group.sentinels[i].host, sizeof group.sentinels[i].host, "127.0.0.1");
        group.sentinels[i].port = ntohs(at.sin_port);
        processes[i] = fork();
        assert_true(processes[i] >= 0);
        if (processes[i] == 0)
            serve(door, &sayings[i]);
        close(door);
    }
}

static int stop(void **state) {
    (void)state;
    for (size_t i = 0; i < group.sentinel_count; i++) {
        kill(processes[i], SIGKILL);
        waitpid(processes[i], NULL, 0);
    }
    group.sentinel_count = 0;
    return 0;
}

static char why[512];

static bool find(struct sentinel_primary *primary) {
    return sentinel_find(&group, &no_login, &gate, clock_mono_ms() + LONG_MS, primary, why,
                         sizeof why);
}

static void expect(const char *host, uint64_t epoch) {
    struct sentinel_primary primary;
    if (!find(&primary))
        fail_msg("not found: %s", why);
    assert_string_equal(primary.host, host);
    assert_int_equal(primary.port, 6379);
    assert_int_equal(primary.epoch, epoch);
    assert_int_equal(gate.epoch, epoch);
}

/* The leader of an election, before all replicas follow: the new epoch beside the old ip. */
static void the_address_is_the_promoted_one(void **state) {
    (void)state;
    start((struct saying[]){{EPOCH("7"), ADDRESS("2")}, {EPOCH("7"), ADDRESS("2")}}, 2);
    expect("10.0.0.2", 7);
}

static void the_highest_epoch_counts(void **state) {
    (void)state;
    start((struct saying[]){{EPOCH("3"), ADDRESS("1")},
                            {EPOCH("4"), ADDRESS("2")},
                            {EPOCH("3"), ADDRESS("1")}},
          3);
    expect("10.0.0.2", 4);
}

static void most_win_at_one_epoch(void **state) {
    (void)state;
    start((struct saying[]){{EPOCH("0"), ADDRESS("9")},
                            {EPOCH("0"), ADDRESS("1")},
                            {EPOCH("0"), ADDRESS("1")}},
          3);
    expect("10.0.0.1", 0);
}

static void as_many_on_both_sides(void **state) {
    (void)state;
    struct sentinel_primary primary;
    start((struct saying[]){{EPOCH("5"), ADDRESS("1")}, {EPOCH("5"), ADDRESS("2")}}, 2);
    assert_false(find(&primary));
    assert_string_equal(why, "they disagree: 10.0.0.1:6379 and 10.0.0.2:6379");
    assert_int_equal(gate.epoch, 0);
}

static void a_silent_one_is_passed_over(void **state) {
    (void)state;
    start((struct saying[]){{NULL, NULL}, {EPOCH("5"), ADDRESS("1")}, {EPOCH("5"), ADDRESS("1")}},
          3);
    expect("10.0.0.1", 5);
    assert_true(gate.rest_until[0] > 0);
    assert_int_equal(gate.rest_until[1], 0);
}

/* Who knows of an earlier election only names a primary of before, which lets in whom the one after it has
 * signed out. */
static void an_earlier_election_is_not_believed(void **state) {
    (void)state;
    struct sentinel_primary primary;
    start((struct saying[]){{NULL, NULL}, {EPOCH("4"), ADDRESS("1")}, {EPOCH("4"), ADDRESS("1")}}, 3);
    gate.epoch = 5;
    assert_false(find(&primary));
    assert_non_null(strstr(why, "the last election"));
    assert_int_equal(gate.epoch, 5);
}

/* The two that are asked first are most of three, and late. */
static void whoever_knows_the_last_election_is_asked(void **state) {
    (void)state;
    start((struct saying[]){{EPOCH("4"), ADDRESS("1")},
                            {EPOCH("4"), ADDRESS("1")},
                            {EPOCH("5"), ADDRESS("2")}},
          3);
    gate.epoch = 5;
    expect("10.0.0.2", 5);
}

static void all_that_were_set_up_anew_are_believed(void **state) {
    (void)state;
    start((struct saying[]){{EPOCH("1"), ADDRESS("3")}, {EPOCH("1"), ADDRESS("3")}}, 2);
    gate.epoch = gate.mark.epoch = 5;
    expect("10.0.0.3", 1);
    /* … and the primary that they name may be a new one. */
    assert_int_equal(gate.mark.epoch, 0);
}

static void what_names_nobody(void **state) {
    static const struct saying bad[] = {
        {"-ERR No such master with that name\r\n", "*-1\r\n"},
        {EPOCH("1"), "*-1\r\n"},
        {EPOCH("1"), "*2\r\n$8\r\n10.0.0.1\r\n$1\r\n0\r\n"},
        {EPOCH("1"), "*2\r\n$8\r\n10.0.0.1\r\n$5\r\n65536\r\n"},
        {EPOCH("1"), "*1\r\n$8\r\n10.0.0.1\r\n"},
        {EPOCH("1"), "*2\r\n:1\r\n:6379\r\n"},
        {EPOCH("1"), "+OK\r\n"},
        {"*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n", ADDRESS("1")},
        {"*3\r\n$4\r\nname\r\n$1\r\nx\r\n$12\r\nconfig-epoch\r\n", ADDRESS("1")},
        {"+OK\r\n", ADDRESS("1")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sentinel_primary primary;
        start(&bad[i], 1);
        assert_false(find(&primary));
        assert_true(strlen(why) > 0);
        stop(NULL);
    }
}

static void moved(void **state) {
    (void)state;
    struct sentinel_primary here = {.host = "10.0.0.1", .port = 6379, .epoch = 5};
    start((struct saying[]){{EPOCH("6"), ADDRESS("2")}}, 1);
    assert_true(sentinel_moved(&group, &no_login, &gate, &here));
    /* Everybody is told, and not only the worker that asked. */
    assert_int_equal(gate.epoch, 6);
    assert_true(sentinel_moved(&group, &no_login, &gate, &here));
    here = (struct sentinel_primary){.host = "10.0.0.2", .port = 6379, .epoch = 6};
    assert_false(sentinel_moved(&group, &no_login, &gate, &here));
}

/* Only a later election moves a worker to another primary. */
static void what_moves(void **state) {
    (void)state;
    static const struct {
        uint64_t here;
        bool moves;
    } rows[] = {{5, true}, {6, true}, {7, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sentinel_primary here = {.host = "10.0.0.1", .port = 6379, .epoch = rows[i].here};
        start((struct saying[]){{EPOCH("6"), ADDRESS("2")}}, 1);
        assert_int_equal(sentinel_moved(&group, &no_login, &gate, &here), rows[i].moves);
        stop(NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_address_is_the_promoted_one, stop),
        cmocka_unit_test_teardown(the_highest_epoch_counts, stop),
        cmocka_unit_test_teardown(most_win_at_one_epoch, stop),
        cmocka_unit_test_teardown(as_many_on_both_sides, stop),
        cmocka_unit_test_teardown(a_silent_one_is_passed_over, stop),
        cmocka_unit_test_teardown(an_earlier_election_is_not_believed, stop),
        cmocka_unit_test_teardown(whoever_knows_the_last_election_is_asked, stop),
        cmocka_unit_test_teardown(all_that_were_set_up_anew_are_believed, stop),
        cmocka_unit_test(what_names_nobody),
        cmocka_unit_test_teardown(moved, stop),
        cmocka_unit_test_teardown(what_moves, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
