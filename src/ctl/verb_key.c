#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/service.h"
#include "domain/key_admin.h"

#define ALGS "HS256, HS384, HS512, RS256 or ES256"

/* What running services get to take up a change. */
#define TAKE_UP_MS 2000

/* What was done to the directory is done; whether the service can go on with it is another thing. */
static int check_directory(const struct ctl *ctl, const char *what) {
    char why[1024];
    struct keyring *ring = keyring_read(ctl->conf->token_keys, why, sizeof why);
    bool usable = ring != NULL;
    keyring_free(&ring);
    return usable ? CTL_DONE
                  : fail(CTL_BAD_CONF,
                         "%s, but gatehouse cannot use the directory as it is, and goes on with the "
                         "keys of before: %s", what, why);
}

/* How a service stands to the directory as it is. */
enum taken_up { TAKEN_UP, NOT_YET, GOES_BY_ANOTHER };

static enum taken_up taken_up(const json *service, const char *directory, uint64_t print) {
    const json *keys = service_object(service, "keys");
    const char *theirs = service_text(keys, "directory");
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)print);
    if (theirs[0] != '\0' && strcmp(theirs, directory) != 0)
        return GOES_BY_ANOTHER;
    return strcmp(service_text(keys, "print"), text) == 0 ? TAKEN_UP : NOT_YET;
}

/* Asks every service; another: the directory by which one goes that will never take this one up.  The
 * directory is looked at first: what changes behind this look is another's change. */
static enum taken_up ask_all(const struct ctl *ctl, int64_t within_ms, const char **another) {
    uint64_t print = key_dir_print(ctl->conf->token_keys);
    struct services services;
    services_ask(ctl, within_ms, &services);
    bool heard = services.silent == 0 && (services.error == 0 || services.error == ENOENT);
    enum taken_up all = heard ? TAKEN_UP : NOT_YET;
    for (size_t i = 0; i < services.count; i++) {
        enum taken_up one = taken_up(services.list[i], ctl->conf->token_keys, print);
        if (one == GOES_BY_ANOTHER)
            *another = arena_printf(
                ctl->arena, "%s", service_text(service_object(services.list[i], "keys"), "directory"));
        if (one == NOT_YET || all == TAKEN_UP)
            all = one;
    }
    services_free(&services);
    return all;
}

/* A service looks at the directory a few times a second.  What the verb says is true once each has
 * done so: a worker compares before each request.  False: it may not be true, and that was said. */
static bool await_services(const struct ctl *ctl) {
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int64_t until = clock_mono_ms() + TAKE_UP_MS, left = TAKE_UP_MS;
    const char *another = NULL;
    enum taken_up all;
    while ((all = ask_all(ctl, left, &another)) == NOT_YET && (left = until - clock_mono_ms()) > 0)
        nanosleep(&pause, NULL);
    if (all == GOES_BY_ANOTHER)
        fail(CTL_DONE, "warning: a running service goes by the keys in %s, not by those in %s; reload it",
             another, ctl->conf->token_keys);
    else if (all == NOT_YET)
        fail(CTL_DONE,
             "warning: a running service has not said within %d s that it has taken this up; see "
             "gatehousectl status and the log",
             TAKE_UP_MS / 1000);
    return all == TAKEN_UP;
}

/* After a change: the exit code, once every running service goes by it or has had its time.  in_force
 * (NULL: not wanted): whether each goes by it. */
static int changed_directory(const struct ctl *ctl, const char *what, bool *in_force) {
    int code = check_directory(ctl, what);
    bool all = code == CTL_DONE && await_services(ctl);
    if (in_force != NULL)
        *in_force = all;
    return code;
}

static int record_key(struct ctl *ctl, enum audit_event event, const char *kid, const char *name,
                      const char *value) {
    struct audit_note note = {.event = event,
                              .details = audit_details("kid", kid, name, value, NULL)};
    return record(ctl, &note);
}

static bool signs(const struct ctl *ctl, const char *kid) {
    struct key_scan scan;
    char why[1024];
    bool yes = key_scan(ctl->conf->token_keys, &scan, why, sizeof why) &&
               strcmp(scan.signing, kid) == 0;
    key_scan_free(&scan);
    return yes;
}

int verb_key_new(struct ctl *ctl) {
    enum key_alg alg = KEY_HS256;
    char kid[KID_MAX + 1], why[1024];
    const char *name = args_option(ctl, "--alg");
    if (name != NULL && !key_alg_read(name, &alg))
        return fail(CTL_USAGE, "--alg %s is not supported; use " ALGS, name);
    int code = record_ready(ctl);
    if (code != CTL_DONE)
        return code;
    if (!key_make(ctl->conf->token_keys, alg, kid, why, sizeof why))
        return fail(CTL_BAD_CONF, "no key was made: %s; see [token] keys in the configuration",
                    why);
    code = record_key(ctl, AUDIT_KEY_NEW, kid, "alg", key_alg_name(alg));
    if (code == CTL_DONE)
        code = changed_directory(ctl, "the key was made", NULL);
    if (code != CTL_DONE)
        return code;
    bool first = signs(ctl, kid);
    out_line(ctl, "%s", kid);
    out_line(ctl, first ? "It signs, since it is the first."
                        : "It is published and verifies; gatehousectl key rotate lets it sign.");
    json *answer = json_new_object();
    json_add_string(answer, "kid", kid);
    json_add_string(answer, "alg", key_alg_name(alg));
    json_add_bool(answer, "signs", first);
    out_json(ctl, answer);
    return CTL_DONE;
}

