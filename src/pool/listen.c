#include "pool/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

/* One message, one connection.  -1, -1: then connections are closed instead of passed on. */
static void make_queue(int pass[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pass) == 0)
        return;
    log_warning("kept connections will not survive a reload", F_ERRNO(errno));
    pass[0] = pass[1] = -1;
}

static void close_queue(struct listener *one) {
    for (size_t i = 0; i < 2; i++)
        if (one->pass[i] >= 0)
            close(one->pass[i]);
    one->pass[0] = one->pass[1] = -1;
}

bool listen_add(struct listen_set *set, const struct socket *socket, bool inherited,
                const char *name, const int pass[2]) {
    struct listener *added;

    if (set->count == LISTEN_MAX)
        return false;
    added = &set->at[set->count++];
    *added = (struct listener){.socket = *socket, .inherited = inherited, .name = strdup(name)};
    MUST(added->name);
    if (pass)
        memcpy(added->pass, pass, sizeof added->pass);
    else
        make_queue(added->pass);
    return true;
}

static void drop(struct listen_set *set, size_t i) {
    struct listener *gone = &set->at[i];

    socket_close(&gone->socket, gone->name);
    close_queue(gone);
    free(gone->name);
    *gone = set->at[--set->count];
}

/* The one to serve this pool, or NULL.  A socket whose file somebody removed cannot be reached any
 * more, so another has to be opened. */
static struct listener *find(struct listen_set *set, const struct pool_spec *pool) {
    for (size_t i = 0; i < set->count; i++) {
        struct listener *one = &set->at[i];
        if (one->inherited && (set->single || strcmp(one->name, pool->name) == 0))
            return one;
    }
    for (size_t i = 0; i < set->count; i++) {
        struct listener *one = &set->at[i];
        if (!one->inherited && strcmp(one->name, pool->listen) == 0 &&
            socket_is_there(&one->socket, one->name))
            return one;
    }
    return NULL;
}

/* The address in the set that cannot be had beside this pool's, or NULL. */
static const char *excludes(const struct listen_set *set, const struct pool_spec *pool) {
    for (size_t i = 0; i < set->count; i++)
        if (!set->at[i].inherited && socket_excludes(set->at[i].name, pool->listen))
            return set->at[i].name;
    return NULL;
}

static int open_pool(struct listen_set *set, const struct pool_spec *pool, int *fd) {
    struct listener *known = find(set, pool);
    struct socket opened;
    int code;

    if (known) {
        *fd = known->socket.fd;
        return 0;
    }
    if (!pool->listen[0])
        return 0;
    if ((code = socket_make(pool, excludes(set, pool), &opened)) != 0)
        return code;
    if (!set->trial && (code = socket_listen(&opened, pool)) != 0) {
        socket_close(&opened, pool->listen);
        return code;
    }
    if (!listen_add(set, &opened, false, pool->listen, NULL)) {
        log_error("too many sockets", F_STR("pool", pool->name), F_INT("most", LISTEN_MAX),
                  F_STR("cure", "wait until the workers of before have finished, or restart"));
        socket_close(&opened, pool->listen);
        return EX_OSERR;
    }
    *fd = opened.fd;
    return 0;
}

static bool is_in(int fd, const int fds[POOL_MAX]) {
    for (size_t i = 0; fds && i < POOL_MAX; i++)
        if (fds[i] == fd)
            return true;
    return false;
}

/* Where descriptor 0 was given the first pool has it, and there are no others. */
static bool takes_part(const struct listen_set *set, size_t pool) {
    return !set->single || pool == 0;
}

static int open_one(struct listen_set *set, const struct pool_plan *plan, size_t pool, int fds[POOL_MAX]) {
    int fd = -1;
    int code = open_pool(set, &plan->pools[pool], &fd);

    if (code != 0)
        return code;
    if (fd >= 0 && is_in(fd, fds)) {
        log_error("two pools share an address", F_STR("pool", plan->pools[pool].name),
                  F_STR("listen", plan->pools[pool].listen),
                  F_STR("cure", "give each pool an address of its own"));
        return EX_CONFIG;
    }
    fds[pool] = fd;
    return 0;
}

