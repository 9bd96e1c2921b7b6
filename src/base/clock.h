/*
 * clock: the only source of time.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970 in UTC; what tokens and records carry. */
int64_t clock_wall_ms(void);
/* The same in microseconds; what tells the order of events. */
int64_t clock_wall_us(void);
/* Milliseconds that never step; what deadlines are counted in. */
int64_t clock_mono_ms(void);
/* The same, and a machine that sleeps counts as well. */
int64_t clock_boot_ms(void);
/* Microseconds that never step; what durations are measured in. */
int64_t clock_mono_us(void);

/* By how much the wall clock was set since the last call (0 at the first), milliseconds; what NTP slews
 * between two calls is of it, a machine that slept as well. */
int64_t clock_set_by_ms(void);

/* Tests only: from now on wall time is this; a negative value gives the real clock back. */
void clock_set_wall_ms(int64_t ms);

#define CLOCK_RFC3339_SIZE 32
/* "2026-11-20T12:30:22Z" (RFC 3339, UTC, whole seconds), with a NUL; out holds CLOCK_RFC3339_SIZE and is
 * returned. */
char *clock_rfc3339(int64_t wall_ms, char *out);

#endif
