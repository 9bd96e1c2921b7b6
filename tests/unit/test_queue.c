#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool/queue.h"

/* Three come, one is accepted, two wait. */
static void count_at(int family, const struct sockaddr *where, socklen_t len) {
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int fd = socket(family, SOCK_STREAM, 0), links[3];
    assert_int_equal(bind(fd, where, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(queue_length(fd), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &bound_len), 0);
    for (int i = 0; i < 3; i++) {
        links[i] = socket(family, SOCK_STREAM, 0);
        assert_int_equal(connect(links[i], (struct sockaddr *)&bound, bound_len), 0);
    }
    assert_int_equal(queue_length(fd), 3);
    int taken = accept(fd, NULL, NULL);
    assert_int_equal(queue_length(fd), 2);
    for (int i = 0; i < 3; i++)
        close(links[i]);
    close(taken);
    close(fd);
}

static void sockets_of_both_kinds(void **state) {
    (void)state;
    /* A name without a file, which the kernel chooses. */
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    count_at(AF_UNIX, (struct sockaddr *)&local, sizeof local.sun_family);
    count_at(AF_INET, (struct sockaddr *)&tcp, sizeof tcp);
}

static void what_is_no_socket(void **state) {
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(queue_length(pipes[0]), -1);
    assert_int_equal(queue_length(-1), -1);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_of_both_kinds),
        cmocka_unit_test(what_is_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
