#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/peers.h"
#include "ctl/doctor.h"
#include "ctl/service.h"

static int64_t somaxconn(void) {
    long long most = 0;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
    if (file != NULL && fscanf(file, "%lld", &most) != 1)
        most = 0;
    if (file != NULL)
        fclose(file);
    return most;
}

/* How long a connection on this machine may take. */
#define CONNECT_MS 1000

/* 0, or why nobody can be reached there. */
static int connect_error(int family, const struct sockaddr *address, socklen_t len) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd >= 0 && connect(fd, address, len) == 0 ? 0 : errno;
    socklen_t size = sizeof error;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (error == EINPROGRESS && (poll(&ready, 1, CONNECT_MS) != 1 ||
                                 getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0))
        error = ETIMEDOUT;
    if (fd >= 0)
        close(fd);
    return error;
}

static int unix_error(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect_error(AF_UNIX, (struct sockaddr *)&address, sizeof address);
}

/* listen: "ADDRESS:PORT" or "[ADDRESS]:PORT", as the configuration has checked it. */
static int tcp_error(const char *listen) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    const char *colon = strrchr(listen, ':');
    bool v6 = listen[0] == '[';
    struct addrinfo *list;
    char host[64];
    if (colon == NULL || (size_t)(colon - listen) >= sizeof host)
        return EINVAL;
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen - (v6 ? 2 : 0)), listen + (v6 ? 1 : 0));
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return EINVAL;
    int error = connect_error(list->ai_family, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return error;
}

/* What a running service says of the pool on this address; NULL: nothing. */
static const json *pool_of(const struct doctor *doctor, const char *address) {
    for (size_t i = 0; i < doctor->services.count; i++) {
        const json *pools = service_array(doctor->services.list[i], "pools");
        for (size_t j = 0; j < json_array_size(pools); j++) {
            const json *pool = json_array_object(pools, j);
            if (strcmp(service_text(pool, "address"), address) == 0)
                return pool;
        }
    }
    return NULL;
}

static void look_at_mode(struct doctor *doctor, const struct conf_pool *pool,
                         const struct stat *st) {
    if ((st->st_mode & S_IWOTH) != 0 && pool->peers[0] == '\0')
        doctor_says(doctor, DOCTOR_WARN, "socket",
                    arena_printf(doctor->ctl->arena,
                                 "set mode = 0660 and group = GROUP OF THE WEB SERVER (or "
                                 "peers) in [pool.%s] and reload",
                                 pool->name),
                    "%s has mode %04o: every user of this machine may connect, and name any client "
                    "address",
                    pool->listen, (unsigned)(st->st_mode & 07777));
}

/* Only a refused connection means that nobody serves: where the queue is full, somebody is just busy. */
static void look_at_unix(struct doctor *doctor, const struct conf_pool *pool) {
    struct stat st;
    enum doctor_level level = doctor->services.count > 0 ? DOCTOR_FAIL : DOCTOR_WARN;
    const char *start = "start gatehouse (systemctl start gatehouse)";
    if (lstat(pool->listen, &st) != 0) {
        doctor_says(doctor, level, "socket", start, "%s ([pool.%s]) is not there: %s", pool->listen,
                    pool->name, strerror(errno));
        return;
    }
    if (!S_ISSOCK(st.st_mode)) {
        doctor_says(doctor, DOCTOR_FAIL, "socket", "remove it, or choose another path, and restart",
                    "%s ([pool.%s]) is no socket", pool->listen, pool->name);
        return;
    }
    look_at_mode(doctor, pool, &st);
    const json *served = pool_of(doctor, pool->listen);
    int64_t waiting = served != NULL ? service_int(served, "waiting") : 0,
            most = served != NULL ? service_int(served, "mayWait") : 0;
    if (unix_error(pool->listen) == ECONNREFUSED)
        doctor_says(doctor, level, "socket", start, "nobody listens on %s ([pool.%s])",
                    pool->listen, pool->name);
    else if (most > 0 && waiting * 2 > most)
        doctor_says(doctor, DOCTOR_WARN, "socket",
                    "see gatehousectl status for what the workers are doing, "
                    "and raise workers in that pool",
                    "%lld of %lld connections wait on %s", (long long)waiting, (long long)most,
                    pool->listen);
    else
        doctor_says(doctor, DOCTOR_OK, "socket", NULL, "%s ([pool.%s]) is there", pool->listen,
                    pool->name);
}

