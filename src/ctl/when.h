/*
 * when: a point in time, as it is written on a command line.
 */
#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* RFC 3339 ("2026-11-20T12:30:22Z", with a fraction or an offset if need be), or seconds since
 * 1970. Milliseconds since 1970, none before it; false: text is neither. */
bool when_parse(const char *text, int64_t *ms);

/* A length of time ("30s", "15m", "24h", "90d") in milliseconds, at most a hundred years. */
bool when_age(const char *text, int64_t *ms);

#endif
