#include "domain/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/account_check.h"
#include "domain/audit.h"
#include "domain/canon.h"
#include "domain/password.h"
#include "domain/throttle.h"

/* How often a change of a profile begins again because of another one at the same moment. */
#define PROFILE_TRIES 5
/* A hash that no password matches. */
#define NO_PASSWORD "*"

void field_errors_add(struct field_errors *errors, const char *field, const char *sentence) {
    if (sentence != NULL && errors->count < sizeof errors->list / sizeof *errors->list)
        errors->list[errors->count++] = (struct field_error){field, sentence};
}

static enum account_result taken(enum users_taken which) {
    return which == USERS_TAKEN_EMAIL ? ACCOUNT_EMAIL_TAKEN : ACCOUNT_USERNAME_TAKEN;
}

static enum account_result read_back(const struct realm *realm, struct arena *arena, int64_t id,
                                     struct user *user) {
    switch (users_by_id(realm->db, arena, id, user)) {
    case ANSWER_YES:
        return ACCOUNT_DONE;
    case ANSWER_NO:
        return ACCOUNT_NOT_FOUND;
    default:
        return ACCOUNT_UNKNOWN;
    }
}

void account_check(const struct realm *realm, const struct account_request *request,
                   struct field_errors *errors) {
    if (request->email != NULL)
        field_errors_add(errors, "email", check_email(request->email));
    if (request->username != NULL)
        field_errors_add(errors, "username", check_username(request->username));
    if (request->display_name != NULL)
        field_errors_add(errors, "displayName", check_display_name(request->display_name));
    if (request->password != NULL)
        field_errors_add(errors, "password",
                         password_refusal(realm->conf, request->password, request->password_len,
                                          request->email, request->username));
}

static struct user_names names_of(struct arena *arena, const struct account_request *request) {
    const char *username = request->username;
    return (struct user_names){.email = request->email,
                               .email_canonical = canon_email(arena, request->email),
                               .username = username,
                               .username_canonical =
                                   username != NULL ? canon_username(arena, username) : NULL,
                               .display_name = request->display_name};
}

static struct audit_note note_about(enum audit_event event, const struct user *user) {
    return (struct audit_note){.event = event, .user_id = user->id_text, .email = user->email};
}

static enum answer insert_recorded(const struct realm *realm, struct arena *arena,
                                   const struct user_names *names, const char *hash, int64_t *id,
                                   enum users_taken *which) {
    if (!audit_begin(realm))
        return ANSWER_UNKNOWN;
    enum answer answer = users_insert(realm->db, arena, names, hash, id, which);
    struct audit_note note = {
        .event = AUDIT_REGISTER,
        .user_id = answer == ANSWER_YES ? arena_printf(arena, "%lld", (long long)*id) : NULL,
        .email = names->email,
        .by_user = true,
        .details = names->username != NULL ? audit_details("username", names->username, NULL) : NULL};
    return audit_settle(realm, answer, &note);
}

enum account_result account_register(const struct realm *realm, struct arena *arena,
                                     const struct account_request *request, struct user *user,
                                     struct field_errors *errors) {
    char hash[PASSWORD_HASH_SIZE] = NO_PASSWORD;
    account_check(realm, request, errors);
    if (errors->count > 0)
        return ACCOUNT_INVALID;
    struct user_names names = names_of(arena, request);
    if (names.email_canonical == NULL) {
        field_errors_add(errors, "email", "must be at most 254 bytes");
        return ACCOUNT_INVALID;
    }
    if (request->password != NULL &&
        !password_hash(realm->conf, request->password, request->password_len, hash))
        return ACCOUNT_UNKNOWN;
    int64_t id;
    enum users_taken which;
    switch (insert_recorded(realm, arena, &names, hash, &id, &which)) {
    case ANSWER_NO:
        return taken(which);
    case ANSWER_UNKNOWN:
        return ACCOUNT_UNKNOWN;
    case ANSWER_YES:
        break;
    }
    enum account_result result = read_back(realm, arena, id, user);
    if (result == ACCOUNT_DONE)
        log_event("registered", F_STR("event", "register"), F_STR("user", user->id_text));
    return result;
}

