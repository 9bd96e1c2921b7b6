/*
 * log_send: where finished lines go.  Nobody ever waits for whoever reads them: a pipe that is full, a
 * syslog that stands still or is not there loses the line, and not the request.
 */
#ifndef BASE_LOG_SEND_H
#define BASE_LOG_SEND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

/* From now on; socket: where syslog (RFC 3164, as syslog(3) writes it) or the journal (its native
 * protocol) listens, borrowed; NULL: where they do on every system.  A listener that is started again is
 * found again. */
void log_send_to(enum log_target target, const char *socket);

/* One line, without a newline in or behind it.  priority: as syslog(3) has it (LOG_ERR …).  False: it is
 * lost. */
bool log_send(int priority, const char *line, size_t len);

#endif
