#include "ctl/queue.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Unix sockets: unix_diag, as ss(8) asks it
 * --------------------------------------------------------- */

static bool ask_for_listeners(int fd) {
    struct {
        struct nlmsghdr head;
        struct unix_diag_req body;
    } message = {.head = {.nlmsg_len = sizeof message,
                          .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.sdiag_family = AF_UNIX,
                          .udiag_states = 1U << TCP_LISTEN,
                          .udiag_show = UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(fd, &message, sizeof message, 0, (struct sockaddr *)&kernel, sizeof kernel) ==
           (ssize_t)sizeof message;
}

/* Whether this socket is the file's; then its queue is filled in. */
static bool is_of_file(struct nlmsghdr *head, uint32_t inode, struct unix_diag_rqlen *queue) {
    struct unix_diag_msg *body = NLMSG_DATA(head);
    struct rtattr *attribute = (struct rtattr *)(body + 1);
    size_t left = head->nlmsg_len - NLMSG_LENGTH(sizeof *body);
    bool same = false, told = false;
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        struct unix_diag_vfs file;
        if (attribute->rta_type == UNIX_DIAG_VFS && RTA_PAYLOAD(attribute) >= sizeof file) {
            memcpy(&file, RTA_DATA(attribute), sizeof file);
            same = file.udiag_vfs_ino == inode;
        }
        if (attribute->rta_type == UNIX_DIAG_RQLEN && RTA_PAYLOAD(attribute) >= sizeof *queue) {
            memcpy(queue, RTA_DATA(attribute), sizeof *queue);
            told = true;
        }
    }
    return same && told;
}

/* 1: found; 0: go on; -1: that was all. */
static int search(char *bytes, size_t len, uint32_t inode, struct unix_diag_rqlen *queue) {
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)bytes;
    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
            return -1;
        if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
            head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)) &&
            is_of_file(head, inode, queue))
            return 1;
    }
    return 0;
}

static bool unix_queue(const char *path, int64_t *waiting, int64_t *most) {
    _Alignas(struct nlmsghdr) static char bytes[32 * 1024];
    struct unix_diag_rqlen queue;
    struct timeval patience = {.tv_sec = 1};
    struct stat st;
    int fd =
        stat(path, &st) == 0 ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG) : -1;
    int found = fd >= 0 && ask_for_listeners(fd) ? 0 : -1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (found == 0) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        found = got > 0 ? search(bytes, (size_t)got, (uint32_t)st.st_ino, &queue) : -1;
    }
    if (fd >= 0)
        close(fd);
    if (found <= 0)
        return false;
    *waiting = queue.udiag_rqueue;
    *most = queue.udiag_wqueue;
    return true;
}

/* TCP: /proc/net
 * ------------------------------------------------------------------------------------- */

/* An address as the kernel writes it there: words of the machine's own byte order, in hex. */
static bool proc_name(const char *address, char *out, size_t size, bool *v6) {
    unsigned char bytes[16];
    const char *colon = strrchr(address, ':');
    char host[64];
    *v6 = address[0] == '[';
    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - address - (*v6 ? 2 : 0)),
             address + (*v6 ? 1 : 0));
    if (inet_pton(*v6 ? AF_INET6 : AF_INET, host, bytes) != 1)
        return false;
    size_t len = 0;
    for (int i = 0; i < (*v6 ? 16 : 4); i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, sizeof word);
        len += (size_t)snprintf(out + len, size - len, "%08X", word);
    }
    snprintf(out + len, size - len, ":%04X", (unsigned)strtoul(colon + 1, NULL, 10));
    return true;
}

static bool tcp_queue(const char *address, int64_t *waiting) {
    char wanted[64], line[512], local[64];
    unsigned state, written, received;
    bool v6, found = false;
    if (!proc_name(address, wanted, sizeof wanted, &v6))
        return false;
    FILE *file = fopen(v6 ? "/proc/net/tcp6" : "/proc/net/tcp", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, " %*d: %63s %*s %x %x:%x", local, &state, &written, &received) == 4 &&
                state == TCP_LISTEN && strcmp(local, wanted) == 0;
    if (file != NULL)
        fclose(file);
    if (found)
        *waiting = received;
    return found;
}

bool queue_of(const char *address, int64_t *waiting, int64_t *most) {
    *waiting = *most = 0;
    return address[0] == '/' ? unix_queue(address, waiting, most) : tcp_queue(address, waiting);
}
