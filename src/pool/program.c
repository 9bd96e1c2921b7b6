#include "pool/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "pool/proto.h"
#include "pool/signals.h"

#define SELF "/proc/self/exe"

static char *copy(const char *text) {
    char *copied = strdup(text);

    MUST(copied);
    return copied;
}

static char *absolute(const char *path) {
    struct buf whole = {0};
    char *here;

    if (path[0] == '/')
        return copy(path);
    if (!(here = getcwd(NULL, 0)))
        return NULL;
    buf_addf(&whole, "%s/%s", here, path);
    free(here);
    return whole.data;
}

static bool runs_now(const char *path) {
    struct stat named, self;

    return stat(path, &named) == 0 && stat(SELF, &self) == 0 && named.st_dev == self.st_dev &&
           named.st_ino == self.st_ino;
}

static char *link_target(void) {
    char target[4096];
    ssize_t len = readlink(SELF, target, sizeof target - 1);

    if (len <= 0)
        return NULL;
    target[len] = '\0';
    return copy(target);
}

/* argv[0] first, since it may lead through a link that an upgrade points elsewhere; but only when
 * it is the truth.  /proc/self/exe is read once: later it may name a deleted file. */
static char *find_path(const char *name) {
    char *path = name && strchr(name, '/') ? absolute(name) : NULL;

    if (path && runs_now(path))
        return path;
    free(path);
    return link_target();
}

static char **copy_arguments(char **argv) {
    size_t count = 0;
    char **copied;

    while (argv[count])
        count++;
    copied = calloc(count + 1, sizeof *copied);
    MUST(copied);
    for (size_t i = 0; i < count; i++)
        copied[i] = copy(argv[i]);
    return copied;
}

void program_find(struct program *program, char **argv) {
    program->path = find_path(argv[0]);
    program->argv = copy_arguments(argv);
}

void program_free(struct program *program) {
    for (size_t i = 0; program->argv && program->argv[i]; i++)
        free(program->argv[i]);
    free(program->argv);
    free(program->path);
    *program = (struct program){0};
}

/* Between fork and exec: no memory is needed that the fork did not bring along. */
_Noreturn static void execute_check(const struct program *program, char **argv) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    log_identity("check");
    signals_reset();
    unsetenv(ENV_NOTIFY_SOCKET);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
        execv(program->path, argv);
    _exit(127);
}

pid_t program_check(const struct program *program) {
    static char option[] = "-T";
    size_t count = 0;
    char **argv;
    pid_t pid;

    if (!program->path)
        return -1;
    while (program->argv[count])
        count++;
    argv = calloc(count + 2, sizeof *argv);
    MUST(argv);
    memcpy(argv, program->argv, count * sizeof *argv);
    argv[count] = option;
    if ((pid = fork()) == 0)
        execute_check(program, argv);
    free(argv);
    return pid;
}

void program_execute(const struct program *program) {
    execv(program->path, program->argv);
}
