/*
 * doctor: what is good, doubtful and wrong about an installation, each with what to do.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include <sys/types.h>

#include "ctl/ctl.h"
#include "ctl/service.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* Somebody who wants to open a file. */
struct doctor_user {
    char name[64];
    uid_t uid;
    gid_t groups[64];
    size_t group_count;
};

struct doctor {
    struct ctl *ctl;
    json *findings;
    int64_t counts[3]; /* by level */
    bool bad_conf, no_store;
    struct services services; /* that run with this configuration */
    const char *about; /* which of several web servers is looked at: its configuration; NULL: none */
    bool has_master;
    struct doctor_user master; /* whom the running master is */
};

/* One finding; cure NULL: nothing is to be done. */
void doctor_says(struct doctor *doctor, enum doctor_level level, const char *area, const char *cure,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* doctor_host.c: configuration, secrets, keys; the service; sockets; limits, disk, clock. */
void doctor_conf(struct doctor *doctor);
void doctor_service(struct doctor *doctor);
void doctor_host(struct doctor *doctor);

/* doctor_sockets.c: what is known of a socket without a web server. */
void doctor_sockets(struct doctor *doctor);
/* Whether whoever a web server runs as may connect to the pools' sockets. */
void doctor_web_user(struct doctor *doctor, const struct doctor_user *user);

/* doctor_stores.c: whether the store can be reached and does what the service needs, its version, rights,
 * limits and settings. */
void doctor_redis(struct doctor *doctor);
void doctor_mariadb(struct doctor *doctor);

/* doctor_web.c: which is "nginx", "apache", "lighttpd" or NULL (those that run); file NULL: its own. */
void doctor_web(struct doctor *doctor, const char *which, const char *file);

/* doctor_user.c: users of the system. */
/* False: there is none of that name. */
bool doctor_user_named(const char *name, struct doctor_user *user);
/* Of a running process. */
bool doctor_user_of(pid_t pid, struct doctor_user *user);
/* The name of its first group; its own name where that has none. */
const char *doctor_user_group(const struct doctor_user *user);
/* Whether user may do this (R_OK, W_OK) to a file, or comes as far as it; blocked names what is in the way
 * (a path in arena). */
bool doctor_user_may(struct arena *arena, const struct doctor_user *user, const char *path, int want,
                     const char **blocked);

/* run.c: the output of a program of the system, standard error too, as a text in arena; *code is its exit
 * code, -1 where it could not be run or took too long.  argv[0] is looked for where the system's programs
 * are, never elsewhere. */
const char *run_program(struct arena *arena, const char *const *argv, int *code);

#endif
