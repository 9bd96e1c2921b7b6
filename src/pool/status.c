#include "pool/status.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/board.h"
#include "pool/queue.h"

#define BACKLOG 16

/* One process, one socket. */
static struct {
    int fd;
    char *directory;
    struct sockaddr_un address;
} own = {.fd = -1};

/* The socket ----------------------------------------------------------------------------------- */

static bool make_address(const char *directory, const char *name, struct sockaddr_un *out) {
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    return (size_t)snprintf(out->sun_path, sizeof out->sun_path, "%s/%s", directory, name) <
           sizeof out->sun_path;
}

/* A master that was killed has left its socket behind; nobody listens there any more. */
static void remove_if_dead(const char *directory, const char *name) {
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && make_address(directory, name, &address) &&
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
        (void)unlink(address.sun_path);
    if (fd >= 0)
        close(fd);
}

static void remove_dead(const char *directory) {
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    int end;

    while (dir && (entry = readdir(dir))) {
        end = 0;
        if (sscanf(entry->d_name, "status-%*u.sock%n", &end) == 0 && end > 0 &&
            entry->d_name[end] == '\0')
            remove_if_dead(directory, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

/* Nobody but root and the master's own user may connect. */
static bool bind_privately(int fd, const struct sockaddr_un *address) {
    mode_t before = umask(0177);
    int code;

    (void)unlink(address->sun_path);
    code = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return code == 0;
}

/* This process's own. */
static bool own_address(const char *directory, struct sockaddr_un *out) {
    char name[40];

    snprintf(name, sizeof name, "status-%ld.sock", (long)getpid());
    errno = ENAMETOOLONG;
    return make_address(directory, name, out);
}

static bool open_at(const char *directory) {
    int fd;

    if (!own_address(directory, &own.address))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind_privately(fd, &own.address) && listen(fd, BACKLOG) == 0) {
        own.fd = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

void status_open(const char *directory) {
    if (own.directory && directory && strcmp(own.directory, directory) == 0)
        return;
    status_close();
    if (!directory || !directory[0])
        return;
    own.directory = strdup(directory);
    MUST(own.directory);
    remove_dead(directory);
    if (!open_at(directory))
        log_info("gatehousectl status cannot ask this service", F_STR("status_dir", directory),
                 F_ERRNO(errno),
                 F_STR("cure",
                       "create the directory and let this user write to it, or set status_dir "
                       "in the [server] section"));
}

int status_fd(void) {
    return own.fd;
}

const char *status_directory(void) {
    return own.directory;
}

void status_take(int fd, const char *directory) {
    if (!own_address(directory, &own.address) || access(own.address.sun_path, F_OK) != 0) {
        close(fd);
        return;
    }
    own.fd = fd;
    own.directory = strdup(directory);
    MUST(own.directory);
}

void status_leave(void) {
    if (own.fd >= 0)
        close(own.fd);
    own.fd = -1;
}

void status_close(void) {
    if (own.fd >= 0)
        (void)unlink(own.address.sun_path);
    status_leave();
    free(own.directory);
    own.directory = NULL;
}

/* What it says --------------------------------------------------------------------------------- */

static const char *tcp_text(const struct sockaddr_storage *address, char *out, size_t size) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    char host[INET6_ADDRSTRLEN] = "";

    if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(out, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(v4->sin_port));
    }
    return out;
}

/* Where the pool is reached, which a supervisor may have decided. */
static const char *address_of(int fd, char *out, size_t size) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return NULL;
    if (address.ss_family != AF_UNIX)
        return tcp_text(&address, out, size);
    /* A path that fills its place has no NUL behind it. */
    const struct sockaddr_un *local = (const struct sockaddr_un *)&address;
    snprintf(out, size, "%.*s", (int)sizeof local->sun_path, local->sun_path);
    return out;
}

static void add_queue(json *object, int fd) {
    int64_t most, waiting = fd >= 0 ? queue_length(fd, &most) : -1;

    if (waiting < 0) {
        json_add(object, "waiting", NULL);
        return;
    }
    json_add_int(object, "waiting", waiting);
    json_add_int(object, "mayWait", most);
}

static json *pool_object(const struct master *master, unsigned number, const struct pool_state *states,
                         size_t count) {
    const struct generation *generation = master->present;
    const struct pool_spec *pool = &generation->plan->pools[number];
    bool on = generation->fds[number] >= 0 || (!master->stopping && master_lacks(master, number));
    char address[200];
    json *object = json_new_object();

    json_add_string(object, "name", pool->name);
    json_add_string(object, "address",
                    address_of(generation->fds[number], address, sizeof address));
    add_queue(object, generation->fds[number]);
    json_add_int(object, "wanted", on ? pool->workers : 0);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(states[i].name, pool->name) != 0)
            continue;
        json_add_int(object, "workers", states[i].workers);
        json_add_int(object, "busy", states[i].busy);
        json_add_int(object, "deaths", (int64_t)states[i].deaths);
    }
    return object;
}

