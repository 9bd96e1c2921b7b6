#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/url.h"
#include "ctl/doctor.h"
#include "domain/key_dir.h"

#define SECRET_MOST    512
#define SECRET_LEAST   16
#define DAY_MS         INT64_C(86400000)
#define KEY_OLD_MS     (400 * DAY_MS)
#define FILES_LEAST    1024
#define DISK_LEAST_MIB 200

/* The configuration and its secrets ------------------------------------------------------------ */

/* Sentences of other rooms end with what is to be done: cut off there. */
static const char *cure_in(struct arena *arena, char *why, const char *otherwise) {
    char *at = strstr(why, ": chmod");
    if (at == NULL)
        at = strstr(why, "; ");
    if (at == NULL)
        return otherwise;
    *at = '\0';
    return arena_str(arena, at + 2);
}

static void look_at_file(struct doctor *doctor) {
    const char *path = ctl_conf_path(doctor->ctl);
    struct arena *arena = doctor->ctl->arena;
    const struct conf *conf = doctor->ctl->conf;
    struct stat st;
    size_t len;
    bool secret = conf_url_password(conf->redis_url, &len) != NULL ||
                  conf_url_password(conf->mariadb_url, &len) != NULL;
    if (stat(path, &st) != 0)
        return;
    if ((st.st_mode & S_IWOTH) != 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
        doctor_says(doctor, DOCTOR_FAIL, "conf",
                    arena_printf(arena, "chown root %s && chmod o-w %s", path, path),
                    "%s can be changed by somebody who is not root (user %u, mode %04o)", path,
                    (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
    else if (secret && (st.st_mode & S_IROTH) != 0)
        doctor_says(doctor, DOCTOR_FAIL, "conf",
                    arena_printf(arena, "move it to a file (password_file), or chmod o-r %s", path),
                    "%s holds a password and everybody may read it (mode %04o)", path,
                    (unsigned)(st.st_mode & 07777));
    else
        doctor_says(doctor, DOCTOR_OK, "conf", NULL, "%s is good", path);
}

/* Whether the service, which may run as another user, can read it too. */
static bool service_reads(struct doctor *doctor, const char *area, const char *path) {
    const char *blocked;
    struct arena *arena = doctor->ctl->arena;
    if (!doctor->has_master || doctor_user_may(arena, &doctor->master, path, R_OK, &blocked))
        return true;
    doctor_says(
        doctor, DOCTOR_FAIL, area,
        arena_printf(arena, "chgrp %s %s && chmod g+rX %s", doctor_user_group(&doctor->master),
                     blocked, blocked),
        "gatehouse runs as %s, who cannot read %s: %s is in the way; a reload will be refused",
        doctor->master.name, path, blocked);
    return false;
}

static void look_at_secret(struct doctor *doctor, const char *option, const char *path,
                           size_t least) {
    char why[256];
    size_t len;
    if (path[0] == '\0')
        return;
    char *secret = secret_read_file(path, SECRET_MOST, &len, why, sizeof why);
    if (secret == NULL) {
        doctor->bad_conf = true;
        const char *cure = cure_in(doctor->ctl->arena, why,
                                   "write the secret to it, for root and the "
                                   "service alone to read");
        doctor_says(doctor, DOCTOR_FAIL, "secret", cure, "%s: %s", option, why);
        return;
    }
    if (strcspn(secret, "\r\n") < least)
        doctor_says(
            doctor, DOCTOR_FAIL, "secret",
            arena_printf(doctor->ctl->arena, "(umask 077 && openssl rand -hex 32 > %s)", path),
            "%s: the secret in %s has less than %zu bytes", option, path, least);
    else if (service_reads(doctor, "secret", path))
        doctor_says(doctor, DOCTOR_OK, "secret", NULL, "%s: %s is good", option, path);
    secret_wipe(secret, len);
    free(secret);
}

static void look_at_secrets(struct doctor *doctor) {
    const struct conf *conf = doctor->ctl->conf;
    look_at_secret(doctor, "[redis] password_file", conf->redis_password_file, 0);
    look_at_secret(doctor, "[redis] sentinel_password_file", conf->redis_sentinel_password_file, 0);
    look_at_secret(doctor, "[mariadb] password_file", conf->mariadb_password_file, 0);
    for (size_t i = 0; i < conf->pool_count; i++)
        look_at_secret(
            doctor, arena_printf(doctor->ctl->arena, "[pool.%s] secret_file", conf->pools[i].name),
            conf->pools[i].secret_file, SECRET_LEAST);
}

static void look_at_key_files(struct doctor *doctor) {
    const char *directory = doctor->ctl->conf->token_keys;
    struct key_scan scan;
    char why[1024];
    if (key_scan(directory, &scan, why, sizeof why)) {
        const struct key_entry *signing = key_scan_find(&scan, scan.signing);
        for (size_t i = 0; i < scan.count; i++)
            if (scan.entries[i].file[0] != '\0' && scan.entries[i].retired_ns == 0 &&
                !service_reads(
                    doctor, "keys",
                    arena_printf(doctor->ctl->arena, "%s/%s", directory, scan.entries[i].file)))
                break;
        if (signing != NULL && clock_wall_ms() - signing->made_ns / 1000000 > KEY_OLD_MS)
            doctor_says(doctor, DOCTOR_WARN, "keys",
                        "gatehousectl key new, later key rotate; see keys.md",
                        "the key that signs, %s, is %lld days old", signing->kid,
                        (long long)((clock_wall_ms() - signing->made_ns / 1000000) / DAY_MS));
    }
    key_scan_free(&scan);
}

static void look_at_keys(struct doctor *doctor) {
    char why[1024];
    struct keyring *keys = keyring_read(doctor->ctl->conf->token_keys, why, sizeof why);
    if (keys == NULL) {
        doctor->bad_conf = true;
        const char *cure = cure_in(doctor->ctl->arena, why,
                                   "see keys.md, or begin anew with gatehousectl "
                                   "key new");
        doctor_says(doctor, DOCTOR_FAIL, "keys", cure, "%s", why);
        return;
    }
    doctor_says(doctor, DOCTOR_OK, "keys", NULL, "%s: %s signs (%s), %zu in all",
                doctor->ctl->conf->token_keys, keyring_signing(keys)->kid,
                key_alg_name(keyring_signing(keys)->alg), keyring_count(keys));
    keyring_free(&keys);
    look_at_key_files(doctor);
}

static void look_at_settings(struct doctor *doctor) {
    const struct conf *conf = doctor->ctl->conf;
    if (!conf->limit_enabled)
        doctor_says(doctor, DOCTOR_WARN, "conf", "set enabled = yes in [limit] and reload",
                    "abuse limits are off: passwords can be guessed without end");
    if (conf->cookie_enabled && !conf->cookie_secure)
        doctor_says(doctor, DOCTOR_WARN, "conf", "set secure = yes in [cookie] and reload",
                    "cookies are sent over plain HTTP too: whoever listens is signed in");
    if (conf->password_scheme == PASSWORD_BCRYPT && conf->password_cost < 10)
        doctor_says(doctor, DOCTOR_WARN, "conf", "set cost = 12 in [password] and reload",
                    "[password] cost = %lld: stolen hashes are guessed quickly",
                    (long long)conf->password_cost);
}

/* Asked first: who runs decides who must be able to read. */
static void ask_services(struct doctor *doctor) {
    services_ask(doctor->ctl, SERVICES_WITHIN_MS, &doctor->services);
    if (doctor->services.count > 0)
        doctor->has_master =
            doctor_user_of((pid_t)service_int(doctor->services.list[0], "pid"), &doctor->master);
}

void doctor_conf(struct doctor *doctor) {
    ask_services(doctor);
    look_at_file(doctor);
    look_at_secrets(doctor);
    look_at_keys(doctor);
    look_at_settings(doctor);
}

/* The service ---------------------------------------------------------------------------------- */

static void look_at_service(struct doctor *doctor, const json *service) {
    const json *pools = service_array(service, "pools");
    doctor_says(doctor, DOCTOR_OK, "service", NULL, "gatehouse %s is %s, process %lld, since %s",
                service_text(service, "version"), service_text(service, "state"),
                (long long)service_int(service, "pid"), service_text(service, "startedAt"));
    if (strcmp(service_text(service, "version"), PACKAGE_VERSION) != 0)
        doctor_says(doctor, DOCTOR_WARN, "service",
                    "systemctl kill --kill-whom=main --signal=USR2 gatehouse",
                    "what runs is version %s, and this is %s", service_text(service, "version"),
                    PACKAGE_VERSION);
    for (size_t i = 0; i < json_array_size(pools); i++) {
        const json *pool = json_array_object(pools, i);
        int64_t deaths = service_int(pool, "deaths");
        if (service_int(pool, "wanted") > 0 && service_int(pool, "workers") == 0)
            doctor_says(doctor, DOCTOR_FAIL, "service", "the log says why they die",
                        "the pool %s has no worker", service_text(pool, "name"));
        else if (deaths > 0)
            doctor_says(doctor, DOCTOR_WARN, "service", "look for \"worker died\" in the log",
                        deaths == 1 ? "%lld worker of the pool %s has ended unasked"
                                    : "%lld workers of the pool %s have ended unasked",
                        (long long)deaths, service_text(pool, "name"));
    }
}

void doctor_service(struct doctor *doctor) {
    for (size_t i = 0; i < doctor->services.count; i++)
        look_at_service(doctor, doctor->services.list[i]);
    if (doctor->services.count > 0)
        return;
    if (doctor->services.silent > 0 || doctor->services.error == EACCES)
        doctor_says(doctor, DOCTOR_WARN, "service", "run this as root",
                    "whoever runs may not be asked (%s)", doctor->ctl->conf->server_status_dir);
    else
        doctor_says(doctor, DOCTOR_WARN, "service", "start it: systemctl start gatehouse",
                    "gatehouse does not run with %s (nobody answers in %s)", ctl_conf_path(doctor->ctl),
                    doctor->ctl->conf->server_status_dir);
}

/* The machine ---------------------------------------------------------------------------------- */

/* Of the running master, else of this program. */
static int64_t files_limit(const struct doctor *doctor) {
    char path[64], line[256];
    long long hard = -1;
    struct rlimit own;
    if (doctor->services.count > 0) {
        snprintf(path, sizeof path, "/proc/%lld/limits",
                 (long long)service_int(doctor->services.list[0], "pid"));
        FILE *file = fopen(path, "re");
        while (file != NULL && hard < 0 && fgets(line, sizeof line, file) != NULL)
            (void)sscanf(line, "Max open files %*s %lld", &hard);
        if (file != NULL)
            fclose(file);
    }
    if (hard < 0 && getrlimit(RLIMIT_NOFILE, &own) == 0)
        hard = own.rlim_max == RLIM_INFINITY ? INT64_MAX : (long long)own.rlim_max;
    return hard;
}

static void look_at_files(struct doctor *doctor) {
    int64_t limit = files_limit(doctor);
    if (limit < FILES_LEAST)
        doctor_says(doctor, DOCTOR_WARN, "limits",
                    "LimitNOFILE=65536 in the unit (systemctl edit gatehouse), "
                    "or ulimit -n 65536 before it is started",
                    "a worker may have %lld files open, and each kept connection is one",
                    (long long)limit);
    else
        doctor_says(doctor, DOCTOR_OK, "limits", NULL, "a worker may have %lld files open",
                    (long long)limit);
}

static void look_at_disk(struct doctor *doctor, const char *path) {
    struct statvfs disk;
    if (statvfs(path, &disk) != 0 || disk.f_blocks == 0)
        return;
    uint64_t mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    bool few_files = disk.f_files > 0 && disk.f_favail < 1000;
    if (mib < DISK_LEAST_MIB || few_files)
        doctor_says(doctor, mib == 0 || few_files ? DOCTOR_FAIL : DOCTOR_WARN, "disk",
                    "make room there; conf/logrotate has an example for log files",
                    few_files
                        ? "%s has room for no more files (%llu MiB free): log lines will be lost"
                        : "%s has %llu MiB free: log lines will be lost",
                    path, (unsigned long long)mib);
    else
        doctor_says(doctor, DOCTOR_OK, "disk", NULL, "%s has %llu MiB free", path,
                    (unsigned long long)mib);
}

/* Where standard error of the master goes, if that is a file. */
static void look_at_log(struct doctor *doctor) {
    char link[64], path[4096];
    ssize_t len = -1;
    look_at_disk(doctor, "/var/log");
    if (doctor->services.count > 0) {
        snprintf(link, sizeof link, "/proc/%lld/fd/2",
                 (long long)service_int(doctor->services.list[0], "pid"));
        len = readlink(link, path, sizeof path - 1);
    }
    if (len <= 0)
        return;
    path[len] = '\0';
    if (path[0] != '/' || strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/var/log/", 9) == 0)
        return;
    look_at_disk(doctor, path);
}

static void look_at_clock(struct doctor *doctor) {
    struct timex state = {0};
    if (adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        doctor_says(
            doctor, DOCTOR_WARN, "clock", "timedatectl set-ntp true, or install chrony",
            "nobody keeps this machine's clock right; tokens live by it, on every host the same");
    else
        doctor_says(doctor, DOCTOR_OK, "clock", NULL, "the clock is kept right");
}

void doctor_host(struct doctor *doctor) {
    look_at_files(doctor);
    look_at_log(doctor);
    look_at_clock(doctor);
}