static const char *changed_name(enum name_change change, const char *old, const char *new) {
    return change == NAME_KEPT ? old : change == NAME_SET ? new : NULL;
}

static enum answer set_profile_recorded(const struct realm *realm, struct arena *arena,
                                        const struct user *user, const struct profile_change *change,
                                        const struct user_names *names, bool *outdated) {
    bool renamed = change->username_change != NAME_KEPT;
    if (!audit_begin(realm))
        return ANSWER_UNKNOWN;
    enum answer answer = users_set_profile(realm->db, arena, user, names, outdated);
    struct audit_note note = note_about(AUDIT_PROFILE_CHANGE, user);
    note.details = audit_details(
        "displayName", change->display_name_change != NAME_KEPT ? "changed" : NULL,
        "usernameBefore", renamed ? user->username : NULL,
        "username", renamed ? names->username : NULL, NULL);
    return audit_settle(realm, answer == ANSWER_YES && *outdated ? ANSWER_NO : answer, &note);
}

/* What is not changed stays as it is, which is why the user is read first; *outdated: they were changed
 * since, by a request at the same moment, and that is not to be undone. */
static enum account_result try_profile(const struct realm *realm, struct arena *arena, int64_t id,
                                       const struct profile_change *change, struct user *user,
                                       bool *outdated) {
    *outdated = false;
    enum account_result result = read_back(realm, arena, id, user);
    if (result != ACCOUNT_DONE)
        return result;
    struct account_request request = {
        .email = user->email,
        .username = changed_name(change->username_change, user->username, change->username),
        .display_name = changed_name(change->display_name_change, user->display_name,
                                     change->display_name)};
    struct user_names names = names_of(arena, &request);
    switch (set_profile_recorded(realm, arena, user, change, &names, outdated)) {
    case ANSWER_YES:
        return ACCOUNT_DONE;
    case ANSWER_NO:
        return *outdated ? ACCOUNT_UNKNOWN : ACCOUNT_USERNAME_TAKEN;
    default:
        return ACCOUNT_UNKNOWN;
    }
}

enum account_result account_change_profile(const struct realm *realm, struct arena *arena,
                                           int64_t id, const struct profile_change *change,
                                           struct user *user, struct field_errors *errors) {
    bool outdated = true;
    if (change->username_change == NAME_SET)
        field_errors_add(errors, "username", check_username(change->username));
    if (change->display_name_change == NAME_SET)
        field_errors_add(errors, "displayName", check_display_name(change->display_name));
    if (errors->count > 0)
        return ACCOUNT_INVALID;
    if (change->username_change == NAME_KEPT && change->display_name_change == NAME_KEPT)
        return read_back(realm, arena, id, user);
    enum account_result result = ACCOUNT_UNKNOWN;
    for (int tries = 0; outdated && tries < PROFILE_TRIES; tries++)
        result = try_profile(realm, arena, id, change, user, &outdated);
    if (result != ACCOUNT_DONE)
        return result;
    if (session_rename(realm, arena, id) == ANSWER_UNKNOWN)
        return ACCOUNT_UNKNOWN;
    log_event("profile changed", F_STR("event", "profile_change"), F_STR("user", user->id_text));
    return read_back(realm, arena, id, user);
}

/* The user's own password, asked for again; guesses count as they do at login. */
static enum account_result confirm(const struct realm *realm, struct arena *arena, int64_t id,
                                   const char *password, size_t len, const char *address,
                                   struct user *user, struct throttle_result *limit) {
    enum account_result result = read_back(realm, arena, id, user);
    if (result != ACCOUNT_DONE)
        return result;
    const char *name = canon_email(arena, user->email);
    struct throttle throttle = throttle_login_ask(realm, arena, address, name);
    cache_flush(realm->cache);
    enum answer allowed = throttle_answer(realm, &throttle, limit);
    if (allowed != ANSWER_YES)
        return allowed == ANSWER_NO ? ACCOUNT_LIMITED : ACCOUNT_UNKNOWN;
    if (!password_verify(realm->conf, password, len, user->password_hash)) {
        log_event("password not confirmed", F_STR("event", "confirm_refused"),
                 F_STR("user", user->id_text));
        struct audit_note note = note_about(AUDIT_CONFIRM_REFUSED, user);
        if (!audit_record(realm, &note))
            return ACCOUNT_UNKNOWN;
        return throttle_is_besieged(limit) ? ACCOUNT_LIMITED : ACCOUNT_WRONG_PASSWORD;
    }
    const char *other = user->username != NULL ? canon_username(arena, user->username) : NULL;
    throttle_forgive(realm, arena, address, name, other, limit);
    return ACCOUNT_DONE;
}

