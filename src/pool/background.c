#include "pool/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/proto.h"
#include "pool/socket.h"

/* How often the waiting process looks whether the child has died. */
#define LOOK_MS 50

static bool is_supervised(void) {
    return getenv(ENV_NOTIFY_SOCKET) != NULL || getenv(ENV_LISTEN_PID) != NULL ||
           getenv(ENV_HANDOVER) != NULL || socket_listens(STDIN_FILENO);
}

/* A datagram socket with a name that the kernel chose, in no file system; -1 on failure. */
static int notify_socket(char name[32]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address.sun_family;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0)
        return -1;
    len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    int name_len = (int)(len - offsetof(struct sockaddr_un, sun_path)) - 1;
    snprintf(name, 32, "@%.*s", name_len, address.sun_path + 1);
    return fd;
}

static bool is_ready(int fd) {
    char text[512];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1") != NULL;
}

_Noreturn static void wait_for(pid_t child, int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int status = 0;
    for (;;) {
        if (poll(&poller, 1, LOOK_MS) > 0 && is_ready(fd))
            _exit(0);
        if (waitpid(child, &status, WNOHANG) == child)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
    }
}

void background_start(bool use_stderr) {
    char name[32];
    if (is_supervised())
        return;
    int fd = notify_socket(name);
    pid_t child = fd >= 0 ? fork() : -1;
    if (child < 0) {
        log_error("cannot go to the background; start with -f", F_ERRNO(errno));
        exit(EX_OSERR);
    }
    if (child > 0)
        wait_for(child, fd);
    close(fd);
    setsid();
    setenv(ENV_NOTIFY_SOCKET, name, 1);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        if (!use_stderr)
            dup2(null, STDERR_FILENO);
        if (null > STDERR_FILENO)
            close(null);
    }
}
