#include "pool/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

static int refuse(int code, const struct pool_spec *pool, const char *why, const char *cure) {
    log_error("socket cannot be opened", F_STR("pool", pool->name), F_STR("listen", pool->listen),
              F_STR("why", why), F_STR("cure", cure));
    return code;
}

/* What is wrong with a path is the configuration's or its directory's fault, the rest the system's. */
static int refuse_errno(const struct pool_spec *pool, const char *what, const char *cure) {
    bool path = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM || errno == EROFS;
    char why[160];

    snprintf(why, sizeof why, "%s: %s", what, strerror(errno));
    return refuse(path ? EX_CONFIG : EX_OSERR, pool, why, cure);
}

static int refuse_name(const struct pool_spec *pool, const char *key, const char *name, const char *what) {
    char why[160], cure[120];

    snprintf(why, sizeof why, "%s = %.64s is no %s of this system", key, name, what);
    snprintf(cure, sizeof cure, "create the %s, or change %s in [pool.%.31s]", what, key, pool->name);
    return refuse(EX_CONFIG, pool, why, cure);
}

static int new_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Unix ---------------------------------------------------------------------------------------- */

static bool unix_address(const char *path, struct sockaddr_un *out) {
    size_t len = strlen(path);

    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    if (len >= sizeof out->sun_path)
        return false;
    memcpy(out->sun_path, path, len + 1);
    return true;
}

/*
 * A connection's peer is whoever called listen().  When that master is dead, the ones who still
 * answer are its workers that finish their last requests, and a successor may take the place.
 */
static bool peer_is_alive(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid <= 0)
        return true;
    return kill(peer.pid, 0) == 0 || errno != ESRCH;
}

enum taken { TAKEN_NO, TAKEN_STALE, TAKEN_SERVED, TAKEN_UNKNOWN };

/* Only what refuses connections is stale; a full backlog (EAGAIN) is somebody who is busy. */
static enum taken who_serves(const struct sockaddr_un *address) {
    enum taken taken = TAKEN_UNKNOWN;
    int fd = new_socket(AF_UNIX);

    if (fd < 0)
        return TAKEN_UNKNOWN;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        taken = peer_is_alive(fd) ? TAKEN_SERVED : TAKEN_STALE;
    else if (errno == EAGAIN || errno == EPROTOTYPE)
        taken = TAKEN_SERVED;
    else if (errno == ECONNREFUSED)
        taken = TAKEN_STALE;
    else if (errno == ENOENT)
        taken = TAKEN_NO;
    close(fd);
    return taken;
}

/* Makes room at the path, or says why not. */
static int unix_clear(const struct pool_spec *pool, const struct sockaddr_un *address) {
    struct stat there;

    if (lstat(pool->listen, &there) != 0) {
        if (errno == ENOENT)
            return 0;
        return refuse_errno(pool, "lstat", "let this user reach the directory");
    }
    if (!S_ISSOCK(there.st_mode))
        return refuse(EX_CONFIG, pool, "a file that is no socket is in the way",
                      "remove it, or choose another path");
    switch (who_serves(address)) {
    case TAKEN_SERVED:
        return refuse(EX_CONFIG, pool, "already served by another process",
                      "stop that process, or choose another path");
    case TAKEN_UNKNOWN:
        return refuse_errno(pool, "connect to the socket that is there",
                            "remove it if nobody serves it");
    case TAKEN_STALE:
        if (unlink(pool->listen) != 0 && errno != ENOENT)
            return refuse_errno(pool, "unlink", "let this user write to the directory");
        break;
    case TAKEN_NO:
        break;
    }
    return 0;
}

static int find_owner(const struct pool_spec *pool, uid_t *uid, gid_t *gid) {
    const struct passwd *user;
    const struct group *group;

    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    if (pool->owner[0]) {
        if (!(user = getpwnam(pool->owner)))
            return refuse_name(pool, "owner", pool->owner, "user");
        *uid = user->pw_uid;
    }
    if (pool->group[0]) {
        if (!(group = getgrnam(pool->group)))
            return refuse_name(pool, "group", pool->group, "group");
        *gid = group->gr_gid;
    }
    return 0;
}

/* Links are not followed: who can write to the directory cannot give away another file. */
static int give_away(const struct pool_spec *pool) {
    uid_t uid;
    gid_t gid;
    int code = find_owner(pool, &uid, &gid);

    if (code == 0 && lchown(pool->listen, uid, gid) != 0)
        code = refuse_errno(pool, "chown",
                            "start as root, or be a member of the group, or leave both empty");
    return code;
}

/* Nobody connects before listen(), so the file has its mode and its owner in time. */
static int unix_bind(const struct pool_spec *pool, const struct sockaddr_un *address,
                     struct socket *out) {
    struct stat made;
    mode_t before = umask(0777 & ~pool->mode);
    int bound = bind(out->fd, (const struct sockaddr *)address, sizeof *address);

    umask(before);
    if (bound != 0)
        return refuse_errno(pool, "bind", "create the directory and let this user write to it");
    if (lstat(pool->listen, &made) != 0)
        return refuse_errno(pool, "lstat", "see who else uses this path");
    out->has_file = true;
    out->device = made.st_dev;
    out->inode = made.st_ino;
    return give_away(pool);
}

static int unix_make(const struct pool_spec *pool, struct socket *out) {
    struct sockaddr_un address;
    int code;

    if (!unix_address(pool->listen, &address))
        return refuse(EX_CONFIG, pool, "the path is longer than 107 bytes", "choose a shorter one");
    if ((code = unix_clear(pool, &address)) != 0)
        return code;
    if ((out->fd = new_socket(AF_UNIX)) < 0)
        return refuse_errno(pool, "socket", "see the system's limits");
    return unix_bind(pool, &address, out);
}