static enum account_result end_others(const struct realm *realm, struct arena *arena,
                                      const struct user *user, const char *except) {
    int64_t ended;
    if (session_end_all(realm, arena, user->id_text, except, &ended) == ANSWER_YES)
        return ACCOUNT_DONE;
    log_error("a user's sessions could not be ended; end them with gatehousectl session revoke",
              F_STR("user", user->id_text));
    return ACCOUNT_UNKNOWN;
}

/*
 * Sessions end before and after the change: after, because of logins at the same moment; before, so
 * that an outage of Redis between the two leaves no thief signed in behind a new password.
 */
enum account_result account_change_password(const struct realm *realm, struct arena *arena,
                                            int64_t id, const struct password_change *change,
                                            struct field_errors *errors,
                                            struct throttle_result *limit) {
    struct user user;
    char hash[PASSWORD_HASH_SIZE];
    enum account_result result = confirm(realm, arena, id, change->old_password, change->old_len,
                                         change->address, &user, limit);
    if (result != ACCOUNT_DONE)
        return result;
    field_errors_add(errors, "newPassword",
                     password_refusal(realm->conf, change->new_password, change->new_len,
                                      user.email, user.username));
    if (errors->count > 0)
        return ACCOUNT_INVALID;
    if (!password_hash(realm->conf, change->new_password, change->new_len, hash) ||
        end_others(realm, arena, &user, change->sid) != ACCOUNT_DONE)
        return ACCOUNT_UNKNOWN;
    struct audit_note note = note_about(AUDIT_PASSWORD_CHANGE, &user);
    if (!audit_begin(realm))
        return ACCOUNT_UNKNOWN;
    enum answer changed = users_change_password(realm->db, arena, id, user.password_hash, hash);
    changed = audit_settle(realm, changed, &note);
    if (changed != ANSWER_YES)
        return changed == ANSWER_NO ? ACCOUNT_WRONG_PASSWORD : ACCOUNT_UNKNOWN;
    log_event("password changed", F_STR("event", "password_change"), F_STR("user", user.id_text));
    return end_others(realm, arena, &user, change->sid);
}

enum account_result account_delete_own(const struct realm *realm, struct arena *arena, int64_t id,
                                       const char *password, size_t len, const char *address,
                                       struct throttle_result *limit) {
    struct user user;
    enum account_result result = confirm(realm, arena, id, password, len, address, &user, limit);
    return result == ACCOUNT_DONE ? account_delete(realm, arena, &user) : result;
}

#define ID_DIGITS_MAX 18

enum answer account_find(const struct realm *realm, struct arena *arena, const char *name,
                         struct user *user) {
    if (strchr(name, '@') != NULL) {
        const char *canonical = canon_email(arena, name);
        return canonical != NULL ? users_by_email(realm->db, arena, canonical, user) : ANSWER_NO;
    }
    /* Never a username, which anybody can choose: where the id is nobody's (any more), what is done to it
     * must not be done to somebody else. */
    size_t digits = strspn(name, "0123456789");
    if (digits > 0 && name[digits] == '\0')
        return digits <= ID_DIGITS_MAX ? users_by_id(realm->db, arena, strtoll(name, NULL, 10), user)
                                       : ANSWER_NO;
    return users_by_username(realm->db, arena, canon_username(arena, name), user);
}

/* What a change that matched nobody, or could not be made, comes to. */
static enum account_result changed(enum answer answer) {
    return answer == ANSWER_YES  ? ACCOUNT_DONE
           : answer == ANSWER_NO ? ACCOUNT_NOT_FOUND
                                 : ACCOUNT_UNKNOWN;
}

/* Whoever has guessed at the account keeps its owner out no longer.  Asked at the next flush; where Redis
 * cannot be asked, a limit wears off by itself. */
