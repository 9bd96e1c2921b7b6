/*
 * pass: a connection goes from one process to another, through a Unix socket.
 */
#ifndef FCGI_PASS_H
#define FCGI_PASS_H

enum passed { PASS_DONE, PASS_LATER, PASS_NOBODY };

/* Sends a descriptor without blocking; the caller still has to close its own.  PASS_LATER: the queue
 * is full; PASS_NOBODY: there is none, or nobody will take from it. */
enum passed pass_send(int queue, int fd);
/* Takes the next descriptor (close-on-exec) without blocking; -1: there is none. */
int pass_take(int queue);

#endif
