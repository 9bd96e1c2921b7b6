#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/peers.h"

static void words(void **state) {
    (void)state;
    static const struct {
        const char *word;
        enum peer_word kind;
    } rows[] = {
        {"www-data", PEER_USER},      {"33", PEER_USER},           {"_apt", PEER_USER},
        {"web.1", PEER_USER},         {"127.0.0.1", PEER_LOOPBACK}, {"127.9.9.9", PEER_LOOPBACK},
        {"127.0.0.0/8", PEER_LOOPBACK}, {"::1", PEER_LOOPBACK},    {"::1/128", PEER_LOOPBACK},
        {"::ffff:127.0.0.1", PEER_LOOPBACK}, {"192.0.2.1", PEER_ADDRESS}, {"10.0.0.0/8", PEER_ADDRESS},
        {"0.0.0.0", PEER_ADDRESS},    {"0.0.0.0/0", PEER_ADDRESS}, {"126.0.0.0/7", PEER_ADDRESS},
        {"127.0.0.1/7", PEER_ADDRESS}, {"::", PEER_ADDRESS},       {"::1/127", PEER_ADDRESS},
        {"fd00::/8", PEER_ADDRESS},   {"", PEER_BAD},              {"10.0.0", PEER_BAD},
        {"10.0.0.0/33", PEER_BAD},    {"::1/129", PEER_BAD},       {"10.0.0.0/", PEER_BAD},
        {"10.0.0.0/8x", PEER_BAD},    {"10.0.0.256", PEER_BAD},    {"-user", PEER_BAD},
        {"a b", PEER_BAD},            {"user/1", PEER_BAD},        {"host:80", PEER_BAD},
        {"an-account-of-thirty-three-bytes-", PEER_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (peer_word(rows[i].word) != rows[i].kind)
            fail_msg("%s", rows[i].word);
}

static void users_are_looked_up(void **state) {
    (void)state;
    char why[160];
    struct peers *peers = peers_new("root, nobody 4711", why, sizeof why);
    assert_non_null(peers);
    peers_free(&peers);
    assert_null(peers);
    peers_free(&peers);
    assert_null(peers_new("root no-such-user-here", why, sizeof why));
    assert_non_null(strstr(why, "\"no-such-user-here\" is no user of this system"));
    assert_null(peers_new("4294967295", why, sizeof why)); /* what -1 is to chown */
    assert_null(peers_new("99999999999999999999", why, sizeof why));
}

static bool admits(const char *list, int fd) {
    char why[160];
    struct peers *peers = peers_new(list, why, sizeof why);
    assert_non_null(peers);
    bool yes = peers_admit(peers, fd);
    peers_free(&peers);
    return yes;
}

static void unix_peers(void **state) {
    (void)state;
    int pair[2];
    char me[64];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(me, sizeof me, "%lu", (unsigned long)getuid());
    assert_true(admits("", pair[0]));
    assert_true(admits(me, pair[0]));
    snprintf(me, sizeof me, "4711 %lu,4712", (unsigned long)getuid());
    assert_true(admits(me, pair[0]));
    assert_false(admits("4711", pair[0]));
    /* A list of addresses lets nobody in here. */
    assert_false(admits("127.0.0.1", pair[0]));
    assert_false(admits("0.0.0.0/0", pair[0]));
    close(pair[0]);
    close(pair[1]);
}

/* A connection of this machine with itself; the accepted end. */
static int connection(int family, const char *from, int *other) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool four = family == AF_INET;
    struct sockaddr *address = four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = four ? sizeof v4 : sizeof v6;
    int listening = socket(family, SOCK_STREAM, 0);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listening < 0 || bind(listening, address, len) != 0)
        return -1;
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, address, &len), 0);
    *other = socket(family, SOCK_STREAM, 0);
    struct sockaddr_in source = {.sin_family = AF_INET};
    if (four && inet_pton(AF_INET, from, &source.sin_addr) == 1)
        assert_int_equal(bind(*other, (struct sockaddr *)&source, sizeof source), 0);
    assert_int_equal(connect(*other, address, len), 0);
    int accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
    close(listening);
    return accepted;
}

static void tcp_peers(void **state) {
    (void)state;
    int other, fd = connection(AF_INET, "127.1.2.3", &other);
    assert_true(fd >= 0);
    assert_true(admits("", fd));
    assert_true(admits("127.1.2.3", fd));
    assert_true(admits("10.0.0.0/8 127.1.0.0/16", fd));
    assert_true(admits("0.0.0.0/0", fd));
    assert_true(admits("127.1.2.2/31", fd));
    assert_false(admits("::/0", fd));
    assert_false(admits("127.1.2.4/31", fd));
    assert_false(admits("127.0.0.1", fd));
    assert_false(admits("10.0.0.0/8", fd));
    assert_false(admits("::1", fd));
    assert_false(admits("0", fd)); /* a user; root has no address */
    close(fd);
    close(other);
    if ((fd = connection(AF_INET6, "", &other)) < 0)
        return; /* a machine without IPv6 */
    assert_true(admits("", fd));
    assert_true(admits("::1", fd));
    assert_true(admits("::/64", fd));
    assert_true(admits("::/0", fd));
    assert_false(admits("0.0.0.0/0", fd));
    assert_false(admits("127.0.0.0/8", fd));
    assert_false(admits("fd00::/8", fd));
    close(fd);
    close(other);
}

static void lines_are_seldom(void **state) {
    (void)state;
    int64_t quiet_until = 0;
    assert_true(log_seldom(&quiet_until));
    assert_false(log_seldom(&quiet_until));
    quiet_until -= 60000;
    assert_true(log_seldom(&quiet_until));
}

/* An address of this machine's that is not the loopback's; false: it has none. */
static bool own_address(char text[INET_ADDRSTRLEN]) {
    struct ifaddrs *all;
    bool found = false;
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next)
        if (at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET && !(at->ifa_flags & IFF_LOOPBACK)) {
            const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)at->ifa_addr;
            found = inet_ntop(AF_INET, &v4->sin_addr, text, INET_ADDRSTRLEN) != NULL;
        }
    freeifaddrs(all);
    return found;
}

/* Without a list only this machine's loopback comes in. */
static void strangers(void **state) {
    (void)state;
    char address[INET_ADDRSTRLEN];
    int other, fd;
    if (!own_address(address) || (fd = connection(AF_INET, address, &other)) < 0)
        return;
    assert_false(admits("", fd));
    assert_true(admits(address, fd));
    assert_false(admits("127.0.0.0/8", fd));
    close(fd);
    close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),      cmocka_unit_test(users_are_looked_up),
        cmocka_unit_test(unix_peers), cmocka_unit_test(tcp_peers),
        cmocka_unit_test(lines_are_seldom), cmocka_unit_test(strangers),
    };
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
