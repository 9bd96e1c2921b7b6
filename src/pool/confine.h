/*
 * confine: what a worker can still ask of the kernel once it serves.  The door to libseccomp.
 *
 * A worker reads bytes of strangers, talks to sockets that it has or makes to its stores, and
 * computes.  It starts no program, opens no file for writing and looks into no other process; a
 * filter (seccomp, kernel 3.17) holds it to that, should one of its libraries be turned against it.
 */
#ifndef POOL_CONFINE_H
#define POOL_CONFINE_H

#include <stdbool.h>

/* Whether this program was built with libseccomp (and without AddressSanitizer, which needs what the
 * filter forbids). */
bool confine_is_built_in(void);

/*
 * For the rest of the process's life: system calls that no worker makes fail with ENOSYS, so that a
 * library that tries a newer one falls back; those that only an intruder makes (another program, a
 * child, another process's memory or a signal to it, a kernel module) end the process.  The caller has
 * set no-new-privs.  False: the kernel takes no filter (logged).
 */
bool confine_process(void);

#endif
