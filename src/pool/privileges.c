#include "pool/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

#define DEFAULT_USER  "gatehouse"
#define FALLBACK_USER "nobody"

static const struct passwd *find_user(const char *name) {
    static bool warned;
    const struct passwd *user;

    if (name[0])
        return getpwnam(name);
    if ((user = getpwnam(DEFAULT_USER)))
        return user;
    if (!warned)
        log_warning("workers run as nobody",
                    F_STR("cure", "create the user gatehouse, or set user in "
                                  "the [server] section"));
    warned = true;
    return getpwnam(FALLBACK_USER);
}

static void find_groups(const struct passwd *user, struct privileges *out) {
    int room = 32;

    do {
        out->group_count = room;
        out->groups = realloc(out->groups, (size_t)room * sizeof *out->groups);
        MUST(out->groups);
        room *= 2;
    } while (getgrouplist(user->pw_name, out->gid, out->groups, &out->group_count) < 0 &&
             room <= 65536);
}

int privileges_find(const char *user_name, const char *group_name, struct privileges *out) {
    const struct passwd *user;
    const struct group *group = NULL;

    *out = (struct privileges){.drop = geteuid() == 0};
    if (!out->drop)
        return 0;
    user = find_user(user_name);
    if (!user || user->pw_uid == 0) {
        log_error(user ? "workers never run as root" : "user is no user of this system",
                  F_STR("user", user_name), F_STR("cure", "set user in the [server] section"));
        return EX_CONFIG;
    }
    if (group_name[0] && !(group = getgrnam(group_name))) {
        log_error("group is no group of this system", F_STR("group", group_name),
                  F_STR("cure", "set group in the [server] section"));
        return EX_CONFIG;
    }
    out->uid = user->pw_uid;
    out->gid = group ? group->gr_gid : user->pw_gid;
    find_groups(user, out);
    return 0;
}

void privileges_free(struct privileges *privileges) {
    free(privileges->groups);
    *privileges = (struct privileges){0};
}

static bool become(const struct privileges *who) {
    return setgroups((size_t)who->group_count, who->groups) == 0 &&
           setresgid(who->gid, who->gid, who->gid) == 0 &&
           setresuid(who->uid, who->uid, who->uid) == 0;
}

/* Becoming another user has dropped what root could; a master that is nobody in particular may have been
 * given some (AmbientCapabilities=), and its workers need none. */
static bool drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0;
}

/* A master that the kernel spares from the OOM killer must not pass that on to what strangers feed.
 */
static void be_killable(void) {
    char score[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read(fd, score, sizeof score - 1) > 0 && atoi(score) < 0 && write(fd, "0", 1) != 1)
        log_warning("oom_score_adj cannot be reset", F_ERRNO(errno));
    close(fd);
}

bool privileges_drop(const struct privileges *privileges) {
    be_killable();
    if (privileges->drop) {
        if (!become(privileges)) {
            log_error("privileges cannot be given up", F_INT("uid", privileges->uid),
                      F_INT("gid", privileges->gid), F_ERRNO(errno));
            return false;
        }
        /* The calls above have been known to succeed without effect; then this one succeeds too. */
        if (setuid(0) == 0 || geteuid() == 0) {
            log_error("privileges can be regained", F_INT("uid", privileges->uid));
            return false;
        }
    }
    /* No set-user-id program can help out, and no core file holds tokens. */
    if (!drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        log_error("process cannot be hardened", F_ERRNO(errno));
        return false;
    }
    return true;
}