static void look_at_tcp(struct doctor *doctor, const struct conf_pool *pool) {
    if (tcp_error(pool->listen) == 0)
        doctor_says(doctor, DOCTOR_OK, "socket", NULL, "%s ([pool.%s]) is there", pool->listen,
                    pool->name);
    else
        doctor_says(doctor, doctor->services.count > 0 ? DOCTOR_FAIL : DOCTOR_WARN, "socket",
                    "start gatehouse (systemctl start gatehouse)",
                    "nobody listens on %s ([pool.%s])", pool->listen, pool->name);
    if (pool->secret_file[0] == '\0')
        doctor_says(doctor, DOCTOR_WARN, "socket",
                    arena_printf(doctor->ctl->arena,
                                 "use a Unix socket, or set secret_file in [pool.%s] and "
                                 "have the web server send GATEHOUSE_SECRET",
                                 pool->name),
                    "every user of this machine can connect to %s, and name any client address",
                    pool->listen);
}

void doctor_sockets(struct doctor *doctor) {
    const struct conf *conf = doctor->ctl->conf;
    int64_t most = somaxconn();
    for (size_t i = 0; i < conf->pool_count; i++) {
        const struct conf_pool *pool = &conf->pools[i];
        if (pool->listen[0] == '/')
            look_at_unix(doctor, pool);
        else if (pool->listen[0] != '\0')
            look_at_tcp(doctor, pool);
        if (most > 0 && pool->listen[0] != '\0' && pool->backlog > most)
            doctor_says(doctor, DOCTOR_WARN, "socket",
                        arena_printf(doctor->ctl->arena,
                                     "sysctl -w net.core.somaxconn=%lld (and in "
                                     "/etc/sysctl.d), then restart",
                                     (long long)pool->backlog),
                        "[pool.%s] backlog = %lld, but the kernel lets only %lld wait "
                        "(net.core.somaxconn): more are refused at once",
                        pool->name, (long long)pool->backlog, (long long)most);
    }
}

/* Whom the web server runs as ------------------------------------------------------------------ */

static bool is_a_peer(const struct conf_pool *pool, const struct doctor_user *user) {
    const char *at = pool->peers;
    char word[128];
    bool any = false;
    while (peer_next(&at, word, sizeof word)) {
        struct doctor_user peer;
        if (peer_word(word) != PEER_USER)
            continue;
        any = true;
        if (doctor_user_named(word, &peer) ? peer.uid == user->uid
                                           : (uid_t)strtoul(word, NULL, 10) == user->uid)
            return true;
    }
    return !any;
}

void doctor_web_user(struct doctor *doctor, const struct doctor_user *user) {
    const struct conf *conf = doctor->ctl->conf;
    struct arena *arena = doctor->ctl->arena;
    const char *blocked;
    struct stat st;
    for (size_t i = 0; i < conf->pool_count; i++) {
        const struct conf_pool *pool = &conf->pools[i];
        if (pool->listen[0] != '/' || stat(pool->listen, &st) != 0)
            continue;
        if (!doctor_user_may(arena, user, pool->listen, R_OK | W_OK, &blocked))
            doctor_says(doctor, DOCTOR_FAIL, "socket",
                        strcmp(blocked, pool->listen) == 0
                            ? arena_printf(arena,
                                           "set group = %s in [pool.%s] (with socket units "
                                           "SocketGroup=) and restart",
                                           doctor_user_group(user), pool->name)
                            : arena_printf(arena, "chmod o+x %s", blocked),
                        "the web server's user %s cannot connect to %s: %s is in the way",
                        user->name, pool->listen, blocked);
        else if (!is_a_peer(pool, user))
            doctor_says(
                doctor, DOCTOR_FAIL, "socket",
                arena_printf(arena, "add %s to peers in [pool.%s] and reload", user->name,
                             pool->name),
                "the web server's user %s may connect to %s, but is not among its peers (%s)",
                user->name, pool->listen, pool->peers);
        else
            doctor_says(doctor, DOCTOR_OK, "socket", NULL,
                        "the web server's user %s may connect to %s", user->name, pool->listen);
    }
}
