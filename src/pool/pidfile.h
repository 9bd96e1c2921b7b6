/*
 * pidfile: the master's process id, for those who have no service manager.
 */
#ifndef POOL_PIDFILE_H
#define POOL_PIDFILE_H

#include <stdbool.h>

/* Writes it whole or not at all; path empty: does nothing.  False, logged: it could not be written.
 */
bool pidfile_write(const char *path);
/* Removes it if it still holds our process id. */
void pidfile_remove(const char *path);

#endif
