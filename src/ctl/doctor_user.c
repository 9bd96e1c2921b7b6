#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/doctor.h"

#define GROUPS_MAX (sizeof((struct doctor_user *)0)->groups / sizeof(gid_t))

bool doctor_user_named(const char *name, struct doctor_user *user) {
    const struct passwd *entry = getpwnam(name);
    int count = (int)GROUPS_MAX;
    *user = (struct doctor_user){0};
    if (entry == NULL)
        return false;
    snprintf(user->name, sizeof user->name, "%s", name);
    user->uid = entry->pw_uid;
    /* Of somebody with more groups than that the first ones count. */
    if (getgrouplist(name, entry->pw_gid, user->groups, &count) < 0)
        count = (int)GROUPS_MAX;
    user->group_count = (size_t)count;
    return true;
}

static void add_groups(struct doctor_user *user, const char *numbers) {
    char *end;
    for (; user->group_count < GROUPS_MAX; numbers = end) {
        unsigned long gid = strtoul(numbers, &end, 10);
        if (end == numbers)
            return;
        user->groups[user->group_count++] = (gid_t)gid;
    }
}

bool doctor_user_of(pid_t pid, struct doctor_user *user) {
    char path[64], line[1024];
    unsigned uid, gid;
    bool known = false;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    *user = (struct doctor_user){0};
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Uid: %*u %u", &uid) == 1) {
            user->uid = uid;
            known = true;
        } else if (sscanf(line, "Gid: %*u %u", &gid) == 1) {
            user->groups[user->group_count++] = gid;
        } else if (strncmp(line, "Groups:", 7) == 0) {
            add_groups(user, line + 7);
        }
    }
    if (file != NULL)
        fclose(file);
    const struct passwd *entry = known ? getpwuid(user->uid) : NULL;
    if (entry != NULL)
        snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
    else
        snprintf(user->name, sizeof user->name, "%u", (unsigned)user->uid);
    return known;
}

const char *doctor_user_group(const struct doctor_user *user) {
    const struct group *group = user->group_count > 0 ? getgrgid(user->groups[0]) : NULL;
    return group != NULL ? group->gr_name : user->name;
}

static bool in_group(const struct doctor_user *user, gid_t group) {
    for (size_t i = 0; i < user->group_count; i++)
        if (user->groups[i] == group)
            return true;
    return false;
}

/* POSIX.1-2017 section 4.5: the first class that fits decides. */
static bool bits_allow(const struct doctor_user *user, const struct stat *st, int want) {
    unsigned bits = st->st_uid == user->uid      ? st->st_mode >> 6
                    : in_group(user, st->st_gid) ? st->st_mode >> 3
                                                 : st->st_mode;
    return user->uid == 0 || (bits & (unsigned)want & 7) == (unsigned)want;
}

bool doctor_user_may(struct arena *arena, const struct doctor_user *user, const char *path,
                     int want, const char **blocked) {
    struct stat st;
    char *part = arena_str(arena, path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (stat(part, &st) != 0 || !bits_allow(user, &st, X_OK)) {
            *blocked = part;
            return false;
        }
        *slash = '/';
    }
    *blocked = part;
    return stat(part, &st) == 0 && bits_allow(user, &st, want);
}
