/*
 * permits: how many processes at once may do what fills a processor.
 *
 * A permit belongs to a process, not to a pool or a generation.  Nothing is locked, so nobody can die with
 * a lock.
 */
#ifndef POOL_PERMITS_H
#define POOL_PERMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* So many at the most. */
#define PERMITS_MAX 128

/* Makes the memory that all processes share; once, before the first fork. */
void permits_create(void);
/* One of most (1 to PERMITS_MAX) for this process, which has none; waits for it at most wait_ms.  False:
 * all are taken. */
bool permits_take(unsigned most, int64_t wait_ms);
/* This process needs its permit no longer; nothing happens when it has none. */
void permits_give(void);
/* Master only: that process is dead. */
void permits_of_dead(pid_t pid);

#endif