/* Fills fds; stops at the first trouble. */
static int open_all(struct listen_set *set, const struct pool_plan *plan, int fds[POOL_MAX]) {
    bool any = false;
    int code;

    for (size_t i = 0; i < POOL_MAX; i++)
        fds[i] = -1;
    for (size_t i = 0; i < plan->count; i++) {
        if (takes_part(set, i) && (code = open_one(set, plan, i, fds)) != 0)
            return code;
        any |= fds[i] >= 0;
    }
    if (any)
        return 0;
    log_error("no pool has a socket", F_STR("cure", "set listen in a [pool.NAME] section"));
    return EX_CONFIG;
}

/* What was opened last goes until so many are left. */
static void take_back(struct listen_set *set, size_t before) {
    while (set->count > before)
        drop(set, set->count - 1);
}

int listen_open(struct listen_set *set, const struct pool_plan *plan, int fds[POOL_MAX]) {
    size_t before = set->count;
    int code = open_all(set, plan, fds);

    if (code != 0)
        take_back(set, before);
    return code;
}

int listen_try(struct listen_set *set, const struct pool_plan *plan) {
    size_t before = set->count;
    int fds[POOL_MAX];
    int code;

    set->trial = true;
    code = open_all(set, plan, fds);
    take_back(set, before);
    for (size_t i = 0; i < before; i++)
        set->at[i].socket.has_file = false; /* it is another process's */
    take_back(set, 0);
    return code;
}

bool listen_lacks(const struct listen_set *set, const struct pool_plan *plan, const int fds[POOL_MAX],
                  size_t pool) {
    return fds[pool] < 0 && plan->pools[pool].listen[0] && takes_part(set, pool);
}

void listen_open_missing(struct listen_set *set, const struct pool_plan *plan, int fds[POOL_MAX]) {
    for (size_t i = 0; i < plan->count; i++)
        if (fds[i] < 0 && takes_part(set, i))
            (void)open_one(set, plan, i, fds);
}

void listen_apply(struct listen_set *set, const struct pool_plan *plan, const int fds[POOL_MAX]) {
    for (size_t i = 0; i < plan->count; i++)
        for (size_t j = 0; fds[i] >= 0 && j < set->count; j++)
            if (set->at[j].socket.fd == fds[i] && !set->at[j].inherited)
                socket_apply(&set->at[j].socket, &plan->pools[i]);
}

void listen_keep(struct listen_set *set, const int fds[POOL_MAX], bool former) {
    for (size_t i = set->count; i-- > 0;)
        if (!set->at[i].inherited && !(former && set->at[i].former) && !is_in(set->at[i].socket.fd, fds))
            drop(set, i);
}

void listen_close(struct listen_set *set) {
    take_back(set, 0);
}

void listen_survive_exec(const struct listen_set *set, bool survive) {
    for (size_t i = 0; i < set->count; i++) {
        const struct listener *one = &set->at[i];
        fd_survives_exec(one->socket.fd, survive);
        for (size_t j = 0; j < 2; j++)
            if (one->pass[j] >= 0)
                fd_survives_exec(one->pass[j], survive);
    }
}

bool listen_owns(const struct listen_set *set, int fd) {
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i].socket.fd == fd)
            return !set->at[i].inherited || set->single;
    return false;
}

void listen_only(const struct listen_set *set, int fd, int pass[2]) {
    pass[0] = pass[1] = -1;
    for (size_t i = 0; i < set->count; i++) {
        struct listener one = set->at[i];
        if (one.socket.fd == fd) {
            memcpy(pass, one.pass, sizeof one.pass);
        } else {
            close(one.socket.fd);
            close_queue(&one);
        }
    }
}
