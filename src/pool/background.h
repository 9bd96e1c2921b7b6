/*
 * background: a start from a shell or an init script, which returns once the service is ready.
 */
#ifndef POOL_BACKGROUND_H
#define POOL_BACKGROUND_H

#include <stdbool.h>

/*
 * Goes on in a child of its own session; the caller's process waits until pool_run says that it is
 * ready (the protocol of systemd's Type=notify, over a socket between the two), or ends, and exits
 * with 0 or the child's exit code.  Returns in the child only.  Does nothing where somebody else
 * watches over the process: a supervisor that wants to be notified, socket activation, a listening
 * socket as descriptor 0, or the program that this one replaces.
 *
 * use_stderr: the log goes there; else standard error is let go of too, since whoever reads what the
 * command prints would wait for its end for ever.
 */
void background_start(bool use_stderr);

#endif
