#include "pool/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/proto.h"

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

void notify_stopping(void) {
    tell("STOPPING=1\nSTATUS=finishing requests\n");
}
