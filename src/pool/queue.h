/*
 * queue: how many connections wait at a listening socket to be accepted.
 */
#ifndef POOL_QUEUE_H
#define POOL_QUEUE_H

#include <stdint.h>

/* As the kernel says; -1 where it does not (no Linux sock_diag, or a sandbox without AF_NETLINK).
 * *most (NULL: not wanted) is how many may wait.  Costs three system calls for a Unix socket, one for
 * TCP; never waits. */
int64_t queue_length(int listen_fd, int64_t *most);
/* After a fork: what the parent asks by is not the child's, who would read its answers. */
void queue_forget(void);

#endif
