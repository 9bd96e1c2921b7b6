#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log_send.h"

#define MUCH 100000

static char directory[] = "/tmp/test_log_send.XXXXXX";
static char path[64];

static int listener(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(address.sun_path, path, sizeof path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void stop_listening(int fd) {
    close(fd);
    assert_int_equal(unlink(path), 0);
}

static bool say(const char *text) {
    return log_send(LOG_WARNING, text, strlen(text));
}

static const char *heard(int fd) {
    static char text[16384];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void matches(const char *text, const char *pattern) {
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("\"%s\" is not %s", text, pattern);
    regfree(&regex);
}

static void form_of_syslog(void **state) {
    (void)state;
    char wanted[200];
    int fd = listener();
    log_send_to(LOG_TARGET_SYSLOG, path);
    assert_true(say("level=warning msg=\"a b\""));
    snprintf(wanted, sizeof wanted,
             "^<28>[JFMASOND][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} gatehouse\\[%d\\]: "
             "level=warning msg=\"a b\"$", (int)getpid());
    matches(heard(fd), wanted);
    assert_true(log_send(LOG_ERR, "x", 1));
    matches(heard(fd), "^<27>");
    stop_listening(fd);
}

static void form_of_the_journal(void **state) {
    (void)state;
    int fd = listener();
    log_send_to(LOG_TARGET_JOURNAL, path);
    assert_true(say("level=warning msg=\"a b\""));
    assert_string_equal(heard(fd), "PRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=gatehouse\n"
                                   "MESSAGE=level=warning msg=\"a b\"\n");
    stop_listening(fd);
}

static void nobody_is_there_or_comes_back(void **state) {
    (void)state;
    log_send_to(LOG_TARGET_SYSLOG, path);
    assert_false(say("one"));
    int fd = listener();
    assert_true(say("two"));
    matches(heard(fd), ": two$");
    stop_listening(fd);
    assert_false(say("three"));
    fd = listener();
    assert_true(say("four"));
    stop_listening(fd);
    fd = listener();
    assert_true(say("five")); /* the first attempt meets the one that is gone */
    matches(heard(fd), ": five$");
    stop_listening(fd);
}

/* Had somebody to wait, the alarm would end the test. */
static void nobody_waits_for_a_reader(void **state) {
    (void)state;
    enum log_target targets[] = {LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL};
    for (size_t i = 0; i < 2; i++) {
        int fd = listener(), sent = 0;
        log_send_to(targets[i], path);
        while (sent < MUCH && say("a line that nobody reads"))
            sent++;
        assert_in_range(sent, 1, MUCH - 1);
        while (heard(fd)[0] != '\0')
            continue;
        assert_true(say("read again"));
        stop_listening(fd);
    }
}

static void nobody_waits_for_standard_error(void **state) {
    (void)state;
    int pipes[2], before = dup(STDERR_FILENO), sent = 0;
    char line[100];
    assert_int_equal(pipe(pipes), 0);
    log_send_to(LOG_TARGET_STDERR, NULL);
    dup2(pipes[1], STDERR_FILENO);
    while (sent < MUCH && say("a line that nobody reads"))
        sent++;
    ssize_t got = read(pipes[0], line, 25);
    dup2(before, STDERR_FILENO);
    assert_in_range(sent, 1, MUCH - 1);
    assert_int_equal(got, 25);
    assert_memory_equal(line, "a line that nobody reads\n", 25);
    close(pipes[0]);
    close(pipes[1]);
    close(before);
}

static void a_disk_that_is_full(void **state) {
    (void)state;
    int before = dup(STDERR_FILENO);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    log_send_to(LOG_TARGET_STDERR, NULL);
    dup2(fileno(full), STDERR_FILENO);
    bool kept = say("x");
    dup2(before, STDERR_FILENO);
    assert_false(kept);
    fclose(full);
    close(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_of_syslog),
        cmocka_unit_test(form_of_the_journal),
        cmocka_unit_test(nobody_is_there_or_comes_back),
        cmocka_unit_test(nobody_waits_for_a_reader),
        cmocka_unit_test(nobody_waits_for_standard_error),
        cmocka_unit_test(a_disk_that_is_full),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/socket", directory);
    alarm(60);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