static void lift_limits(const struct realm *realm, struct arena *arena, const struct user *user) {
    throttle_lift(realm, arena, canon_email(arena, user->email),
                  user->username != NULL ? canon_username(arena, user->username) : NULL);
}

enum account_result account_set_password(const struct realm *realm, struct arena *arena,
                                         const struct user *user, const char *password, size_t len,
                                         struct field_errors *errors) {
    char hash[PASSWORD_HASH_SIZE];
    field_errors_add(errors, "password",
                     password_refusal(realm->conf, password, len, user->email, user->username));
    if (errors->count > 0)
        return ACCOUNT_INVALID;
    if (!password_hash(realm->conf, password, len, hash))
        return ACCOUNT_UNKNOWN;
    struct audit_note note = note_about(AUDIT_PASSWORD_CHANGE, user);
    if (!audit_begin(realm))
        return ACCOUNT_UNKNOWN;
    enum account_result result =
        changed(audit_settle(realm, users_set_password(realm->db, arena, user->id, hash), &note));
    if (result != ACCOUNT_DONE)
        return result;
    log_event("password set", F_STR("event", "password_change"), F_STR("user", user->id_text));
    lift_limits(realm, arena, user);
    return end_others(realm, arena, user, NULL);
}

enum account_result account_set_disabled(const struct realm *realm, struct arena *arena,
                                         const struct user *user, bool disabled) {
    struct audit_note note = note_about(disabled ? AUDIT_USER_DISABLE : AUDIT_USER_ENABLE, user);
    if (!audit_begin(realm))
        return ACCOUNT_UNKNOWN;
    enum account_result result = changed(
        audit_settle(realm, users_set_disabled(realm->db, arena, user->id, disabled), &note));
    if (result != ACCOUNT_DONE)
        return result;
    log_event(disabled ? "user disabled" : "user enabled",
              F_STR("event", disabled ? "user_disable" : "user_enable"),
              F_STR("user", user->id_text));
    if (disabled)
        return end_others(realm, arena, user, NULL);
    lift_limits(realm, arena, user);
    cache_flush(realm->cache);
    return ACCOUNT_DONE;
}

enum account_result account_delete(const struct realm *realm, struct arena *arena,
                                   const struct user *user) {
    struct audit_note note = note_about(AUDIT_USER_DELETE, user);
    if (end_others(realm, arena, user, NULL) != ACCOUNT_DONE || !audit_begin(realm))
        return ACCOUNT_UNKNOWN;
    enum account_result result =
        changed(audit_settle(realm, users_delete(realm->db, arena, user->id), &note));
    if (result != ACCOUNT_DONE)
        return result;
    log_event("user deleted", F_STR("event", "user_delete"), F_STR("user", user->id_text));
    return end_others(realm, arena, user, NULL);
}

const char *account_role_fault(const char *role) {
    return check_role(role);
}

static bool may_have_more_roles(const struct realm *realm, struct arena *arena, int64_t id,
                                const char *role) {
    struct user user;
    return users_by_id(realm->db, arena, id, &user) != ANSWER_YES ||
           strlen(user.roles) + 1 + strlen(role) <= ACCOUNT_ROLES_MAX;
}

enum account_result account_set_role(const struct realm *realm, struct arena *arena,
                                     const struct user *user, const char *role, bool has) {
    int64_t id = user->id;
    if (has && !may_have_more_roles(realm, arena, id, role))
        return ACCOUNT_INVALID;
    if (!audit_begin(realm))
        return ACCOUNT_UNKNOWN;
    struct audit_note note = note_about(AUDIT_ROLE_CHANGE, user);
    note.details = audit_details("role", role, "change", has ? "given" : "taken", NULL);
    enum answer set = has ? users_add_role(realm->db, arena, id, role)
                          : users_remove_role(realm->db, arena, id, role);
    enum account_result result = changed(audit_settle(realm, set, &note));
    if (result != ACCOUNT_DONE)
        return result;
    log_event(has ? "role given" : "role taken", F_STR("event", "role_change"),
             F_INT("user", id), F_STR("role", role));
    return session_rename(realm, arena, id) == ANSWER_UNKNOWN ? ACCOUNT_UNKNOWN : ACCOUNT_DONE;
}
