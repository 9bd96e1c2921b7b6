/*
 * handover: what a master leaves to the program that it executes in its place: the sockets, the
 * lifeline that its workers hang on, and the workers themselves, who stay children of the same
 * process.  It travels in one environment variable, as lines of text:
 *
 *   gatehouse 1 PID                    the process it is meant for; any other ignores it
 *   lifeline READ WRITE
 *   generation NUMBER                  the latest one's
 *   pid_file PATH                      only where there is one
 *   status FD DIRECTORY                the same
 *   single                             descriptor 0 was given, see listen.h
 *   socket FD INHERITED FILE DEVICE INODE PASS_OUT PASS_IN NAME
 *   worker PID POOL NUMBER BORN_MS KILL_MS ORDERED IDENTITY
 *
 * The check of that program beforehand (-T) is told in another variable which sockets there are, so that
 * it can try to have those that it would open itself: "held 1 PID", the process that tells, and the lines
 * "single" and "socket".
 */
#ifndef POOL_HANDOVER_H
#define POOL_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/children.h"
#include "pool/listen.h"

/* What is left beside the workers, the sockets and the lifeline. */
struct handover {
    uint32_t number;      /* the latest generation's */
    const char *pid_file; /* NULL or empty: none */
    int status_fd;        /* -1: none */
    const char *status_directory;
};

/* Sets the variable, and lets the descriptors survive an execve; handover_cancel takes both back. */
void handover_leave(const struct listen_set *set, const struct channels *channels,
                    const struct handover *more);
void handover_cancel(const struct listen_set *set, const struct channels *channels,
                     const struct handover *more);

/* Sets and removes the variable for the check. */
void handover_tell(const struct listen_set *set);
void handover_untell(void);
/* Whether this process is such a check.  Then: what its parent holds, for listen_try alone, since the
 * descriptors are no sockets. */
bool handover_is_told(void);
void handover_note(struct listen_set *set);

/*
 * Takes what was left for this process and removes the variable.  Returns false when nothing was.
 * Adopted workers belong to generation from now on.  more is filled in any case; its texts last as long
 * as the process.
 */
bool handover_take(struct listen_set *set, struct channels *channels, struct generation *generation,
                   struct handover *more);

#endif