/* TCP ----------------------------------------------------------------------------------------- */

/* "ADDRESS:PORT" or "[ADDRESS]:PORT"; numbers only, so that no resolver is asked at start. */
static struct addrinfo *tcp_address(const char *text) {
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t len;

    if (!colon)
        return NULL;
    len = (size_t)(colon - text);
    if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof host)
        return NULL;
    memcpy(host, text, len);
    host[len] = '\0';
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

/* Somebody listens there: another process, or this service itself, which cannot have both at once. */
static int refuse_busy(const struct pool_spec *pool, const char *own) {
    char why[160];

    if (!own)
        return refuse(EX_CONFIG, pool, "already served by another process",
                      "stop that process, or choose another port");
    snprintf(why, sizeof why, "the service's own socket %.64s holds this port", own);
    return refuse(EX_CONFIG, pool, why,
                  "restart the service, since a reload keeps the old socket until the new one is there; or "
                  "choose another port");
}

static int tcp_bind(const struct pool_spec *pool, const struct addrinfo *address, const char *own, int fd) {
    const int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return refuse_errno(pool, "SO_REUSEADDR", "see the system's limits");
    /* [::] means IPv6 alone, whatever the system's default: 0.0.0.0 can have a pool of its own. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return refuse_errno(pool, "IPV6_V6ONLY", "see whether IPv6 is enabled");
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return refuse_busy(pool, own);
    return refuse_errno(pool, "bind", "choose an address of this machine, and a port that is permitted");
}

static int tcp_make(const struct pool_spec *pool, const char *own, struct socket *out) {
    struct addrinfo *address = tcp_address(pool->listen);
    int code;

    if (!address)
        return refuse(EX_CONFIG, pool, "not an address",
                      "write /PATH, ADDRESS:PORT or [ADDRESS]:PORT with numbers");
    out->fd = new_socket(address->ai_family);
    code = out->fd < 0 ? refuse_errno(pool, "socket", "see whether the protocol is enabled")
                       : tcp_bind(pool, address, own, out->fd);
    freeaddrinfo(address);
    return code;
}

static bool same_port(const struct addrinfo *one, const struct addrinfo *two) {
    const struct sockaddr_in *first = (const void *)one->ai_addr;
    const struct sockaddr_in *second = (const void *)two->ai_addr;

    /* In sockaddr_in6 the port is at the same place. */
    return one->ai_family == two->ai_family && first->sin_port == second->sin_port;
}

static bool is_any(const struct addrinfo *address) {
    const struct sockaddr_in6 *v6 = (const void *)address->ai_addr;
    const struct sockaddr_in *v4 = (const void *)address->ai_addr;

    return address->ai_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)
                                          : v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool same_address(const struct addrinfo *one, const struct addrinfo *two) {
    return one->ai_addrlen == two->ai_addrlen && memcmp(one->ai_addr, two->ai_addr, one->ai_addrlen) == 0;
}

bool socket_excludes(const char *one, const char *two) {
    struct addrinfo *first = one[0] != '/' ? tcp_address(one) : NULL;
    struct addrinfo *second = first && two[0] != '/' ? tcp_address(two) : NULL;
    bool excludes = second && same_port(first, second) &&
                    (is_any(first) || is_any(second) || same_address(first, second));

    if (first)
        freeaddrinfo(first);
    if (second)
        freeaddrinfo(second);
    return excludes;
}

/* Both ---------------------------------------------------------------------------------------- */

int socket_make(const struct pool_spec *pool, const char *own, struct socket *out) {
    int code;

    *out = (struct socket){.fd = -1};
    code = pool->listen[0] == '/' ? unix_make(pool, out) : tcp_make(pool, own, out);
    if (code != 0)
        socket_close(out, pool->listen);
    return code;
}

int socket_listen(const struct socket *made, const struct pool_spec *pool) {
    if (listen(made->fd, pool->backlog) == 0)
        return 0;
    /* Two may bind one port before either listens. */
    return errno == EADDRINUSE ? refuse_busy(pool, NULL)
                               : refuse_errno(pool, "listen", "see the system's limits");
}

bool socket_is_there(const struct socket *opened, const char *path) {
    struct stat there;

    if (!opened->has_file)
        return true;
    return lstat(path, &there) == 0 && there.st_dev == opened->device &&
           there.st_ino == opened->inode;
}

void socket_apply(const struct socket *opened, const struct pool_spec *pool) {
    if (listen(opened->fd, pool->backlog) != 0)
        log_error("backlog cannot be changed", F_STR("pool", pool->name), F_ERRNO(errno));
    if (!opened->has_file || !socket_is_there(opened, pool->listen))
        return;
    (void)give_away(pool);
    if (fchmodat(AT_FDCWD, pool->listen, pool->mode, AT_SYMLINK_NOFOLLOW) != 0)
        log_error("mode cannot be changed", F_STR("listen", pool->listen), F_ERRNO(errno));
}

void socket_close(struct socket *opened, const char *path) {
    if (opened->has_file && socket_is_there(opened, path))
        unlink(path);
    if (opened->fd >= 0)
        close(opened->fd);
    *opened = (struct socket){.fd = -1};
}

bool socket_listens(int fd) {
    int yes = 0;
    int type = 0;
    socklen_t len = sizeof yes;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) != 0 || !yes)
        return false;
    len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

void fd_survives_exec(int fd, bool survives) {
    MUST(fcntl(fd, F_SETFD, survives ? 0 : FD_CLOEXEC) == 0);
}
