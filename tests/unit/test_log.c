#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"

#define PREFIX_LOGFMT "time=2026-11-20T12:30:22.123Z level="
#define PREFIX_JSON   "{\"time\":\"2026-11-20T12:30:22.123Z\",\"level\":"

static int ends[2];
static int saved_stderr;
static char line[20000];

/* Standard error goes into a pipe while a line is written; what came out is in line. */
static void begin(void) {
    assert_int_equal(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

static size_t end(void) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t len = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    assert_true(len >= 0);
    line[len] = '\0';
    return (size_t)len;
}

static void logfmt_lines(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
    begin();
    log_info("started", F_INT("workers", -3), F_STR("path", "/run/x.sock"));
    end();
    assert_string_equal(line, PREFIX_LOGFMT "info msg=\"started\" workers=-3 path=/run/x.sock\n");

    log_identity("web/3");
    log_context("r1", "2001:db8::1");
    begin();
    log_error("no fields");
    end();
    assert_string_equal(line, PREFIX_LOGFMT "error who=web/3 msg=\"no fields\" request_id=r1 "
                                            "address=2001:db8::1\n");
    log_context(NULL, NULL);
    log_identity("");
}

static void values_are_escaped(void **state) {
    (void)state;
    static const struct {
        const char *value, *logfmt, *json;
    } rows[] = {
        {NULL, "\"\"", "\"\""},
        {"", "\"\"", "\"\""},
        {"plain", "plain", "\"plain\""},
        {"two words", "\"two words\"", "\"two words\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"say \"x\"\\", "\"say \\\"x\\\"\\\\\"", "\"say \\\"x\\\"\\\\\""},
        {"a\nlevel=error\r\t", "\"a\\nlevel=error\\r\\t\"", "\"a\\nlevel=error\\r\\t\""},
        {"\x1b[2J\x7f", "\"\\x1b[2J\\x7f\"", "\"\\u001b[2J\\u007f\""},
        {"\xc3\xa9", "\"\xc3\xa9\"", "\"\xc3\xa9\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
        {"\xff\xc3", "\"\\xff\\xc3\"", "\"\\u00ff\\u00c3\""},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\u00ed\\u00a0\\u0080\""},
        {"\xc2\x85", "\"\\xc2\\x85\"", "\"\\u0085\""},
        {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"", "\"\\u2028\""},
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\"", "\"\\u202e\""},
    };
    char expected[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
        begin();
        log_info("m", F_STR("v", rows[i].value));
        end();
        snprintf(expected, sizeof expected, PREFIX_LOGFMT "info msg=\"m\" v=%s\n", rows[i].logfmt);
        assert_string_equal(line, expected);
        log_open(LOG_TARGET_STDERR, LOG_FORMAT_JSON, LOG_LEVEL_INFO);
        begin();
        log_info("m", F_STR("v", rows[i].value), F_INT("n", 7));
        end();
        snprintf(expected, sizeof expected,
                 PREFIX_JSON "\"info\",\"msg\":\"m\",\"v\":%s,\"n\":7}\n", rows[i].json);
        assert_string_equal(line, expected);
    }
}

static void levels_are_kept(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_WARNING);
    begin();
    log_info("unseen");
    log_debug("unseen");
    log_warning("seen");
    errno = EAGAIN;
    log_error("seen too");
    assert_int_equal(errno, EAGAIN);
    end();
    assert_string_equal(line, PREFIX_LOGFMT "warning msg=\"seen\"\n" PREFIX_LOGFMT
                                            "error msg=\"seen too\"\n");
}

static void check_full_line(enum log_format format, char fill) {
    static char value[9000];
    memset(value, fill, sizeof value - 1);
    log_open(LOG_TARGET_STDERR, format, LOG_LEVEL_INFO);
    begin();
    log_info(value, F_STR("a", value), F_STR("b", value), F_STR("c", value), F_STR("d", value),
             F_STR("e", value), F_INT("f", INT64_MIN), F_STR("g", "short"));
    size_t len = end();
    assert_true(len <= 8192);
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    assert_non_null(strstr(line, "..."));
    if (format == LOG_FORMAT_JSON) {
        const char *why;
        json *value_read = json_parse(line, len, &why);
        assert_non_null(value_read);
        json_free(value_read);
    } else {
        assert_true(utf8_valid(line, len));
    }
}

