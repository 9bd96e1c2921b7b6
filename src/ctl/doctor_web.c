#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/web.h"

#define SERVERS_MAX 8

static const struct kind {
    const char *name, *processes[2];
    void (*look)(struct doctor *doctor, const struct web_server *server);
    const char *conf_option, *prefix_option;
} kinds[] = {
    {"nginx", {"nginx", "nginx"}, web_nginx, "-c", "-p"},
    {"apache", {"apache2", "httpd"}, web_apache, "-f", "-d"},
    {"lighttpd", {"lighttpd", "lighttpd"}, web_lighttpd, "-f", "-"},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* For all kinds -------------------------------------------------------------------------------- */

const char *web_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool web_holds(const char *folder, const char *inner) {
    size_t len = strlen(folder);
    while (len > 0 && folder[len - 1] == '/')
        len--;
    return strncmp(folder, inner, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}

const char *web_line(struct arena *arena, const char *text, const char *word) {
    const char *at = strstr(text, word);
    if (at == NULL)
        return NULL;
    while (at > text && at[-1] != '\n')
        at--;
    return arena_dup(arena, at, strcspn(at, "\n"));
}

static bool is_reported(const struct doctor *doctor, const char *address) {
    for (size_t i = 0; i < doctor->services.count; i++) {
        const json *pools = service_array(doctor->services.list[i], "pools");
        for (size_t j = 0; j < json_array_size(pools); j++)
            if (strcmp(service_text(json_array_object(pools, j), "address"), address) == 0)
                return true;
    }
    return false;
}

void web_address(struct doctor *doctor, const char *area, const char *address, const char *where) {
    const struct conf *conf = doctor->ctl->conf;
    const char *listens = "";
    for (size_t i = 0; i < conf->pool_count; i++) {
        if (strcmp(conf->pools[i].listen, address) == 0)
            return;
        if (conf->pools[i].listen[0] != '\0')
            listens = arena_printf(doctor->ctl->arena, "%s%s%s", listens,
                                   listens[0] != '\0' ? ", " : "", conf->pools[i].listen);
    }
    if (!is_reported(doctor, address))
        doctor_says(doctor, DOCTOR_FAIL, area,
                    arena_printf(doctor->ctl->arena,
                                 "write one of those into %s, or change listen, and reload", where),
                    "%s leads to %s, but gatehouse listens on %s", where, address, listens);
}

void web_refused(struct doctor *doctor, const char *area, int code, const char *show,
                 const char *check, const char *why) {
    struct arena *arena = doctor->ctl->arena;
    if (code < 0)
        doctor_says(doctor, DOCTOR_WARN, area, arena_printf(arena, "ask as root: %s", show),
                    "its configuration cannot be looked at");
    else
        doctor_says(doctor, DOCTOR_FAIL, area,
                    arena_printf(arena, "mend that line; %s says whether it is good", check),
                    "its configuration is refused: %.300s", why);
}

void web_user(struct doctor *doctor, const char *area, const char *name) {
    struct doctor_user user;
    if (doctor_user_named(name, &user))
        doctor_web_user(doctor, &user);
    else
        doctor_says(doctor, DOCTOR_WARN, area, "create the user, or name another",
                    "it runs as %s, who is no "
                    "user of this system",
                    name);
}

/* What runs ------------------------------------------------------------------------------------ */

static const struct kind *kind_of_process(const char *comm) {
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(comm, kinds[i].processes[0]) == 0 || strcmp(comm, kinds[i].processes[1]) == 0)
            return &kinds[i];
    return NULL;
}

/* A file of /proc, NULs made blanks; "" where there is none. */
static const char *proc_text(struct arena *arena, long pid, const char *name) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || text[i] == '\n')
            text[i] = ' ';
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return arena_dup(arena, text, len);
}

/* The word behind an option of a command line. */
static const char *option_of(struct arena *arena, const char *line, const char *option) {
    char *rest = arena_str(arena, line), *word;
    bool next = false;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (next && word[0] != '\0')
            return word;
        next = strcmp(word, option) == 0;
    }
    return NULL;
}

static long parent_of(struct arena *arena, long pid) {
    const char *stat = proc_text(arena, pid, "stat"), *end = strrchr(stat, ')');
    long parent = 0;
    return end != NULL && sscanf(end + 1, " %*c %ld", &parent) == 1 ? parent : 0;
}

/*
 * A web server's configuration can name programs to be run and modules to be loaded, so only a
 * process of root's says which one is looked at; of anybody else's process it is the system's own.
 */
static bool describe(struct doctor *doctor, long pid, const struct kind **kind,
                     struct web_server *server) {
    struct arena *arena = doctor->ctl->arena;
    struct doctor_user user;
    *kind = kind_of_process(proc_text(arena, pid, "comm"));
    *server = (struct web_server){0};
    if (*kind == NULL || !doctor_user_of((pid_t)pid, &user) ||
        kind_of_process(proc_text(arena, parent_of(arena, pid), "comm")) == *kind)
        return false;
    const char *line = proc_text(arena, pid, "cmdline");
    if (user.uid == 0) {
        server->conf = option_of(arena, line, (*kind)->conf_option);
        server->prefix = option_of(arena, line, (*kind)->prefix_option);
    }
    return true;
}

static bool same_text(const char *a, const char *b) {
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static size_t find_servers(struct doctor *doctor, const struct kind **found,
                           struct web_server *servers) {
    struct dirent **names;
    size_t count = 0;
    int all = scandir("/proc", &names, NULL, versionsort);
    for (int i = 0; i < all; i++) {
        struct web_server server;
        const struct kind *kind;
        long pid = strtol(names[i]->d_name, NULL, 10);
        bool known = count == SERVERS_MAX || pid <= 0 || !describe(doctor, pid, &kind, &server);
        for (size_t j = 0; !known && j < count; j++)
            known = found[j] == kind && same_text(servers[j].conf, server.conf);
        if (!known) {
            found[count] = kind;
            servers[count++] = server;
        }
        free(names[i]);
    }
    if (all >= 0)
        free(names);
    return count;
}

void doctor_web(struct doctor *doctor, const char *which, const char *file) {
    const struct kind *found[SERVERS_MAX];
    struct web_server servers[SERVERS_MAX];
    char absolute[PATH_MAX];
    if (file != NULL && realpath(file, absolute) != NULL)
        file = absolute; /* servers count from folders of their own */
    for (size_t i = 0; which != NULL && i < KINDS; i++)
        if (strcmp(kinds[i].name, which) == 0) {
            kinds[i].look(doctor, &(struct web_server){.conf = file});
            return;
        }
    size_t count = find_servers(doctor, found, servers);
    for (size_t i = 0; i < count; i++) {
        doctor->about = servers[i].conf;
        found[i]->look(doctor, &servers[i]);
    }
    doctor->about = NULL;
    if (count == 0)
        doctor_says(doctor, DOCTOR_WARN, "web",
                    "start it, or say which: gatehousectl doctor --web nginx",
                    "no web server runs here, so that none was looked at");
}
