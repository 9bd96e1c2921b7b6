#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "ctl/when.h"

static void good_rows(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"1795177822", INT64_C(1795177822000)},
        {"253402300799", INT64_C(253402300799000)},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-20T12:30:22Z", INT64_C(1795177822000)},
        {"2026-11-20t12:30:22z", INT64_C(1795177822000)},
        {"2026-11-20 12:30:22Z", INT64_C(1795177822000)},
        {"2026-11-20T13:30:22+01:00", INT64_C(1795177822000)},
        {"2026-11-20T07:00:22-05:30", INT64_C(1795177822000)},
        {"2026-11-21T00:30:22+12:00", INT64_C(1795177822000)},
        {"2026-11-20T12:30:22-00:00", INT64_C(1795177822000)},
        {"2026-11-20T12:30:22.1Z", INT64_C(1795177822100)},
        {"2026-11-20T12:30:22.123Z", INT64_C(1795177822123)},
        {"2026-11-20T12:30:22.123999999999999999999Z", INT64_C(1795177822123)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
        {"2100-01-01T00:00:00Z", INT64_C(4102444800000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -1;
        if (!when_parse(rows[i].text, &ms))
            fail_msg("refused: %s", rows[i].text);
        if (ms != rows[i].ms)
            fail_msg("%s is taken for %lld", rows[i].text, (long long)ms);
    }
}

static void bad_rows(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "now",
        "-1",
        "+1",
        "1.5",
        "0x10",
        " 1",
        "1 ",
        "253402300800",
        "9999999999999",
        "2026-11-20",
        "2026-11-20T12:30:22",
        "2026-11-20T12:30Z",
        "2026-11-20T12:30:22Zx",
        "2026-11-20T12:30:22.Z",
        "2026-11-20T12:30:22,5Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T12:60:00Z",
        "2026-11-20T12:30:60Z",
        "2026-11-20T12:30:22+24:00",
        "2026-11-20T12:30:22+01:60",
        "2026-11-20T12:30:22+0100",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "26-11-20T12:30:22Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "0000-00-00T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms;
        if (when_parse(rows[i], &ms))
            fail_msg("accepted: %s", rows[i]);
    }
}

/* Every day of four hundred years, after which the calendar repeats. */
static void it_is_the_inverse_of_the_clock(void **state) {
    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        char text[CLOCK_RFC3339_SIZE];
        int64_t ms = day * 86400000 + day % 86400 * 1000, read;
        if (!when_parse(clock_rfc3339(ms, text), &read) || read != ms)
            fail_msg("%s is not read as it was written", text);
    }
}

static void ages(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0s", 0},
        {"30s", 30000},
        {"15m", 900000},
        {"24h", 86400000},
        {"90d", INT64_C(7776000000)},
        {"36525d", INT64_C(3155760000000)},
    };
    static const char *const bad[] = {"",  "7",   "d",  "1w",     "1 d",         "-1d",  "1.5h",
                                      "1dd", "+1d", "1D", "36526d", "99999999999s", "0x1d"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -1;
        if (!when_age(rows[i].text, &ms) || ms != rows[i].ms)
            fail_msg("%s is taken for %lld", rows[i].text, (long long)ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        if (when_age(bad[i], &ms))
            fail_msg("accepted: %s", bad[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_rows),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(ages),
        cmocka_unit_test(it_is_the_inverse_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