static void long_lines_are_cut(void **state) {
    static const char fills[] = {'x', '"', '\n', '\x01', '\xff', ' '};
    (void)state;
    for (size_t i = 0; i < sizeof fills; i++) {
        check_full_line(LOG_FORMAT_LOGFMT, fills[i]);
        check_full_line(LOG_FORMAT_JSON, fills[i]);
    }
}

static void errno_is_told(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
    begin();
    log_error("m", F_ERRNO(ENOENT));
    end();
    assert_non_null(strstr(line, "errno=\"No such file or directory (2)\""));
}

static void durations_are_milliseconds(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    begin();
    log_info("m", F_MS("a", 0), F_MS("b", 7), F_MS("c", 1234567));
    end();
    assert_string_equal(line, PREFIX_JSON
                        "\"info\",\"msg\":\"m\",\"a\":0.000,\"b\":0.007,\"c\":1234.567}\n");
}

static int lines_with(const char *text) {
    int count = 0;
    for (const char *at = line; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void repeat(int times) {
    for (int i = 0; i < times; i++)
        log_warning("over a limit", F_INT("number", i));
}

static void repeated_lines_are_counted(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
    log_limit(3, 60000);
    assert_int_equal(log_wait_ms(), -1);
    begin();
    repeat(5);
    log_info("another");
    log_tell_left_out(false);
    for (int i = 0; i < 5; i++)
        log_alarm("theft", F_INT("number", i));
    end();
    assert_int_equal(lines_with("msg=\"over a limit\""), 3);
    assert_int_equal(lines_with("msg=\"another\""), 1);
    assert_int_equal(lines_with("msg=\"theft\""), 5);
    assert_null(strstr(line, "left_out"));
    assert_in_range(log_wait_ms(), 1, 60000);
    begin();
    log_context("r1", "192.0.2.1");
    log_tell_left_out(true);
    end();
    log_context(NULL, NULL);
    assert_string_equal(line, PREFIX_LOGFMT
                        "warning msg=\"lines with the same message were left out\" "
                        "repeated=\"over a limit\" left_out=2\n");
    assert_int_equal(log_wait_ms(), -1);
    log_limit(0, 0);
}

static void a_new_period_begins(void **state) {
    (void)state;
    log_identity("");
    log_limit(2, 50);
    begin();
    repeat(4);
    usleep(60 * 1000);
    assert_int_equal(log_wait_ms(), 0);
    repeat(1);
    end();
    assert_int_equal(lines_with("msg=\"over a limit\""), 3);
    assert_int_equal(lines_with("left_out=2\n"), 1);
    assert_true(strstr(line, "left_out=2\n") < strrchr(line, '='));
    assert_int_equal(log_wait_ms(), -1);
    log_limit(0, 0);
}

/* More messages than there is memory for: none is lost, and what was left out is told. */
static void many_messages(void **state) {
    (void)state;
    static const char names[200];
    log_identity("");
    log_limit(1, 60000);
    begin();
    repeat(3);
    for (size_t i = 0; i < sizeof names; i++)
        log_write(LOG_LEVEL_INFO, &names[i], NULL, 0);
    size_t len = end();
    assert_true(len < sizeof line - 1);
    assert_int_equal(lines_with("msg=\"\""), 200);
    assert_int_equal(lines_with("left_out=2\n"), 1);
    log_limit(0, 0);
}

static void die_says_where(void **state) {
    (void)state;
    begin();
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        MUST(1 + 1 == 3);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    end();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(line, "level=error"));
    assert_non_null(strstr(line, "what=\"1 + 1 == 3\""));
    assert_non_null(strstr(line, "test_log.c"));
}

static int set_clock(void **state) {
    (void)state;
    clock_set_wall_ms(INT64_C(1795177822123));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_lines),    cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(levels_are_kept), cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(errno_is_told),   cmocka_unit_test(durations_are_milliseconds),
        cmocka_unit_test(repeated_lines_are_counted),
        cmocka_unit_test(a_new_period_begins),
        cmocka_unit_test(many_messages),   cmocka_unit_test(die_says_where),
    };
    return cmocka_run_group_tests(tests, set_clock, NULL);
}
