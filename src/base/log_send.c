#include "base/log_send.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_target target = LOG_TARGET_STDERR;
static const char *address = "";
static int link_fd = -1;

static void hang_up(void) {
    if (link_fd >= 0)
        close(link_fd);
    link_fd = -1;
}

void log_send_to(enum log_target new_target, const char *socket_path) {
    static const char *const usual[] = {
        [LOG_TARGET_STDERR] = "",
        [LOG_TARGET_SYSLOG] = "/dev/log",
        [LOG_TARGET_JOURNAL] = "/run/systemd/journal/socket",
    };
    hang_up();
    target = new_target;
    address = socket_path != NULL ? socket_path : usual[new_target];
    tzset(); /* while files may still be read */
}

static bool call(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(address) >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, address, strlen(address));
    link_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link_fd >= 0 && connect(link_fd, (struct sockaddr *)&to, sizeof to) == 0)
        return true;
    hang_up();
    return false;
}

/* Tries twice: the listener may have been started anew, and then this connection leads to nobody. */
static bool send_datagram(const struct iovec *parts, size_t count) {
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    for (int tries = 0; tries < 2; tries++) {
        if (link_fd < 0 && !call())
            return false;
        if (sendmsg(link_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE)
            return false;
        hang_up();
    }
    return false;
}

static bool send_to_syslog(int priority, struct iovec line) {
    char head[80], moment[32];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm local;
    /* In English wherever we are: LC_TIME is never set. */
    strftime(moment, sizeof moment, "%b %e %H:%M:%S", localtime_r(&now, &local));
    int len = snprintf(head, sizeof head, "<%d>%s gatehouse[%d]: ", LOG_DAEMON | priority, moment,
                       (int)getpid());
    const struct iovec parts[] = {{head, (size_t)len}, line};
    return send_datagram(parts, 2);
}

/* systemd's documentation, "Native Journal Protocol": a field a line, since ours have no newline. */
static bool send_to_journal(int priority, struct iovec line) {
    char head[80];
    int len = snprintf(head, sizeof head,
                       "PRIORITY=%d\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=gatehouse\nMESSAGE=", priority);
    const struct iovec parts[] = {{head, (size_t)len}, line, {(char *)(uintptr_t) "\n", 1}};
    return send_datagram(parts, 3);
}

/* Standard error is shared with whoever started us, so it is not ours to make non-blocking: poll says
 * whether a write would wait.  A pipe that is ready takes at least a page. */
static bool write_to_stderr(struct iovec line) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const struct iovec parts[] = {line, {(char *)(uintptr_t) "\n", 1}};
    ssize_t written = -1;
    while (poll(&out, 1, 0) > 0 && (written = writev(STDERR_FILENO, parts, 2)) < 0 && errno == EINTR)
        continue;
    return written == (ssize_t)line.iov_len + 1;
}

bool log_send(int priority, const char *text, size_t len) {
    struct iovec line = {(char *)(uintptr_t)text, len};
    switch (target) {
    case LOG_TARGET_SYSLOG:
        return send_to_syslog(priority, line);
    case LOG_TARGET_JOURNAL:
        return send_to_journal(priority, line);
    default:
        return write_to_stderr(line);
    }
}
