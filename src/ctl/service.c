#include "ctl/service.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#define PATIENCE_MS 2000
#define MAX_BYTES   (1024 * 1024)

/* -1: errno says why.  Whoever wrote that file there may be anybody: they get nothing from us, and a
 * limited time. */
static int connect_to(const char *path, int64_t patience_ms) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_usec = patience_ms % 1000 * 1000, .tv_sec = patience_ms / 1000};
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >=
        sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static json *read_answer(int fd, int64_t patience_ms) {
    struct buf text = {0};
    const char *why;
    int64_t until = clock_mono_ms() + patience_ms;
    ssize_t got;
    do {
        char *to = buf_reserve(&text, 16384);
        got = recv(fd, to, 16384, 0);
        text.len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && text.len < MAX_BYTES && clock_mono_ms() < until);
    json *answer = got == 0 ? json_parse(text.data, text.len, &why) : NULL;
    buf_free(&text);
    return answer;
}

static bool is_ours(const struct ctl *ctl, const json *answer) {
    char path[PATH_MAX];
    const char *conf = ctl_conf_path(ctl);
    return strcmp(service_text(answer, "conf"), realpath(conf, path) != NULL ? path : conf) == 0;
}

static void ask(const struct ctl *ctl, const char *path, int64_t patience_ms,
                struct services *services) {
    int fd = connect_to(path, patience_ms);
    if (fd < 0) {
        /* A master that was killed leaves the file behind. */
        services->silent += errno != ECONNREFUSED && errno != ENOENT;
        return;
    }
    json *answer = read_answer(fd, patience_ms);
    close(fd);
    if (answer == NULL)
        services->silent++;
    else if (is_ours(ctl, answer) && services->count < SERVICES_MAX)
        services->list[services->count++] = answer;
    else {
        services->others++;
        json_free(answer);
    }
}

static bool is_socket_name(const char *name) {
    int end = 0;
    return sscanf(name, "status-%*u.sock%n", &end) == 0 && end > 0 && name[end] == '\0';
}

void services_ask(const struct ctl *ctl, int64_t within_ms, struct services *services) {
    const char *directory = ctl->conf->server_status_dir;
    struct dirent **names = NULL;
    *services = (struct services){0};
    int count = scandir(directory, &names, NULL, versionsort);
    if (count < 0)
        services->error = errno;
    int64_t until = clock_mono_ms() + within_ms;
    for (int i = 0; i < count; i++) {
        int64_t left = until - clock_mono_ms();
        bool wanted = is_socket_name(names[i]->d_name);
        if (wanted && left > 0)
            ask(ctl, arena_printf(ctl->arena, "%s/%s", directory, names[i]->d_name),
                left < PATIENCE_MS ? left : PATIENCE_MS, services);
        else
            services->silent += wanted;
        free(names[i]);
    }
    free(names);
}

void services_free(struct services *services) {
    for (size_t i = 0; i < services->count; i++)
        json_free(services->list[i]);
    *services = (struct services){0};
}

int64_t service_int(const json *object, const char *name) {
    int64_t number = 0;
    return object != NULL && json_get_int(object, name, &number) == JSON_FOUND ? number : 0;
}

const char *service_text(const json *object, const char *name) {
    const char *text;
    size_t len;
    return object != NULL && json_get_string(object, name, &text, &len) == JSON_FOUND ? text : "";
}

json *service_array(const json *object, const char *name) {
    json *array;
    return object != NULL && json_get_array(object, name, &array) == JSON_FOUND ? array : NULL;
}

json *service_object(const json *object, const char *name) {
    json *member;
    return object != NULL && json_get_object(object, name, &member) == JSON_FOUND ? member : NULL;
}
