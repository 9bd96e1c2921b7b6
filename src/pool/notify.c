#include "pool/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/proto.h"

/* Killing what does not finish, and saying so, takes a moment too. */
#define STOP_MARGIN_MS 2000

static void tell(const char *lines) {
    const char *path = getenv(ENV_NOTIFY_SOCKET);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') /* the abstract namespace */
        address.sun_path[0] = '\0';
    if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return;
    (void)!sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

void notify_ready(const char *status) {
    char lines[512];

    snprintf(lines, sizeof lines, "READY=1\nMAINPID=%ld\nSTATUS=%s\n", (long)getpid(), status);
    tell(lines);
}

void notify_reloading(void) {
    char lines[128];

    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading\n",
             (long long)clock_mono_us());
    tell(lines);
}

void notify_stopping(int64_t patience_ms) {
    char lines[128];

    snprintf(lines, sizeof lines,
             "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=finishing requests\n",
             (long long)(patience_ms + STOP_MARGIN_MS) * 1000);
    tell(lines);
}

int64_t notify_number(const char *variable) {
    const char *text = getenv(variable);
    char *end;
    long long number;

    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    number = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 ? number : -1;
}

int64_t notify_alive_every_ms(void) {
    int64_t period_us = notify_number(ENV_WATCHDOG_USEC);

    /* Like the sockets, it may be meant for a process before us. */
    if (getenv(ENV_WATCHDOG_PID) && notify_number(ENV_WATCHDOG_PID) != getpid())
        return 0;
    if (period_us <= 0)
        return 0;
    return period_us < 2000 ? 1 : period_us / 2000;
}

void notify_alive(void) {
    tell("WATCHDOG=1\n");
}