/* Whether only its public half is here. */
static bool is_public(const struct ctl *ctl, const struct key_entry *entry) {
    struct key key;
    char why[1024];
    if (entry->file[0] == '\0' ||
        !key_entry_read(ctl->conf->token_keys, entry, &key, why, sizeof why))
        return false;
    bool only = !key_can_sign(&key);
    key_clear(&key);
    return only;
}

static void list_entry(struct ctl *ctl, const struct key_scan *scan, const struct key_entry *entry,
                       struct table *table, json *list) {
    enum key_state state = key_entry_state(scan, entry, is_public(ctl, entry));
    const char *since = out_time(ctl->arena, key_entry_since(scan, entry, state));
    const char *const cells[] = {entry->kid, key_alg_name(entry->alg), key_state_name(state), since};
    json *item = json_new_object();
    table_row(table, cells);
    json_add_string(item, "kid", entry->kid);
    json_add_string(item, "alg", key_alg_name(entry->alg));
    json_add_string(item, "state", key_state_name(state));
    json_add_string(item, "since", since);
    json_append(list, item);
}

int verb_key_list(struct ctl *ctl) {
    static const char *const heads[] = {"KEY", "ALGORITHM", "STATE", "SINCE", NULL};
    struct key_scan scan;
    char why[1024];
    if (!key_scan(ctl->conf->token_keys, &scan, why, sizeof why)) {
        key_scan_free(&scan);
        return fail(CTL_BAD_CONF, "the keys cannot be listed: %s", why);
    }
    struct table table = table_new(ctl->arena, heads, scan.count);
    json *answer = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < scan.count; i++)
        list_entry(ctl, &scan, &scan.entries[i], &table, list);
    key_scan_free(&scan);
    table_print(ctl, &table);
    json_add(answer, "keys", list);
    out_json(ctl, answer);
    return check_directory(ctl, "this is what is there");
}

/* How long libraries keep the public keys, whatever they are told. */
#define KEPT_MS (5 * INT64_C(60000))

/* Others keep the public keys for a while, and refuse what they have never seen. */
static void tell_if_fresh(struct ctl *ctl, const char *kid) {
    int64_t kept = ctl->conf->token_jwks_max_age > KEPT_MS ? ctl->conf->token_jwks_max_age : KEPT_MS;
    struct key_scan scan;
    char why[1024];
    const struct key_entry *entry = NULL;
    if (key_scan(ctl->conf->token_keys, &scan, why, sizeof why))
        entry = key_scan_find(&scan, kid);
    if (entry != NULL && !key_alg_is_symmetric(entry->alg) &&
        clock_wall_ms() - entry->made_ns / 1000000 < kept)
        out_line(ctl, "It was published only a while ago: who verifies with the public keys and keeps "
                      "them may not know it yet.");
    key_scan_free(&scan);
}

static int key_failed(enum key_outcome outcome, const char *why) {
    return outcome == KEY_REFUSED ? fail(CTL_REFUSED, "%s", why)
                                  : fail(CTL_BAD_CONF, "%s; see [token] keys in the configuration",
                                         why);
}

int verb_key_rotate(struct ctl *ctl) {
    char now[KID_MAX + 1], before[KID_MAX + 1], why[1024];
    const char *kid = ctl->operand_count > 0 ? ctl->operands[0] : NULL;
    int code = record_ready(ctl);
    if (code != CTL_DONE)
        return code;
    enum key_outcome outcome =
        key_rotate(ctl->conf->token_keys, kid, now, before, why, sizeof why);
    if (outcome == KEY_REFUSED || outcome == KEY_FAILED)
        return key_failed(outcome, why);
    if (outcome == KEY_DONE)
        code = record_key(ctl, AUDIT_KEY_ROTATE, now, "before", before[0] != '\0' ? before : NULL);
    if (code == CTL_DONE)
        code = changed_directory(ctl, "the key was chosen", NULL);
    if (code != CTL_DONE)
        return code;
    if (outcome == KEY_NOTHING_TO_DO)
        out_line(ctl, "%s signs already.", now);
    else if (before[0] == '\0')
        out_line(ctl, "%s signs.", now);
    else
        out_line(ctl, "%s signs; %s verifies until it is retired.", now, before);
    if (outcome == KEY_DONE)
        tell_if_fresh(ctl, now);
    json *answer = json_new_object();
    json_add_string(answer, "signing", now);
    json_add_string(answer, "before", before[0] != '\0' ? before : NULL);
    json_add_bool(answer, "changed", outcome == KEY_DONE);
    out_json(ctl, answer);
    return CTL_DONE;
}

int verb_key_retire(struct ctl *ctl) {
    char why[1024];
    const char *kid = ctl->operands[0];
    bool in_force = false;
    int code = record_ready(ctl);
    if (code != CTL_DONE)
        return code;
    enum key_outcome outcome = key_retire(ctl->conf->token_keys, kid, why, sizeof why);
    if (outcome == KEY_REFUSED || outcome == KEY_FAILED)
        return key_failed(outcome, why);
    if (outcome == KEY_DONE)
        code = record_key(ctl, AUDIT_KEY_RETIRE, kid, NULL, NULL);
    if (code == CTL_DONE)
        code = changed_directory(ctl, "the key was retired", &in_force);
    if (code != CTL_DONE)
        return code;
    out_line(ctl, outcome != KEY_DONE ? "%s was retired before."
                  : in_force ? "%s is retired: whatever it signed is refused."
                             : "%s is retired.", kid);
    json *answer = json_new_object();
    json_add_string(answer, "kid", kid);
    json_add_bool(answer, "changed", outcome == KEY_DONE);
    out_json(ctl, answer);
    return CTL_DONE;
}
