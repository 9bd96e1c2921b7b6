#include "ctl/user_show.h"

static json *user_as_json(const struct user *user) {
    json *object = json_new_object();
    json_add_string(object, "id", user->id_text);
    json_add_string(object, "email", user->email);
    json_add_string(object, "username", user->username);
    json_add_string(object, "displayName", user->display_name);
    json_add(object, "roles", json_new_words(user->roles));
    json_add_bool(object, "emailVerified", user->email_verified);
    json_add_bool(object, "disabled", user->disabled);
    json_add_string(object, "createdAt", user->created_at);
    json_add_string(object, "lastLoginAt", user->last_login_at);
    return object;
}

void show_user(struct ctl *ctl, const struct user *user) {
    out_pair(ctl, "id", user->id_text);
    out_pair(ctl, "email", user->email);
    out_pair(ctl, "username", user->username);
    out_pair(ctl, "name", user->display_name);
    out_pair(ctl, "roles", user->roles);
    out_pair(ctl, "verified", user->email_verified ? "yes" : "no");
    out_pair(ctl, "disabled", user->disabled ? "yes" : "no");
    out_pair(ctl, "created", user->created_at);
    out_pair(ctl, "last login", user->last_login_at);
    out_json(ctl, user_as_json(user));
}

void show_users(struct ctl *ctl, const struct user *users, size_t count, bool more) {
    static const char *const heads[] = {"ID",    "EMAIL", "USERNAME",   "NAME",
                                        "STATE", "ROLES", "LAST LOGIN", NULL};
    struct table table = table_new(ctl->arena, heads, count);
    json *answer = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < count; i++) {
        const struct user *user = &users[i];
        const char *cells[] = {user->id_text,
                               user->email,
                               user->username,
                               user->display_name,
                               user->disabled ? "disabled" : "enabled",
                               user->roles,
                               user->last_login_at};
        table_row(&table, cells);
        json_append(list, user_as_json(user));
    }
    const char *last = more ? users[count - 1].id_text : NULL;
    if (count > 0)
        table_print(ctl, &table);
    else
        out_line(ctl, "no users");
    if (more)
        out_line(ctl, "There are more: gatehousectl user list --after %s", last);
    json_add(answer, "users", list);
    json_add_string(answer, "next", last);
    out_json(ctl, answer);
}

void show_outcome(struct ctl *ctl, const struct user *user, const char *what) {
    out_line(ctl, "user %s %s %s", user->id_text, user->email, what);
    out_json(ctl, user_as_json(user));
}

int role_is_bad(const char *role) {
    return fail(CTL_REFUSED, "the role \"%s\" %s", role, account_role_fault(role));
}
