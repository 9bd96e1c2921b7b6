/*
 * notify: tells the service manager how we are, by systemd's protocol (sd_notify(3)): one datagram
 * of lines to $NOTIFY_SOCKET.  Without that variable nothing happens; troubles are ignored, since
 * nobody is served better by a daemon that stops because its manager does not listen.
 */
#ifndef POOL_NOTIFY_H
#define POOL_NOTIFY_H

#include <stddef.h>

void notify_ready(const char *status);
/* With the time that Type=notify-reload asks for. */
void notify_reloading(void);
void notify_stopping(void);

#endif
