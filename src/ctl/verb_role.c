#include <string.h>

#include "ctl/ctl.h"
#include "ctl/user_show.h"

/* Whether roles, separated by commas, has role. */
static bool has_role(const char *roles, const char *role) {
    size_t len = strlen(role);
    for (const char *at = roles; *at != '\0'; at += strspn(at, ",")) {
        size_t word = strcspn(at, ",");
        if (word == len && strncmp(at, role, len) == 0)
            return true;
        at += word;
    }
    return false;
}

static bool is_change(const char *operand) {
    return operand[0] == '+' || operand[0] == '-';
}

/* Roles to set, or changes to make: not both, and each one sane. */
static int check(const struct ctl *ctl) {
    size_t changes = 0, count = ctl->operand_count - 1;
    for (size_t i = 1; i <= count; i++) {
        bool change = is_change(ctl->operands[i]);
        changes += change;
        if (account_role_fault(ctl->operands[i] + change) != NULL)
            return role_is_bad(ctl->operands[i] + change);
    }
    if (changes != 0 && changes != count)
        return fail(CTL_USAGE, "give either the roles that the user is to have, or +ROLE and -ROLE "
                               "to add and remove some");
    return CTL_DONE;
}

/* What was so already is no error: the same command may be given twice. */
static int set_role(struct ctl *ctl, const struct user *user, const char *role, bool has,
                    bool *changed) {
    enum account_result result = account_set_role(&ctl->realm, ctl->arena, user, role, has);
    if (result == ACCOUNT_NOT_FOUND)
        return CTL_DONE;
    if (result == ACCOUNT_INVALID)
        return fail(CTL_REFUSED, "all roles together would be longer than 1 KiB; take others away first");
    *changed |= result == ACCOUNT_DONE;
    return account_outcome(ctl, result, user->id_text, NULL);
}

static int make_changes(struct ctl *ctl, const struct user *user, bool *changed) {
    int code = CTL_DONE;
    for (size_t i = 1; code == CTL_DONE && i < ctl->operand_count; i++)
        code = set_role(ctl, user, ctl->operands[i] + 1, ctl->operands[i][0] == '+', changed);
    return code;
}

static bool is_wanted(const struct ctl *ctl, const char *role) {
    for (size_t i = 1; i < ctl->operand_count; i++)
        if (strcmp(ctl->operands[i], role) == 0)
            return true;
    return false;
}

/* First what is to go: at no moment does the user have more than before or after. */
static int set_exactly(struct ctl *ctl, const struct user *user, bool *changed) {
    int code = CTL_DONE;
    char *rest = arena_str(ctl->arena, user->roles);
    for (char *role = strtok_r(rest, ",", &rest); code == CTL_DONE && role != NULL;
         role = strtok_r(NULL, ",", &rest))
        if (!is_wanted(ctl, role))
            code = set_role(ctl, user, role, false, changed);
    for (size_t i = 1; code == CTL_DONE && i < ctl->operand_count; i++)
        if (!has_role(user->roles, ctl->operands[i]))
            code = set_role(ctl, user, ctl->operands[i], true, changed);
    return code;
}

int verb_user_role(struct ctl *ctl) {
    struct user user;
    bool changed = false;
    int code = check(ctl);
    if (code != CTL_DONE || (code = find_user(ctl, ctl->operands[0], &user)) != CTL_DONE)
        return code;
    if (ctl->operand_count > 1) {
        code = is_change(ctl->operands[1]) ? make_changes(ctl, &user, &changed)
                                           : set_exactly(ctl, &user, &changed);
        /* An outage may have kept the sessions from hearing of an earlier change. */
        if (code == CTL_DONE && !changed &&
            session_rename(&ctl->realm, ctl->arena, user.id) == ANSWER_UNKNOWN)
            code = store_failed(ctl);
        if (code == CTL_DONE)
            code = find_user(ctl, user.id_text, &user);
    }
    if (code == CTL_DONE)
        show_outcome(ctl, &user,
                     user.roles[0] != '\0'
                         ? arena_printf(ctl->arena, "has the roles %s", user.roles)
                         : "has no roles");
    return code;
}
