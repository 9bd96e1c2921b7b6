/*
 * listen: the set of all listening sockets: those opened for the plan, those inherited from a
 * supervisor, those taken over from the program before.
 *
 * Inherited are, in this order: descriptor 0 when it listens (spawn-fcgi, mod_fcgid: the first pool
 * serves it and all others are off), or systemd's LISTEN_FDS.  An inherited socket belongs to the
 * supervisor: it is never unlinked, and its mode and backlog are left alone.
 */
#ifndef POOL_LISTEN_H
#define POOL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/pool.h"
#include "pool/socket.h"

/* The old plan's, the new plan's, inherited ones that no pool of the present plan wants, and those of a
 * program before whose workers still serve. */
#define LISTEN_MAX (4 * POOL_MAX)

struct listener {
    struct socket socket;
    bool inherited;
    bool former; /* taken over from the program before, whose workers may serve it */
    char *name;  /* opened: the address; inherited: the pool's name */
    int pass[2]; /* a queue of kept connections, from retiring workers [1] to their successors [0] */
};

struct listen_set {
    struct listener at[LISTEN_MAX];
    size_t count;
    bool single; /* descriptor 0 was given: the first pool only */
    bool trial;  /* nobody is let in: see listen_try */
};

/* Takes what a supervisor has passed and removes its variables from the environment; plan says
 * which pools there are.  Returns 0 or a sysexits code, logged. */
int listen_inherit(struct listen_set *set, const struct pool_plan *plan);
/* A descriptor for each pool of the plan in fds, -1 where the pool is off.  What is not in the set
 * is opened.  Returns 0, or a sysexits code after an error was logged and what was opened is closed
 * again; EX_CONFIG also when every pool is off. */
int listen_open(struct listen_set *set, const struct pool_plan *plan, int fds[POOL_MAX]);
/* Whether listen_open would succeed: binds what it would open, lets nobody connect, and takes all of that
 * back.  Returns the same.  What another process holds, the set that was given, is forgotten. */
int listen_try(struct listen_set *set, const struct pool_plan *plan);
/* After a takeover, from which there is no way back: fills what is -1 in fds as far as it can be had, and
 * logs what cannot. */
void listen_open_missing(struct listen_set *set, const struct pool_plan *plan, int fds[POOL_MAX]);
/* Whether this pool is without a socket although it is to have one. */
bool listen_lacks(const struct listen_set *set, const struct pool_plan *plan, const int fds[POOL_MAX],
                  size_t pool);
/* Backlog, mode and owner as plan says. */
void listen_apply(struct listen_set *set, const struct pool_plan *plan, const int fds[POOL_MAX]);
/* Closes and unlinks whatever is neither in fds (NULL: nothing is) nor inherited; former: what was taken
 * over from the program before stays as well. */
void listen_keep(struct listen_set *set, const int fds[POOL_MAX], bool former);
/* Closes everything; what is ours is unlinked. */
void listen_close(struct listen_set *set);
/* Adds what the program before had; name is copied.  pass: its queue, NULL for a new one.  Returns
 * false when the set is full. */
bool listen_add(struct listen_set *set, const struct socket *socket, bool inherited,
                const char *name, const int pass[2]);
/* Whether the descriptors outlive an execve. */
void listen_survive_exec(const struct listen_set *set, bool survive);
/* Whether nobody else has this socket: it was opened here, or given to this process alone. */
bool listen_owns(const struct listen_set *set, int fd);
/* Worker: closes all but fd and its queue (pass receives that), and leaves the files alone. */
void listen_only(const struct listen_set *set, int fd, int pass[2]);

#endif
