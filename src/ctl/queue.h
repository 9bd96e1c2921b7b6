/*
 * queue: how many connections wait on a listening socket to be accepted, as the kernel says.
 */
#ifndef CTL_QUEUE_H
#define CTL_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* address: "/path", "ADDRESS:PORT" or "[ADDRESS]:PORT", as a pool has it.  False: nobody listens there,
 * or the kernel does not tell.  *most is 0 where it does not say how many may wait. */
bool queue_of(const char *address, int64_t *waiting, int64_t *most);

#endif
