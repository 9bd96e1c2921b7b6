#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "ctl/doctor.h"

#define PATIENCE_MS 15000
#define MAX_BYTES   (8 * 1024 * 1024)

/* A program that somebody put elsewhere, or into our PATH, is not run with our rights. */
static char search_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
            locale[] = "LC_ALL=C";
static char *const environment[] = {search_path, locale, NULL};

static bool find(const char *name, char *path, size_t size) {
    static const char *const places[] = {"/usr/sbin", "/usr/bin",        "/sbin",
                                         "/bin",      "/usr/local/sbin", "/usr/local/bin"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, size, "%s/%s", places[i], name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static pid_t start(const char *path, const char *const *argv, int *out) {
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0)
            _exit(127);
        execve(path, (char *const *)(uintptr_t)argv, environment);
        _exit(127);
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

static bool read_all(int fd, struct buf *text) {
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = until - clock_mono_ms();
        if (left <= 0 || text->len > MAX_BYTES || poll(&ready, 1, (int)left) <= 0)
            return false;
        ssize_t got = read(fd, buf_reserve(text, 65536), 65536);
        if (got <= 0)
            return got == 0;
        text->len += (size_t)got;
        text->data[text->len] = '\0';
    }
}

const char *run_program(struct arena *arena, const char *const *argv, int *code) {
    char path[256];
    struct buf text = {0};
    int fd, status = 0;
    *code = -1;
    if (!find(argv[0], path, sizeof path))
        return "";
    pid_t pid = start(path, argv, &fd);
    if (pid > 0 && !read_all(fd, &text))
        kill(pid, SIGKILL);
    close(fd);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
        WEXITSTATUS(status) != 127)
        *code = WEXITSTATUS(status);
    const char *copy = arena_dup(arena, text.len > 0 ? text.data : "", text.len);
    buf_free(&text);
    return copy;
}
