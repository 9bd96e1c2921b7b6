/* What an administrator does is recorded in the audit trail, as what users do is. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/ctl.h"

/* "cli:root"; and through sudo "cli:root (anna)", since root is nobody in particular. */
static const char *actor_of(struct arena *arena) {
    const struct passwd *entry = getpwuid(getuid());
    const char *behind = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const char *name = entry != NULL ? entry->pw_name : arena_printf(arena, "%u", getuid());
    return behind != NULL && behind[0] != '\0'
               ? arena_printf(arena, "cli:%s (%.32s)", arena_str(arena, name), behind)
               : arena_printf(arena, "cli:%s", name);
}

void record_scene(struct ctl *ctl) {
    struct audit_scene scene = {.actor = actor_of(ctl->arena)};
    audit_set_scene(ctl->realm.audit, &scene);
}

/* For verbs that need no store themselves: so far only the configuration was read for them. */
static bool open_stores(struct ctl *ctl, char *why, size_t why_size) {
    static struct site_gates gates;
    if (ctl->site != NULL)
        return true;
    ctl->site = site_read(ctl_conf_path(ctl), SITE_WITHOUT_KEYS, why, why_size);
    if (ctl->site == NULL)
        return false;
    realm_open(&ctl->realm, ctl->site, &gates);
    record_scene(ctl);
    return true;
}

int record_ready(struct ctl *ctl) {
    char why[1024];
    if (ctl->conf->audit_mode != AUDIT_STRICT)
        return CTL_DONE;
    return open_stores(ctl, why, sizeof why) ? reach_database(ctl) : fail(CTL_BAD_CONF, "%s", why);
}

static void warn(const char *why) {
    fail(CTL_DONE, "warning: this was done, but not recorded in the audit trail: %s", why);
}

int record(struct ctl *ctl, const struct audit_note *note) {
    char why[1024];
    if (ctl->conf->audit_mode == AUDIT_OFF || !open_stores(ctl, why, sizeof why)) {
        if (ctl->conf->audit_mode != AUDIT_OFF)
            warn(why);
        json_free(note->details);
        return CTL_DONE;
    }
    return audit_record(&ctl->realm, note) ? CTL_DONE
                                           : fail(CTL_NO_STORE,
                                                  "this was done, but could not be recorded in the "
                                                  "audit trail, as [audit] mode = "
                                                  "strict wants it: %s",
                                                  db_why(ctl->realm.db));
}

void record_finish(struct ctl *ctl) {
    audit_flush(&ctl->realm);
    /* With strict the verb has said so itself, and was not done. */
    if (audit_lost(&ctl->realm) > 0 && ctl->conf->audit_mode != AUDIT_STRICT)
        warn(db_why(ctl->realm.db));
}