static json *pools_array(const struct master *master) {
    const struct generation *generation = master->present;
    struct pool_state states[BOARD_POOLS];
    size_t count = pool_states(states, BOARD_POOLS);
    json *array = json_new_array();

    for (unsigned i = 0; generation && generation->plan && i < generation->plan->count; i++)
        json_append(array, pool_object(master, i, states, count));
    return array;
}

/* Read once: what it does and since when may change meanwhile, and belong together closely enough.
 */
static const char *doing_of(unsigned slot, const struct child *child, int64_t busy_since) {
    static const char *const names[] = {
        [TIMER_REDIS] = "redis", [TIMER_MARIADB] = "mariadb", [TIMER_HASH] = "hashing"};
    int timer = metrics_doing(METRICS_OF_WORKER(slot));

    if (!child->generation->plan)
        return "serving"; /* of the program before, whose board is another */
    if (!board_slot(slot)->ready)
        return "starting";
    if (busy_since == 0)
        return "idle";
    return timer >= 0 ? names[timer] : "working";
}

static json *worker_object(unsigned slot, const struct child *child, int64_t now) {
    int64_t busy_since = board_slot(slot)->busy_since;
    json *object = json_new_object();

    json_add_string(object, "name", child->identity);
    json_add_int(object, "pid", child->pid);
    json_add_int(object, "generation", child->generation->number);
    json_add_string(object, "doing", doing_of(slot, child, busy_since));
    json_add_int(object, "busyMs", busy_since > 0 && now > busy_since ? now - busy_since : 0);
    json_add_bool(object, "finishing", child->ordered);
    json_add_int(object, "requests", (int64_t)board_slot(slot)->requests);
    json_add_int(object, "ageMs", now - child->born_ms);
    return object;
}

static json *workers_array(void) {
    int64_t now = clock_mono_ms();
    json *array = json_new_array();

    for (unsigned slot = 0; slot < POOL_MAX_WORKERS; slot++) {
        const struct child *child = children_at(slot);
        if (child)
            json_append(array, worker_object(slot, child, now));
    }
    return array;
}

static json *report(const struct master *master) {
    json *object = json_new_object();
    char started[CLOCK_RFC3339_SIZE];

    json_add_int(object, "pid", getpid());
    json_add_string(object, "state",
                    master->stopping              ? "stopping"
                    : master->coming              ? "reloading"
                    : !master->present->was_ready ? "starting"
                                                  : "running");
    json_add_string(object, "startedAt", clock_rfc3339(master->started_ms, started));
    json_add_int(object, "generation", master->present->number);
    json_add(object, "pools", pools_array(master));
    json_add(object, "workers", workers_array());
    if (master->ops->report)
        master->ops->report(object);
    return object;
}

void status_answer(const struct master *master) {
    json *object = NULL;
    const char *text = "";
    size_t len = 0;
    int fd;

    while (own.fd >= 0 && (fd = accept4(own.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (!object) {
            object = report(master);
            text = json_text(object, &len);
        }
        /* All of it fits into the socket's buffer, or whoever asks gets half of it: nobody is
         * waited for here. */
        int room = (int)len * 2;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        (void)!send(fd, text, len, MSG_NOSIGNAL);
        close(fd);
    }
    json_free(object);
}
