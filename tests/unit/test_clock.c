#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static void rfc3339_rows(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {999, "1970-01-01T00:00:00Z"},
        {1000, "1970-01-01T00:00:01Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {-1000, "1969-12-31T23:59:59Z"},
        {-1001, "1969-12-31T23:59:58Z"},
        {INT64_C(1795177822123), "2026-11-20T12:30:22Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00Z"},
        {INT64_C(2147483648000), "2038-01-19T03:14:08Z"},
        {INT64_C(4102444800000), "2100-01-01T00:00:00Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[CLOCK_RFC3339_SIZE];
        assert_ptr_equal(clock_rfc3339(rows[i].ms, out), out);
        assert_string_equal(out, rows[i].text);
    }
    char out[CLOCK_RFC3339_SIZE];
    assert_true(strlen(clock_rfc3339(INT64_MAX, out)) < sizeof out);
    assert_true(strlen(clock_rfc3339(INT64_MIN, out)) < sizeof out);
}

static void wall_time_can_be_set(void **state) {
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000 - 1000;
    assert_true(clock_wall_ms() >= before);
    clock_set_wall_ms(0);
    assert_int_equal(clock_wall_ms(), 0);
    clock_set_wall_ms(12345);
    assert_int_equal(clock_wall_ms(), 12345);
    assert_int_equal(clock_wall_us(), 12345000);
    int64_t mono = clock_mono_ms();
    assert_true(mono != 12345);
    clock_set_wall_ms(-7);
    assert_true(clock_wall_ms() >= before);
    assert_true(clock_wall_us() >= before * 1000);
}

static void mono_never_steps_back(void **state) {
    (void)state;
    int64_t us = clock_mono_us();
    int64_t ms = clock_mono_ms();
    assert_true(ms >= us / 1000);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_us();
        assert_true(now >= us);
        us = now;
    }
    assert_true(clock_mono_ms() >= ms);
}

static void a_step_is_told_once(void **state) {
    (void)state;
    enum { HOUR = 3600 * 1000, SLACK = 1000 };
    clock_set_wall_ms(INT64_C(1795177822123));
    (void)clock_set_by_ms();
    assert_in_range(llabs(clock_set_by_ms()), 0, SLACK);
    clock_set_wall_ms(INT64_C(1795177822123) + HOUR);
    assert_in_range(clock_set_by_ms(), HOUR - SLACK, HOUR + SLACK);
    assert_in_range(llabs(clock_set_by_ms()), 0, SLACK);
    clock_set_wall_ms(INT64_C(1795177822123) - HOUR);
    assert_in_range(-clock_set_by_ms(), 2 * HOUR - SLACK, 2 * HOUR + SLACK);
    clock_set_wall_ms(-1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_told_once),
        cmocka_unit_test(rfc3339_rows),
        cmocka_unit_test(wall_time_can_be_set),
        cmocka_unit_test(mono_never_steps_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
