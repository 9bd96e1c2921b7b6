#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

static int64_t fixed_wall_ms = -1;

static struct timespec now(clockid_t id) {
    struct timespec t;
    MUST(clock_gettime(id, &t) == 0);
    return t;
}

int64_t clock_wall_ms(void) {
    if (fixed_wall_ms >= 0)
        return fixed_wall_ms;
    struct timespec t = now(CLOCK_REALTIME);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_us(void) {
    if (fixed_wall_ms >= 0)
        return fixed_wall_ms * 1000;
    struct timespec t = now(CLOCK_REALTIME);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_ms(void) {
    struct timespec t = now(CLOCK_MONOTONIC);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void) {
    struct timespec t = now(CLOCK_BOOTTIME);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_us(void) {
    struct timespec t = now(CLOCK_MONOTONIC);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_set_by_ms(void) {
    static int64_t before;
    int64_t apart = clock_wall_ms() - clock_mono_ms();
    int64_t by = before != 0 ? apart - before : 0;
    before = apart;
    return by;
}

void clock_set_wall_ms(int64_t ms) {
    fixed_wall_ms = ms < 0 ? -1 : ms;
}

char *clock_rfc3339(int64_t wall_ms, char *out) {
    /* C rounds towards zero; a moment before 1970 belongs to the second that began before it. */
    time_t seconds = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
    struct tm utc;
    /* No 64-bit count of milliseconds is beyond what struct tm holds. */
    MUST(gmtime_r(&seconds, &utc) != NULL);
    MUST(strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0);
    return out;
}
