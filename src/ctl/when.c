#include "ctl/when.h"

#include <string.h>

#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Exactly count digits at *at, which moves behind them. */
static bool digits(const char **at, int count, int *out) {
    *out = 0;
    for (int i = 0; i < count; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (**at - '0');
    }
    return true;
}

static bool sign(const char **at, const char *allowed) {
    if (**at == '\0' || strchr(allowed, **at) == NULL)
        return false;
    ++*at;
    return true;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01; years begin in March here, so that the leap day is the last of its year.
 */
static int64_t days_since_1970(int year, int month, int day) {
    int64_t y = month > 2 ? year : year - 1;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

static bool date(const char **at, int64_t *days) {
    int year, month, day;
    if (!digits(at, 4, &year) || !sign(at, "-") || !digits(at, 2, &month) || !sign(at, "-") ||
        !digits(at, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    *days = days_since_1970(year, month, day);
    return true;
}

/* Finer than a millisecond is cut off. */
static bool fraction(const char **at, int *ms) {
    int scale = 100;
    *ms = 0;
    if (**at != '.')
        return true;
    ++*at;
    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; ++*at, scale /= 10)
        *ms += (**at - '0') * scale;
    return true;
}

static bool time_of_day(const char **at, int64_t *of_day_ms) {
    int hour, minute, second, ms;
    if (!digits(at, 2, &hour) || !sign(at, ":") || !digits(at, 2, &minute) || !sign(at, ":") ||
        !digits(at, 2, &second) || !fraction(at, &ms) || hour > 23 || minute > 59 || second > 59)
        return false;
    *of_day_ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
    return true;
}

static bool offset(const char **at, int64_t *offset_ms) {
    int hour, minute, direction = **at == '-' ? -1 : 1;
    *offset_ms = 0;
    if (sign(at, "Zz"))
        return true;
    if (!sign(at, "+-") || !digits(at, 2, &hour) || !sign(at, ":") || !digits(at, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *offset_ms = direction * (hour * 60 + minute) * INT64_C(60000);
    return true;
}

static bool seconds(const char *text, int64_t *ms) {
    size_t len = strlen(text);
    if (len == 0 || len > 12 || strspn(text, "0123456789") != len)
        return false;
    int64_t value = 0;
    for (; *text != '\0'; text++)
        value = value * 10 + (*text - '0');
    *ms = value * 1000;
    return value <= LAST_SECOND;
}

bool when_age(const char *text, int64_t *ms) {
    static const char units[] = "smhd";
    static const int64_t factors[] = {1000, 60000, 3600000, 86400000};
    size_t len = strspn(text, "0123456789");
    const char *unit = text[len] != '\0' ? strchr(units, text[len]) : NULL;
    if (len == 0 || len > 10 || unit == NULL || text[len + 1] != '\0')
        return false;
    *ms = 0;
    for (size_t i = 0; i < len; i++)
        *ms = *ms * 10 + (text[i] - '0');
    *ms *= factors[unit - units];
    return *ms <= 36525 * INT64_C(86400000);
}

bool when_parse(const char *text, int64_t *ms) {
    const char *at = text;
    int64_t days, of_day, east;
    if (seconds(text, ms))
        return true;
    if (!date(&at, &days) || !sign(&at, "Tt ") || !time_of_day(&at, &of_day) ||
        !offset(&at, &east) || *at != '\0')
        return false;
    *ms = days * 86400000 + of_day - east;
    return *ms >= 0;
}
