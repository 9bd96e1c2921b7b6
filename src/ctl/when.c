#include "ctl/when.h"

#include <string.h>
#include <time.h>

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

/* The beginning of a day.  timegm would take February 30 for March 1 or 2, and says so by changing it. */
static bool date(const char **at, int64_t *date_ms) {
    int year, month, day;
    if (!digits(at, 4, &year) || !sign(at, "-") || !digits(at, 2, &month) || !sign(at, "-") ||
        !digits(at, 2, &day))
        return false;
    struct tm utc = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *date_ms = (int64_t)timegm(&utc) * 1000;
    return utc.tm_year == year - 1900 && utc.tm_mon == month - 1 && utc.tm_mday == day;
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
    int64_t day, of_day, east;
    if (seconds(text, ms))
        return true;
    if (!date(&at, &day) || !sign(&at, "Tt ") || !time_of_day(&at, &of_day) ||
        !offset(&at, &east) || *at != '\0')
        return false;
    *ms = day + of_day - east;
    return *ms >= 0;
}
