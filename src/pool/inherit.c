/*
 * inherit: sockets that a supervisor has opened, for listen.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/listen.h"
#include "pool/notify.h"
#include "pool/proto.h"

static bool make_ours(int fd) {
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* Descriptor 0 gets back what it is for, so that nothing reads from the socket by accident. */
static int take_standard_input(struct listen_set *set, const struct pool_plan *plan) {
    struct socket given = {.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, LISTEN_FDS_START)};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (given.fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || !make_ours(given.fd)) {
        log_error("descriptor 0 cannot be taken over", F_ERRNO(errno));
        return EX_OSERR;
    }
    close(null);
    MUST(listen_add(set, &given, true, plan->pools[0].name, NULL));
    set->single = true;
    return 0;
}

/* systemd ------------------------------------------------------------------------------------- */

static bool has_name(const struct listen_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->at[i].name, name) == 0)
            return true;
    return false;
}

static const char *pool_named(const struct pool_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->pools[i].name, name) == 0)
            return plan->pools[i].name;
    return NULL;
}

static const char *first_without(const struct listen_set *set, const struct pool_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (!has_name(set, plan->pools[i].name))
            return plan->pools[i].name;
    return NULL;
}

static int give(struct listen_set *set, int fd, const char *name) {
    const struct socket given = {.fd = fd};

    if (!socket_listens(fd) || !make_ours(fd)) {
        log_error("inherited descriptor is no listening stream socket", F_INT("fd", fd),
                  F_STR("cure", "use ListenStream= and Accept=no in the socket unit"));
        return EX_CONFIG;
    }
    MUST(listen_add(set, &given, true, name, NULL));
    return 0;
}

/* Names that are pools' go to those; whatever is left, in order, to pools that have none yet. */
static int give_all(struct listen_set *set, const struct pool_plan *plan, int64_t count,
                    char *names) {
    bool given[POOL_MAX] = {false};
    int code = 0;

    for (int64_t i = 0; i < count && code == 0; i++) {
        const char *name = names ? strsep(&names, ":") : NULL;
        const char *pool = name ? pool_named(plan, name) : NULL;
        if (!pool || has_name(set, pool))
            continue;
        given[i] = true;
        code = give(set, LISTEN_FDS_START + (int)i, pool);
    }
    for (int64_t i = 0; i < count && code == 0; i++) {
        const char *pool = first_without(set, plan);
        if (given[i])
            continue;
        if (pool) {
            code = give(set, LISTEN_FDS_START + (int)i, pool);
        } else {
            log_warning("inherited descriptor is not needed", F_INT("fd", LISTEN_FDS_START + i));
            close(LISTEN_FDS_START + (int)i);
        }
    }
    return code;
}

static int take_from_systemd(struct listen_set *set, const struct pool_plan *plan) {
    int64_t count = notify_number(ENV_LISTEN_FDS);
    const char *names = getenv(ENV_LISTEN_FDNAMES);
    char *copy = names ? strdup(names) : NULL;
    int code;

    if (count > POOL_MAX) {
        log_error("too many inherited descriptors", F_INT("count", count), F_INT("most", POOL_MAX));
        code = EX_CONFIG;
    } else {
        code = give_all(set, plan, count, copy);
    }
    free(copy);
    return code;
}

int listen_inherit(struct listen_set *set, const struct pool_plan *plan) {
    int code = 0;

    /* The variables are for one process alone: a shell between systemd and us must not count. */
    if (notify_number(ENV_LISTEN_PID) == getpid() && notify_number(ENV_LISTEN_FDS) > 0)
        code = take_from_systemd(set, plan);
    else if (socket_listens(STDIN_FILENO))
        code = take_standard_input(set, plan);
    unsetenv(ENV_LISTEN_PID);
    unsetenv(ENV_LISTEN_FDS);
    unsetenv(ENV_LISTEN_FDNAMES);
    return code;
}
