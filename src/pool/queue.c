#include "pool/queue.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* One for all sockets: opened when it is first needed, by the master and by each worker that asks. */
static int diag_fd = -1;

/* Of a listening socket these fields are its queue. */
static int64_t of_tcp(int fd, int64_t *most) {
    struct tcp_info info;
    socklen_t len = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return -1;
    *most = info.tcpi_sacked;
    return info.tcpi_unacked;
}

struct question {
    struct nlmsghdr header;
    struct unix_diag_req body;
};

static bool ask(uint32_t inode) {
    static uint32_t sequence;
    struct question question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST,
                   .nlmsg_seq = ++sequence},
        .body = {.sdiag_family = AF_UNIX,
                 .udiag_states = ~0u,
                 .udiag_ino = inode,
                 .udiag_show = UDIAG_SHOW_RQLEN,
                 .udiag_cookie = {~0u, ~0u}},
    };

    if (diag_fd < 0)
        diag_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    return diag_fd >= 0 && send(diag_fd, &question, sizeof question, 0) == sizeof question;
}

/* The answer is there when the question was sent. */
static int64_t read_answer(int64_t *most) {
    union {
        struct nlmsghdr header;
        char bytes[1024];
    } answer;
    ssize_t got = recv(diag_fd, &answer, sizeof answer, 0);
    int left;

    if (got < (ssize_t)sizeof answer.header || !NLMSG_OK(&answer.header, (size_t)got) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
        return -1;
    left = (int)(answer.header.nlmsg_len - NLMSG_LENGTH(sizeof(struct unix_diag_msg)));
    for (struct rtattr *at = (struct rtattr *)((char *)NLMSG_DATA(&answer.header) +
                                               NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
         RTA_OK(at, left); at = RTA_NEXT(at, left))
        if (at->rta_type == UNIX_DIAG_RQLEN) {
            const struct unix_diag_rqlen *queue = RTA_DATA(at);
            *most = queue->udiag_wqueue;
            return queue->udiag_rqueue;
        }
    return -1;
}

void queue_forget(void) {
    if (diag_fd >= 0)
        close(diag_fd);
    diag_fd = -1;
}

int64_t queue_length(int listen_fd, int64_t *most) {
    int64_t unwanted;
    int family = 0;
    socklen_t len = sizeof family;
    struct stat about;

    if (most == NULL)
        most = &unwanted;
    if (getsockopt(listen_fd, SOL_SOCKET, SO_DOMAIN, &family, &len) != 0)
        return -1;
    if (family != AF_UNIX)
        return of_tcp(listen_fd, most);
    if (fstat(listen_fd, &about) != 0 || !ask((uint32_t)about.st_ino))
        return -1;
    return read_answer(most);
}
