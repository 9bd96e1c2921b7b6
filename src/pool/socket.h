/*
 * socket: one listening socket of our own, made so that it is never more open than configured and
 * never taken from a process that still serves it.
 */
#ifndef POOL_SOCKET_H
#define POOL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "pool/pool.h"

/* A socket and, when it has a path, the file that was made for it. */
struct socket {
    int fd;
    bool has_file;
    dev_t device;
    ino_t inode;
};

/*
 * Binds where pool says; non-blocking, close-on-exec; nobody can connect before socket_listen.  A
 * socket file that nobody serves any more is replaced.  own: an address of this service that excludes
 * this one, for what the log says when it is taken; NULL: there is none.  Returns 0, or a sysexits
 * code after an error was logged and nothing is left of it.
 */
int socket_make(const struct pool_spec *pool, const char *own, struct socket *out);
/* Lets clients connect.  0, or a sysexits code after an error was logged; it is still to be closed. */
int socket_listen(const struct socket *made, const struct pool_spec *pool);
/* Whether these two values of listen cannot be had at once: TCP, one port, and one address or any. */
bool socket_excludes(const char *one, const char *two);
/* Whether the file at path is still the one made for this socket; true when it has none. */
bool socket_is_there(const struct socket *opened, const char *path);
/* Mode, owner, group and backlog anew, after the configuration changed; troubles are logged. */
void socket_apply(const struct socket *opened, const struct pool_spec *pool);
/* Closes it; the file goes too if it is still ours. */
void socket_close(struct socket *opened, const char *path);

/* Whether a descriptor, which need not be open, is a listening stream socket. */
bool socket_listens(int fd);
/* Says whether a descriptor, of any kind, outlives an execve. */
void fd_survives_exec(int fd, bool survives);

#endif
