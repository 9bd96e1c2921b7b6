/*
 * notify: tells the service manager how we are, by systemd's protocol (sd_notify(3)): one datagram
 * of lines to $NOTIFY_SOCKET.  Without that variable nothing happens; troubles are ignored, since
 * nobody is served better by a daemon that stops because its manager does not listen.
 */
#ifndef POOL_NOTIFY_H
#define POOL_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

/* The service serves, for the first time or again after a reload.  status: one line for people. */
void notify_ready(const char *status);
/* With the time that Type=notify-reload asks for. */
void notify_reloading(void);
/* patience_ms: how long it may take; the manager is asked to wait a little longer than that. */
void notify_stopping(int64_t patience_ms);
/* How often notify_alive is to be called, in milliseconds: half of what the manager waits for
 * (WatchdogSec=); 0: it does not watch this process. */
int64_t notify_alive_every_ms(void);
/* The number that a service manager has left in a variable of the environment; -1: there is none. */
int64_t notify_number(const char *variable);
/* For the manager's watchdog: this process still does its work. */
void notify_alive(void);

#endif
