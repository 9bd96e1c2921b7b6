#include "pool/handover.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

static void survive_exec(const struct listen_set *set, const struct channels *channels,
                         const struct handover *more, bool survive) {
    listen_survive_exec(set, survive);
    fd_survives_exec(channels->lifeline[0], survive);
    fd_survives_exec(channels->lifeline[1], survive);
    if (more->status_fd >= 0)
        fd_survives_exec(more->status_fd, survive);
}

static void write_sockets(const struct listen_set *set, struct buf *out) {
    if (set->single)
        buf_adds(out, "single\n");
    for (size_t i = 0; i < set->count; i++) {
        const struct listener *one = &set->at[i];
        buf_addf(out, "socket %d %d %d %ju %ju %d %d %s\n", one->socket.fd, one->inherited,
                 one->socket.has_file, (uintmax_t)one->socket.device, (uintmax_t)one->socket.inode,
                 one->pass[0], one->pass[1], one->name);
    }
}

static void write_workers(struct buf *out) {
    for (unsigned i = 0; i < POOL_MAX_WORKERS; i++) {
        const struct child *child = children_at(i);
        if (child)
            buf_addf(out, "worker %d %u %u %" PRId64 " %" PRId64 " %d %s\n", (int)child->pid,
                     child->pool, child->number, child->born_ms, child->kill_ms, child->ordered,
                     child->identity);
    }
}

static void write_more(const struct handover *more, struct buf *out) {
    buf_addf(out, "generation %" PRIu32 "\n", more->number);
    if (more->pid_file && more->pid_file[0])
        buf_addf(out, "pid_file %s\n", more->pid_file);
    if (more->status_fd >= 0)
        buf_addf(out, "status %d %s\n", more->status_fd, more->status_directory);
}

void handover_leave(const struct listen_set *set, const struct channels *channels,
                    const struct handover *more) {
    struct buf text = {0};

    buf_addf(&text, "gatehouse 1 %d\n", (int)getpid());
    buf_addf(&text, "lifeline %d %d\n", channels->lifeline[0], channels->lifeline[1]);
    write_more(more, &text);
    write_sockets(set, &text);
    write_workers(&text);
    MUST(setenv(ENV_HANDOVER, text.data, 1) == 0);
    buf_free(&text);
    survive_exec(set, channels, more, true);
}

void handover_tell(const struct listen_set *set) {
    struct buf text = {0};

    buf_addf(&text, "held 1 %d\n", (int)getpid());
    write_sockets(set, &text);
    MUST(setenv(ENV_HELD, text.data, 1) == 0);
    buf_free(&text);
}

void handover_untell(void) {
    unsetenv(ENV_HELD);
}

void handover_cancel(const struct listen_set *set, const struct channels *channels,
                     const struct handover *more) {
    unsetenv(ENV_HANDOVER);
    survive_exec(set, channels, more, false);
}

/* Taking -------------------------------------------------------------------------------------- */

/* The line's last part, the name; NULL: the line is none of ours. */
static const char *read_socket(const char *line, struct socket *out, bool *inherited, int pass[2]) {
    uintmax_t device, inode;
    int is_inherited, has_file;
    int name = 0;

    if (sscanf(line, "socket %d %d %d %ju %ju %d %d %n", &out->fd, &is_inherited, &has_file, &device,
               &inode, &pass[0], &pass[1], &name) < 7 ||
        name == 0)
        return NULL;
    *inherited = is_inherited != 0;
    out->has_file = has_file != 0;
    out->device = (dev_t)device;
    out->inode = (ino_t)inode;
    return line + name;
}

static void take_socket(struct listen_set *set, const char *line) {
    struct socket socket;
    bool inherited;
    int pass[2];
    const char *name = read_socket(line, &socket, &inherited, pass);

    if (!name || fcntl(socket.fd, F_GETFD) < 0)
        return;
    if (listen_add(set, &socket, inherited, name, pass))
        set->at[set->count - 1].former = true;
    else
        close(socket.fd);
}

static void take_worker(struct generation *generation, const char *line) {
    struct child worker = {0};
    int pid, ordered;

    if (sscanf(line, "worker %d %u %u %" SCNd64 " %" SCNd64 " %d %47s", &pid, &worker.pool,
               &worker.number, &worker.born_ms, &worker.kill_ms, &ordered, worker.identity) != 7 ||
        pid <= 1)
        return;
    worker.pid = pid;
    worker.ordered = ordered != 0;
    children_adopt(generation, &worker);
}

static void take_status(struct handover *more, const char *line) {
    int fd, directory = 0;

    if (sscanf(line, "status %d %n", &fd, &directory) != 1 || directory == 0 || fcntl(fd, F_GETFD) < 0)
        return;
    more->status_fd = fd;
    more->status_directory = line + directory;
}

static void take_line(struct listen_set *set, struct channels *channels,
                      struct generation *generation, struct handover *more, const char *line) {
    if (strncmp(line, "socket ", 7) == 0)
        take_socket(set, line);
    else if (strncmp(line, "worker ", 7) == 0)
        take_worker(generation, line);
    else if (strncmp(line, "pid_file ", 9) == 0)
        more->pid_file = line + 9;
    else if (strncmp(line, "status ", 7) == 0)
        take_status(more, line);
    else if (strcmp(line, "single") == 0)
        set->single = true;
    else if (sscanf(line, "generation %" SCNu32, &more->number) != 1)
        (void)sscanf(line, "lifeline %d %d", &channels->lifeline[0], &channels->lifeline[1]);
}

static bool is_for_us(const char *text) {
    int pid;

    return text && sscanf(text, "gatehouse 1 %d", &pid) == 1 && pid == getpid();
}

bool handover_take(struct listen_set *set, struct channels *channels, struct generation *generation,
                   struct handover *more) {
    static char *taken; /* the texts in more are parts of it */
    const char *text = getenv(ENV_HANDOVER);
    char *rest, *line;

    *more = (struct handover){.status_fd = -1};
    taken = rest = is_for_us(text) ? strdup(text) : NULL;
    unsetenv(ENV_HANDOVER);
    if (!taken)
        return false;
    while ((line = strsep(&rest, "\n")))
        take_line(set, channels, generation, more, line);
    MUST(channels->lifeline[0] >= 0 && channels->lifeline[1] >= 0);
    survive_exec(set, channels, more, false);
    return true;
}

/* Told, not taken -------------------------------------------------------------------------------- */

/* The socket itself is its holder's: another descriptor stands for it. */
static void note_socket(struct listen_set *set, const char *line) {
    struct socket socket;
    bool inherited;
    int pass[2];
    const char *name = read_socket(line, &socket, &inherited, pass);

    if (!name)
        return;
    pass[0] = pass[1] = -1;
    socket.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    MUST(socket.fd >= 0 && listen_add(set, &socket, inherited, name, pass));
}

bool handover_is_told(void) {
    const char *text = getenv(ENV_HELD);
    int pid;

    return text && sscanf(text, "held 1 %d", &pid) == 1 && pid == getppid();
}

void handover_note(struct listen_set *set) {
    char *copy = strdup(getenv(ENV_HELD));
    char *rest = copy;
    char *line;

    MUST(copy);
    while ((line = strsep(&rest, "\n"))) {
        note_socket(set, line);
        set->single |= strcmp(line, "single") == 0;
    }
    free(copy);
}
