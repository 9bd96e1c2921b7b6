/*
 * program: the file that SIGUSR2 puts in our place.
 */
#ifndef POOL_PROGRAM_H
#define POOL_PROGRAM_H

#include <sys/types.h>

struct program {
    char *path;  /* absolute, as found at start: what lies there later is the new program */
    char **argv; /* a copy, NULL at the end */
};

/* Call at start, while the file that runs still has its name. */
void program_find(struct program *program, char **argv);
/* Frees what the struct holds; the struct is the caller's. */
void program_free(struct program *program);
/* Forks a check: the file with our arguments and -T, whose output goes nowhere and whose complaints
 * go to our standard error.  Returns its process id, or -1 with errno. */
pid_t program_check(const struct program *program);
/* Executes it in place; returns only when that failed, with errno. */
void program_execute(const struct program *program);

#endif
