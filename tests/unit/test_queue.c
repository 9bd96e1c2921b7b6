#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/queue.h"

/* Three come, one is accepted, two wait. */
static void count_at(int family, const struct sockaddr *where, socklen_t len) {
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int fd = socket(family, SOCK_STREAM, 0), links[3];
    int64_t most;
    assert_int_equal(bind(fd, where, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(queue_length(fd, NULL), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &bound_len), 0);
    for (int i = 0; i < 3; i++) {
        links[i] = socket(family, SOCK_STREAM, 0);
        assert_int_equal(connect(links[i], (struct sockaddr *)&bound, bound_len), 0);
    }
    assert_int_equal(queue_length(fd, &most), 3);
    assert_int_equal(most, 8);
    int taken = accept(fd, NULL, NULL);
    assert_int_equal(queue_length(fd, NULL), 2);
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
    assert_int_equal(queue_length(pipes[0], NULL), -1);
    assert_int_equal(queue_length(-1, NULL), -1);
    close(pipes[0]);
    close(pipes[1]);
}

/* A Unix socket at a name that the kernel chooses; a client that waits there, if wanted. */
static int listener(int *client) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    socklen_t len = sizeof where;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where.sun_family), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
    if (client == NULL)
        return fd;
    *client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&where, len), 0);
    return fd;
}

/* Parent and child ask at the same time, and each hears of its own socket. */
static void of_two_processes(void **state) {
    (void)state;
    int client, status, fd = listener(&client);
    assert_int_equal(queue_length(fd, NULL), 1);
    pid_t child = fork();
    if (child == 0) {
        int own = listener(NULL), wrong = 0;
        queue_forget();
        for (int i = 0; i < 2000; i++)
            wrong += queue_length(own, NULL) != 0;
        _exit(wrong != 0);
    }
    for (int i = 0; i < 2000; i++)
        assert_int_equal(queue_length(fd, NULL), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(client);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_of_both_kinds),
        cmocka_unit_test(what_is_no_socket),
        cmocka_unit_test(of_two_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
