/*
 * signals: handlers only note.  What was noted is taken by the master's loop, and all of these
 * signals stay blocked outside its ppoll, so nothing is ever interrupted and no note is missed.
 */
#ifndef POOL_SIGNALS_H
#define POOL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Master: blocks and notes SIGHUP, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGCHLD; ignores SIGPIPE and
 * SIGUSR1.  They stay blocked over fork and over the execution of a new program. */
void signals_master(void);
/* What ppoll waits with. */
const sigset_t *signals_while_waiting(void);
/* Whether the signal came since the last call. */
bool signals_taken(int signal_number);

/* Worker, right after fork: SIGTERM and SIGQUIT stay blocked for a signalfd, which is returned (-1:
 * errno); SIGHUP, SIGINT, SIGUSR1, SIGUSR2 and SIGPIPE are ignored, all else is as in any process.
 */
int signals_worker(void);
/* Child that will execute another program: as if nothing of the above had been. */
void signals_reset(void);

#endif
