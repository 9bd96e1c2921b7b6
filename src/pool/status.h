/*
 * status: a small socket of the master's own, status-PID.sock in a directory, on which it says how
 * the service is, as one JSON object, to whoever may connect: root and the user it runs as.  It reads
 * nothing from there.  Workers have no part in it, so that it answers while all of them hang.
 */
#ifndef POOL_STATUS_H
#define POOL_STATUS_H

#include "pool/master.h"

/* Opens the socket in directory, or moves it there; "" or NULL: none.  Where that fails the log says
 * so, and the service does without. */
void status_open(const char *directory);
/* The socket; -1: there is none.  And where it is; NULL: nowhere. */
int status_fd(void);
const char *status_directory(void);
/* This process has it open already, from the program before, so that whoever asks meanwhile waits; closes it
 * where its file is gone. */
void status_take(int fd, const char *directory);
/* Answers everybody who has connected since. */
void status_answer(const struct master *master);
/* Closes and unlinks it. */
void status_close(void);
/* In a worker: closes it, and leaves the file alone. */
void status_leave(void);

#endif
