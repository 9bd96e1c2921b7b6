#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/user_show.h"

#define PAGE_MAX 1000

int verb_user_list(struct ctl *ctl) {
    const char *after_text = args_option(ctl, "--after"), *limit_text = args_option(ctl, "--limit");
    int64_t after = 0, limit = 100;
    size_t count;
    if (after_text != NULL && !number_read(after_text, 0, INT64_MAX, &after))
        return fail(CTL_USAGE, "--after is the id of the last user seen, not \"%s\"", after_text);
    if (limit_text != NULL && !number_read(limit_text, 1, PAGE_MAX, &limit))
        return fail(CTL_USAGE, "--limit is 1 to %d, not \"%s\"", PAGE_MAX, limit_text);
    /* One more than is shown tells whether there is a next page. */
    const struct user *users = users_list(ctl->realm.db, ctl->arena, after, limit + 1, &count);
    if (users == NULL)
        return store_failed(ctl);
    bool more = count > (size_t)limit;
    show_users(ctl, users, more ? (size_t)limit : count, more);
    return CTL_DONE;
}

int verb_user_show(struct ctl *ctl) {
    struct user user;
    int code = find_user(ctl, ctl->operands[0], &user);
    if (code == CTL_DONE)
        show_user(ctl, &user);
    return code;
}

static int give_roles(struct ctl *ctl, const struct user *user) {
    for (size_t i = 0; i < ctl->option_count; i++) {
        if (strcmp(ctl->options[i].name, "--role") != 0)
            continue;
        enum account_result result =
            account_set_role(&ctl->realm, ctl->arena, user, ctl->options[i].value, true);
        /* The same role twice is given once. */
        if (result != ACCOUNT_DONE && result != ACCOUNT_NOT_FOUND)
            return fail(CTL_NO_STORE,
                        "the user %s was added, but not all roles: give them with "
                        "gatehousectl user role when the stores answer",
                        user->id_text);
    }
    return CTL_DONE;
}

/* Before anything is written. */
static int check_roles(struct ctl *ctl) {
    for (size_t i = 0; i < ctl->option_count; i++)
        if (strcmp(ctl->options[i].name, "--role") == 0 &&
            account_role_fault(ctl->options[i].value) != NULL)
            return role_is_bad(ctl->options[i].value);
    return args_option(ctl, "--role") != NULL ? reach_redis(ctl) : CTL_DONE;
}

int verb_user_add(struct ctl *ctl) {
    struct user user;
    struct field_errors errors = {0};
    struct input password = {0};
    struct account_request request = {.email = ctl->operands[0],
                                      .username = args_option(ctl, "--username"),
                                      .display_name = args_option(ctl, "--name")};
    int code = check_roles(ctl);
    if (code == CTL_DONE && args_option(ctl, "--no-password") == NULL) {
        code = input_new_password(&password);
        request.password = password.bytes;
        request.password_len = password.len;
    }
    if (code != CTL_DONE)
        return code;
    enum account_result result =
        account_register(&ctl->realm, ctl->arena, &request, &user, &errors);
    input_free(&password);
    code = account_outcome(ctl, result, request.email, &errors);
    if (code == CTL_DONE)
        code = give_roles(ctl, &user);
    if (code == CTL_DONE)
        code = find_user(ctl, user.id_text, &user);
    if (code == CTL_DONE)
        show_outcome(ctl, &user, "added");
    return code;
}

int verb_user_passwd(struct ctl *ctl) {
    struct user user;
    struct field_errors errors = {0};
    struct input password;
    int code = find_user(ctl, ctl->operands[0], &user);
    if (code != CTL_DONE || (code = input_new_password(&password)) != CTL_DONE)
        return code;
    enum account_result result =
        account_set_password(&ctl->realm, ctl->arena, &user, password.bytes, password.len, &errors);
    input_free(&password);
    code = account_outcome(ctl, result, user.id_text, &errors);
    if (code == CTL_DONE)
        show_outcome(ctl, &user, "has a new password, and every session has ended");
    return code;
}

static int set_disabled(struct ctl *ctl, bool disabled) {
    struct user user;
    int code = find_user(ctl, ctl->operands[0], &user);
    if (code != CTL_DONE)
        return code;
    code = account_outcome(ctl, account_set_disabled(&ctl->realm, ctl->arena, &user, disabled),
                           user.id_text, NULL);
    user.disabled = disabled;
    if (code == CTL_DONE)
        show_outcome(ctl, &user,
                     disabled ? "is disabled, and every session has ended" : "is enabled");
    return code;
}

int verb_user_disable(struct ctl *ctl) {
    return set_disabled(ctl, true);
}

int verb_user_enable(struct ctl *ctl) {
    return set_disabled(ctl, false);
}

int verb_user_delete(struct ctl *ctl) {
    struct user user;
    int code = find_user(ctl, ctl->operands[0], &user);
    if (code != CTL_DONE)
        return code;
    const char *question = arena_printf(ctl->arena, "delete %s for ever? type yes:", user.email);
    if (args_option(ctl, "--yes") == NULL && !input_confirms(question))
        return fail(CTL_REFUSED, "nothing was deleted");
    code =
        account_outcome(ctl, account_delete(&ctl->realm, ctl->arena, &user), user.id_text, NULL);
    if (code == CTL_DONE)
        show_outcome(ctl, &user, "is deleted");
    return code;
}
